import { withCancel } from "./cancellation";
import type { NativeIndex } from "./contract";

/** Above this number of segments, a change waits for the pending merge. Room for the small changes that come during a large merge. */
const MAX_SEGMENTS_BEHIND = 64;

/** Runs the changes of an index one at a time, in call order, and merges its segments in the background. Disposes the index. */
export class IndexWriter {
  readonly #index: NativeIndex;
  /** Settles when the last change has ended. Never rejects. */
  #changes: Promise<unknown> = Promise.resolve();
  /** Settles when the running merge has ended; undefined if there is none. Never rejects. */
  #merging: Promise<void> | undefined;
  #isDisposed = false;

  constructor(index: NativeIndex) {
    this.#index = index;
  }

  /** Runs a change after all earlier ones, whether they succeed or not. Errors: those of `work`. */
  async change<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#changes.then(() => withCancel(undefined, work));
    this.#changes = result.catch(() => undefined);
    const value = await result;
    // A failed merge (such as a full disk) leaves the segments unchanged: the next change retries, and compact() reports the error.
    if (this.#merging === undefined) this.#merge(false).catch(() => undefined);
    // Without this wait, changes that outpace merging, or many short processes with one change each, would accumulate segments.
    if (!this.#isDisposed && this.#index.stats().segments > MAX_SEGMENTS_BEHIND) await this.#merging;
    return value;
  }

  /**
   * Merges all segments into one. Documents added during the merge stay in separate segments.
   *
   * Errors: ERR_READ_ONLY, ERR_FILE_UNWRITABLE, ERR_INDEX_CORRUPT, ERR_DISPOSED.
   */
  async compact(): Promise<void> {
    while (this.#merging !== undefined) await this.#merging;
    await this.#merge(true);
  }

  /** Call once. Settles when the change in progress has ended; later ones reject with ERR_DISPOSED. */
  dispose(): Promise<void> {
    this.#isDisposed = true;
    return this.#index.dispose();
  }

  /** Callers ensure that no other merge is running. */
  async #merge(everything: boolean): Promise<void> {
    const merging = this.#mergeInSteps(everything);
    this.#merging = merging.then(
      () => undefined,
      () => undefined,
    );
    try {
      await merging;
    } finally {
      this.#merging = undefined;
    }
  }

  async #mergeInSteps(everything: boolean): Promise<void> {
    for (;;) {
      const step = await withCancel(undefined, () => this.#index.mergeStep(everything));
      if (step === "nothing" || (step === "merged" && everything)) return;
    }
  }
}
