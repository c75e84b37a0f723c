import { SparseMatrix } from "../sparse-matrix";

/** The rows scaled to length 1; those of length 0 stay. */
export function unitRows(matrix: SparseMatrix): SparseMatrix {
  return SparseMatrix.fromRows(
    Array.from(matrix, ({ indices, values }) => {
      const length = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
      return { indices, values: length === 0 ? values : values.map((value) => value / length) };
    }),
    matrix.cols,
  );
}
