import type { TokenizerOptions } from "../files/compile";
import type { TokenizerDefinition } from "../pipeline/definition";
import { WorkerClient } from "./worker-client";

/**
 * The tokenization workers of a JS environment, which all tokenizers share. The first stays once it was started; the others are there for
 * tokenizers that want several, and end when none of those is left.
 */
class WorkerPool {
  readonly #first = new WorkerClient({ stays: true });
  readonly #others: WorkerClient[] = [];

  /** In the first worker: reading files is no reason to start another. */
  compile(options: TokenizerOptions): Promise<TokenizerDefinition> {
    return this.#first.compile(options);
  }

  /**
   * The worker with the least to do of the first `workers`. Of two the earlier one: it may be running, and a later one starts only when all
   * before it have work.
   */
  leastBusy(workers: number): WorkerClient {
    let chosen = this.#first;
    for (let i = 0; i < workers - 1; i++) {
      const other = (this.#others[i] ??= new WorkerClient({ stays: false }));
      if (other.requests < chosen.requests) chosen = other;
    }
    return chosen;
  }

  close(tokenizer: number): void {
    for (const worker of [this.#first, ...this.#others]) worker.close(tokenizer);
  }
}

export const workerPool = new WorkerPool();
