import { abortError, throwIfAborted } from "./abort";

interface Waiting {
  readonly alone: boolean;
  readonly enter: () => void;
  readonly reject: (reason: Error) => void;
}

/**
 * Lets calls run side by side or alone, first come, first served: nobody starves, and a call that came later never sees an earlier state.
 */
export class SharedGate {
  #waiting: Waiting[] = [];
  #inside = 0;
  #insideAlone = false;

  /** Runs beside other shared calls. An abort of `signal` ends the wait. */
  shared<T>(run: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    return this.#pass(false, run, signal);
  }

  /** Runs while nothing else does. */
  alone<T>(run: () => Promise<T>): Promise<T> {
    return this.#pass(true, run, undefined);
  }

  /** Rejects all calls that wait; those inside go on. */
  rejectWaiting(reason: Error): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const call of waiting) call.reject(reason);
  }

  async #pass<T>(alone: boolean, run: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    if (this.#waiting.length === 0 && this.#admits(alone)) this.#admit(alone);
    else await this.#wait(alone, signal);
    try {
      return await run();
    } finally {
      this.#inside--;
      this.#insideAlone = false;
      this.#advance();
    }
  }

  #admits(alone: boolean): boolean {
    return alone ? this.#inside === 0 : !this.#insideAlone;
  }

  #admit(alone: boolean): void {
    this.#inside++;
    this.#insideAlone = alone;
  }

  /** Settles when the call has been admitted. */
  async #wait(alone: boolean, signal: AbortSignal | undefined): Promise<void> {
    throwIfAborted(signal);
    let onAbort: (() => void) | undefined;
    const admitted = new Promise<void>((resolve, reject) => {
      const call: Waiting = { alone, enter: resolve, reject };
      this.#waiting.push(call);
      if (signal === undefined) return;
      onAbort = (): void => {
        this.#waiting = this.#waiting.filter((other) => other !== call);
        reject(abortError(signal));
        this.#advance();
      };
      signal.addEventListener("abort", onAbort, { once: true });
    });
    try {
      await admitted;
    } finally {
      if (onAbort !== undefined) signal?.removeEventListener("abort", onAbort);
    }
  }

  #advance(): void {
    for (let next = this.#waiting[0]; next !== undefined && this.#admits(next.alone); next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#admit(next.alone);
      next.enter();
    }
  }
}
