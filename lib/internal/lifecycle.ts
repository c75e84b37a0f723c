import { SparseRerankError } from "../errors";

/** dispose(): refuses new work, rejects queued work, returns at once; close(): also waits for running work. Both idempotent. */
export interface Resource extends Disposable, AsyncDisposable {
  dispose(): void;
  close(): Promise<void>;
}

/** The calls in progress of one resource, and whether it still takes new ones. */
export class Lifecycle {
  readonly #name: string;
  readonly #running = new Set<Promise<unknown>>();
  #disposed = false;

  /** @param name how messages call the resource: "SparseEncoder" */
  constructor(name: string) {
    this.#name = name;
  }

  requireLive(): void {
    if (this.#disposed) throw new SparseRerankError("ERR_DISPOSED", `This ${this.#name} was disposed; load a new one.`);
  }

  /** Runs a call, or rejects with ERR_DISPOSED. What `work` throws synchronously rejects too. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    this.requireLive();
    const promise = work();
    this.#running.add(promise);
    try {
      return await promise;
    } finally {
      this.#running.delete(promise);
    }
  }

  /** True the first time. */
  dispose(): boolean {
    const first = !this.#disposed;
    this.#disposed = true;
    return first;
  }

  /** Settles when every call in progress has settled, however it did. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#running);
  }
}
