import { setMaxListeners } from "node:events";

import { SparseRerankError } from "../errors";

/** The error with which calls of a closed object reject, and the abort reason that dispose() passes to running calls. */
export class DisposedError extends SparseRerankError {
  /** @param kind the object's class, for the message: "SparseEncoder" */
  constructor(kind: string) {
    super("ERR_DISPOSED", `This ${kind} was closed or disposed; create a new one.`);
  }
}

/** For signals that follow that of a caller: the caller's, or undefined if it gave none. */
const callers = new WeakMap<AbortSignal, AbortSignal | undefined>();

/** The signal that the user's call was given, of which `signal` may be a follower. */
export function callersSignal(signal: AbortSignal | undefined): AbortSignal | undefined {
  return signal !== undefined && callers.has(signal) ? callers.get(signal) : signal;
}

/** Aborts on request or when `source` fires. Unlike AbortSignal.any(), it leaves nothing behind on a source that outlives it. */
export class LinkedAbort {
  readonly #controller = new AbortController();
  readonly #source: AbortSignal | undefined;
  readonly #follow = (): void => {
    this.#controller.abort(this.#source?.reason);
  };

  constructor(source: AbortSignal | undefined) {
    this.#source = source;
    callers.set(this.signal, callersSignal(source));
    // Every run of a call listens. Node warns of more than ten listeners as of a leak.
    setMaxListeners(0, this.#controller.signal);
    if (source?.aborted === true) this.#follow();
    else source?.addEventListener("abort", this.#follow, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  abort(reason?: unknown): void {
    this.#controller.abort(reason);
  }

  /** Stops listening to the source. */
  unlink(): void {
    this.#source?.removeEventListener("abort", this.#follow);
  }
}

export function abortError(signal: AbortSignal): SparseRerankError {
  if (signal.reason instanceof DisposedError) return signal.reason;
  return new SparseRerankError("ERR_ABORTED", "The operation was aborted.", { cause: signal.reason });
}

/**
 * Fires when either of the two does. The user's signal may be of a class other than the runtime's: jsdom has its own, which AbortSignal.any
 * rejects.
 */
export function eitherSignal(own: AbortSignal, user: AbortSignal | undefined): AbortSignal {
  if (user === undefined) return own;
  const either = AbortSignal.any([own, adopt(user)]);
  callers.set(either, callersSignal(user));
  return either;
}

const adopted = new WeakMap<AbortSignal, AbortSignal>();

function adopt(signal: AbortSignal): AbortSignal {
  // eslint-disable-next-line no-restricted-syntax -- the same check as in AbortSignal.any
  const native: boolean = signal instanceof AbortSignal;
  if (native) return signal;
  const known = adopted.get(signal);
  if (known !== undefined) return known;
  const controller = new AbortController();
  const abort = (): void => {
    controller.abort(signal.reason);
  };
  if (signal.aborted) abort();
  else signal.addEventListener("abort", abort, { once: true });
  adopted.set(signal, controller.signal);
  return controller.signal;
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw abortError(signal);
}

/** Settles like `work`, or rejects as soon as the signal fires: for work that may ignore the signal. */
export async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let stop = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => {
      reject(abortError(signal));
    };
  });
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  try {
    return await Promise.race([aborted, work]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
