import { resolve } from "node:path";

import { observed } from "../core/diagnostics";
import type { Described } from "../core/diagnostics";
import { ManagedResource } from "../core/managed-resource";
import { FACTORY, invalid, requireFactory, requirePath, requirePositiveInteger, requireRecord } from "../core/validate";
import { SparseRerankError } from "../errors";
import { withCancel } from "../native/cancellation";
import type { NativeFilter, NativeHits, NativeIndex, NativeSearchOptions } from "../native/contract";
import { IndexWriter } from "../native/index-writer";
import { native } from "../native/load";
import { MAX_TOP_K, onSnapshot } from "../native/snapshot";
import { packBytes, packStrings } from "../native/strings";
import { asMatrix, isVector } from "../sparse-matrix";
import type { SparseMatrix, SparseVector } from "../sparse-matrix";
import { requireDimension } from "../sparse-ops";
import { checkId, checkIds, checkPerDocument } from "./document-ids";
import { isFolder, requireIndexFolder, requireNoCollection } from "./index-folder";
import { attributesOf } from "./metadata";
import type { Metadata } from "./metadata";
import { checkEncoder, modelOf, readModelFile, requireSameModel, writeModelFile } from "./model-identity";
import type { IndexEncoder, KnownModel, ModelIdentity } from "./model-identity";
import { decodePayloads, encodePayloads } from "./payloads";
import { checkSearchOptions } from "./search-options";
import type { IndexSearchOptions } from "./search-options";

export type { IndexEncoder, IndexSearchOptions, KnownModel, ModelIdentity };

export interface SearchHit<P = unknown> {
  readonly id: string;
  readonly score: number;
  /** Present with `withPayload`, for documents that have a payload. */
  readonly payload?: P;
}

export interface DocumentExtras {
  /**
   * One entry per document, or undefined: the fields that searches can filter by. The dotted path of a field is at most 1,024 bytes long.
   */
  readonly metadata?: readonly (Metadata | undefined)[];
  /**
   * One entry per document: any JSON value, or undefined. Values that JSON would change silently are rejected: a Map (which becomes {}), an
   * instance of a class, NaN, a function. A Date is stored as its toJSON() string. Payloads are stored compressed and returned with hits.
   */
  readonly payloads?: readonly unknown[];
}

export interface IndexStats {
  /** Number of documents, without removed ones. */
  readonly documents: number;
  /** Number of stored weights. Those of removed documents count until their segment is merged. Zero weights are not stored. */
  readonly postings: number;
  /** Size of all segments in bytes, in native memory or in mapped files. */
  readonly bytes: number;
  /** The part of `bytes` that any search may read. The rest is read only for candidates and hits, so in a mapped file it stays on disk. */
  readonly hotBytes: number;
  /** Number of segments. Each add() creates one; merging reduces their number. */
  readonly segments: number;
  /**
   * Measured recall for some targets: the share of the 10 best hits of an exact search that a search with this target found. It is measured
   * when a segment is built, with parts of its documents as queries. 1 if searches with this target are exact.
   */
  readonly recall: readonly { readonly target: number; readonly reached: number }[];
}

export interface IndexOpenOptions {
  /** Creates an index if the folder is new or empty. For an existing index it must equal the index's dimension. */
  readonly dimension?: number;
  /** Instead of `dimension`: the model of the index, existing or new. */
  readonly encoder?: IndexEncoder;
  /** Open the current state for reading, even while a writer has the folder open. Changes fail with ERR_READ_ONLY. */
  readonly readOnly?: boolean;
}

const DEFAULT_TOP_K = 10;

/**
 * A sparse inverted index in native memory, in a file or in a folder.
 *
 * Scores are dot products. For the terms of a query in ascending order, float32 products are added in float32, so a score depends only on
 * the query and the document. On overflow the sum is computed in float64 and rounded to float32, which may be Infinity. A hit is a document
 * with a nonzero score, so a document that shares no term with the query is never a hit. Weights may be negative, but a search that
 * encounters negative weights scans every document.
 *
 * Searches run concurrently on the thread pool and never block. Changes run one at a time, in call order, and each is atomic. All queries
 * of a search() see the changes that had settled when it was called. A change that fails leaves the index unchanged. Segments are merged in
 * the background, in steps that leave time for searches.
 *
 * An index records its model: that of `encoder`, or of the first vectors added if a SparseEncoder created them. A folder stores it. Vectors
 * of another model then fail with ERR_MODEL_MISMATCH.
 *
 * docs/sparse-index.md describes searches and crash safety, docs/sparse-index-format.md the files.
 */
export class SparseIndex extends ManagedResource {
  readonly dimension: number;
  readonly #native: NativeIndex;
  readonly #writer: IndexWriter;
  #model: KnownModel | undefined;
  /** The folder that stores the model; undefined for an index in memory or in a file. */
  readonly #folder: string | undefined;

  private constructor(factory: symbol, index: NativeIndex, model?: KnownModel, folder?: string) {
    super();
    requireFactory(factory, "SparseIndex", "create({ dimension }), or SparseIndex.open(path)");
    this.#native = index;
    this.#writer = new IndexWriter(index);
    this.dimension = index.dimension();
    this.#model = model;
    this.#folder = folder;
  }

  /**
   * Creates an empty index in memory.
   *
   * Errors: ERR_INVALID_ARGUMENT, ERR_TOO_LARGE (a dimension above 2²²).
   *
   * @param options.dimension the model's embeddingDimension, at most 2²²
   * @param options.encoder instead of `dimension`: the model
   */
  static create(options: { readonly dimension: number } | { readonly encoder: IndexEncoder }): SparseIndex {
    requireRecord(options, "options", ["dimension", "encoder"]);
    const { dimension, model } = checkDimension(options);
    if (dimension === undefined) throw invalid("dimension", dimension, "a positive integer");
    return new SparseIndex(FACTORY, new (native().Index)(dimension), model);
  }

  /**
   * Opens a file written by save(), or a folder. In a folder the index is durable: a change that has settled survives a crash. Files are
   * memory-mapped, so opening takes milliseconds and processes share the memory. Changes to an index opened from a file stay in memory
   * until it is saved again.
   *
   * Errors: ERR_INVALID_ARGUMENT (including a folder that holds other files but no index), ERR_FILE_NOT_FOUND, ERR_FILE_UNREADABLE,
   * ERR_FILE_UNWRITABLE, ERR_INDEX_CORRUPT, ERR_INDEX_VERSION, ERR_INDEX_LOCKED, ERR_DIMENSION_MISMATCH, ERR_MODEL_MISMATCH,
   * ERR_NOT_SUPPORTED (to write a folder of Collection), ERR_TOO_LARGE.
   */
  static async open(path: string, options: IndexOpenOptions = {}): Promise<SparseIndex> {
    requirePath(path, "path");
    requireRecord(options, "options", ["dimension", "encoder", "readOnly"]);
    const { dimension, model } = checkDimension(options);
    if (options.readOnly !== undefined && typeof options.readOnly !== "boolean") throw invalid("readOnly", options.readOnly, "a boolean");
    const { readOnly = false } = options;
    // Later changes and refreshes find the folder also from another working directory.
    const absolute = resolve(path);
    if (!readOnly) await requireNoCollection(absolute);
    if (dimension !== undefined && !readOnly) await requireIndexFolder(absolute);
    const index = await withCancel(undefined, () =>
      native().openIndex(absolute, { readOnly, ...(dimension === undefined ? {} : { dimension }) }),
    );
    try {
      const folder = (await isFolder(absolute)) ? absolute : undefined;
      const known = folder === undefined ? undefined : await readModelFile(folder);
      if (known !== undefined && model !== undefined) requireSameModel(known, model, "The encoder");
      return new SparseIndex(FACTORY, index, known ?? (index.stats().documents === 0 ? model : undefined), folder);
    } catch (error) {
      await index.dispose();
      throw error;
    }
  }

  /** The model of the documents; undefined if unknown. */
  get model(): KnownModel | undefined {
    return this.#model;
  }

  /** Number of documents in the index. */
  get size(): number {
    return this.stats().documents;
  }

  /**
   * Adds one document per row of `vectors`, all or none. Adding an existing id replaces its document, which then counts as the newest. In a
   * folder, the documents are on disk when the promise settles.
   *
   * Errors: ERR_INVALID_ARGUMENT, ERR_DUPLICATE_ID, ERR_DIMENSION_MISMATCH, ERR_MODEL_MISMATCH, ERR_TOO_LARGE, ERR_READ_ONLY,
   * ERR_FILE_UNWRITABLE, ERR_INDEX_CORRUPT, ERR_DISPOSED.
   *
   * @param ids [vectors.rows] distinct non-empty strings of at most 64 KiB in UTF-8
   */
  add(ids: readonly string[], vectors: SparseMatrix, extras: DocumentExtras = {}): Promise<void> {
    return this.run(async () => {
      const copies = checkIds(ids);
      const matrix = this.#checkVectors(vectors, "vectors");
      if (copies.length !== matrix.rows) {
        throw new SparseRerankError(
          "ERR_INVALID_ARGUMENT",
          `There are ${copies.length} ids and ${matrix.rows} rows of vectors; each row needs one id.`,
        );
      }
      const { payloads, metadata } = checkExtras(extras, copies.length);
      if (copies.length === 0) return;
      // Copied, since the call may wait for earlier changes while the caller reuses the arrays.
      const rows = { indptr: matrix.indptr.slice(), indices: matrix.indices.slice(), values: matrix.values.slice() };
      await this.#writer.change(async () => {
        const stored = payloads === undefined ? undefined : packBytes(await encodePayloads(payloads));
        const attributes = metadata === undefined ? undefined : await attributesOf(metadata);
        await this.#keepModel(matrix);
        await this.#native.apply({
          add: {
            ids: packStrings(copies),
            vectors: rows,
            ...(stored === undefined ? {} : { stored }),
            ...(attributes === undefined ? {} : { attributes }),
          },
        });
      });
    });
  }

  /**
   * Removes documents and resolves to the number removed. Unknown ids are ignored. The memory stays in use until the segment is merged.
   *
   * Errors: ERR_INVALID_ARGUMENT, ERR_READ_ONLY, ERR_FILE_UNWRITABLE, ERR_INDEX_CORRUPT, ERR_DISPOSED.
   */
  remove(ids: readonly string[]): Promise<number> {
    return this.run(async () => {
      if (!Array.isArray(ids)) throw invalid("ids", ids, "an array of strings");
      const distinct = [...new Set(ids.map((id, i) => checkId(id, `ids[${i}]`)))];
      return this.#writer.change(() => this.#native.apply({ remove: packStrings(distinct) }));
    });
  }

  /** Reports for each id whether it is in the index. Errors: ERR_INVALID_ARGUMENT, ERR_INDEX_CORRUPT, ERR_DISPOSED. */
  has(ids: readonly string[]): Promise<boolean[]> {
    return this.run(async () => {
      if (!Array.isArray(ids)) throw invalid("ids", ids, "an array of strings");
      const packed = packStrings(ids.map((id, i) => checkId(id, `ids[${i}]`)));
      return Array.from(
        await withCancel(undefined, () => onSnapshot(this.#native, (snapshot) => snapshot.contains(packed))),
        (contained) => contained === 1,
      );
    });
  }

  /**
   * Finds the highest-scoring documents for each query, in descending order of score; equal scores keep insertion order.
   *
   * Errors: ERR_INVALID_ARGUMENT, ERR_DIMENSION_MISMATCH, ERR_MODEL_MISMATCH, ERR_INDEX_CORRUPT, ERR_TOO_LARGE (payloads of more than 1
   * GiB), ERR_ABORTED, ERR_DISPOSED.
   */
  search(queries: SparseMatrix, options?: IndexSearchOptions): Promise<SearchHit[][]>;
  search(query: SparseVector, options?: IndexSearchOptions): Promise<SearchHit[]>;
  search(queries: SparseMatrix | SparseVector, options: IndexSearchOptions = {}): Promise<SearchHit[][] | SearchHit[]> {
    return this.run(async (running) => {
      const filter = checkSearchOptions(options);
      const matrix = this.#checkVectors(queries, "queries");
      const signal = running.signal(options.signal);
      const search = (): Promise<SearchHit[][]> => this.#search(matrix, { ...options, signal }, filter);
      const describe = (): Described<"search"> => ({ index: this.#folder, queries: matrix.rows });
      const lists = matrix.rows === 0 ? [] : await observed("search", search, describe);
      return isVector(queries) ? (lists[0] ?? []) : lists;
    });
  }

  stats(): IndexStats {
    this.requireOpen();
    return this.#native.stats();
  }

  /**
   * Merges all segments into one and frees the space of removed and replaced documents. Searches and changes continue meanwhile; documents
   * added during the merge stay in separate segments.
   *
   * Errors: ERR_READ_ONLY, ERR_FILE_UNWRITABLE (a folder needs disk space for a second copy), ERR_INDEX_CORRUPT, ERR_DISPOSED.
   */
  compact(): Promise<void> {
    return this.run(() => this.#writer.compact());
  }

  /**
   * Writes all documents to one file, which open() maps. The write is atomic: a crash leaves either the old file or the new one.
   *
   * Errors: ERR_FILE_UNWRITABLE, ERR_INDEX_CORRUPT, ERR_DISPOSED.
   */
  save(path: string): Promise<void> {
    return this.run(async () => {
      requirePath(path, "path");
      await withCancel(undefined, () => this.#native.save(path));
    });
  }

  /** Settles when another writer can open the folder. */
  protected override release(): Promise<void> {
    return this.#writer.dispose();
  }

  #checkVectors(vectors: SparseMatrix | SparseVector, name: string): SparseMatrix {
    const matrix = asMatrix(vectors, name);
    if (matrix.cols !== this.dimension) {
      throw new SparseRerankError(
        "ERR_DIMENSION_MISMATCH",
        `${name} has ${matrix.cols} dimensions; the index was created for ${this.dimension}.`,
      );
    }
    const model = modelOf(matrix);
    if (model !== undefined && this.#model !== undefined) requireSameModel(this.#model, model, name);
    return matrix;
  }

  /** Stores the model before the first document is written, so that documents never exist without their model. */
  async #keepModel(vectors: SparseMatrix): Promise<void> {
    const model = modelOf(vectors);
    if (this.#model !== undefined && model !== undefined) requireSameModel(this.#model, model, "vectors");
    const isNew = this.#native.stats().documents === 0;
    if (isNew) this.#model ??= model;
    const { name, fingerprint } = this.#model ?? {};
    if (!isNew || this.#folder === undefined || name === undefined || fingerprint === undefined) return;
    await writeModelFile(this.#folder, { name, fingerprint });
  }

  async #search(queries: SparseMatrix, options: IndexSearchOptions, filter: NativeFilter | undefined): Promise<SearchHit[][]> {
    const { topK = DEFAULT_TOP_K, mode = "exact", withPayload = false, signal } = options;
    const hits = await withCancel(signal, (cancel) => {
      const nativeOptions: NativeSearchOptions = {
        stored: withPayload,
        ...(mode === "exact" ? {} : { recall: mode.recall }),
        ...(filter === undefined ? {} : { filter }),
        ...(cancel === undefined ? {} : { cancel }),
      };
      return onSnapshot(this.#native, (snapshot) => snapshot.search(queries, Math.min(topK, MAX_TOP_K), nativeOptions));
    });
    const payloads = await decodePayloads(hits.stored);
    return Array.from({ length: queries.rows }, (_, i) => hitsOf(hits, payloads, i));
  }
}

/** The requested dimension, and the model of `encoder`. */
function checkDimension({ encoder, dimension }: IndexOpenOptions): {
  readonly dimension: number | undefined;
  readonly model?: ModelIdentity;
} {
  if (dimension !== undefined) {
    requirePositiveInteger(dimension, "dimension");
    requireDimension(dimension);
  }
  if (encoder === undefined) return { dimension };
  const { embeddingDimension, model } = checkEncoder(encoder);
  requireDimension(embeddingDimension);
  if (dimension === undefined || dimension === embeddingDimension) return { dimension: embeddingDimension, model };
  throw new SparseRerankError("ERR_DIMENSION_MISMATCH", `dimension is ${dimension}; the encoder's vectors have ${embeddingDimension}.`);
}

function hitsOf({ indptr, ids, scores }: NativeHits, payloads: readonly unknown[], query: number): SearchHit[] {
  const list: SearchHit[] = [];
  for (let i = indptr[query] ?? 0; i < (indptr[query + 1] ?? 0); i++) {
    const payload = payloads[i];
    list.push({ id: ids[i] ?? "", score: scores[i] ?? 0, ...(payload === undefined ? {} : { payload }) });
  }
  return list;
}

/** Validates the extras and copies their arrays. */
function checkExtras(extras: DocumentExtras, documents: number): DocumentExtras {
  requireRecord(extras, "extras", ["metadata", "payloads"]);
  const copies: { -readonly [K in keyof DocumentExtras]: DocumentExtras[K] } = {};
  if (extras.metadata !== undefined) copies.metadata = checkPerDocument(extras.metadata, "metadata", documents);
  if (extras.payloads !== undefined) copies.payloads = checkPerDocument(extras.payloads, "payloads", documents);
  return copies;
}
