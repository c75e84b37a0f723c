/**
 * Shares the event loop: requests that arrive together would otherwise all begin in one iteration of the loop, as much as a request of each
 * client, while timers and other connections wait.
 */

/** Milliseconds of an iteration in which requests begin. */
const TURN_MS = 4;

export class Turns {
  /** When the current iteration began its first request; undefined before. */
  #began: number | undefined;
  readonly #waiting: (() => void)[] = [];

  /** Whether a request may begin at once. If not, take() waits for its turn. */
  tryTake(): boolean {
    const now = performance.now();
    if (this.#began === undefined) {
      this.#began = now;
      setImmediate(this.#next);
      return true;
    }
    return this.#waiting.length === 0 && now - this.#began < TURN_MS;
  }

  /** In order of arrival. */
  take(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** At the end of an iteration: begins one request that waits. Those that arrive in the next iteration wait behind the rest. */
  readonly #next = (): void => {
    const begin = this.#waiting.shift();
    this.#began = undefined;
    if (begin === undefined) return;
    begin();
    this.#began = performance.now();
    setImmediate(this.#next);
  };
}
