import { SparseRerankError } from "../errors";

/** What calls of a closed object reject with, and the reason that dispose() gives to the signals of those that run. */
export class DisposedError extends SparseRerankError {
  /** @param kind how the message calls the object: "SparseEncoder" */
  constructor(kind: string) {
    super("ERR_DISPOSED", `This ${kind} was closed or disposed; make a new one to go on.`);
  }
}

/** Aborts when it is told to or `source` fires. Unlike AbortSignal.any() it leaves nothing behind on a source that outlives it. */
export class LinkedAbort {
  readonly #controller = new AbortController();
  readonly #source: AbortSignal | undefined;
  readonly #follow = (): void => {
    this.#controller.abort(this.#source?.reason);
  };

  constructor(source: AbortSignal | undefined) {
    this.#source = source;
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
 * Fires when one of the two does. The user's may be of another class than the runtime's: jsdom has its own, which AbortSignal.any refuses.
 */
export function eitherSignal(own: AbortSignal, user: AbortSignal | undefined): AbortSignal {
  return user === undefined ? own : AbortSignal.any([own, adopt(user)]);
}

const adopted = new WeakMap<AbortSignal, AbortSignal>();

function adopt(signal: AbortSignal): AbortSignal {
  // eslint-disable-next-line no-restricted-syntax -- exactly what AbortSignal.any asks
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

/** Settles as `work` does, or rejects as soon as the signal fires: for work that may not listen to it. */
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
