import { abortError, onAbort, throwIfAborted } from "../core/abort";
import { SparseRerankError } from "../errors";
import type { NativeCancelToken } from "./contract";
import { native } from "./load";

/** Runs native work that stops when `signal` fires. Errors get the caller's stack, since the addon creates them on an empty stack. */
export async function withCancel<T>(
  signal: AbortSignal | undefined,
  run: (cancel: NativeCancelToken | undefined) => Promise<T>,
): Promise<T> {
  throwIfAborted(signal);
  const token = signal === undefined ? undefined : new (native().CancelToken)();
  const ignore = onAbort(signal, () => token?.cancel());
  try {
    return await run(token);
  } catch (error) {
    if (signal?.aborted === true && error instanceof SparseRerankError && error.code === "ERR_ABORTED") throw abortError(signal);
    if (error instanceof SparseRerankError) throw new SparseRerankError(error.code, error.message, { cause: error });
    throw error;
  } finally {
    ignore();
  }
}
