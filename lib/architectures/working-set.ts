/**
 * How much memory one run of a graph needs beside its weights, so that long sequences can be admitted by it. An estimate from above of what
 * ONNX Runtime's CPU provider holds at the widest point of a layer: for base-size models of every family, at 512 to 8192 tokens, it was 1.0 to
 * 1.7 times what a process grew by.
 */

export interface WorkingSet {
  readonly hidden: number;
  readonly intermediate: number;
  /** Arrays of `intermediate` values for each token that exist at once: 2 in a plain layer, 3 in a gated one. Absent means 2. */
  readonly wide?: number;
  /** Further floats for each token. */
  readonly perToken?: number;
  /** Floats for each pair of tokens: none where the attention has no bias, since it then goes through the scores in tiles. */
  readonly perPair?: number;
  /** Floats whatever the length. */
  readonly constant?: number;
}

const FLOAT_BYTES = 4;

/** Arrays of `hidden` values for each token that stand beside each other: input, residual, query, key, value, their copies by head, context. */
const HIDDEN_ARRAYS = 10;

export function workingBytes(set: WorkingSet, length: number): number {
  const { hidden, intermediate, wide = 2, perToken = 0, perPair = 0, constant = 0 } = set;
  return FLOAT_BYTES * (length * (HIDDEN_ARRAYS * hidden + wide * intermediate + perToken + length * perPair) + constant);
}
