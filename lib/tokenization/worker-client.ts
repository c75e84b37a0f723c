import path from "node:path";
import { Worker } from "node:worker_threads";

import { SparseRerankError } from "../errors";
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
 * The JS thread's side of the tokenization worker: one for each JS environment, started by the first request. While no request is under way the
 * worker does not keep the process alive. If it dies, what it was working on fails, and the next request starts another.
 */
class WorkerClient {
  #worker: Worker | undefined;
  /** Tokenizers that the worker has; those of a dead worker are gone with it. */
  readonly #open = new Set<number>();
  readonly #pending = new Map<number, PendingRequest>();
  #lastRequest = 0;

  async compile(options: TokenizerOptions): Promise<TokenizerDefinition> {
    return (await this.#request((request) => ({ type: "compile", request, options }))) as TokenizerDefinition;
  }

  async encode(tokenizer: RemoteTokenizer, texts: readonly string[], pairs: boolean, addSpecialTokens: boolean): Promise<TokenBatch> {
    if (!this.#open.has(tokenizer.id)) {
      this.#post({ type: "open", tokenizer: tokenizer.id, definition: tokenizer.definition });
      this.#open.add(tokenizer.id);
    }
    return (await this.#request((request) => ({
      type: "encode",
      request,
      tokenizer: tokenizer.id,
      texts,
      pairs,
      addSpecialTokens,
    }))) as TokenBatch;
  }

  close(tokenizer: number): void {
    if (this.#open.delete(tokenizer)) this.#post({ type: "close", tokenizer });
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
    if (this.#pending.size === 0) this.#worker?.unref();
    if ("failure" in reply) pending?.reject(failureError(reply.failure));
    else pending?.resolve(reply.result);
  }

  /** Everything that the worker had is lost. An error is followed by an exit, for which nothing is left to do. */
  #fail(worker: Worker, cause: unknown): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    this.#open.clear();
    const lost = [...this.#pending.values()];
    this.#pending.clear();
    const code = (cause as NodeJS.ErrnoException).code === "ERR_WORKER_OUT_OF_MEMORY" ? "ERR_TOO_LARGE" : "ERR_INTERNAL";
    for (const pending of lost) {
      pending.reject(new SparseRerankError(code, `The tokenization worker thread has ended: ${messageOf(cause)}`, { cause }));
    }
  }
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

export const tokenizationWorker = new WorkerClient();
