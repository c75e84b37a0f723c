// Vectors on disk, in a format that numpy reads too: NAME.indptr (u64), NAME.indices (u32) and NAME.values (f32) of a CSR matrix.
import fs from "node:fs";
import path from "node:path";

import { SparseMatrix } from "sparse-rerank";

export const COLUMNS = 30522;

/** Reads rows of a matrix that may exceed the memory. */
export function openVectors(folder, name) {
  const indptr = new BigUint64Array(new Uint8Array(fs.readFileSync(path.join(folder, `${name}.indptr`))).buffer);
  const files = ["indices", "values"].map((part) => fs.openSync(path.join(folder, `${name}.${part}`)));
  const rows = indptr.length - 1;
  return {
    rows,
    weights: Number(indptr[rows]),
    slice(first, count) {
      const begin = Number(indptr[first]);
      const end = Number(indptr[first + count]);
      return new SparseMatrix({
        rows: count,
        cols: COLUMNS,
        indptr: Uint32Array.from({ length: count + 1 }, (_, i) => Number(indptr[first + i]) - begin),
        indices: readRange(files[0], begin, end, Uint32Array),
        values: readRange(files[1], begin, end, Float32Array),
      });
    },
    close() {
      for (const file of files) fs.closeSync(file);
    },
  };
}

/** Appends matrices. Truncates the partial matrix that an interrupted run left: row ends are written last. */
export function appendVectors(folder, name) {
  const [indptr, indices, values] = ["indptr", "indices", "values"].map((part) => fs.openSync(path.join(folder, `${name}.${part}`), "a+"));
  const { size } = fs.fstatSync(indptr);
  if (size < 8) fs.writeSync(indptr, new BigUint64Array(1));
  let rows = Math.max(0, Math.floor(size / 8) - 1);
  let weights = size < 8 ? 0 : Number(readRange(indptr, rows, rows + 1, BigUint64Array)[0]);
  fs.ftruncateSync(indptr, 8 * (rows + 1));
  for (const file of [indices, values]) fs.ftruncateSync(file, 4 * weights);
  return {
    get rows() {
      return rows;
    },
    get weights() {
      return weights;
    },
    append(matrix) {
      fs.writeSync(indices, matrix.indices);
      fs.writeSync(values, matrix.values);
      fs.writeSync(
        indptr,
        BigUint64Array.from({ length: matrix.rows }, (_, i) => BigInt(weights + matrix.indptr[i + 1])),
      );
      rows += matrix.rows;
      weights += matrix.values.length;
    },
    close() {
      for (const file of [indptr, indices, values]) fs.closeSync(file);
    },
  };
}

function readRange(file, begin, end, Type) {
  const bytes = new Uint8Array((end - begin) * Type.BYTES_PER_ELEMENT);
  fs.readSync(file, bytes, 0, bytes.length, begin * Type.BYTES_PER_ELEMENT);
  return new Type(bytes.buffer);
}

/** `count` rows at even distances, as vectors; peers.py selects the same. */
export function spread(vectors, count) {
  return Array.from({ length: count }, (_, i) => [...vectors.slice(Math.floor((i * vectors.rows) / count), 1)][0]);
}
