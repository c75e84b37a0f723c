import { types } from "node:util";

import { describe, invalid, requirePositiveInteger, requireRecord } from "./core/validate";
import { SparseRerankError } from "./errors";
import { markModel, modelOf } from "./sparse-index/model-identity";

/** A sparse row: indices are strictly ascending, and values are positive for SPLADE. `size` is the dimension. */
export interface SparseVector {
  readonly indices: Uint32Array;
  readonly values: Float32Array;
  readonly size: number;
}

/** The plain fields of a matrix. A SparseMatrix passed through structuredClone or postMessage arrives in this form. */
export interface SparseParts {
  readonly rows: number;
  readonly cols: number;
  /** Row offsets, [rows + 1]: row i is the range [indptr[i], indptr[i + 1]) of indices and values. */
  readonly indptr: Uint32Array;
  /** Strictly ascending in each row, below cols. */
  readonly indices: Uint32Array;
  /** One finite number per index. */
  readonly values: Float32Array;
  /** See SparseMatrix.truncated. Default: empty. */
  readonly truncated?: Uint32Array;
}

/** The result of toJSON(): the fields as plain arrays. */
export interface SparseJson {
  readonly rows: number;
  readonly cols: number;
  readonly indptr: readonly number[];
  readonly indices: readonly number[];
  readonly values: readonly number[];
  readonly truncated: readonly number[];
}

/** A row that fromRows() accepts. */
export interface SparseRowLike {
  readonly indices: ArrayLike<number>;
  readonly values: ArrayLike<number>;
}

/** indptr holds 32-bit offsets. */
const MAX_WEIGHTS = 2 ** 32 - 1;
const MAX_COLS = 2 ** 32;
/** Maximum number of elements in a dense result: 1 GiB of float32. */
export const MAX_DENSE_ELEMENTS = 2 ** 28;

/**
 * A matrix in compressed sparse row (CSR) format, shape [rows, cols], with at most 2³²−1 weights (for more, use encodeDocumentStream).
 *
 * Its fields are plain own properties: structuredClone(matrix) and postMessage(matrix) produce SparseParts, from which `new
 * SparseMatrix(parts)` creates a matrix again. The buffers are transferable. JSON.stringify(matrix) and fromJSON() convert through plain
 * arrays.
 */
export class SparseMatrix implements SparseParts, Iterable<SparseVector> {
  readonly rows: number;
  readonly cols: number;
  readonly indptr: Uint32Array;
  readonly indices: Uint32Array;
  readonly values: Float32Array;
  /** Row numbers of the input texts that exceeded the model's maximum length and were truncated; strictly ascending. */
  readonly truncated: Uint32Array;
  /** Brands objects that the constructor validated: Object.create(SparseMatrix.prototype) does not have it. */
  readonly #isChecked = true;

  /**
   * Validates the parts and keeps their arrays without copying: do not change them afterwards. Arrays in shared or resizable memory, which
   * may change at any time, are copied. The fields are frozen.
   *
   * Errors: ERR_INVALID_ARGUMENT, ERR_DIMENSION_MISMATCH (an index not below cols), ERR_TOO_LARGE.
   *
   * @param options.truncated overrides `parts.truncated`
   */
  constructor(parts: SparseParts, options: { readonly truncated?: Uint32Array } = {}) {
    if (!isObject(parts)) throw invalid("parts", parts, "an object with rows, cols, indptr, indices and values");
    requireRecord(options, "options", ["truncated"]);
    // Reads each property once: a getter could return another value the next time.
    const { rows, cols } = parts;
    const indptr = ownMemory(parts.indptr);
    const indices = ownMemory(parts.indices);
    const values = ownMemory(parts.values);
    const truncated = ownMemory(options.truncated ?? parts.truncated ?? new Uint32Array(0));
    checkParts({ rows, cols, indptr, indices, values }, truncated);
    this.rows = rows;
    this.cols = cols;
    this.indptr = indptr;
    this.indices = indices;
    this.values = values;
    this.truncated = truncated;
    Object.freeze(this);
  }

  /** Whether the constructor created this object and its arrays are intact: a transferred array has length 0. */
  static isIntact(value: unknown): value is SparseMatrix {
    if (typeof value !== "object" || value === null || !(#isChecked in value)) return false;
    const { rows, indptr, indices, values } = value;
    return indptr.length === rows + 1 && indices.length === values.length && indptr[rows] === indices.length;
  }

  /** Row i, as views of the matrix's arrays (not copies). Errors: ERR_INVALID_ARGUMENT. */
  row(i: number): SparseVector {
    if (!Number.isInteger(i) || i < 0 || i >= this.rows) throw invalid("row", i, `an integer from 0 to ${this.rows - 1}`);
    return this.#view(i);
  }

  /** A copy of rows [start, end), with the bounds of Array.prototype.slice. `truncated` is relative to the first row of the slice. */
  slice(start: number, end: number = this.rows): SparseMatrix {
    const first = clampBound(start, this.rows, "start");
    const last = Math.max(first, clampBound(end, this.rows, "end"));
    const from = at(this.indptr, first);
    const to = at(this.indptr, last);
    const sliced = new SparseMatrix({
      rows: last - first,
      cols: this.cols,
      indptr: this.indptr.slice(first, last + 1).map((offset) => offset - from),
      indices: this.indices.slice(from, to),
      values: this.values.slice(from, to),
      truncated: this.truncated.filter((row) => row >= first && row < last).map((row) => row - first),
    });
    return markModel(sliced, modelOf(this));
  }

  /** The dense matrix, [rows, cols] in row-major order. Errors: ERR_TOO_LARGE (more than 2²⁸ elements, 1 GiB). */
  toDense(): Float32Array {
    requireDenseSize(this.rows, this.cols);
    const dense = new Float32Array(this.rows * this.cols);
    for (let i = 0; i < this.rows; i++) {
      const end = at(this.indptr, i + 1);
      for (let k = at(this.indptr, i); k < end; k++) dense[i * this.cols + at(this.indices, k)] = at(this.values, k);
    }
    return dense;
  }

  /** JSON preserves the float32 values exactly, except for the sign of zero. */
  toJSON(): SparseJson {
    return {
      rows: this.rows,
      cols: this.cols,
      indptr: Array.from(this.indptr),
      indices: Array.from(this.indices),
      values: Array.from(this.values),
      truncated: Array.from(this.truncated),
    };
  }

  /**
   * Creates a matrix from the result of toJSON(). Errors: those of the constructor, and ERR_INVALID_ARGUMENT (an array of other values).
   */
  static fromJSON(json: SparseJson): SparseMatrix {
    if (!isObject(json)) throw invalid("json", json, "an object returned by toJSON()");
    return new SparseMatrix({
      rows: json.rows,
      cols: json.cols,
      indptr: uint32From(json.indptr, "indptr"),
      indices: uint32From(json.indices, "indices"),
      values: float32From(json.values, "values"),
      truncated: uint32From(json.truncated, "truncated"),
    });
  }

  /**
   * Creates a matrix from copies of rows. Indices must be strictly ascending; values are rounded to float32. Errors: those of the
   * constructor.
   */
  static fromRows(rows: Iterable<SparseRowLike>, cols: number): SparseMatrix {
    if (typeof (rows as Partial<Iterable<SparseRowLike>> | undefined)?.[Symbol.iterator] !== "function") {
      throw invalid("rows", rows, "an iterable of { indices, values }");
    }
    const collected: SparseRowLike[] = [];
    const offsets = [0];
    let weights = 0;
    for (const row of rows) {
      checkRowLike(row, `rows[${collected.length}]`);
      weights = addWeights(weights, row.indices.length);
      collected.push(row);
      offsets.push(weights);
    }
    const indices = new Uint32Array(weights);
    const values = new Float32Array(weights);
    collected.forEach((row, i) => {
      const begin = at(offsets, i);
      indices.set(uint32From(row.indices, `rows[${i}].indices`), begin);
      values.set(float32From(row.values, `rows[${i}].values`), begin);
    });
    return new SparseMatrix({ rows: collected.length, cols, indptr: Uint32Array.from(offsets), indices, values });
  }

  /**
   * Concatenates the rows of at least one matrix, in order, and adjusts `truncated`.
   *
   * Errors: ERR_INVALID_ARGUMENT, ERR_DIMENSION_MISMATCH, ERR_TOO_LARGE (more than 2³²−1 weights).
   */
  static concat(parts: readonly SparseMatrix[]): SparseMatrix {
    const matrices = Array.isArray(parts) ? parts.map((part: SparseMatrix, i) => asMatrix(part, `parts[${i}]`)) : [];
    const first = matrices[0];
    if (first === undefined) throw invalid("parts", parts, "an array of at least one SparseMatrix");
    let rows = 0;
    let weights = 0;
    matrices.forEach((part, i) => {
      if (part.cols !== first.cols) {
        throw new SparseRerankError(
          "ERR_DIMENSION_MISMATCH",
          `parts[${i}] has ${part.cols} columns, parts[0] has ${first.cols}; only matrices of the same model can be concatenated.`,
        );
      }
      rows += part.rows;
      weights = addWeights(weights, part.values.length);
    });
    const indptr = new Uint32Array(rows + 1);
    const indices = new Uint32Array(weights);
    const values = new Float32Array(weights);
    const truncated: number[] = [];
    let row = 0;
    let weight = 0;
    for (const part of matrices) {
      for (let i = 0; i < part.rows; i++) indptr[row + i + 1] = weight + at(part.indptr, i + 1);
      for (const cut of part.truncated) truncated.push(row + cut);
      indices.set(part.indices, weight);
      values.set(part.values, weight);
      row += part.rows;
      weight += part.values.length;
    }
    const joined = new SparseMatrix({ rows, cols: first.cols, indptr, indices, values, truncated: Uint32Array.from(truncated) });
    const model = modelOf(first);
    return markModel(joined, matrices.every((part) => modelOf(part)?.fingerprint === model?.fingerprint) ? model : undefined);
  }

  *[Symbol.iterator](): Iterator<SparseVector> {
    for (let i = 0; i < this.rows; i++) yield this.#view(i);
  }

  #view(i: number): SparseVector {
    const begin = at(this.indptr, i);
    const end = at(this.indptr, i + 1);
    return markModel(
      { indices: this.indices.subarray(begin, end), values: this.values.subarray(begin, end), size: this.cols },
      modelOf(this),
    );
  }
}

/** Errors: ERR_TOO_LARGE (a dense result of more than 2²⁸ elements). */
export function requireDenseSize(rows: number, cols: number): void {
  if (rows * cols > MAX_DENSE_ELEMENTS) {
    throw new SparseRerankError(
      "ERR_TOO_LARGE",
      `A dense result of ${rows} x ${cols} numbers is above the limit of ${MAX_DENSE_ELEMENTS} (1 GiB); use fewer rows at a time.`,
    );
  }
}

/** Whether a value is a vector: only matrices have `indptr`. */
export function isVector(value: SparseMatrix | SparseParts | SparseVector): value is SparseVector {
  return isObject(value) && !("indptr" in value) && "indices" in value;
}

/** Converts a vector to a matrix of one row, and plain parts to a matrix; both are validated. Errors: those of the constructor. */
export function asMatrix(value: SparseMatrix | SparseParts | SparseVector, name: string): SparseMatrix {
  if (SparseMatrix.isIntact(value)) return value;
  if (isVector(value)) {
    const length = types.isUint32Array(value.indices) ? value.indices.length : 0;
    const matrix = new SparseMatrix({
      rows: 1,
      cols: value.size,
      indptr: Uint32Array.of(0, length),
      indices: value.indices,
      values: value.values,
    });
    return markModel(matrix, modelOf(value));
  }
  if (!isObject(value)) throw invalid(name, value, "a SparseMatrix or a SparseVector");
  return new SparseMatrix(value);
}

/** Copies an array in shared or resizable memory. Values that are not typed arrays are returned unchanged and rejected by checkParts. */
function ownMemory<T extends Uint32Array | Float32Array>(array: T): T {
  if (!types.isTypedArray(array)) return array;
  const buffer: ArrayBufferLike & { readonly resizable?: boolean } = array.buffer;
  return types.isSharedArrayBuffer(buffer) || buffer.resizable === true ? (array.slice() as T) : array;
}

/** Reads an element that is known to exist. */
function at(numbers: ArrayLike<number>, i: number): number {
  return numbers[i] ?? 0;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function addWeights(weights: number, more: number): number {
  if (weights + more > MAX_WEIGHTS) {
    throw new SparseRerankError(
      "ERR_TOO_LARGE",
      `A SparseMatrix holds at most ${MAX_WEIGHTS} weights; use several matrices, or encodeDocumentStream.`,
    );
  }
  return weights + more;
}

function clampBound(bound: unknown, length: number, name: string): number {
  if (!Number.isInteger(bound)) throw invalid(name, bound, "an integer");
  const position = bound as number;
  return position < 0 ? Math.max(0, length + position) : Math.min(position, length);
}

function checkRowLike(row: unknown, name: string): asserts row is SparseRowLike {
  const { indices, values } = (isObject(row) ? row : {}) as Partial<SparseRowLike>;
  if (typeof indices?.length !== "number" || typeof values?.length !== "number") {
    throw invalid(name, row, "an object with the arrays indices and values");
  }
  if (indices.length !== values.length) {
    throw new SparseRerankError(
      "ERR_INVALID_ARGUMENT",
      `${name} has ${indices.length} indices and ${values.length} values; each index needs one value.`,
    );
  }
}

/** Copies the numbers and rejects any that uint32 cannot represent. */
function uint32From(numbers: ArrayLike<number>, name: string): Uint32Array {
  if (typeof (numbers as Partial<ArrayLike<number>> | undefined)?.length !== "number") throw invalid(name, numbers, "an array of integers");
  if (types.isUint32Array(numbers)) return numbers.slice();
  const result = new Uint32Array(numbers.length);
  for (let i = 0; i < result.length; i++) {
    result[i] = at(numbers, i);
    if (result[i] !== numbers[i]) throw invalid(`${name}[${i}]`, numbers[i], "an integer from 0 to 4294967295");
  }
  return result;
}

function float32From(numbers: ArrayLike<number>, name: string): Float32Array {
  if (typeof (numbers as Partial<ArrayLike<number>> | undefined)?.length !== "number") throw invalid(name, numbers, "an array of numbers");
  if (types.isFloat32Array(numbers)) return numbers.slice();
  for (let i = 0; i < numbers.length; i++) {
    if (typeof numbers[i] !== "number") throw invalid(`${name}[${i}]`, numbers[i], "a number");
  }
  return Float32Array.from(numbers);
}

function checkParts({ rows, cols, indptr, indices, values }: SparseParts, truncated: unknown): void {
  if (!Number.isInteger(rows) || rows < 0) throw invalid("rows", rows, "a non-negative integer");
  requirePositiveInteger(cols, "cols", MAX_COLS);
  if (!types.isUint32Array(indptr)) throw invalid("indptr", indptr, "a Uint32Array");
  if (!types.isUint32Array(indices)) throw invalid("indices", indices, "a Uint32Array");
  if (!types.isFloat32Array(values)) throw invalid("values", values, "a Float32Array");
  if (!types.isUint32Array(truncated)) throw invalid("truncated", truncated, "a Uint32Array");
  if (indptr.length !== rows + 1) throw broken(`indptr has ${indptr.length} entries; ${rows} rows need ${rows + 1}`);
  if (indices.length !== values.length) {
    throw broken(`there are ${indices.length} indices and ${values.length} values; each index needs one value`);
  }
  addWeights(0, values.length);
  if (indptr[0] !== 0) throw broken(`indptr[0] is ${at(indptr, 0)}; it must be 0`);
  for (let i = 0; i < rows; i++) {
    const end = at(indptr, i + 1);
    if (end < at(indptr, i) || end > indices.length) {
      throw broken(
        `row ${i} would be [${at(indptr, i)}, ${end}) of ${indices.length} weights; indptr must not decrease or exceed the number of weights`,
      );
    }
    checkRow(indices, values, at(indptr, i), end, i, cols);
  }
  if (indptr[rows] !== indices.length) {
    throw broken(`indptr ends at ${at(indptr, rows)}, but there are ${indices.length} weights`);
  }
  truncated.forEach((row, i) => {
    if (row >= rows || (i > 0 && row <= at(truncated, i - 1))) {
      throw broken(`truncated[${i}] is ${row}; row numbers must be strictly ascending and below ${rows}`);
    }
  });
}

/** Indexes the arrays directly: going through at(), which also serves plain arrays, takes more than twice as long. */
function checkRow(indices: Uint32Array, values: Float32Array, begin: number, end: number, row: number, cols: number): void {
  let previous = -1;
  for (let k = begin; k < end; k++) {
    const index = indices[k] ?? 0;
    const value = values[k] ?? 0;
    if (index <= previous || index >= cols || !Number.isFinite(value)) throw badWeight(row, k - begin, index, previous, cols, value);
    previous = index;
  }
}

function badWeight(row: number, position: number, index: number, previous: number, cols: number, value: number): SparseRerankError {
  const place = `row ${row}, position ${position}`;
  if (index <= previous) return broken(`${place}: index ${index} follows ${previous}; the indices of a row must be strictly ascending`);
  if (index >= cols) {
    return new SparseRerankError("ERR_DIMENSION_MISMATCH", `Sparse data: ${place}: index ${index} is not below cols = ${cols}.`);
  }
  return broken(`${place}: the value of index ${index} is ${describe(value)}; values must be finite numbers`);
}

function broken(what: string): SparseRerankError {
  return new SparseRerankError("ERR_INVALID_ARGUMENT", `Sparse data: ${what}.`);
}
