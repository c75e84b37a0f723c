import { throwIfAborted } from "../core/abort";
import { ManagedResource } from "../core/managed-resource";
import { invalid, requireRecord } from "../core/validate";
import type { Metadata } from "../sparse-index/metadata";
import { SparseIndex } from "../sparse-index/sparse-index";
import type { SearchHit } from "../sparse-index/sparse-index";
import type { SparseMatrix, SparseVector } from "../sparse-matrix";
import { checkUpsertOptions } from "./bulk";
import { checkDocuments, checkIds, checkSearch } from "./documents";
import type { Payload } from "./json-object";
import type { EngineHit, EngineSearchOptions, EngineStats, SearchEngine, UpsertOptions, UpsertReport } from "./types";

/** A SearchEngine backed by an in-process SparseIndex, with exact search. The payload of a document is also its metadata. */
export class LocalEngine extends ManagedResource implements SearchEngine {
  readonly name = "SparseIndex";
  readonly #index: SparseIndex;

  /** @param options.index documents added to it directly keep their own metadata and payloads */
  constructor(options: { readonly index: SparseIndex }) {
    super();
    requireRecord(options, "options", ["index"]);
    if (!(options.index instanceof SparseIndex)) throw invalid("index", options.index, "a SparseIndex");
    this.#index = options.index;
  }

  /** Does nothing: the index exists. */
  ensureIndex(): Promise<void> {
    return this.run(() => Promise.resolve());
  }

  upsert(
    ids: readonly string[],
    vectors: SparseMatrix,
    payloads?: readonly (Payload | undefined)[],
    options: UpsertOptions = {},
  ): Promise<UpsertReport> {
    return this.run(async () => {
      checkUpsertOptions(options);
      const documents = checkDocuments(ids, vectors, payloads, this.#index.dimension);
      throwIfAborted(options.signal);
      // The index rejects metadata that JSON cannot represent.
      const extras =
        payloads === undefined ? {} : { metadata: documents.payloads as readonly (Metadata | undefined)[], payloads: documents.payloads };
      await this.#index.add(documents.ids, documents.vectors, extras);
      const count = documents.ids.length;
      options.onProgress?.({ stage: "index", done: count, total: count });
      return { succeeded: count, failed: [], warnings: [], retries: 0 };
    });
  }

  delete(ids: readonly string[]): Promise<number> {
    return this.run(async () => this.#index.remove(checkIds(ids)));
  }

  search(query: SparseVector, options: EngineSearchOptions): Promise<EngineHit[]> {
    return this.run(async (running) => {
      const { topK, withPayload, signal } = checkSearch(query, options, this.#index.dimension);
      const hits: readonly SearchHit[] = await this.#index.search(query, {
        topK,
        withPayload,
        signal: running.signal(signal),
        ...(options.filter === undefined ? {} : { filter: options.filter }),
      });
      // Payloads that this engine stored are objects.
      return hits as EngineHit[];
    });
  }

  stats(): Promise<EngineStats> {
    return this.run(async () => Promise.resolve({ documents: this.#index.size, bytes: this.#index.stats().bytes }));
  }

  /** The index stays open: the caller owns it. */
  protected override release(): void {
    // There are no other resources.
  }
}
