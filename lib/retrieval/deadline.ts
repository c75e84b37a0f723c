import { eitherSignal, onAbort, throwIfAborted } from "../core/abort";
import { MAX_TIMER_MS } from "../core/validate";

/** One for all deadlines: every search ends its own, and an error of each would cost more than the rest of the class. */
const PASSED = new Error("The time for the search is over.");

/** A point in time after which results are no longer awaited, combined with a user's signal. */
export class Deadline {
  readonly #passed = new AbortController();
  readonly #user: AbortSignal | undefined;
  readonly #either: AbortSignal;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #end: number;

  /** @param milliseconds from now; undefined for no deadline */
  constructor(milliseconds: number | undefined, user: AbortSignal | undefined) {
    this.#user = user;
    this.#either = eitherSignal(this.#passed.signal, user);
    this.#end = performance.now() + (milliseconds ?? Infinity);
    if (milliseconds === undefined || milliseconds > MAX_TIMER_MS) return;
    this.#timer = setTimeout(() => {
      this.#passed.abort(PASSED);
    }, milliseconds);
  }

  /** By the clock, since a busy event loop runs timers late. */
  get passed(): boolean {
    return this.#passed.signal.aborted || performance.now() >= this.#end;
  }

  /**
   * The result of `work`, or undefined once the deadline has passed: then its signal fires, and the work is not awaited, since it may
   * ignore the signal.
   *
   * Errors: those of `work` before the deadline; ERR_ABORTED when the user's signal fires.
   */
  async race<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T | undefined> {
    throwIfAborted(this.#user);
    let ignore = (): void => undefined;
    const stopped = new Promise<undefined>((resolve) => {
      ignore = onAbort(this.#either, () => {
        resolve(undefined);
      });
    });
    try {
      const result = await Promise.race([work(this.#either), stopped]);
      throwIfAborted(this.#user);
      return result;
    } catch (error) {
      throwIfAborted(this.#user);
      if (this.passed) return undefined;
      throw error;
    } finally {
      ignore();
    }
  }

  /** Stops whatever still waits for the deadline. */
  end(): void {
    clearTimeout(this.#timer);
    this.#passed.abort(PASSED);
  }
}
