import { abortError, onAbort, throwIfAborted } from "../core/abort";
import { requestError } from "./errors";

/** Options of one request. */
export interface RequestControls {
  readonly engine: string;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

export const DEFAULT_TIMEOUT_MS = 30_000;

/**
 * Settles with the result of `run`, or rejects on timeout or abort, even if the client does not support cancellation.
 *
 * Errors: ERR_ENGINE_UNAVAILABLE (timeout), ERR_ABORTED.
 *
 * @param run gets a signal for clients that support cancellation
 */
export async function withinTime<T>(controls: RequestControls, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { engine, timeoutMs, signal } = controls;
  throwIfAborted(signal);
  const controller = new AbortController();
  let stop: (reason: Error) => void = () => undefined;
  const stopped = new Promise<never>((_, reject) => {
    stop = (reason): void => {
      reject(reason);
      controller.abort(reason);
    };
  });
  const timer = setTimeout(() => {
    stop(requestError(engine, "ERR_ENGINE_UNAVAILABLE", `no response within ${timeoutMs} ms`));
  }, timeoutMs);
  const ignore = onAbort(signal, () => {
    if (signal !== undefined) stop(abortError(signal));
  });
  try {
    return await Promise.race([run(controller.signal), stopped]);
  } finally {
    clearTimeout(timer);
    ignore();
  }
}
