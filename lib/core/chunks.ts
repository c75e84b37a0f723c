import { LinkedAbort, orAborted, throwIfAborted } from "./abort";

/** Chunks in flight: one computing, one ready behind it, one being tokenized. */
const IN_FLIGHT = 3;

/** Splits the inputs of a call into chunks of `size`, pulling no more than requested. */
export async function* chunksOf<T>(inputs: Iterable<T> | AsyncIterable<T>, size: number): AsyncGenerator<T[]> {
  let chunk: T[] = [];
  for await (const input of inputs) {
    chunk.push(input);
    if (chunk.length === size) {
      yield chunk;
      chunk = [];
    }
  }
  if (chunk.length > 0) yield chunk;
}

/**
 * Runs `work` over chunks, a few at a time, and yields the results in order. Back-pressure: a new chunk is pulled only when a result has
 * been consumed. When one fails, the signal fires, or the consumer stops early, the others are aborted and awaited first, so nothing
 * continues after the caller returns.
 */
export async function* overlapped<T, R>(
  chunks: AsyncIterable<T>,
  work: (chunk: T, signal: AbortSignal) => Promise<R>,
  signal: AbortSignal | undefined,
): AsyncGenerator<R> {
  const stop = new LinkedAbort(signal);
  const inFlight: Promise<R>[] = [];
  const start = (chunk: T): void => {
    const promise = work(chunk, stop.signal);
    // Awaited in order below; until then, a failure must not count as unhandled.
    promise.catch(() => undefined);
    inFlight.push(promise);
  };
  try {
    for await (const chunk of untilAborted(chunks, stop.signal)) {
      start(chunk);
      if (inFlight.length >= IN_FLIGHT) yield await (inFlight.shift() as Promise<R>);
    }
    for (let next = inFlight.shift(); next !== undefined; next = inFlight.shift()) yield await next;
  } finally {
    stop.unlink();
    stop.abort();
    await Promise.allSettled(inFlight);
  }
}

/** Yields the items of a source until the signal fires, even while the source is busy. Errors: ERR_ABORTED, those of the source. */
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
    // A busy source returns only after it has finished its work, which may be never.
    if (isPulling) returned?.catch(() => undefined);
    else await returned;
  }
}
