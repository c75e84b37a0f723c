import { throwIfAborted } from "../internal/abort";
import { invalid, requireRecord } from "../internal/validate";
import { SparseIndex } from "../sparse-index";
import type { SparseMatrix, SparseVector } from "../sparse-matrix";
import { checkUpsertOptions } from "./bulk";
import { checkDocuments, checkIds, checkSearch } from "./documents";
import { matches } from "./filter";
import type { Payload } from "./json";
import type { EngineHit, EngineSearchOptions, EngineStats, SearchEngine, UpsertOptions, UpsertReport } from "./types";

/** How many times more hits a filtered search asks for when those it has do not suffice. */
const WIDEN = 4;

/** A SparseIndex of this process. Exact; filters are applied to hits in the order of their scores. */
export class LocalEngine implements SearchEngine {
  readonly name = "SparseIndex";
  readonly #index: SparseIndex;
  readonly #payloads = new Map<string, Payload>();

  /** @param options.index is filled through this engine alone: it keeps the payloads */
  constructor(options: { readonly index: SparseIndex }) {
    requireRecord(options, "options", ["index"]);
    if (!(options.index instanceof SparseIndex)) throw invalid("index", options.index, "a SparseIndex");
    this.#index = options.index;
  }

  /** Nothing to do: the index exists. */
  ensureIndex(): Promise<void> {
    return Promise.resolve();
  }

  async upsert(
    ids: readonly string[],
    vectors: SparseMatrix,
    payloads?: readonly (Payload | undefined)[],
    options: UpsertOptions = {},
  ): Promise<UpsertReport> {
    checkUpsertOptions(options);
    const documents = checkDocuments(ids, vectors, payloads, this.#index.dimension);
    throwIfAborted(options.signal);
    await this.#index.add(documents.ids, documents.vectors);
    for (const [i, id] of documents.ids.entries()) {
      const payload = documents.payloads[i];
      if (payload === undefined) this.#payloads.delete(id);
      else this.#payloads.set(id, payload);
    }
    const count = documents.ids.length;
    options.onProgress?.({ stage: "index", done: count, total: count });
    return { succeeded: count, failed: [], warnings: [], retries: 0 };
  }

  async delete(ids: readonly string[]): Promise<number> {
    const checked = checkIds(ids);
    const removed = await this.#index.remove(checked);
    for (const id of checked) this.#payloads.delete(id);
    return removed;
  }

  async search(query: SparseVector, options: EngineSearchOptions): Promise<EngineHit[]> {
    const { topK, filter, signal } = checkSearch(query, options, this.#index.dimension);
    for (let wanted = topK; ; wanted *= WIDEN) {
      const hits = await this.#index.search(query, { topK: wanted, ...(signal === undefined ? {} : { signal }) });
      const found = filter === undefined ? hits : hits.filter(({ id }) => matches(filter, this.#payloads.get(id)));
      if (found.length >= topK || hits.length < wanted) return found.slice(0, topK).map(({ id, score }) => this.#hit(id, score));
    }
  }

  async stats(): Promise<EngineStats> {
    return Promise.resolve({ documents: this.#index.size, bytes: this.#index.stats().bytes });
  }

  /** The index stays open: it is the caller's. */
  close(): Promise<void> {
    return Promise.resolve();
  }

  #hit(id: string, score: number): EngineHit {
    const payload = this.#payloads.get(id);
    return { id, score, ...(payload === undefined ? {} : { payload }) };
  }
}
