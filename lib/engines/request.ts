import { abortError, throwIfAborted } from "../core/abort";
import { requestError } from "./errors";

/** Controls of one request. */
export interface RequestControls {
  readonly engine: string;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

export const DEFAULT_TIMEOUT_MS = 30_000;

/**
 * Settles as `run` does, or rejects when time is up or the signal fires, whether or not the client can stop.
 *
 * @param run gets a signal for clients that can
 * Errors: ERR_ENGINE_UNAVAILABLE (time is up), ERR_ABORTED.
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
    stop(requestError(engine, "ERR_ENGINE_UNAVAILABLE", `no answer within ${timeoutMs} ms`));
  }, timeoutMs);
  const onAbort = (): void => {
    if (signal !== undefined) stop(abortError(signal));
  };
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([run(controller.signal), stopped]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}
