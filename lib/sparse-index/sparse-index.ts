import { ManagedResource } from "../core/managed-resource";
import {
  describe,
  FACTORY,
  invalid,
  requireControls,
  requireFactory,
  requirePath,
  requirePositiveInteger,
  requireRecord,
} from "../core/validate";
import { SparseRerankError } from "../errors";
import { withCancel } from "../native/cancellation";
import type { NativeFilter, NativeHits, NativeIndex, NativeSearchOptions } from "../native/contract";
import { native } from "../native/load";
import { packBytes, packStrings } from "../native/strings";
import { asMatrix, isVector } from "../sparse-matrix";
import type { SparseMatrix, SparseVector } from "../sparse-matrix";
import { requireDimension } from "../sparse-ops";
import { checkId, checkIds } from "./document-ids";
import { checkFilter } from "./filter";
import type { Filter } from "./filter";
import { isFolder, requireIndexFolder } from "./index-folder";
import { attributesOf, compileFilter, compileIds } from "./metadata";
import type { Metadata } from "./metadata";
import { checkEncoder, modelOf, readModelFile, requireSameModel, writeModelFile } from "./model-identity";
import type { IndexEncoder, KnownModel, ModelIdentity } from "./model-identity";
import { decodePayloads, encodePayloads } from "./payloads";

export type { IndexEncoder, KnownModel, ModelIdentity };

export interface SearchHit<P = unknown> {
  readonly id: string;
  readonly score: number;
  /** With `withPayload`, for documents that have one. */
  readonly payload?: P;
}

export interface IndexSearchOptions {
  /** Hits for each query at most; default 10. */
  readonly topK?: number;
  /**
   * Default "exact". With a recall, above 0 and at most 1, a search is faster and aims to find this part of the exact search's hits, with
   * their exact scores. stats().recall tells what such searches reached when they were measured.
   */
  readonly mode?: "exact" | { readonly recall: number };
  /** The only documents to find, by their metadata or by their ids, where unknown ids do no harm. */
  readonly filter?: Filter | { readonly ids: Iterable<string> };
  /** Hits carry the payloads that add() was given. */
  readonly withPayload?: boolean;
  readonly signal?: AbortSignal;
}

export interface DocumentExtras {
  /** One for each document, or undefined: what searches can be filtered by. Fields have names of at most 1,024 bytes with those they are in. */
  readonly metadata?: readonly (Metadata | undefined)[];
  /**
   * One for each document: anything that JSON keeps as it is, or undefined. What JSON would change in silence is refused: a Map (which becomes {}),
   * an instance of a class, NaN, a function. A Date is kept as the string that its toJSON() makes. Stored compressed, given back with hits.
   */
  readonly payloads?: readonly unknown[];
}

export interface IndexStats {
  /** Added and not removed. */
  readonly documents: number;
  /** Weights stored, those of removed documents included until their segment is merged. Zero weights are not stored. */
  readonly postings: number;
  /** Bytes of all segments: native memory, or mapped files. */
  readonly bytes: number;
  /** The part of `bytes` that every search may read. The rest is read for candidates and hits only: a mapped file leaves it on disk. */
  readonly hotBytes: number;
  /** Parts that the index consists of: each add() makes one, merging makes few of many. */
  readonly segments: number;
  /**
   * For some recall targets, the part of the exact search's 10 best hits that searches for this target found, measured when the segments were
   * built: parts of their documents were the queries. 1 where a search for this target is exact.
   */
  readonly recall: readonly { readonly target: number; readonly reached: number }[];
}

export interface IndexOpenOptions {
  /** Creates the folder's index if there is none, in a new or empty folder; otherwise it must be the index's dimension. */
  readonly dimension?: number;
  /** In the place of `dimension`: the model of the index, or of the one that is created. */
  readonly encoder?: IndexEncoder;
  /** Read what is there now, also while a writer has the folder open; changes are refused with ERR_READ_ONLY. */
  readonly readOnly?: boolean;
}

const DEFAULT_TOP_K = 10;
/** Native code counts hits in 32 bits, and there are no more documents than that. */
const MAX_TOP_K = 2 ** 32 - 1;
/** With more segments, a change waits for the merge that is due. */
const MAX_SEGMENTS_BEHIND = 16;
const SEARCH_OPTIONS = ["topK", "mode", "filter", "withPayload", "signal"];

/**
 * A sparse inverted index in native memory, in a file or in a folder. Scores are dot products: for the terms of a query in ascending order,
 * float32 products are added in float32, so a score depends on the query and the document alone; where that overflows, the sum in float64 is
 * rounded to float32, which may be Infinity. A hit is a document whose score is not
 * zero: one that shares no term with the query is never a hit. Weights may be negative, but searches that meet them look at every document.
 *
 * Searches run side by side on the thread pool and wait for nothing. Changes run one after the other, in the order of the calls; each
 * becomes visible at once and wholly, and a search() sees, with all its queries, the changes that had settled when it was called. A change
 * that fails leaves the index as it was. Segments are merged in the background, in steps that leave room for searches.
 *
 * An index knows the model of the first vectors that are added to it, where these are of a SparseEncoder, or the `encoder` that it is made with. A
 * folder keeps it. Vectors of another model are then refused with ERR_MODEL_MISMATCH.
 *
 * docs/sparse-index.md describes searches and what survives a crash, docs/sparse-index-format.md the files.
 */
export class SparseIndex extends ManagedResource {
  readonly dimension: number;
  readonly #native: NativeIndex;
  /** Settles, never rejects, when the last change has ended. */
  #changes: Promise<unknown> = Promise.resolve();
  /** Settles, never rejects, when no merge is going on. */
  #merging: Promise<void> | undefined;
  #model: KnownModel | undefined;
  /** Where the model is kept; undefined for an index in memory or in a file. */
  readonly #folder: string | undefined;

  private constructor(factory: symbol, index: NativeIndex, model?: KnownModel, folder?: string) {
    super();
    requireFactory(factory, "SparseIndex", "create({ dimension }), or SparseIndex.open(path)");
    this.#native = index;
    this.dimension = index.dimension();
    this.#model = model;
    this.#folder = folder;
  }

  /**
   * An empty index in memory.
   *
   * @param options.dimension the model's embeddingDimension, at most 2²² (else ERR_TOO_LARGE)
   * @param options.encoder in its place: the model
   */
  static create(options: { readonly dimension: number } | { readonly encoder: IndexEncoder }): SparseIndex {
    requireRecord(options, "options", ["dimension", "encoder"]);
    const { dimension, model } = checkDimension(options);
    if (dimension === undefined) throw invalid("dimension", dimension, "a positive integer");
    return new SparseIndex(FACTORY, new (native().Index)(dimension), model);
  }

  /**
   * Opens what save() wrote, or a folder whose index is durable: once a change has settled there, it survives a crash. Files are mapped,
   * not read: opening takes milliseconds, and processes share the memory. Changes to an opened file stay in memory until it is saved again.
   *
   * Errors: ERR_INVALID_ARGUMENT (also a folder without an index that holds other files), ERR_FILE_NOT_FOUND, ERR_FILE_UNREADABLE,
   * ERR_FILE_UNWRITABLE, ERR_INDEX_CORRUPT, ERR_INDEX_VERSION, ERR_INDEX_LOCKED, ERR_DIMENSION_MISMATCH, ERR_MODEL_MISMATCH, ERR_TOO_LARGE.
   */
  static async open(path: string, options: IndexOpenOptions = {}): Promise<SparseIndex> {
    requirePath(path, "path");
    requireRecord(options, "options", ["dimension", "encoder", "readOnly"]);
    const { dimension, model } = checkDimension(options);
    if (options.readOnly !== undefined && typeof options.readOnly !== "boolean") throw invalid("readOnly", options.readOnly, "a boolean");
    const { readOnly = false } = options;
    if (dimension !== undefined && !readOnly) await requireIndexFolder(path);
    const index = await withCancel(undefined, () =>
      native().openIndex(path, { readOnly, ...(dimension === undefined ? {} : { dimension }) }),
    );
    try {
      const folder = (await isFolder(path)) ? path : undefined;
      const known = folder === undefined ? undefined : await readModelFile(folder);
      if (known !== undefined && model !== undefined) requireSameModel(known, model, "The encoder");
      return new SparseIndex(FACTORY, index, known ?? (index.stats().documents === 0 ? model : undefined), folder);
    } catch (error) {
      await index.dispose();
      throw error;
    }
  }

  /** The model of the documents; undefined where it is not known. */
  get model(): KnownModel | undefined {
    return this.#model;
  }

  /** Documents in the index. */
  get size(): number {
    return this.stats().documents;
  }

  /**
   * Adds a document for each row of `vectors`, all or none. Re-adding an id replaces its document, which then counts as the newest. In a
   * folder, the documents are on disk when the promise settles.
   *
   * @param ids [vectors.rows] distinct non-empty strings of at most 64 KiB in UTF-8
   * Errors: ERR_INVALID_ARGUMENT, ERR_DUPLICATE_ID, ERR_DIMENSION_MISMATCH, ERR_MODEL_MISMATCH, ERR_TOO_LARGE, ERR_READ_ONLY, ERR_FILE_UNWRITABLE,
   * ERR_INDEX_CORRUPT, ERR_DISPOSED.
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
      // The call may wait for others while its caller uses the arrays again.
      const rows = { indptr: matrix.indptr.slice(), indices: matrix.indices.slice(), values: matrix.values.slice() };
      await this.#change(async () => {
        const stored = payloads === undefined ? undefined : packBytes(await encodePayloads(payloads));
        const attributes = metadata === undefined ? undefined : await attributesOf(metadata);
        await this.#keepModel(matrix);
        await this.#native.add(rows, packStrings(copies), stored, attributes);
      });
    });
  }

  /**
   * Removes documents and settles with how many there were; unknown ids are passed over. Their memory stays in use until their segment is
   * merged.
   *
   * Errors: ERR_INVALID_ARGUMENT, ERR_READ_ONLY, ERR_FILE_UNWRITABLE, ERR_INDEX_CORRUPT, ERR_DISPOSED.
   */
  remove(ids: readonly string[]): Promise<number> {
    return this.run(async () => {
      if (!Array.isArray(ids)) throw invalid("ids", ids, "an array of strings");
      const distinct = [...new Set(ids.map((id, i) => checkId(id, `ids[${i}]`)))];
      return this.#change(() => this.#native.remove(packStrings(distinct)));
    });
  }

  /** Which of the ids are in the index. Errors: ERR_INVALID_ARGUMENT, ERR_INDEX_CORRUPT, ERR_DISPOSED. */
  has(ids: readonly string[]): Promise<boolean[]> {
    return this.run(async () => {
      if (!Array.isArray(ids)) throw invalid("ids", ids, "an array of strings");
      const packed = packStrings(ids.map((id, i) => checkId(id, `ids[${i}]`)));
      return Array.from(await withCancel(undefined, () => this.#native.contains(packed)), (contained) => contained === 1);
    });
  }

  /**
   * The best documents for each query row, best first; equal scores in insertion order.
   *
   * Errors: ERR_INVALID_ARGUMENT, ERR_DIMENSION_MISMATCH, ERR_MODEL_MISMATCH, ERR_INDEX_CORRUPT, ERR_TOO_LARGE (payloads of more than 1 GiB),
   * ERR_ABORTED, ERR_DISPOSED.
   */
  search(queries: SparseMatrix, options?: IndexSearchOptions): Promise<SearchHit[][]>;
  search(query: SparseVector, options?: IndexSearchOptions): Promise<SearchHit[]>;
  search(queries: SparseMatrix | SparseVector, options: IndexSearchOptions = {}): Promise<SearchHit[][] | SearchHit[]> {
    return this.run(async () => {
      const filter = checkSearchOptions(options);
      const matrix = this.#checkVectors(queries, "queries");
      const lists = matrix.rows === 0 ? [] : await this.#search(matrix, options, filter);
      return isVector(queries) ? (lists[0] ?? []) : lists;
    });
  }

  stats(): IndexStats {
    this.requireOpen();
    return this.#native.stats();
  }

  /**
   * Merges all segments into one and frees what removed and replaced documents take. Searches and changes go on meanwhile; what is added
   * meanwhile stays in segments of its own.
   *
   * Errors: ERR_READ_ONLY, ERR_FILE_UNWRITABLE (a folder needs room for a second copy), ERR_INDEX_CORRUPT, ERR_DISPOSED.
   */
  compact(): Promise<void> {
    return this.run(async () => {
      while (this.#merging !== undefined) await this.#merging;
      await this.#merge(true);
    });
  }

  /**
   * Writes all documents to one file that open() maps. Atomic: a crash leaves the old file or the new one.
   *
   * Errors: ERR_FILE_UNWRITABLE, ERR_INDEX_CORRUPT, ERR_DISPOSED.
   */
  save(path: string): Promise<void> {
    return this.run(async () => {
      requirePath(path, "path");
      await withCancel(undefined, () => this.#native.save(path));
    });
  }

  /** Settles when a folder is free for another writer. */
  protected override release(): Promise<void> {
    return this.#native.dispose();
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

  /** Before the first document is there: it must not be without its model. */
  async #keepModel(vectors: SparseMatrix): Promise<void> {
    const model = modelOf(vectors);
    if (this.#model !== undefined && model !== undefined) requireSameModel(this.#model, model, "vectors");
    const isNew = this.#native.stats().documents === 0;
    if (isNew) this.#model ??= model;
    const { name, fingerprint } = this.#model ?? {};
    if (!isNew || this.#folder === undefined || name === undefined || fingerprint === undefined) return;
    await writeModelFile(this.#folder, { name, fingerprint });
  }

  /** Runs a change after those before it. */
  async #change<T>(change: () => Promise<T>): Promise<T> {
    const result = this.#changes.then(() => withCancel(undefined, change));
    this.#changes = result.catch(() => undefined);
    const value = await result;
    // A failure, such as a full disk, leaves the segments as they are: the next change tries again, and compact() tells of it.
    if (this.#merging === undefined) this.#merge(false).catch(() => undefined);
    // Changes that come faster than merging, or one in each short process, would leave more and more segments.
    if (!this.isReleased && this.#native.stats().segments > MAX_SEGMENTS_BEHIND) await this.#merging;
    return value;
  }

  /** One merge at a time. */
  async #merge(everything: boolean): Promise<void> {
    const merging = this.#mergeInSteps(everything);
    this.#merging = merging.then(
      () => undefined,
      () => undefined,
    );
    try {
      await merging;
    } finally {
      this.#merging = undefined;
    }
  }

  async #mergeInSteps(everything: boolean): Promise<void> {
    for (;;) {
      const step = await withCancel(undefined, () => this.#native.mergeStep(everything));
      if (step === "nothing" || (step === "merged" && everything)) return;
    }
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
      return this.#native.search(queries, Math.min(topK, MAX_TOP_K), nativeOptions);
    });
    const payloads = await decodePayloads(hits.stored);
    return Array.from({ length: queries.rows }, (_, i) => hitsOf(hits, payloads, i));
  }
}

/** The dimension that is asked for, and the model. */
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

/** Copies of the arrays. */
function checkExtras(extras: DocumentExtras, documents: number): DocumentExtras {
  requireRecord(extras, "extras", ["metadata", "payloads"]);
  const copies: { -readonly [K in keyof DocumentExtras]: DocumentExtras[K] } = {};
  if (extras.metadata !== undefined) copies.metadata = checkExtra(extras.metadata, "metadata", documents);
  if (extras.payloads !== undefined) copies.payloads = checkExtra(extras.payloads, "payloads", documents);
  return copies;
}

function checkExtra<T>(extra: readonly T[], name: string, documents: number): readonly T[] {
  if (!Array.isArray(extra)) throw invalid(name, extra, "an array");
  if (extra.length !== documents) {
    throw new SparseRerankError(
      "ERR_INVALID_ARGUMENT",
      `${name} has ${extra.length} elements for ${documents} documents; each document needs one, or undefined.`,
    );
  }
  return [...(extra as readonly T[])];
}

/** The filter, if any. */
function checkSearchOptions(options: IndexSearchOptions): NativeFilter | undefined {
  requireRecord(options, "options", SEARCH_OPTIONS);
  requireControls(options);
  if (options.topK !== undefined) requirePositiveInteger(options.topK, "topK");
  if (options.withPayload !== undefined && typeof options.withPayload !== "boolean") {
    throw invalid("withPayload", options.withPayload, "a boolean");
  }
  if (options.mode !== undefined && options.mode !== "exact") {
    if (typeof options.mode !== "object" || (options.mode as unknown) === null) {
      throw new SparseRerankError("ERR_INVALID_ARGUMENT", `mode must be "exact" or { recall: number }, not ${describe(options.mode)}.`);
    }
    requireRecord(options.mode, "mode", ["recall"]);
    const { recall } = options.mode;
    if (typeof recall !== "number" || !(recall > 0 && recall <= 1)) throw invalid("mode.recall", recall, "a number above 0 and at most 1");
  }
  return options.filter === undefined ? undefined : checkIndexFilter(options.filter);
}

function checkIndexFilter(filter: NonNullable<IndexSearchOptions["filter"]>): NativeFilter {
  if (typeof filter !== "object" || (filter as unknown) === null || !("ids" in filter)) return compileFilter(checkFilter(filter));
  requireRecord(filter, "filter", ["ids"]);
  const ids: unknown = filter.ids;
  if (typeof ids !== "object" || ids === null || !(Symbol.iterator in ids)) throw invalid("filter.ids", ids, "an iterable of strings");
  return compileIds(Array.from(ids as Iterable<unknown>, (id, i) => checkId(id, `filter.ids[${i}]`)));
}
