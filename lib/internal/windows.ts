import { LinkedAbort, orAborted, throwIfAborted } from "./abort";

/** Windows that are tokenised or computed at a time: one computing, one ready behind it, one being tokenised. */
const IN_FLIGHT = 3;

/** Cuts inputs into arrays of `size`, pulling no more than asked for. */
export async function* windowsOf<T>(inputs: Iterable<T> | AsyncIterable<T>, size: number): AsyncGenerator<T[]> {
  let window: T[] = [];
  for await (const input of inputs) {
    window.push(input);
    if (window.length === size) {
      yield window;
      window = [];
    }
  }
  if (window.length > 0) yield window;
}

/**
 * Runs `work` over windows, a few at a time, and yields the results in order. Back-pressure: a new window is pulled only when a result was
 * taken. When one fails, the signal fires, or the consumer stops early, the others are aborted and awaited first, so nothing runs behind the
 * caller's back.
 */
export async function* overlapped<T, R>(
  windows: AsyncIterable<T>,
  work: (window: T, signal: AbortSignal) => Promise<R>,
  signal: AbortSignal | undefined,
): AsyncGenerator<R> {
  const stop = new LinkedAbort(signal);
  const inFlight: Promise<R>[] = [];
  const start = (window: T): void => {
    const promise = work(window, stop.signal);
    // Awaited below in order; until then a failure must not count as unhandled.
    promise.catch(() => undefined);
    inFlight.push(promise);
  };
  try {
    for await (const window of untilAborted(windows, stop.signal)) {
      start(window);
      if (inFlight.length >= IN_FLIGHT) yield await (inFlight.shift() as Promise<R>);
    }
    for (let next = inFlight.shift(); next !== undefined; next = inFlight.shift()) yield await next;
  } finally {
    stop.unlink();
    stop.abort();
    await Promise.allSettled(inFlight);
  }
}

/** The items of a source until the signal fires, also while the source is busy. Errors: ERR_ABORTED, those of the source. */
export async function* untilAborted<T>(items: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  const source = items[Symbol.asyncIterator]();
  let isPulling = false;
  try {
    for (;;) {
      throwIfAborted(signal);
      isPulling = true;
      const next = await orAborted(source.next(), signal);
      isPulling = false;
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    const returned = source.return?.();
    // A source that is busy returns only after what it is busy with, which may be never.
    if (isPulling) returned?.catch(() => undefined);
    else await returned;
  }
}
