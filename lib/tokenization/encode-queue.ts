import { abortError } from "../internal/abort";
import { concatBatches } from "./token-batch";
import type { TokenBatch } from "./token-batch";
import { tokenizationWorker } from "./worker-client";
import type { RemoteTokenizer } from "./worker-client";

/** What goes to the worker at once: up to so many UTF-16 units (but at least one text or pair) and so many texts. */
const SLICE_UNITS = 1 << 18;
const SLICE_TEXTS = 4096;
/** One slice is worked on while the next one waits: memory stays bounded, and an aborted call has little left in the worker. */
const SLICES_IN_WORKER = 2;

export interface EncodeRequest {
  readonly tokenizer: RemoteTokenizer;
  /** For pairs: first and second texts in turn. */
  readonly texts: readonly string[];
  readonly pairs: boolean;
  readonly addSpecialTokens: boolean;
}

/** A call in progress. */
class Call {
  readonly request: EncodeRequest;
  readonly #resolve: (batch: TokenBatch) => void;
  readonly #reject: (error: unknown) => void;
  readonly #batches: TokenBatch[] = [];
  #next = 0;
  #slicesOut = 0;
  #settled = false;

  constructor(request: EncodeRequest, resolve: (batch: TokenBatch) => void, reject: (error: unknown) => void) {
    this.request = request;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** Some of its texts have not gone to the worker yet, and somebody still wants them. */
  get hasMore(): boolean {
    return !this.#settled && this.#next < this.request.texts.length;
  }

  takeSlice(): readonly string[] {
    const { texts, pairs } = this.request;
    const begin = this.#next;
    const limit = Math.min(begin + SLICE_TEXTS, texts.length);
    let units = 0;
    do {
      units += (texts[this.#next] ?? "").length + (pairs ? (texts[this.#next + 1] ?? "").length : 0);
      this.#next += pairs ? 2 : 1;
    } while (this.#next < limit && units < SLICE_UNITS);
    this.#slicesOut++;
    return texts.slice(begin, this.#next);
  }

  /** Batches come in the order of the slices: there is one worker. */
  add(batch: TokenBatch): void {
    this.#slicesOut--;
    if (this.#settled) return;
    this.#batches.push(batch);
    if (this.hasMore || this.#slicesOut > 0) return;
    this.#settled = true;
    this.#resolve(concatBatches(this.#batches));
  }

  fail(error: unknown): void {
    this.#settled = true;
    this.#batches.length = 0;
    this.#reject(error);
  }
}

const calls = new Set<Call>();
/** Calls that may have more to send, in the order of their turns. */
const turns: Call[] = [];
let slicesInWorker = 0;

/** Encodes in the worker. Calls take turns, slice by slice, so that a short one does not wait for the end of a long one. */
export async function encodeInWorker(request: EncodeRequest, signal: AbortSignal | undefined): Promise<TokenBatch> {
  let abort: (() => void) | undefined;
  let call: Call | undefined;
  try {
    return await new Promise<TokenBatch>((resolve, reject) => {
      const started = new Call(request, resolve, reject);
      call = started;
      calls.add(started);
      turns.push(started);
      if (signal !== undefined) {
        abort = () => {
          started.fail(abortError(signal));
        };
        signal.addEventListener("abort", abort);
      }
      sendSlices();
    });
  } finally {
    if (abort !== undefined) signal?.removeEventListener("abort", abort);
    if (call !== undefined) calls.delete(call);
  }
}

/** Rejects the calls of a tokenizer and lets the worker forget it. */
export function closeInWorker(tokenizer: number, error: unknown): void {
  for (const call of calls) if (call.request.tokenizer.id === tokenizer) call.fail(error);
  tokenizationWorker.close(tokenizer);
}

function sendSlices(): void {
  while (slicesInWorker < SLICES_IN_WORKER) {
    const call = turns.shift();
    if (call === undefined) return;
    if (!call.hasMore) continue;
    void sendSlice(call);
    turns.push(call);
  }
}

async function sendSlice(call: Call): Promise<void> {
  const { tokenizer, pairs, addSpecialTokens } = call.request;
  slicesInWorker++;
  try {
    call.add(await tokenizationWorker.encode(tokenizer, call.takeSlice(), pairs, addSpecialTokens));
  } catch (error) {
    call.fail(error);
  } finally {
    slicesInWorker--;
    sendSlices();
  }
}
