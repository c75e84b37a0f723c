import { abortError, onAbort, throwIfAborted } from "./abort";

/** Lets a limited number of calls run at once; the others wait in the order in which they came. */
export class Semaphore {
  #free: number;
  /** Starts each waiting call. */
  readonly #waiting = new Set<() => void>();

  /** @param permits number of calls that run at once, 1 at least */
  constructor(permits: number) {
    this.#free = permits;
  }

  /** Errors: ERR_ABORTED, also while it waits; those of `work`. */
  async run<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    throwIfAborted(signal);
    if (this.#free > 0) this.#free--;
    else await this.#turn(signal);
    try {
      return await work();
    } finally {
      this.#release();
    }
  }

  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const start = (): void => {
        ignore();
        resolve();
      };
      const leave = (): void => {
        this.#waiting.delete(start);
        reject(abortError(signal));
      };
      this.#waiting.add(start);
      const ignore = onAbort(signal, leave);
    });
  }

  /** Hands the permit on to the call that has waited longest. */
  #release(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#free++;
      return;
    }
    this.#waiting.delete(next);
    next();
  }
}
