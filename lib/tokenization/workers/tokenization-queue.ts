import { abortError, onAbort } from "../../core/abort";
import type { EncodeSettings } from "../pipeline/definition";
import { concatBatches } from "../pipeline/token-batch";
import type { TokenBatch } from "../pipeline/token-batch";
import type { RemoteBatch, RemoteTokenizer, WorkerClient } from "./worker-client";
import { workerPool } from "./worker-pool";

/** Time limit of a slice in milliseconds, and of each unit in it: ten times what any harmless pattern takes. */
const SLICE_LIMIT = 30_000;
const UNIT_LIMIT = 0.01;

/** A slice, the work sent to a worker in one message, has up to so many UTF-16 units (but at least one text or pair) and so many texts. */
const SLICE_UNITS = 1 << 18;
const SLICE_TEXTS = 4096;
/** Slices are never shrunk below this, about 7 ms of work, to give every worker one: a message with its reply costs about 0.1 ms. */
const SHARED_SLICE_UNITS = 1 << 15;
/** The worker encodes one slice while the next one waits: memory stays bounded, and an aborted call leaves little in the workers. */
const SLICES_IN_WORKER = 2;

export interface EncodeRequest {
  readonly tokenizer: RemoteTokenizer;
  /** The most workers that may encode for it at a time. */
  readonly workers: number;
  readonly texts: readonly string[];
  readonly settings: EncodeSettings;
  /** Whether slices get a time limit, because a pattern of the tokenizer has no bound on its time. */
  readonly limited: boolean;
}

interface Slice {
  readonly index: number;
  readonly texts: readonly string[];
}

/** A call in progress. */
class Call {
  readonly request: EncodeRequest;
  readonly #resolve: (batch: TokenBatch) => void;
  readonly #reject: (error: unknown) => void;
  readonly #sliceUnits: number;
  /** One per slice, in the order of the texts. Slices that are still out are holes. */
  readonly #batches: TokenBatch[] = [];
  #next = 0;
  #slices = 0;
  #slicesOut = 0;
  #settled = false;
  readonly #out = new Set<RemoteBatch>();

  constructor(request: EncodeRequest, resolve: (batch: TokenBatch) => void, reject: (error: unknown) => void) {
    this.request = request;
    this.#resolve = resolve;
    this.#reject = reject;
    const units = request.texts.reduce((sum, text) => sum + text.length, 0);
    this.#sliceUnits = Math.min(SLICE_UNITS, Math.max(SHARED_SLICE_UNITS, Math.ceil(units / request.workers)));
  }

  /** Whether some texts have not been sent to a worker and the caller still waits for them. */
  get hasMore(): boolean {
    return !this.#settled && this.#next < this.request.texts.length;
  }

  takeSlice(): Slice {
    const {
      texts,
      settings: { pairs },
    } = this.request;
    const begin = this.#next;
    const limit = Math.min(begin + SLICE_TEXTS, texts.length);
    let units = 0;
    do {
      units += (texts[this.#next] ?? "").length + (pairs ? (texts[this.#next + 1] ?? "").length : 0);
      this.#next += pairs ? 2 : 1;
    } while (this.#next < limit && units < this.#sliceUnits);
    this.#slicesOut++;
    return { index: this.#slices++, texts: texts.slice(begin, this.#next) };
  }

  /** Slices return in any order, since each worker has its own pace. */
  add(slice: Slice, batch: TokenBatch): void {
    this.#slicesOut--;
    if (this.#settled) return;
    this.#batches[slice.index] = batch;
    if (this.hasMore || this.#slicesOut > 0) return;
    this.#settled = true;
    this.#resolve(concatBatches(this.#batches));
  }

  /** Waits for a batch, unless the call fails first. */
  async wait(batch: RemoteBatch): Promise<TokenBatch> {
    this.#out.add(batch);
    try {
      return await batch.result;
    } finally {
      this.#out.delete(batch);
    }
  }

  fail(error: unknown): void {
    this.#settled = true;
    for (const batch of this.#out) batch.abandon();
    this.#batches.length = 0;
    this.#reject(error);
  }
}

const calls = new Set<Call>();
/** Calls that may have more to send, in turn order. */
const turns: Call[] = [];

/** Encodes in the workers. Calls take turns slice by slice, so that a short one does not wait for a long one to finish. */
export async function encodeInWorkers(request: EncodeRequest, signal: AbortSignal | undefined): Promise<TokenBatch> {
  let ignore = (): void => undefined;
  let call: Call | undefined;
  try {
    return await new Promise<TokenBatch>((resolve, reject) => {
      const started = new Call(request, resolve, reject);
      call = started;
      calls.add(started);
      turns.push(started);
      ignore = onAbort(signal, () => {
        if (signal !== undefined) started.fail(abortError(signal));
      });
      sendSlices();
    });
  } finally {
    ignore();
    if (call !== undefined) calls.delete(call);
  }
}

/** Rejects the calls of a tokenizer and makes the workers drop it. */
export function closeInWorkers(tokenizer: number, error: unknown): void {
  for (const call of calls) if (call.request.tokenizer.id === tokenizer) call.fail(error);
  workerPool.close(tokenizer);
}

function sendSlices(): void {
  /** Calls at the front whose workers are all busy; a later call may have more workers to choose from. */
  let waiting = 0;
  for (let call = turns[waiting]; call !== undefined; call = turns[waiting]) {
    const worker = workerPool.leastBusy(call.request.workers);
    if (call.hasMore && worker.slices >= SLICES_IN_WORKER) {
      waiting++;
      continue;
    }
    turns.splice(waiting, 1);
    if (!call.hasMore) continue;
    void sendSlice(call, worker);
    turns.push(call);
  }
}

async function sendSlice(call: Call, worker: WorkerClient): Promise<void> {
  const { tokenizer, settings, limited } = call.request;
  const slice = call.takeSlice();
  const limit = limited ? SLICE_LIMIT + UNIT_LIMIT * slice.texts.reduce((sum, text) => sum + text.length, 0) : undefined;
  try {
    call.add(slice, await call.wait(worker.encode(tokenizer, slice.texts, settings, limit)));
  } catch (error) {
    call.fail(error);
  } finally {
    sendSlices();
  }
}
