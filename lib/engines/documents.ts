/** Validation of documents and queries for engines, and pruning of vectors. */

import { invalid, requireControls, requirePositiveInteger, requireRecord } from "../core/validate";
import { SparseRerankError } from "../errors";
import { checkFilter } from "../sparse-index/filter";
import type { CheckedFilter } from "../sparse-index/filter";
import { asMatrix } from "../sparse-matrix";
import type { SparseMatrix, SparseVector } from "../sparse-matrix";
import type { Payload } from "./json-object";
import type { EngineSearchOptions } from "./types";

/** The validated documents of one upsert(). */
export interface Documents {
  readonly ids: readonly string[];
  readonly vectors: SparseMatrix;
  readonly payloads: readonly (Payload | undefined)[];
}

/** Errors: ERR_INVALID_ARGUMENT, ERR_DUPLICATE_ID, ERR_DIMENSION_MISMATCH. */
export function checkDocuments(
  ids: readonly string[],
  vectors: SparseMatrix,
  payloads: readonly (Payload | undefined)[] | undefined,
  dimension: number | undefined,
): Documents {
  const checked = checkIds(ids);
  const seen = new Set<string>();
  for (const [i, id] of checked.entries()) {
    if (seen.has(id))
      throw new SparseRerankError("ERR_DUPLICATE_ID", `ids[${i}] is ${quoteId(id)}, the same as an earlier id in this call.`);
    seen.add(id);
  }
  const matrix = checkVectors(vectors, "vectors", dimension);
  if (matrix.rows !== checked.length) {
    throw new SparseRerankError(
      "ERR_INVALID_ARGUMENT",
      `There are ${checked.length} ids and ${matrix.rows} rows of vectors; each row needs one id.`,
    );
  }
  return { ids: checked, vectors: matrix, payloads: checkPayloads(payloads, checked.length) };
}

export function checkIds(ids: readonly string[]): readonly string[] {
  if (!Array.isArray(ids)) throw invalid("ids", ids, "an array of strings");
  return ids.map((id: unknown, i) => {
    if (typeof id !== "string" || id === "") throw invalid(`ids[${i}]`, id, "a non-empty string");
    if (/\p{Surrogate}/u.test(id)) {
      throw new SparseRerankError("ERR_INVALID_ARGUMENT", `ids[${i}] has a lone surrogate; it must be valid Unicode.`);
    }
    return id;
  });
}

/** Converts vectors to a matrix and checks their dimension. Errors: ERR_INVALID_ARGUMENT, ERR_DIMENSION_MISMATCH. */
export function checkVectors(vectors: SparseMatrix | SparseVector, name: string, dimension: number | undefined): SparseMatrix {
  const matrix = asMatrix(vectors, name);
  if (dimension !== undefined && matrix.cols !== dimension) {
    throw new SparseRerankError(
      "ERR_DIMENSION_MISMATCH",
      `${name} has ${matrix.cols} dimensions; the engine was created for ${dimension}. Use the model that encoded the documents of the index.`,
    );
  }
  return matrix;
}

/** Checks only that payloads are objects. Their fields are checked when they are serialized. */
function checkPayloads(payloads: readonly (Payload | undefined)[] | undefined, count: number): readonly (Payload | undefined)[] {
  if (payloads === undefined) return [];
  if (!Array.isArray(payloads) || payloads.length !== count)
    throw invalid("payloads", payloads, `an array of ${count} objects or undefined`);
  for (const [i, payload] of payloads.entries() as IterableIterator<[number, unknown]>) {
    if (payload !== undefined && (typeof payload !== "object" || payload === null || Array.isArray(payload))) {
      throw invalid(`payloads[${i}]`, payload, "an object or undefined");
    }
  }
  return payloads as readonly (Payload | undefined)[];
}

export interface CheckedSearch {
  readonly query: SparseVector;
  readonly topK: number;
  readonly filter: CheckedFilter | undefined;
  readonly withPayload: boolean;
  readonly signal: AbortSignal | undefined;
}

export function checkSearch(query: SparseVector, options: EngineSearchOptions, dimension: number | undefined): CheckedSearch {
  requireRecord(options, "options", ["topK", "filter", "withPayload", "signal"]);
  requireControls(options);
  requirePositiveInteger(options.topK, "topK");
  const { withPayload = true } = options;
  if (typeof withPayload !== "boolean") throw invalid("withPayload", withPayload, "a boolean");
  return {
    query: checkVectors(query, "query", dimension).row(0),
    topK: options.topK,
    filter: options.filter === undefined ? undefined : checkFilter(options.filter),
    withPayload,
    signal: options.signal,
  };
}

/** Limits of an engine on documents. */
export interface DocumentLimits {
  /** Maximum length of an id in UTF-8 bytes. */
  readonly idBytes: number;
  /** Whether weights may be negative. */
  readonly negative: boolean;
  /** Whether a vector may be empty. */
  readonly empty: boolean;
}

/** Why an engine cannot store a document, with a remedy; undefined if it can. */
export function limitProblem(id: string, { indices, values }: SparseVector, limits: DocumentLimits): string | undefined {
  // A UTF-16 code unit needs at most 3 bytes in UTF-8, so most ids need no exact count.
  if (id.length * 3 > limits.idBytes && Buffer.byteLength(id) > limits.idBytes) {
    return `the id has ${Buffer.byteLength(id)} bytes in UTF-8, but the engine allows at most ${limits.idBytes}; use a shorter one, such as a hash.`;
  }
  if (id.includes("\0")) return "the id contains a NUL character, which the engine does not allow; remove it.";
  if (!limits.negative) {
    const negative = values.findIndex((value) => value < 0);
    if (negative >= 0) {
      return `the weight of dimension ${indices[negative] ?? 0} is ${values[negative] ?? 0}, but the engine does not allow negative weights; use SPLADE vectors.`;
    }
  }
  if (!limits.empty && values.every((value) => value === 0)) {
    return "the vector has no weights, which the engine does not allow; omit documents without text.";
  }
  return undefined;
}

/**
 * Keeps the k weights of a vector with the largest magnitude (lower dimensions win ties). Returns the vector itself if it has no more than
 * k.
 */
export function prune(vector: SparseVector, k: number): SparseVector {
  if (vector.values.length <= k) return vector;
  const kept = Uint32Array.from(vector.values.keys())
    .sort((a, b) => Math.abs(vector.values[b] ?? 0) - Math.abs(vector.values[a] ?? 0) || a - b)
    .subarray(0, k)
    .sort();
  return {
    indices: Uint32Array.from(kept, (at) => vector.indices[at] ?? 0),
    values: Float32Array.from(kept, (at) => vector.values[at] ?? 0),
    size: vector.size,
  };
}

export function quoteId(id: string): string {
  return JSON.stringify(id.length > 200 ? `${id.slice(0, 200)}…` : id);
}
