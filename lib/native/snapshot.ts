import type { NativeIndex, NativeSnapshot } from "./contract";

/** Native code counts hits in 32 bits. An index cannot hold more documents than that. */
export const MAX_TOP_K = 2 ** 32 - 1;

/**
 * Starts a call on the current contents of an index. The snapshot is disposed once the call has started: one left to the garbage collector
 * would keep replaced files open.
 */
export function onSnapshot<T>(index: NativeIndex, call: (snapshot: NativeSnapshot) => Promise<T>): Promise<T> {
  const snapshot = index.snapshot();
  try {
    return call(snapshot);
  } finally {
    snapshot.dispose();
  }
}
