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

const listeners = new WeakMap<AbortSignal, Set<() => void>>();

/**
 * Calls `listener` at once if the signal has fired, or when it fires, unless the returned function takes that back. A signal has one event
 * listener for all that wait for it: many calls may share one, and Node warns of more than ten listeners as of a leak. A function that waits
 * twice is called once.
 */
export function onAbort(signal: AbortSignal | undefined, listener: () => void): () => void {
  if (signal === undefined) return () => undefined;
  if (signal.aborted) {
    listener();
    return () => undefined;
  }
  let waiting = listeners.get(signal);
  if (waiting === undefined) {
    waiting = new Set();
    listeners.set(signal, waiting);
    signal.addEventListener("abort", callListeners, { once: true });
  }
  const own = waiting;
  own.add(listener);
  return () => {
    if (!own.delete(listener) || own.size > 0) return;
    listeners.delete(signal);
    signal.removeEventListener("abort", callListeners);
  };
}

function callListeners({ currentTarget }: Event): void {
  const signal = currentTarget as AbortSignal;
  const waiting = listeners.get(signal);
  listeners.delete(signal);
  for (const listener of waiting ?? []) listener();
}

/** Aborts on request or when `source` fires. Unlike AbortSignal.any(), it leaves nothing behind on a source that outlives it. */
export class LinkedAbort {
  readonly #controller = new AbortController();
  /** Stops listening to the source. */
  readonly unlink: () => void;

  constructor(source: AbortSignal | undefined) {
    callers.set(this.signal, callersSignal(source));
    this.unlink = onAbort(source, () => {
      this.abort(source?.reason);
    });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  abort(reason?: unknown): void {
    this.#controller.abort(reason);
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
  onAbort(signal, () => {
    controller.abort(signal.reason);
  });
  adopted.set(signal, controller.signal);
  return controller.signal;
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw abortError(signal);
}

/** Settles like `work`, or rejects as soon as the signal fires: for work that may ignore the signal. */
export async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let ignore = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    ignore = onAbort(signal, () => {
      reject(abortError(signal));
    });
  });
  try {
    return await Promise.race([aborted, work]);
  } finally {
    ignore();
  }
}
