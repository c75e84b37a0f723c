/**
 * Computes once what all pairs of a query begin with: the beginning of the chat template, the instruction and, where the template puts it
 * first, the query (docs/decisions/0023). In causal attention the keys and values of these tokens do not depend on what follows.
 */

import { throwIfAborted } from "../core/abort";
import { SparseRerankError } from "../errors";
import { withCancel } from "../native/cancellation";
import type { NativeCancelToken, NativePrefix, NativeSequences } from "../native/contract";
import { native } from "../native/load";
import type { TokenBatch } from "../tokenization/pipeline/token-batch";
import { predictWork } from "./dynamic-batcher";
import { runBatch, scheduleOf } from "./run";
import type { RunOptions } from "./run";
import type { RunningTransformer } from "./start";

type Pair = readonly [query: string, document: string];

/**
 * Documents whose first characters a tokenizer treats differently: it merges some of them with the character before the document. What pairs
 * with all of these begin with, pairs with nearly every other document begin with too; others run whole.
 */
const PROBES = ["a", "0", "(", "\n"];

/** Fewer tokens take less time than a run of their own saves. */
const MIN_TOKENS = 8;

interface Shared {
  /** Pairs of the query that have not run yet. */
  left: number;
  prefix?: Promise<NativePrefix | undefined>;
}

/** The prefixes of one call: of each query that has several pairs, from its first pair to its last. */
export class SharedPrefixes {
  readonly #transformer: RunningTransformer;
  readonly #labels: number;
  readonly #tokenize: (pairs: readonly Pair[], signal: AbortSignal) => Promise<TokenBatch>;
  readonly #byQuery = new Map<string, Shared>();

  /** @param tokenize must not depend on other pairs */
  constructor(
    transformer: RunningTransformer,
    labels: number,
    pairs: readonly Pair[],
    tokenize: (pairs: readonly Pair[], signal: AbortSignal) => Promise<TokenBatch>,
  ) {
    this.#transformer = transformer;
    this.#labels = labels;
    this.#tokenize = tokenize;
    if (!transformer.continues) return;
    const counts = new Map<string, number>();
    for (const [query] of pairs) counts.set(query, (counts.get(query) ?? 0) + 1);
    for (const [query, left] of counts) if (left > 1) this.#byQuery.set(query, { left });
  }

  /** The logits of pairs, [pairs, labels]. Errors: those of the runs. */
  async predict(pairs: readonly Pair[], sequences: NativeSequences, options: RunOptions & { signal: AbortSignal }): Promise<Float32Array> {
    const work = predictWork(this.#transformer.model, this.#labels);
    const parts = this.#partsOf(pairs);
    const logits = new Float32Array(pairs.length * this.#labels);
    const run = async (query: string | undefined, members: readonly number[]): Promise<void> => {
      const prefix = query === undefined ? undefined : await this.#prefixOf(query, options);
      const part = parts.size === 1 ? sequences : selected(sequences, members);
      const predicted = await runBatch(this.#transformer, work, prefix === undefined ? part : { ...part, prefix }, options);
      for (const [i, member] of members.entries()) {
        logits.set(predicted.logits.subarray(i * this.#labels, (i + 1) * this.#labels), member * this.#labels);
      }
      if (query !== undefined) this.#done(query, members.length);
    };
    const ended = await Promise.allSettled(Array.from(parts, ([query, members]) => run(query, members)));
    const failed = ended.find((result) => result.status === "rejected");
    if (failed !== undefined) throw failed.reason;
    return logits;
  }

  /** Frees what the call keeps. Call once no run of it is left. */
  dispose(): void {
    for (const query of [...this.#byQuery.keys()]) this.#release(query);
  }

  /** The positions of the pairs of each query that shares a prefix; under undefined those of all others. */
  #partsOf(pairs: readonly Pair[]): Map<string | undefined, number[]> {
    const parts = new Map<string | undefined, number[]>();
    for (const [i, [query]] of pairs.entries()) {
      const key = this.#byQuery.has(query) ? query : undefined;
      const members = parts.get(key);
      if (members === undefined) parts.set(key, [i]);
      else members.push(i);
    }
    return parts;
  }

  #prefixOf(query: string, options: RunOptions & { signal: AbortSignal }): Promise<NativePrefix | undefined> {
    const shared = this.#byQuery.get(query);
    if (shared === undefined) return Promise.resolve(undefined);
    shared.prefix ??= this.#compute(query, options);
    return shared.prefix;
  }

  async #compute(query: string, options: RunOptions & { signal: AbortSignal }): Promise<NativePrefix | undefined> {
    const tokens = await this.#tokensOf(query, options.signal);
    if (tokens === undefined) return undefined;
    const prefix = new (native().Prefix)(tokens.ids);
    const keep = (cancel: NativeCancelToken | undefined): Promise<boolean> =>
      this.#transformer.model.keep(prefix, tokens.bytes, { ...scheduleOf(options), ...(cancel === undefined ? {} : { cancel }) });
    return (await withCancel(options.signal, keep)) ? prefix : undefined;
  }

  /** Undefined if there are too few, or if the model cannot read the probes. @returns bytes: working memory of their run */
  async #tokensOf(query: string, signal: AbortSignal): Promise<{ ids: Int32Array; bytes: number } | undefined> {
    try {
      const probes = PROBES.map((probe): Pair => [query, probe]);
      const ids = sharedBeginning(await this.#tokenize(probes, signal));
      if (ids.length < MIN_TOKENS) return undefined;
      const alone = { ids, offsets: Uint32Array.of(0, ids.length), truncated: new Uint32Array() };
      const [bytes = 0] = this.#transformer.admit(alone, () => query).bytes ?? [];
      return { ids, bytes };
    } catch (error) {
      throwIfAborted(signal);
      // The pairs themselves report it, if it concerns them.
      if (error instanceof SparseRerankError && error.code !== "ERR_DISPOSED") return undefined;
      throw error;
    }
  }

  #done(query: string, count: number): void {
    const shared = this.#byQuery.get(query);
    if (shared === undefined) return;
    shared.left -= count;
    if (shared.left === 0) this.#release(query);
  }

  #release(query: string): void {
    const { prefix } = this.#byQuery.get(query) ?? {};
    this.#byQuery.delete(query);
    prefix?.then(
      (computed) => computed?.dispose(),
      () => undefined,
    );
  }
}

/** The tokens that all sequences begin with, without the last one of the shortest: a run computes at least one token. */
export function sharedBeginning({ ids, offsets }: TokenBatch): Int32Array {
  const [first = new Int32Array(), ...others] = Array.from({ length: offsets.length - 1 }, (_, i) =>
    ids.subarray(offsets[i], offsets[i + 1]),
  );
  let count = first.length - 1;
  for (const other of others) {
    const differs = first.findIndex((id, i) => id !== other[i]);
    count = Math.min(count, other.length - 1, differs === -1 ? Infinity : differs);
  }
  return first.slice(0, Math.max(0, count));
}

function selected({ ids, offsets, typeIds, bytes }: NativeSequences, members: readonly number[]): NativeSequences {
  const lengthOf = (member: number): number => (offsets[member + 1] ?? 0) - (offsets[member] ?? 0);
  const chosen = new Uint32Array(members.length + 1);
  for (const [i, member] of members.entries()) chosen[i + 1] = (chosen[i] ?? 0) + lengthOf(member);
  const of = <T extends Int32Array | Uint8Array>(values: T, into: T): T => {
    for (const [i, member] of members.entries()) into.set(values.subarray(offsets[member], offsets[member + 1]), chosen[i]);
    return into;
  };
  const total = chosen[members.length] ?? 0;
  return {
    ids: of(ids, new Int32Array(total)),
    offsets: chosen,
    ...(typeIds === undefined ? {} : { typeIds: of(typeIds, new Uint8Array(total)) }),
    ...(bytes === undefined ? {} : { bytes: Float64Array.from(members, (member) => bytes[member] ?? 0) }),
  };
}
