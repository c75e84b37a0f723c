import { SparseRerankError } from "./errors";
import { withCancel } from "./native/cancellation";
import type { NativeSimilarityFunction } from "./native/contract";
import { native } from "./native/load";
import { asMatrix, requireDenseSize } from "./sparse-matrix";
import type { SparseMatrix, SparseVector } from "./sparse-matrix";

/** A dense matrix, [rows, cols] in row-major order. */
export interface DenseMatrix {
  readonly rows: number;
  readonly cols: number;
  readonly data: Float32Array;
}

export interface Sparsity {
  /** Mean number of nonzero weights per row. */
  readonly activeDims: number;
  /** Mean share of dimensions that are zero. */
  readonly sparsityRatio: number;
}

/** Largest dimension that the index and the similarity functions support. The largest published vocabulary has 262,144 entries. */
export const MAX_DIMENSION = 2 ** 22;

/** The largest finite float32. */
const MAX_FLOAT32 = (2 - 2 ** -23) * 2 ** 127;

export function requireDimension(dimension: number): void {
  if (dimension > MAX_DIMENSION) {
    throw new SparseRerankError("ERR_TOO_LARGE", `The dimension ${dimension} is above the limit of ${MAX_DIMENSION}.`);
  }
}

/**
 * Similarities of all pairs of rows, [a.rows, b.rows], computed on the thread pool. Dot products equal the scores of SparseIndex bit for
 * bit.
 *
 * Errors: ERR_INVALID_ARGUMENT, ERR_DIMENSION_MISMATCH, ERR_TOO_LARGE (more than 2²⁸ pairs).
 */
export async function similarity(
  a: SparseMatrix | SparseVector,
  b: SparseMatrix | SparseVector,
  similarityFunction: NativeSimilarityFunction,
): Promise<DenseMatrix> {
  const left = asMatrix(a, "a");
  const right = asMatrix(b, "b");
  requireSameDimension(left.cols, right.cols);
  requireDimension(left.cols);
  requireDenseSize(left.rows, right.rows);
  const data =
    left.rows * right.rows === 0
      ? new Float32Array(0)
      : await withCancel(undefined, () => native().similarity(left, right, left.cols, similarityFunction));
  return { rows: left.rows, cols: right.rows, data };
}

/** Similarities of row i of `a` and row i of `b`, [rows]. Errors: ERR_INVALID_ARGUMENT, ERR_DIMENSION_MISMATCH. */
export async function similarityPairwise(
  a: SparseMatrix | SparseVector,
  b: SparseMatrix | SparseVector,
  similarityFunction: NativeSimilarityFunction,
): Promise<Float32Array> {
  const left = asMatrix(a, "a");
  const right = asMatrix(b, "b");
  requireSameDimension(left.cols, right.cols);
  requireDimension(left.cols);
  if (left.rows !== right.rows) {
    throw new SparseRerankError(
      "ERR_INVALID_ARGUMENT",
      `a has ${left.rows} rows and b has ${right.rows}; both must have the same number of rows.`,
    );
  }
  if (left.rows === 0) return new Float32Array(0);
  return withCancel(undefined, () => native().similarityPairwise(left, right, left.cols, similarityFunction));
}

/**
 * The dimensions active in both vectors, with the product of both weights: explains why a document matched. As in sentence-transformers,
 * only positive products count.
 */
export function intersection(query: SparseVector, document: SparseVector): SparseVector {
  const left = asMatrix(query, "query").row(0);
  const right = asMatrix(document, "document").row(0);
  requireSameDimension(left.size, right.size);
  return intersectionWith(left)(right);
}

/** intersection() of valid vectors of one dimension, for several documents of a query. */
export function intersectionWith(query: SparseVector): (document: SparseVector) => SparseVector {
  const weights = new Map<number, number>();
  query.indices.forEach((index, i) => weights.set(index, query.values[i] ?? 0));
  return (document) => {
    const indices: number[] = [];
    const values: number[] = [];
    for (let i = 0; i < document.indices.length; i++) {
      const index = document.indices[i] ?? 0;
      const weight = weights.get(index);
      if (weight === undefined) continue;
      // Clamped, since vectors may not hold infinite weights.
      const product = Math.min(Math.fround(weight * (document.values[i] ?? 0)), MAX_FLOAT32);
      if (product <= 0) continue;
      indices.push(index);
      values.push(product);
    }
    return { indices: Uint32Array.from(indices), values: Float32Array.from(values), size: query.size };
  };
}

/** Like sparsity() of sentence-transformers. A matrix without rows has a sparsity ratio of 1. */
export function sparsity(embeddings: SparseMatrix | SparseVector): Sparsity {
  const matrix = asMatrix(embeddings, "embeddings");
  if (matrix.rows === 0) return { activeDims: 0, sparsityRatio: 1 };
  let active = 0;
  for (const value of matrix.values) active += value === 0 ? 0 : 1;
  const activeDims = active / matrix.rows;
  return { activeDims, sparsityRatio: 1 - activeDims / matrix.cols };
}

/** The weights of a row in descending order: all of them, or the first `count`. Equal weights are in ascending order of index. */
export function strongest(row: SparseVector, count = row.values.length): { readonly index: number; readonly weight: number }[] {
  return Array.from(row.indices, (index, i) => ({ index, weight: row.values[i] ?? 0 }))
    .sort((a, b) => b.weight - a.weight)
    .slice(0, count);
}

function requireSameDimension(a: number, b: number): void {
  if (a !== b) {
    throw new SparseRerankError(
      "ERR_DIMENSION_MISMATCH",
      `The two sides have ${a} and ${b} dimensions; only vectors of the same model can be compared.`,
    );
  }
}
