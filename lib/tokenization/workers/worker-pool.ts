import type { TokenizerOptions } from "../files/compile";
import type { TokenizerDefinition } from "../pipeline/definition";
import { WorkerClient } from "./worker-client";

/**
 * The tokenization workers of a JS environment, shared by all its tokenizers. The first one stays once started; the others serve tokenizers
 * that use several workers, and exit when none of those is left.
 */
class WorkerPool {
  readonly #first = new WorkerClient({ stays: true });
  readonly #others: WorkerClient[] = [];

  /** Runs in the first worker: reading files does not justify starting another. */
  compile(options: TokenizerOptions): Promise<TokenizerDefinition> {
    return this.#first.compile(options);
  }

  /**
   * The least busy of the first `workers` workers. Ties go to the earlier one, which may already be running: a later one starts only when
   * all before it are busy.
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
