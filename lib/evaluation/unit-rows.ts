import { SparseMatrix } from "../sparse-matrix";

/** Scales the rows to length 1; rows of length 0 are unchanged. */
export function unitRows(matrix: SparseMatrix): SparseMatrix {
  return SparseMatrix.fromRows(
    Array.from(matrix, ({ indices, values }) => {
      const length = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
      return { indices, values: length === 0 ? values : values.map((value) => value / length) };
    }),
    matrix.cols,
  );
}
