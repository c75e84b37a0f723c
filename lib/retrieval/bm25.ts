import { throwIfAborted } from "../core/abort";
import { ManagedResource } from "../core/managed-resource";
import { invalid, requireControls, requireRecord, requireTexts } from "../core/validate";
import { SparseRerankError } from "../errors";
import { createAnalyzer } from "../lexical/analyzer";
import type { Analyzer } from "../lexical/analyzer";
import { checkLexicalOptions } from "../lexical/options";
import type { LexicalOptions } from "../lexical/options";
import { withCancel } from "../native/cancellation";
import type { NativeHits, NativeIndex } from "../native/contract";
import { IndexWriter } from "../native/index-writer";
import { native } from "../native/load";
import { MAX_TOP_K, onSnapshot } from "../native/snapshot";
import { packStrings } from "../native/strings";
import { checkId, checkIds, checkPerDocument } from "../sparse-index/document-ids";
import { checkFilter } from "../sparse-index/filter";
import { attributesOf, compileFilter } from "../sparse-index/metadata";
import type { Metadata } from "../sparse-index/metadata";
import { checkRetrieve } from "./retriever";
import type { Retrieved, RetrieveOptions, Retriever } from "./retriever";

export interface BM25AddOptions {
  /** One entry per document, or undefined: the fields that searches can filter by. */
  readonly metadata?: readonly (Metadata | undefined)[];
  readonly signal?: AbortSignal;
}

const DEFAULT_TOP_K = 10;
/** The index has no vectors, and a dimension is at least 1. */
const DIMENSION = 1;
const NO_BYTES = new Uint8Array(0);

/**
 * A lexical index in memory, ranked by BM25 (Robertson and Zaragoza, 2009) as in Lucene's BM25Similarity: the sum over the query's terms,
 * repeated ones included, of idf · tf / (tf + k1 · (1 − b + b · length / mean length)), idf = ln(1 + (N − n + 0.5) / (n + 0.5)). N, n and the
 * mean length are those of the documents in the index when it is searched. Equal scores keep insertion order.
 *
 * Searches run concurrently on the thread pool. Changes run one at a time, in call order, and each is atomic; one that fails leaves the index
 * unchanged. A change takes time in proportion to its own documents.
 */
export class BM25Index extends ManagedResource implements Retriever {
  readonly name = "bm25";
  readonly #analyzer: Analyzer;
  readonly #native: NativeIndex;
  readonly #writer: IndexWriter;

  /** Errors: ERR_INVALID_ARGUMENT, ERR_NOT_SUPPORTED, ERR_CLIENT_NOT_FOUND (a language other than English, without @orama/stemmers). */
  constructor(options: LexicalOptions = {}) {
    super();
    const checked = checkLexicalOptions(options, "options");
    this.#analyzer = createAnalyzer(checked);
    this.#native = new (native().Index)(DIMENSION, { k1: checked.k1, b: checked.b });
    this.#writer = new IndexWriter(this.#native);
  }

  /** Number of documents in the index. Errors: ERR_DISPOSED. */
  get size(): number {
    this.requireOpen();
    return this.#native.stats().documents;
  }

  /**
   * Adds documents, all or none; a document whose id is already in the index is replaced. The index keeps the texts in UTF-8, so halves of
   * surrogate pairs become U+FFFD.
   *
   * Errors: ERR_INVALID_ARGUMENT, ERR_DUPLICATE_ID, ERR_TOO_LARGE (more than 4 GiB of texts), ERR_ABORTED, ERR_DISPOSED.
   *
   * @param ids distinct non-empty strings of at most 64 KiB in UTF-8
   * @param texts one per id
   */
  add(ids: readonly string[], texts: readonly string[], options: BM25AddOptions = {}): Promise<void> {
    return this.run(async (running) => {
      const copies = checkIds(ids);
      requireTexts(texts, "texts");
      if (copies.length !== texts.length) {
        const problem = `There are ${copies.length} ids and ${texts.length} texts; pass one id per text.`;
        throw new SparseRerankError("ERR_INVALID_ARGUMENT", problem);
      }
      requireRecord(options, "options", ["metadata", "signal"]);
      requireControls(options);
      const metadata = options.metadata === undefined ? undefined : checkPerDocument(options.metadata, "metadata", copies.length);
      if (copies.length === 0) return;
      // Copied, since the call may wait for earlier changes while the caller reuses the array.
      const documents = [...texts];
      const signal = running.signal(options.signal);
      await this.#writer.change(async () => {
        throwIfAborted(signal);
        const terms = await this.#analyzer.termRows(documents, { signal });
        const attributes = metadata === undefined ? {} : { attributes: await attributesOf(metadata) };
        throwIfAborted(signal);
        const vectors = { indptr: new Uint32Array(documents.length + 1), indices: new Uint32Array(0), values: new Float32Array(0) };
        await this.#native.apply({
          add: { ids: packStrings(copies), vectors, terms, stored: packStrings(documents), ...attributes },
        });
      });
    });
  }

  /** Removes documents and resolves to the number removed; unknown ids are ignored. Errors: ERR_INVALID_ARGUMENT, ERR_DISPOSED. */
  remove(ids: readonly string[]): Promise<number> {
    return this.run(async () => {
      requireTexts(ids, "ids");
      const distinct = [...new Set(ids.map((id, i) => checkId(id, `ids[${i}]`)))];
      return this.#writer.change(() => this.#native.apply({ remove: packStrings(distinct) }));
    });
  }

  /**
   * Returns the best documents with their texts; a document that shares no term with the query is not a hit. A filter reads the metadata of
   * add(). `topK` is 10 by default. Errors: ERR_INVALID_ARGUMENT, ERR_ABORTED, ERR_DISPOSED.
   */
  async search(query: string, options: Partial<RetrieveOptions> = {}): Promise<Retrieved[]> {
    if (typeof query !== "string") throw invalid("query", query, "a string");
    requireRecord(options, "options", ["topK", "filter", "signal"]);
    const [hits = []] = await this.retrieve([query], { topK: DEFAULT_TOP_K, ...options });
    return hits;
  }

  retrieve(queries: readonly string[], options: RetrieveOptions): Promise<Retrieved[][]> {
    return this.run(async (running) => {
      const { topK, filter, signal: callers } = checkRetrieve(queries, options);
      const compiled = filter === undefined ? {} : { filter: compileFilter(checkFilter(filter)) };
      const signal = running.signal(callers);
      const terms = await this.#analyzer.termRows(queries, { signal });
      const hits = await withCancel(signal, (cancel) => {
        const searchOptions = { stored: true, ...compiled, ...(cancel === undefined ? {} : { cancel }) };
        return onSnapshot(this.#native, (snapshot) => snapshot.searchTerms(terms, Math.min(topK, MAX_TOP_K), searchOptions));
      });
      return queries.map((_, i) => retrievedOf(hits, i));
    });
  }

  protected override release(): Promise<void> {
    return this.#writer.dispose();
  }
}

function retrievedOf({ indptr, ids, scores, stored }: NativeHits, query: number): Retrieved[] {
  const list: Retrieved[] = [];
  for (let i = indptr[query] ?? 0; i < (indptr[query + 1] ?? 0); i++) {
    list.push({ id: ids[i] ?? "", score: scores[i] ?? 0, text: textOf(stored[i] ?? NO_BYTES) });
  }
  return list;
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
}
