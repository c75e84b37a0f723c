import { setImmediate as nextTurn } from "node:timers/promises";

import { orAborted, throwIfAborted } from "../core/abort";
import { ManagedResource } from "../core/managed-resource";
import { invalid, requireControls, requireFunction, requireRecord, requireString, requireTexts } from "../core/validate";
import { SparseRerankError } from "../errors";
import { SparseIndex } from "../sparse-index/sparse-index";
import { SparseMatrix } from "../sparse-matrix";
import type { SparseVector } from "../sparse-matrix";
import { englishTerms } from "./bm25-terms";
import { checkRetrieve } from "./retriever";
import type { Retrieved, RetrieveOptions, Retriever } from "./retriever";

export interface BM25Options {
  /** How slowly a term's weight saturates with its count, from 0 to 1e6; default 1.2. */
  readonly k1?: number;
  /** How much the length of a document counts, from 0 to 1; default 0.75. */
  readonly b?: number;
  /** Returns the terms of a text; default: English words without stop words, stemmed (Porter2). */
  readonly terms?: (text: string) => readonly string[];
}

/** The term counts of a document. */
interface Entry {
  readonly text: string;
  /** Number of terms, counting repetitions. */
  readonly length: number;
  /** Ascending. */
  readonly columns: Uint32Array;
  readonly counts: Uint32Array;
}

/** The weights of all documents at one point in time. */
interface Snapshot {
  readonly index: SparseIndex;
  readonly entries: ReadonlyMap<string, Entry>;
  /** [dimension]. */
  readonly idf: Float32Array;
}

/** Far above any useful value; keeps the weights finite in float32. */
const MAX_K1 = 1e6;
/** Documents processed before the event loop gets a turn. */
const DOCUMENTS_PER_TURN = 64;
const ROWS_PER_ADD = 16_384;

/**
 * A lexical index ranked by BM25 (Robertson and Zaragoza, 2009) in Lucene's form: the sum over the query's terms of idf · tf · (k1 + 1) /
 * (tf + k1 · (1 − b + b · length / mean length)), idf = ln(1 + (N − n + 0.5) / (n + 0.5)). The weights are sparse vectors in a SparseIndex.
 * They depend on all documents, so the first search after a change recomputes them.
 */
export class BM25Index extends ManagedResource implements Retriever {
  readonly name = "bm25";
  readonly #k1: number;
  readonly #b: number;
  readonly #terms: (text: string) => readonly string[];
  readonly #columns = new Map<string, number>();
  readonly #entries = new Map<string, Entry>();
  #snapshot: Promise<Snapshot> | undefined;

  /** Errors: ERR_INVALID_ARGUMENT. */
  constructor(options: BM25Options = {}) {
    super();
    requireRecord(options, "options", ["k1", "b", "terms"]);
    const { k1 = 1.2, b = 0.75, terms = englishTerms } = options;
    if (typeof k1 !== "number" || !(k1 >= 0 && k1 <= MAX_K1)) throw invalid("k1", k1, `a number from 0 to ${MAX_K1}`);
    if (typeof b !== "number" || !(b >= 0 && b <= 1)) throw invalid("b", b, "a number from 0 to 1");
    requireFunction(terms, "terms");
    this.#k1 = k1;
    this.#b = b;
    this.#terms = terms;
  }

  /** Number of documents in the index. */
  get size(): number {
    return this.#entries.size;
  }

  /**
   * Adds documents; a document whose id is already in the index is replaced. Errors: ERR_INVALID_ARGUMENT, ERR_DUPLICATE_ID, ERR_ABORTED,
   * ERR_DISPOSED.
   */
  add(ids: readonly string[], texts: readonly string[], options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    return this.run(async (running) => {
      requireIds(ids);
      requireTexts(texts, "texts");
      requireRecord(options, "options", ["signal"]);
      requireControls(options);
      if (ids.length !== texts.length) {
        throw new SparseRerankError("ERR_INVALID_ARGUMENT", `There are ${ids.length} ids and ${texts.length} texts; pass one id per text.`);
      }
      const entries: [string, Entry][] = [];
      for (const [i, id] of ids.entries()) {
        if (i % DOCUMENTS_PER_TURN === DOCUMENTS_PER_TURN - 1) await nextTurn();
        running.throwIfDisposed();
        throwIfAborted(options.signal);
        entries.push([id, this.#count(texts[i] ?? "")]);
      }
      for (const id of ids) this.#entries.delete(id);
      for (const [id, entry] of entries) this.#entries.set(id, entry);
      this.#forgetSnapshot();
    });
  }

  /** Removes documents and returns how many were found; unknown ids are ignored. */
  remove(ids: readonly string[]): number {
    this.requireOpen();
    requireTexts(ids, "ids");
    const removed = ids.filter((id) => this.#entries.delete(id)).length;
    if (removed > 0) this.#forgetSnapshot();
    return removed;
  }

  /**
   * Returns the best documents with their texts; a document that shares no term with the query is not a hit. Errors: ERR_INVALID_ARGUMENT,
   * ERR_TOO_LARGE (more than 2²² distinct terms), ERR_ABORTED, ERR_DISPOSED.
   */
  async search(query: string, options: { readonly topK?: number; readonly signal?: AbortSignal } = {}): Promise<Retrieved[]> {
    if (typeof query !== "string") throw invalid("query", query, "a string");
    requireRecord(options, "options", ["topK", "signal"]);
    const [hits = []] = await this.retrieve([query], { topK: 10, ...options });
    return hits;
  }

  retrieve(queries: readonly string[], options: RetrieveOptions): Promise<Retrieved[][]> {
    return this.run(async (running) => {
      const { topK, signal } = checkRetrieve(queries, options);
      if (this.#entries.size === 0) return queries.map(() => []);
      const either = running.signal(signal);
      const { index, idf, entries } = await orAborted((this.#snapshot ??= this.#weigh(new Map(this.#entries))), either);
      const vectors = SparseMatrix.fromRows(
        queries.map((query) => this.#queryVector(query, idf)),
        index.dimension,
      );
      const lists = await index.search(vectors, { topK, signal: either });
      return lists.map((hits) => hits.map(({ id, score }) => ({ id, score, text: entries.get(id)?.text ?? "" })));
    });
  }

  protected override async release(): Promise<void> {
    const snapshot = await this.#snapshot?.catch(() => undefined);
    await snapshot?.index.close();
  }

  #count(text: string): Entry {
    const terms: unknown = this.#terms(text);
    requireTexts(terms, "terms(text)");
    const counts = new Map<number, number>();
    for (const term of terms) {
      const column = this.#columns.get(term) ?? this.#columns.size;
      this.#columns.set(term, column);
      counts.set(column, (counts.get(column) ?? 0) + 1);
    }
    const columns = Uint32Array.from(counts.keys()).sort();
    return { text, length: terms.length, columns, counts: columns.map((column) => counts.get(column) ?? 0) };
  }

  async #weigh(documents: ReadonlyMap<string, Entry>): Promise<Snapshot> {
    const ids = [...documents.keys()];
    const entries = [...documents.values()];
    const dimension = Math.max(1, this.#columns.size);
    const index = SparseIndex.create({ dimension });
    const meanLength = entries.reduce((sum, { length }) => sum + length, 0) / entries.length;
    const having = new Float64Array(dimension);
    for (let start = 0; start < entries.length; start += ROWS_PER_ADD) {
      const block = entries.slice(start, start + ROWS_PER_ADD);
      for (const { columns } of block) for (const column of columns) having[column] = (having[column] ?? 0) + 1;
      const rows = block.map(({ columns, counts, length }) => {
        const norm = this.#k1 * (1 - this.#b + (this.#b * length) / meanLength);
        return { indices: columns, values: Float32Array.from(counts, (count) => (count * (this.#k1 + 1)) / (count + norm)) };
      });
      await index.add(ids.slice(start, start + ROWS_PER_ADD), SparseMatrix.fromRows(rows, dimension));
    }
    return { index, entries: documents, idf: Float32Array.from(having, (n) => Math.log(1 + (entries.length - n + 0.5) / (n + 0.5))) };
  }

  /** A term that occurs twice in the query counts twice. */
  #queryVector(query: string, idf: Float32Array): SparseVector {
    const weights = new Map<number, number>();
    for (const term of this.#terms(query)) {
      const column = this.#columns.get(term);
      if (column === undefined || column >= idf.length) continue;
      weights.set(column, (weights.get(column) ?? 0) + (idf[column] ?? 0));
    }
    const indices = Uint32Array.from(weights.keys()).sort();
    return { indices, values: Float32Array.from(indices, (column) => weights.get(column) ?? 0), size: idf.length };
  }

  /** The last search that uses the snapshot frees it: adding a document must not make a running search fail. */
  #forgetSnapshot(): void {
    this.#snapshot = undefined;
  }
}

function requireIds(ids: unknown): asserts ids is readonly string[] {
  requireTexts(ids, "ids");
  ids.forEach((id, i) => {
    requireString(id, `ids[${i}]`);
  });
  if (new Set(ids).size !== ids.length) throw new SparseRerankError("ERR_DUPLICATE_ID", "ids contains an id twice; ids must be distinct.");
}
