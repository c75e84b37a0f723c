/**
 * Dynamic batching for GPUs: texts of concurrent calls run together. A call starts at once if the GPU has room; those that arrive while it
 * is busy are merged into the next run, up to a number of tokens. On a CPU each text is a run of its own, so nothing is gained there.
 */

import { onAbort, orAborted } from "../core/abort";
import { withCancel } from "../native/cancellation";
import type { NativeCsr, NativeModel, NativePredictions, NativeRunOptions, NativeSequences } from "../native/contract";

/** What to do with sequences. Works with the same key on the same model can be merged. */
export interface Work<R> {
  readonly key: string;
  run(sequences: NativeSequences, options: NativeRunOptions): Promise<R>;
  /** The result of the sequences [begin, end). */
  slice(result: R, begin: number, end: number): R;
}

export function encodeWork(model: NativeModel, maxActiveDims: number): Work<NativeCsr> {
  return {
    key: String(maxActiveDims),
    run: (sequences, options) => model.encode(sequences, { ...options, maxActiveDims }),
    slice: ({ indptr, indices, values, times }, begin, end) => {
      const first = indptr[begin] ?? 0;
      const last = indptr[end] ?? 0;
      return {
        indptr: indptr.slice(begin, end + 1).map((offset) => offset - first),
        indices: indices.slice(first, last),
        values: values.slice(first, last),
        times,
      };
    },
  };
}

export function predictWork(model: NativeModel, labels: number): Work<NativePredictions> {
  return {
    key: "",
    run: (sequences, options) => model.predict(sequences, labels, options),
    slice: ({ logits, times }, begin, end) => ({ logits: logits.slice(begin * labels, end * labels), times }),
  };
}

/** Runs in progress: one on the GPU, one ready behind it. */
const RUNS_AT_ONCE = 2;

interface Waiting {
  readonly work: Work<unknown>;
  readonly sequences: NativeSequences;
  readonly options: NativeRunOptions;
  readonly signal: AbortSignal | undefined;
  readonly resolve: (result: never) => void;
  readonly reject: (error: unknown) => void;
}

export class DynamicBatcher {
  /** The most tokens of a merged run. */
  readonly #maxTokens: number;
  #waiting: Waiting[] = [];
  #running = 0;

  constructor(maxTokens: number) {
    this.#maxTokens = maxTokens;
  }

  /** Errors: ERR_ABORTED at once when the signal fires, those of the run. A sequence that fails fails only its own call. */
  run<R>(work: Work<R>, sequences: NativeSequences, options: NativeRunOptions, signal: AbortSignal | undefined): Promise<R> {
    if (sequences.ids.length > this.#maxTokens) return runAlone(work, sequences, options, signal);
    const done = new Promise<R>((resolve, reject) => {
      const entry: Waiting = { work, sequences, options, signal, resolve, reject };
      this.#waiting.push(entry);
      this.#start();
    });
    return signal === undefined ? done : orAborted(done, signal);
  }

  #start(): void {
    while (this.#running < RUNS_AT_ONCE && this.#waiting.length > 0) {
      this.#running++;
      void this.#runTogether(this.#take()).finally(() => {
        this.#running--;
        this.#start();
      });
    }
  }

  /** Removes the calls that were aborted, and those of the next run: the first of the highest priority, and those that fit beside it. */
  #take(): Waiting[] {
    const alive = this.#waiting.filter(({ signal }) => signal?.aborted !== true);
    const byPriority = alive.toSorted((a, b) => (b.options.priority ?? 0) - (a.options.priority ?? 0));
    const [first] = byPriority;
    const taken: Waiting[] = [];
    let tokens = 0;
    for (const entry of byPriority) {
      const more = entry.sequences.ids.length;
      if (entry.work.key !== first?.work.key || tokens + more > this.#maxTokens) continue;
      tokens += more;
      taken.push(entry);
    }
    this.#waiting = alive.filter((entry) => !taken.includes(entry));
    return taken;
  }

  async #runTogether(entries: readonly Waiting[]): Promise<void> {
    const [first] = entries;
    if (first === undefined) return;
    const { work, options } = first;
    const together = new AbortController();
    const abortIfAll = (): void => {
      if (entries.every(({ signal }) => signal?.aborted === true)) together.abort();
    };
    const ignored = entries.map(({ signal }) => onAbort(signal, abortIfAll));
    try {
      const result = await runAlone(work, concatenated(entries), { priority: options.priority ?? 0 }, together.signal);
      let begin = 0;
      for (const { sequences, resolve } of entries) {
        const end = begin + sequences.offsets.length - 1;
        resolve((entries.length === 1 ? result : work.slice(result, begin, end)) as never);
        begin = end;
      }
    } catch (error) {
      if (entries.length === 1) first.reject(error);
      else await Promise.all(entries.map((entry) => this.#runTogether([entry])));
    } finally {
      for (const ignore of ignored) ignore();
    }
  }
}

export function runAlone<R>(
  work: Work<R>,
  sequences: NativeSequences,
  options: NativeRunOptions,
  signal: AbortSignal | undefined,
): Promise<R> {
  return withCancel(signal, (cancel) => work.run(sequences, cancel === undefined ? options : { ...options, cancel }));
}

/** The sequences of all entries, in their order. */
function concatenated(entries: readonly Waiting[]): NativeSequences {
  const parts = entries.map(({ sequences }) => sequences);
  const [first] = parts;
  if (first !== undefined && parts.length === 1) return first;
  const total = parts.reduce((sum, { ids }) => sum + ids.length, 0);
  const count = parts.reduce((sum, { offsets }) => sum + offsets.length - 1, 0);
  const ids = new Int32Array(total);
  const offsets = new Uint32Array(count + 1);
  const typeIds = parts.some((part) => part.typeIds !== undefined) ? new Uint8Array(total) : undefined;
  // Sequences of one model all have estimates of their memory, or none has.
  const bytes = parts.every((part) => part.bytes !== undefined) ? new Float64Array(count) : undefined;
  let token = 0;
  let sequence = 0;
  for (const part of parts) {
    ids.set(part.ids, token);
    if (part.typeIds !== undefined) typeIds?.set(part.typeIds, token);
    if (part.bytes !== undefined) bytes?.set(part.bytes, sequence);
    for (const [i, offset] of part.offsets.entries()) offsets[sequence + i] = token + offset;
    token += part.ids.length;
    sequence += part.offsets.length - 1;
  }
  return { ids, offsets, ...(typeIds === undefined ? {} : { typeIds }), ...(bytes === undefined ? {} : { bytes }) };
}
