import { SparseRerankError } from "./errors";
import { withCancel } from "./internal/abort";
import { DocumentIds } from "./internal/document-ids";
import { Lifecycle } from "./internal/lifecycle";
import type { Resource } from "./internal/lifecycle";
import { native } from "./internal/load";
import type { NativeHits, NativeIndex } from "./internal/native";
import { SharedGate } from "./internal/shared-gate";
import {
  describe,
  invalid,
  notSupported,
  requireControls,
  requirePositiveInteger,
  requireRecord,
  requireString,
} from "./internal/validate";
import { asMatrix, isVector } from "./sparse-matrix";
import type { SparseMatrix, SparseVector } from "./sparse-matrix";
import { requireDimension } from "./sparse-ops";

/** Not available in this version. */
export type Metadata = Readonly<Record<string, string | number | boolean>>;

/** Not available in this version. */
export type Filter =
  | { readonly ids: Iterable<string> }
  | Readonly<Record<string, string | number | boolean | { gte?: number; lte?: number; in?: readonly (string | number)[] }>>;

export interface SearchHit<P = unknown> {
  readonly id: string;
  readonly score: number;
  readonly payload?: P;
}

export interface IndexSearchOptions {
  /** Hits for each query at most; default 10. */
  readonly topK?: number;
  /** Default "exact"; a recall target is not available in this version. */
  readonly mode?: "exact" | { readonly recall: number };
  /** Not available in this version. */
  readonly filter?: Filter;
  /** Not available in this version. */
  readonly withPayload?: boolean;
  readonly signal?: AbortSignal;
}

export interface IndexStats {
  /** Added and not removed. */
  readonly documents: number;
  /** Weights stored, those of removed documents included until compact(). Zero weights are not stored. */
  readonly postings: number;
  /** Native memory held. Ids are not counted: they are JavaScript strings. */
  readonly bytes: number;
  /** Always 1: this version keeps an index in one piece. */
  readonly segments: number;
}

const DEFAULT_TOP_K = 10;
/** Native code counts hits in 32 bits, and there are no more documents than that. */
const MAX_TOP_K = 2 ** 32 - 1;
const MAX_ID_BYTES = 65_536;
const SEARCH_OPTIONS = ["topK", "mode", "filter", "withPayload", "signal"];

/**
 * A sparse inverted index in native memory. Scores are dot products: for the terms of a query in ascending order, float32 products are added
 * in float32, so a score depends on the query and the document alone. A hit is a document whose score is not zero: one that shares no term
 * with the query is never a hit. Weights may be negative.
 *
 * Searches run side by side on the thread pool. Each add(), remove() and compact() waits for the calls before it and runs alone, so one
 * search() call, with all its queries, sees a batch wholly or not at all. A call that fails leaves the index as it was.
 */
export class SparseIndex implements Resource {
  readonly dimension: number;
  readonly #native: NativeIndex;
  readonly #lifecycle = new Lifecycle("SparseIndex");
  readonly #gate = new SharedGate();
  #ids = new DocumentIds();

  private constructor(dimension: number) {
    this.dimension = dimension;
    this.#native = new (native().Index)(dimension);
  }

  /** @param options.dimension the model's embeddingDimension, at most 2²² (else ERR_TOO_LARGE) */
  static create(options: { readonly dimension: number }): SparseIndex {
    requireRecord(options, "options", ["dimension"]);
    requirePositiveInteger(options.dimension, "dimension");
    requireDimension(options.dimension);
    return new SparseIndex(options.dimension);
  }

  /** Not available in this version. Errors: ERR_NOT_SUPPORTED. */
  static async open(path: string, options: { readonly dimension?: number; readonly readOnly?: boolean } = {}): Promise<SparseIndex> {
    requireString(path, "path");
    requireRecord(options, "options", ["dimension", "readOnly"]);
    return Promise.reject(notSupported("SparseIndex.open"));
  }

  /** Documents in the index. */
  get size(): number {
    return this.#ids.size;
  }

  /**
   * Adds a document for each row of `vectors`, all or none. Re-adding an id replaces its document, which then counts as the newest.
   *
   * @param ids [vectors.rows] distinct non-empty strings of at most 64 KiB in UTF-8
   * Errors: ERR_INVALID_ARGUMENT, ERR_DUPLICATE_ID, ERR_DIMENSION_MISMATCH, ERR_TOO_LARGE, ERR_DISPOSED.
   */
  add(
    ids: readonly string[],
    vectors: SparseMatrix,
    extras: { readonly metadata?: readonly Metadata[]; readonly payloads?: readonly unknown[] } = {},
  ): Promise<void> {
    return this.#lifecycle.run(async () => {
      checkExtras(extras);
      const copies = checkIds(ids);
      const matrix = this.#checkVectors(vectors, "vectors");
      if (copies.length !== matrix.rows) {
        throw new SparseRerankError(
          "ERR_INVALID_ARGUMENT",
          `There are ${copies.length} ids and ${matrix.rows} rows of vectors; each row needs one id.`,
        );
      }
      if (copies.length > 0) await this.#gate.alone(() => this.#append(copies, matrix));
    });
  }

  /** Removes documents and settles with how many there were; unknown ids are passed over. Their memory stays in use until compact(). */
  remove(ids: readonly string[]): Promise<number> {
    return this.#lifecycle.run(async () => {
      if (!Array.isArray(ids)) throw invalid("ids", ids, "an array of strings");
      const distinct = new Set(ids.map((id, i) => checkId(id, i)));
      return this.#gate.alone(async () => {
        const known = [...distinct].filter((id) => this.#ids.slot(id) !== undefined);
        await this.#removeSlots(known);
        for (const id of known) this.#ids.delete(id);
        return known.length;
      });
    });
  }

  /**
   * The documents with the highest scores, best first; equal scores by order of insertion. One list of hits for each query row, or one list
   * for a vector; a list is shorter than topK when fewer documents match.
   *
   * Errors: ERR_INVALID_ARGUMENT, ERR_DIMENSION_MISMATCH, ERR_NOT_SUPPORTED (filter, withPayload, a recall target), ERR_ABORTED, ERR_DISPOSED.
   */
  search(queries: SparseMatrix, options?: IndexSearchOptions): Promise<SearchHit[][]>;
  search(query: SparseVector, options?: IndexSearchOptions): Promise<SearchHit[]>;
  search(queries: SparseMatrix | SparseVector, options: IndexSearchOptions = {}): Promise<SearchHit[][] | SearchHit[]> {
    return this.#lifecycle.run(async () => {
      checkSearchOptions(options);
      const matrix = this.#checkVectors(queries, "queries");
      const lists = matrix.rows === 0 ? [] : await this.#search(matrix, options);
      return isVector(queries) ? (lists[0] ?? []) : lists;
    });
  }

  stats(): IndexStats {
    this.#lifecycle.requireLive();
    return { ...this.#native.stats(), segments: 1 };
  }

  /** Frees the memory of removed and replaced documents. Needs memory for a second index while it works; searches wait. */
  compact(): Promise<void> {
    return this.#lifecycle.run(() =>
      this.#gate.alone(async () => {
        const oldSlots = await withCancel(undefined, () => this.#native.compact());
        this.#ids = await this.#ids.renumbered(oldSlots);
      }),
    );
  }

  /** Not available in this version. Errors: ERR_NOT_SUPPORTED. */
  save(path: string): Promise<void> {
    return this.#lifecycle.run(async () => {
      requireString(path, "path");
      return Promise.reject(notSupported("SparseIndex.save"));
    });
  }

  dispose(): void {
    if (!this.#lifecycle.dispose()) return;
    this.#gate.rejectWaiting(new SparseRerankError("ERR_DISPOSED", "The SparseIndex was disposed while this call waited for its turn."));
    this.#native.dispose();
  }

  async close(): Promise<void> {
    this.dispose();
    await this.#lifecycle.idle();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #checkVectors(vectors: SparseMatrix | SparseVector, name: string): SparseMatrix {
    const matrix = asMatrix(vectors, name);
    if (matrix.cols !== this.dimension) {
      throw new SparseRerankError(
        "ERR_DIMENSION_MISMATCH",
        `${name} has ${matrix.cols} dimensions; the index was created for ${this.dimension}.`,
      );
    }
    return matrix;
  }

  async #append(ids: readonly string[], matrix: SparseMatrix): Promise<void> {
    const first = await withCancel(undefined, () => this.#native.add(matrix));
    await this.#removeSlots(ids.filter((id) => this.#ids.slot(id) !== undefined));
    this.#ids.assign(ids, first);
  }

  async #removeSlots(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    const slots = Uint32Array.from(ids, (id) => this.#ids.slot(id) ?? 0);
    await withCancel(undefined, () => this.#native.remove(slots));
  }

  #search(queries: SparseMatrix, { topK = DEFAULT_TOP_K, signal }: IndexSearchOptions): Promise<SearchHit[][]> {
    return this.#gate.shared(async () => {
      const hits = await withCancel(signal, (cancel) =>
        this.#native.search(queries, Math.min(topK, MAX_TOP_K), cancel === undefined ? {} : { cancel }),
      );
      return Array.from({ length: queries.rows }, (_, i) => this.#hits(hits, i));
    }, signal);
  }

  #hits(hits: NativeHits, query: number): SearchHit[] {
    const list: SearchHit[] = [];
    for (let i = hits.indptr[query] ?? 0; i < (hits.indptr[query + 1] ?? 0); i++) {
      const id = this.#ids.id(hits.slots[i] ?? 0);
      if (id === undefined) throw new SparseRerankError("ERR_INTERNAL", `Slot ${String(hits.slots[i])} of the index has no id.`);
      list.push({ id, score: hits.scores[i] ?? 0 });
    }
    return list;
  }
}

function checkId(id: unknown, i: number): string {
  const name = `ids[${i}]`;
  requireString(id, name);
  // Every UTF-16 unit takes at most 3 bytes in UTF-8, so that most ids need no counting.
  if (id.length * 3 > MAX_ID_BYTES && Buffer.byteLength(id) > MAX_ID_BYTES) {
    throw new SparseRerankError(
      "ERR_INVALID_ARGUMENT",
      `${name} has ${String(Buffer.byteLength(id))} bytes in UTF-8; at most ${MAX_ID_BYTES} are allowed.`,
    );
  }
  if (/\p{Surrogate}/u.test(id))
    throw new SparseRerankError("ERR_INVALID_ARGUMENT", `${name} has half of a surrogate pair; it must be valid Unicode.`);
  return id;
}

/** A copy, so that the caller may change its array while the call waits. */
function checkIds(ids: readonly string[]): readonly string[] {
  if (!Array.isArray(ids)) throw invalid("ids", ids, "an array of strings");
  const seen = new Set<string>();
  return ids.map((value, i) => {
    const id = checkId(value, i);
    if (seen.has(id)) {
      throw new SparseRerankError(
        "ERR_DUPLICATE_ID",
        `ids[${i}] is ${JSON.stringify(id.slice(0, 200))}, as an id before it in the same batch.`,
      );
    }
    seen.add(id);
    return id;
  });
}

function checkExtras(extras: { readonly metadata?: unknown; readonly payloads?: unknown }): void {
  requireRecord(extras, "extras", ["metadata", "payloads"]);
  if (extras.metadata !== undefined) throw notSupported("The option metadata");
  if (extras.payloads !== undefined) throw notSupported("The option payloads");
}

function checkSearchOptions(options: IndexSearchOptions): void {
  requireRecord(options, "options", SEARCH_OPTIONS);
  requireControls(options);
  if (options.topK !== undefined) requirePositiveInteger(options.topK, "topK");
  if (options.filter !== undefined) throw notSupported("The option filter");
  if (options.withPayload !== undefined && typeof options.withPayload !== "boolean") {
    throw invalid("withPayload", options.withPayload, "a boolean");
  }
  if (options.withPayload === true) throw notSupported("The option withPayload");
  if (options.mode === undefined || options.mode === "exact") return;
  if (typeof options.mode === "object") throw notSupported("The option mode: { recall }");
  throw new SparseRerankError("ERR_INVALID_ARGUMENT", `mode must be "exact" or { recall: number }, not ${describe(options.mode)}.`);
}
