import path from "node:path";
import { Worker } from "node:worker_threads";

import { SparseRerankError } from "../errors";
import { codeOf, messageOf } from "../internal/error-code";
import { permissionError } from "../internal/permission";
import type { TokenizerOptions } from "./compile";
import type { TokenizerDefinition } from "./definition";
import { failureError } from "./protocol";
import type { WorkerMessage, WorkerReply } from "./protocol";
import type { TokenBatch } from "./token-batch";

interface PendingRequest {
  resolve(result: TokenizerDefinition | TokenBatch): void;
  reject(error: SparseRerankError): void;
}

/** A tokenizer as the worker knows it. */
export interface RemoteTokenizer {
  readonly id: number;
  readonly definition: TokenizerDefinition;
}

/**
 * The JS thread's side of one tokenization worker, which its first request starts. While no request is under way the worker does not keep the
 * process alive. If it dies, what it was working on fails, and the next request starts another.
 */
export class WorkerClient {
  readonly #stays: boolean;
  #worker: Worker | undefined;
  /** Tokenizers that the worker has; those of a dead worker are gone with it. */
  readonly #open = new Set<number>();
  readonly #pending = new Map<number, PendingRequest>();
  #lastRequest = 0;
  #slices = 0;

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
    return (await this.#request((request) => ({ type: "compile", request, options }))) as TokenizerDefinition;
  }

  async encode(tokenizer: RemoteTokenizer, texts: readonly string[], pairs: boolean, addSpecialTokens: boolean): Promise<TokenBatch> {
    this.#slices++;
    try {
      return (await this.#request((request) => {
        this.#requireOpen(tokenizer);
        return { type: "encode", request, tokenizer: tokenizer.id, texts, pairs, addSpecialTokens };
      })) as TokenBatch;
    } finally {
      this.#slices--;
    }
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

  #request(message: (request: number) => WorkerMessage): Promise<TokenizerDefinition | TokenBatch> {
    return new Promise((resolve, reject) => {
      const request = ++this.#lastRequest;
      this.#post(message(request));
      this.#pending.set(request, { resolve, reject });
      this.#worker?.ref();
    });
  }

  #post(message: WorkerMessage): void {
    this.#worker ??= this.#start();
    this.#worker.postMessage(message);
  }

  #start(): Worker {
    let worker: Worker;
    try {
      // Flags and preloaded modules of the main thread are none of its business.
      worker = new Worker(path.join(__dirname, "worker.js"), { name: "sparse-rerank tokenization", execArgv: [] });
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
    this.#rest();
    if ("failure" in reply) pending?.reject(failureError(reply.failure));
    else pending?.resolve(reply.result);
  }

  /** Whenever requests or tokenizers have become fewer. */
  #rest(): void {
    if (this.#pending.size > 0) return;
    this.#worker?.unref();
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
    const code = codeOf(cause) === "ERR_WORKER_OUT_OF_MEMORY" ? "ERR_TOO_LARGE" : "ERR_INTERNAL";
    for (const pending of lost) {
      pending.reject(new SparseRerankError(code, `The tokenization worker thread has ended: ${messageOf(cause)}`, { cause }));
    }
  }
}
