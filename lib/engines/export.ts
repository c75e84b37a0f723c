/** Exports vectors to files that Python packages load. */

import { writeFile } from "node:fs/promises";
import path from "node:path";
import { crc32 } from "node:zlib";

import { replaceFile } from "../core/replace-file";
import { reasonOf } from "../core/system-reason";
import { requirePath, requireRecord, requireTexts } from "../core/validate";
import { SparseRerankError } from "../errors";
import type { SparseMatrix } from "../sparse-matrix";
import { checkDocuments } from "./documents";
import { nonZeros } from "./json-lines";

export interface ExportOptions {
  /** The token of each dimension, [vectors.cols], as in the tokenizer used in Python. */
  readonly vocabulary: readonly string[];
  /** Texts to store with the vectors, [vectors.rows]. */
  readonly texts?: readonly string[];
}

/**
 * Writes a folder that `SPLADE.load(folder, model)` of splade-index (0.2) opens: csc.index.npz (weights in compressed sparse column
 * format), vocab.index.json, params.index.json and, with texts, corpus.jsonl.
 *
 * Errors: ERR_INVALID_ARGUMENT, ERR_DUPLICATE_ID, ERR_TOO_LARGE (more than 2³¹−1 weights), ERR_FILE_UNWRITABLE.
 */
export async function exportSpladeIndex(
  folder: string,
  ids: readonly string[],
  vectors: SparseMatrix,
  options: ExportOptions,
): Promise<void> {
  requirePath(folder, "folder");
  check(ids, vectors, options);
  if (vectors.values.length >= 2 ** 31) {
    throw new SparseRerankError("ERR_TOO_LARGE", "splade-index counts weights in 32 bits: export fewer documents.");
  }
  const { data, indices, indptr } = transposed(vectors);
  const arrays: [string, Buffer][] = [
    ["data.npy", npy("<f4", data.length, Buffer.from(data.buffer))],
    ["indices.npy", npy("<i4", indices.length, Buffer.from(indices.buffer))],
    ["indptr.npy", npy("<i4", indptr.length, Buffer.from(indptr.buffer))],
    ["document_ids.npy", npyOfStrings(ids)],
  ];
  await write(path.join(folder, "csc.index.npz"), zip(arrays));
  const vocabulary = Object.fromEntries(options.vocabulary.map((token, dimension) => [token, dimension]));
  await write(path.join(folder, "vocab.index.json"), JSON.stringify(vocabulary));
  const params = { dtype: "float32", int_dtype: "int32", num_docs: vectors.rows, version: "0.2.0", backend: "numpy" };
  await write(path.join(folder, "params.index.json"), JSON.stringify(params, undefined, 4));
  const { texts } = options;
  if (texts === undefined) return;
  const lines = ids.map((id, row) => `${JSON.stringify({ id, text: texts[row] })}\n`);
  await write(path.join(folder, "corpus.jsonl"), lines);
}

/**
 * Writes a file that `SeismicIndex.build(file)` of pyseismic-lsr (0.5) reads: one line { id, content, vector: { token: weight } } per
 * document. The file name must end with .jsonl.
 *
 * Errors: ERR_INVALID_ARGUMENT, ERR_DUPLICATE_ID, ERR_FILE_UNWRITABLE.
 */
export async function exportSeismic(file: string, ids: readonly string[], vectors: SparseMatrix, options: ExportOptions): Promise<void> {
  requirePath(file, "file");
  if (!file.endsWith(".jsonl"))
    throw new SparseRerankError("ERR_INVALID_ARGUMENT", `Seismic detects the input format by file name: ${file} must end with .jsonl.`);
  check(ids, vectors, options);
  await write(file, seismicLines(ids, vectors, options));
}

function* seismicLines(ids: readonly string[], vectors: SparseMatrix, { vocabulary, texts }: ExportOptions): Generator<string> {
  for (const [row, id] of ids.entries()) {
    const entries = Array.from(nonZeros(vectors.row(row)), ([dimension, weight]) => [vocabulary[dimension], weight]);
    yield `${JSON.stringify({ id, content: texts?.[row] ?? "", vector: Object.fromEntries(entries) as object })}\n`;
  }
}

/** Writes atomically: on an error an existing file stays intact. Errors: ERR_FILE_UNWRITABLE. */
async function write(file: string, content: string | Buffer | Iterable<string>): Promise<void> {
  try {
    await replaceFile(file, (temporary) => writeFile(temporary, content));
  } catch (cause) {
    throw new SparseRerankError("ERR_FILE_UNWRITABLE", `Cannot write ${file}: ${reasonOf(cause)}.`, { cause });
  }
}

function check(ids: readonly string[], vectors: SparseMatrix, options: ExportOptions): void {
  requireRecord(options, "options", ["vocabulary", "texts"]);
  const { vocabulary, texts } = options;
  requireTexts(vocabulary, "vocabulary");
  if (texts !== undefined) requireTexts(texts, "texts");
  checkDocuments(ids, vectors, undefined, undefined);
  if (vocabulary.length !== vectors.cols || new Set(vocabulary).size !== vocabulary.length) {
    throw new SparseRerankError("ERR_INVALID_ARGUMENT", `vocabulary must have ${vectors.cols} different tokens, one for each dimension.`);
  }
  if (texts !== undefined && texts.length !== vectors.rows) {
    throw new SparseRerankError("ERR_INVALID_ARGUMENT", `There are ${texts.length} texts and ${vectors.rows} rows of vectors.`);
  }
}

/** Converts the matrix to compressed sparse column format: documents and weights by dimension. */
function transposed(vectors: SparseMatrix): { data: Float32Array; indices: Int32Array; indptr: Int32Array } {
  const indptr = new Int32Array(vectors.cols + 1);
  for (const dimension of vectors.indices) indptr[dimension + 1] = (indptr[dimension + 1] ?? 0) + 1;
  for (let i = 0; i < vectors.cols; i++) indptr[i + 1] = (indptr[i + 1] ?? 0) + (indptr[i] ?? 0);
  const next = indptr.slice();
  const data = new Float32Array(vectors.values.length);
  const indices = new Int32Array(vectors.values.length);
  for (let row = 0; row < vectors.rows; row++) {
    for (let k = vectors.indptr[row] ?? 0; k < (vectors.indptr[row + 1] ?? 0); k++) {
      const dimension = vectors.indices[k] ?? 0;
      const at = next[dimension] ?? 0;
      next[dimension] = at + 1;
      data[at] = vectors.values[k] ?? 0;
      indices[at] = row;
    }
  }
  return { data, indices, indptr };
}

/** A one-dimensional array in NumPy's .npy format, version 1.0. */
function npy(type: string, length: number, data: Buffer): Buffer {
  const text = `{'descr': '${type}', 'fortran_order': False, 'shape': (${length},), }`;
  // The format requires the data to be 64-byte aligned.
  const padded = `${text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11)}\n`;
  const start = Buffer.from("\x93NUMPY\x01\x00\0\0", "latin1");
  start.writeUInt16LE(padded.length, 8);
  return Buffer.concat([start, Buffer.from(padded, "latin1"), data]);
}

/** A NumPy array of fixed-length UTF-32 strings, zero-padded. */
function npyOfStrings(strings: readonly string[]): Buffer {
  const points = strings.map((text) => Array.from(text, (character) => character.codePointAt(0) ?? 0));
  const width = points.reduce((longest, { length }) => Math.max(longest, length), 1);
  const data = Buffer.alloc(4 * width * strings.length);
  for (const [i, list] of points.entries()) {
    for (const [k, point] of list.entries()) data.writeUInt32LE(point, 4 * (i * width + k));
  }
  return npy(`<U${width}`, strings.length, data);
}

/** A ZIP archive with uncompressed entries, which NumPy reads as .npz. */
function zip(entries: readonly (readonly [name: string, data: Buffer])[]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, data] of entries) {
    const fields = Buffer.alloc(26);
    fields.writeUInt16LE(20, 0);
    fields.writeUInt16LE(0x21, 8);
    fields.writeUInt32LE(crc32(data), 10);
    fields.writeUInt32LE(data.length, 14);
    fields.writeUInt32LE(data.length, 18);
    fields.writeUInt16LE(name.length, 22);
    const local = Buffer.concat([Buffer.from("PK\x03\x04", "latin1"), fields, Buffer.from(name)]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(offset, 10);
    directory.push(Buffer.from("PK\x01\x02\x14\0", "latin1"), fields, tail, Buffer.from(name));
    parts.push(local, data);
    offset += local.length + data.length;
  }
  const listed = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", 0, "latin1");
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(listed.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, listed, end]);
}
