import path from "node:path";
import { Worker } from "node:worker_threads";

import { codeOf, messageOf } from "../../core/error-code";
import { permissionError } from "../../core/permission";
import { SparseRerankError } from "../../errors";
import type { TokenizerOptions } from "../files/compile";
import type { TokenizerDefinition } from "../pipeline/definition";
import type { TokenBatch } from "../pipeline/token-batch";
import { failureError } from "./protocol";
import type { WorkerMessage, WorkerReply } from "./protocol";

interface PendingRequest {
  readonly message: WorkerMessage;
  /** The worker must have it open. */
  readonly tokenizer: RemoteTokenizer | undefined;
  /** Milliseconds that it may take once its turn has come. */
  readonly timeLimit: number | undefined;
  /** Nobody waits for the result any more. */
  abandoned: boolean;
  resolve(result: TokenizerDefinition | TokenBatch): void;
  reject(error: SparseRerankError): void;
}

/** A request under way. */
export interface RemoteBatch {
  readonly result: Promise<TokenBatch>;
  /** The result is not wanted. */
  readonly abandon: () => void;
}

/** Reading the largest tokenizers takes some seconds. */
const COMPILE_LIMIT = 120_000;
/** How long a worker may go on with what nobody waits for, before it is ended. Another takes some 0.1 s to start. */
const ABANDONED_LIMIT = 2000;

/** A tokenizer as the worker knows it. */
export interface RemoteTokenizer {
  readonly id: number;
  readonly definition: TokenizerDefinition;
}

/**
 * The JS thread's side of one tokenization worker, which its first request starts. While no request is under way the worker does not keep the
 * process alive. If it dies, what it was working on fails, and the next request starts another. A worker that does not come to an end with a
 * request, in its time limit or soon after it was abandoned, is ended; another one gets the other requests.
 */
export class WorkerClient {
  readonly #stays: boolean;
  #worker: Worker | undefined;
  /** Tokenizers that the worker has; those of a dead worker are gone with it. */
  readonly #open = new Set<number>();
  readonly #pending = new Map<number, PendingRequest>();
  #lastRequest = 0;
  #slices = 0;
  /** For the request that the worker is working on: the oldest. */
  #timer: NodeJS.Timeout | undefined;
  #timed: PendingRequest | undefined;

  /** @param options.stays whether the thread outlives the last tokenizer: it takes some 60 MB, and 0.1 s to start */
  constructor({ stays }: { readonly stays: boolean }) {
    this.#stays = stays;
  }

  /** How many are under way. */
  get requests(): number {
    return this.#pending.size;
  }

  /** How many of them encode. */
  get slices(): number {
    return this.#slices;
  }

  async compile(options: TokenizerOptions): Promise<TokenizerDefinition> {
    const { result } = this.#request((request) => ({ type: "compile", request, options }), undefined, COMPILE_LIMIT);
    return (await result) as TokenizerDefinition;
  }

  /** @param timeLimit milliseconds; undefined for none */
  encode(
    tokenizer: RemoteTokenizer,
    texts: readonly string[],
    pairs: boolean,
    addSpecialTokens: boolean,
    timeLimit: number | undefined,
  ): RemoteBatch {
    this.#slices++;
    const { result, abandon } = this.#request(
      (request) => ({ type: "encode", request, tokenizer: tokenizer.id, texts, pairs, addSpecialTokens }),
      tokenizer,
      timeLimit,
    );
    const settled = result.finally(() => this.#slices--);
    return { result: settled as Promise<TokenBatch>, abandon };
  }

  close(tokenizer: number): void {
    if (!this.#open.delete(tokenizer)) return;
    this.#post({ type: "close", tokenizer });
    this.#rest();
  }

  #requireOpen({ id, definition }: RemoteTokenizer): void {
    if (this.#open.has(id)) return;
    this.#post({ type: "open", tokenizer: id, definition });
    this.#open.add(id);
  }

  #request(
    message: (request: number) => WorkerMessage,
    tokenizer: RemoteTokenizer | undefined,
    timeLimit: number | undefined,
  ): { readonly result: Promise<TokenizerDefinition | TokenBatch>; readonly abandon: () => void } {
    const request = ++this.#lastRequest;
    const result = new Promise<TokenizerDefinition | TokenBatch>((resolve, reject) => {
      const pending = { message: message(request), tokenizer, timeLimit, abandoned: false, resolve, reject };
      this.#send(pending);
      this.#pending.set(request, pending);
      this.#watch();
    });
    const abandon = (): void => {
      const pending = this.#pending.get(request);
      if (pending === undefined) return;
      pending.abandoned = true;
      this.#watch();
    };
    return { result, abandon };
  }

  #send({ message, tokenizer }: PendingRequest): void {
    if (tokenizer !== undefined) this.#requireOpen(tokenizer);
    this.#post(message);
  }

  /** Whenever a request has come, has settled or was abandoned. */
  #watch(): void {
    const [current] = this.#pending.values();
    if (current === undefined) this.#worker?.unref();
    else this.#worker?.ref();
    const limit = current?.abandoned === true ? ABANDONED_LIMIT : current?.timeLimit;
    if (current === this.#timed && current?.abandoned !== true) return;
    clearTimeout(this.#timer);
    this.#timed = current;
    if (limit === undefined) return;
    this.#timer = setTimeout(() => {
      this.#replace();
    }, limit).unref();
  }

  /** Ends the worker and what it is working on. The other requests go to a new one. */
  #replace(): void {
    const [request, current] = this.#pending.entries().next().value ?? [];
    if (request === undefined || current === undefined) return;
    void this.#worker?.terminate();
    this.#worker = undefined;
    this.#open.clear();
    this.#pending.delete(request);
    current.reject(
      new SparseRerankError(
        "ERR_TOO_LARGE",
        `Tokenization was ended after ${String((current.timeLimit ?? 0) / 1000)} s, its limit: a pattern of the tokenizer may backtrack without end.`,
      ),
    );
    for (const [other, pending] of [...this.#pending]) {
      try {
        this.#send(pending);
      } catch (error) {
        this.#pending.delete(other);
        pending.reject(error as SparseRerankError);
      }
    }
    this.#watch();
  }

  #post(message: WorkerMessage): void {
    this.#worker ??= this.#start();
    this.#worker.postMessage(message);
  }

  #start(): Worker {
    let worker: Worker;
    try {
      // Flags and preloaded modules of the main thread are none of its business.
      worker = new Worker(path.join(__dirname, "tokenization-worker.js"), { name: "sparse-rerank tokenization", execArgv: [] });
    } catch (cause) {
      const forbidden = permissionError(cause);
      if (forbidden !== undefined) throw forbidden;
      throw new SparseRerankError("ERR_INTERNAL", `The tokenization worker thread cannot be started: ${messageOf(cause)}`, { cause });
    }
    worker.unref();
    worker.on("message", (reply: WorkerReply) => {
      this.#settle(reply);
    });
    worker.on("messageerror", (cause) => {
      this.#fail(worker, cause);
    });
    worker.on("error", (cause) => {
      this.#fail(worker, cause);
    });
    worker.on("exit", (code) => {
      this.#fail(worker, new Error(`exit code ${String(code)}`));
    });
    return worker;
  }

  #settle(reply: WorkerReply): void {
    const pending = this.#pending.get(reply.request);
    this.#pending.delete(reply.request);
    this.#watch();
    this.#rest();
    if ("failure" in reply) pending?.reject(failureError(reply.failure));
    else pending?.resolve(reply.result);
  }

  /** Whenever requests or tokenizers have become fewer. */
  #rest(): void {
    if (this.#pending.size > 0) return;
    if (this.#stays || this.#open.size > 0) return;
    void this.#worker?.terminate();
    this.#worker = undefined;
  }

  /** Everything that the worker had is lost. An error is followed by an exit, for which nothing is left to do. */
  #fail(worker: Worker, cause: unknown): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    this.#open.clear();
    const lost = [...this.#pending.values()];
    this.#pending.clear();
    this.#watch();
    const code = codeOf(cause) === "ERR_WORKER_OUT_OF_MEMORY" ? "ERR_TOO_LARGE" : "ERR_INTERNAL";
    for (const pending of lost) {
      pending.reject(new SparseRerankError(code, `The tokenization worker thread has ended: ${messageOf(cause)}`, { cause }));
    }
  }
}
