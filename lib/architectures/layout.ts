/** Which form of batches a graph is made for. */

import type { BatchLayout, Floats } from "./graph";
import type { Architecture } from "./types";

/** What runs batches of sequences of different length. */
export interface WantedLayout {
  readonly floats: Floats;
  /** Without padding where that is possible. */
  readonly packed: boolean;
}

/** For a head that reads the first token of each sequence, or a maximum over the tokens. */
export function layoutFor({ packs }: Architecture, wanted: WantedLayout | undefined): BatchLayout | undefined {
  if (wanted === undefined) return undefined;
  // CUDA's packed attention has no bf16.
  const isPacked = wanted.packed && packs === true && wanted.floats !== "bf16";
  return { form: isPacked ? "packed" : "padded", floats: wanted.floats };
}

/** For a head that reads each token. */
export function paddedLayout(wanted: WantedLayout | undefined): BatchLayout | undefined {
  return wanted === undefined ? undefined : { form: "padded", floats: wanted.floats };
}
