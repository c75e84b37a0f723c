import type { SparseMatrix } from "../sparse-matrix";
import type { TokenSpan } from "../tokenization/spans";

/** A sparse vector of one text, with the token that produced each weight. */
export interface Trace {
  /** Shape [1, columns]. */
  readonly matrix: SparseMatrix;
  /** The token ids that the model read, special tokens included. */
  readonly ids: Uint32Array;
  /** For each weight, the position in `ids` of the token that produced it; undefined if no single token did. */
  readonly positions: Uint32Array | undefined;
  /** For each position, the word that the token belongs to; undefined if unknown. */
  readonly spans: readonly (TokenSpan | undefined)[];
}
