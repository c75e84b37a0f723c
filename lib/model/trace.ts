import type { SparseMatrix } from "../sparse-matrix";
import type { TokenSpan } from "../tokenization/spans";

/** Where the weights of a text come from. */
export interface Trace {
  /** [1, columns]. */
  readonly matrix: SparseMatrix;
  /** What the model read, special tokens included. */
  readonly ids: Uint32Array;
  /** For each weight the position in `ids` of the token that gave it; undefined when no single token does. */
  readonly positions: Uint32Array | undefined;
  /** For each position the word that the token is of; undefined where it is not known. */
  readonly spans: readonly (TokenSpan | undefined)[];
}
