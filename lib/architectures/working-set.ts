/**
 * Estimates the working memory of a run, in addition to the weights, for the admission of long sequences. It is an upper bound of what ONNX
 * Runtime's CPU provider allocates at the widest point of a layer: for base-size models of every family, at 512 to 8192 tokens, the
 * estimate was 1.0 to 1.7 times the measured growth of the process.
 */

export interface WorkingSet {
  readonly hidden: number;
  readonly intermediate: number;
  /** Number of arrays of `intermediate` values per token that exist at once: 2 in a plain layer (the default), 3 in a gated one. */
  readonly wide?: number;
  /** Further floats per token. */
  readonly perToken?: number;
  /** Floats per pair of tokens: none if attention has no bias, since it then processes the scores in tiles. */
  readonly perPair?: number;
  /** Floats independent of the length. */
  readonly constant?: number;
}

const FLOAT_BYTES = 4;

/** Arrays of `hidden` values per token that exist at once: input, residual, query, key, value, their copies by head, context. */
const HIDDEN_ARRAYS = 10;

export function workingBytes(set: WorkingSet, length: number): number {
  const { hidden, intermediate, wide = 2, perToken = 0, perPair = 0, constant = 0 } = set;
  return FLOAT_BYTES * (length * (HIDDEN_ARRAYS * hidden + wide * intermediate + perToken + length * perPair) + constant);
}
