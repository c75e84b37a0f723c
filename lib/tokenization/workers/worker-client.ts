import path from "node:path";
import { Worker } from "node:worker_threads";

import { codeOf, messageOf } from "../../core/error-code";
import { permissionError } from "../../core/permission";
import { SparseRerankError } from "../../errors";
import type { TokenizerOptions } from "../files/compile";
import type { EncodeSettings, TokenizerDefinition } from "../pipeline/definition";
import type { TokenBatch } from "../pipeline/token-batch";
import { failureError } from "./protocol";
import type { WorkerMessage, WorkerReply } from "./protocol";

interface PendingRequest {
  readonly message: WorkerMessage;
  /** The tokenizer that the worker must have open. */
  readonly tokenizer: RemoteTokenizer | undefined;
  /** Time limit in milliseconds, from when its turn has come. */
  readonly timeLimit: number | undefined;
  /** Nobody waits for the result any longer. */
  abandoned: boolean;
  resolve(result: TokenizerDefinition | TokenBatch): void;
  reject(error: SparseRerankError): void;
}

/** A request in progress. */
export interface RemoteBatch {
  readonly result: Promise<TokenBatch>;
  /** Gives up the result. */
  readonly abandon: () => void;
}

/** Reading the largest tokenizers takes a few seconds. */
const COMPILE_LIMIT = 120_000;
/** How long a worker may spend on an abandoned request before it is terminated. Starting another takes about 0.1 s. */
const ABANDONED_LIMIT = 2000;

/** A tokenizer as the worker identifies it. */
export interface RemoteTokenizer {
  readonly id: number;
  readonly definition: TokenizerDefinition;
}

/**
 * The JS thread's side of one tokenization worker. The first request starts the worker; while no request is in progress, it does not keep
 * the process alive. If it dies, the request that it was working on fails, and the next request starts another. A worker that does not
 * finish a request within its time limit, or soon after it was abandoned, is terminated; another one gets the remaining requests.
 */
export class WorkerClient {
  readonly #stays: boolean;
  #worker: Worker | undefined;
  /** Tokenizers open in the worker; cleared when it dies. */
  readonly #open = new Set<number>();
  readonly #pending = new Map<number, PendingRequest>();
  #lastRequest = 0;
  #slices = 0;
  /** For the request that the worker is processing: the oldest. */
  #timer: NodeJS.Timeout | undefined;
  #timed: PendingRequest | undefined;

  /** @param options.stays whether the thread outlives the last tokenizer: it uses about 60 MB, and 0.1 s to start */
  constructor({ stays }: { readonly stays: boolean }) {
    this.#stays = stays;
  }

  /** Number of requests in progress. */
  get requests(): number {
    return this.#pending.size;
  }

  /** How many of them are slices to encode. */
  get slices(): number {
    return this.#slices;
  }

  async compile(options: TokenizerOptions): Promise<TokenizerDefinition> {
    const { result } = this.#request((request) => ({ type: "compile", request, options }), undefined, COMPILE_LIMIT);
    return (await result) as TokenizerDefinition;
  }

  /** @param timeLimit milliseconds; undefined for none */
  encode(tokenizer: RemoteTokenizer, texts: readonly string[], settings: EncodeSettings, timeLimit: number | undefined): RemoteBatch {
    this.#slices++;
    const { result, abandon } = this.#request(
      (request) => ({ type: "encode", request, tokenizer: tokenizer.id, texts, settings }),
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

  /** Called whenever a request arrives, settles or is abandoned. */
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

  /** Terminates the worker and its current request. The other requests move to a new worker. */
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
        `Tokenization exceeded its time limit of ${String((current.timeLimit ?? 0) / 1000)} s: a pattern of the tokenizer may backtrack without end.`,
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
      // Does not inherit the flags and preloaded modules of the main thread.
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

  /** Called whenever requests or tokenizers have become fewer. */
  #rest(): void {
    if (this.#pending.size > 0) return;
    if (this.#stays || this.#open.size > 0) return;
    void this.#worker?.terminate();
    this.#worker = undefined;
  }

  /** Everything in the worker is lost. An error is followed by an exit, which then needs no handling. */
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
