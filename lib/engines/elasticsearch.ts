import { loadPackage } from "../core/optional-package";
import { SparseRerankError } from "../errors";
import type { CheckedSearch } from "./documents";
import { EngineError } from "./errors";
import { LuceneEngine } from "./lucene";
import type { LuceneClient, LuceneOptions } from "./lucene";

/** How Elasticsearch stores and scores vectors; sparse_vector needs version 8.15 and a licence that has it, as the free basic one does. */
export type ElasticsearchMode = "sparse_vector" | "rank_features";

export interface ElasticsearchOptions extends LuceneOptions {
  /** Default "auto": sparse_vector where the server knows its query, else rank_features. */
  readonly mode?: ElasticsearchMode | "auto";
}

const MODES: readonly string[] = ["auto", "sparse_vector", "rank_features"];

/**
 * An index of Elasticsearch 8 or 9, over @elastic/elasticsearch of the server's major version (a client of version 9 is refused by version 8).
 * Weights of documents keep 9 significant bits in either mode: scores differ from exact dot products by up to 0.4 %.
 */
export class ElasticsearchEngine extends LuceneEngine {
  readonly name = "Elasticsearch";
  readonly #wanted: ElasticsearchMode | "auto";
  #mode: Promise<ElasticsearchMode> | undefined;

  constructor(options: ElasticsearchOptions) {
    super(options);
    this.#wanted = options.mode ?? "auto";
    if (!MODES.includes(this.#wanted)) throw new SparseRerankError("ERR_INVALID_ARGUMENT", `mode must be one of ${MODES.join(", ")}.`);
  }

  /** The mode in use: what "auto" stands for is found out from the server once. */
  mode(): Promise<ElasticsearchMode> {
    return this.run(() => this.#currentMode());
  }

  protected async connect(node: string): Promise<LuceneClient> {
    const { Client } = await loadPackage("@elastic/elasticsearch", () => import("@elastic/elasticsearch"));
    return new Client({ node });
  }

  protected async vectorMapping(): Promise<{ mapping: Record<string, unknown>; settings: Record<string, unknown> }> {
    return { mapping: { type: await this.#currentMode() }, settings: {} };
  }

  protected async vectorQuery(search: CheckedSearch, filter: Record<string, unknown> | undefined): Promise<Record<string, unknown>> {
    if ((await this.#currentMode()) === "rank_features") return this.rankFeaturesQuery(search, filter);
    // Versions from 9.1 prune the tokens of queries unless told not to.
    const query = { sparse_vector: { field: this.field, query_vector: this.tokens(search.query), prune: false } };
    return LuceneEngine.filtered(query, filter);
  }

  protected searchParameters(): Promise<Record<string, string>> {
    return Promise.resolve({});
  }

  #currentMode(): Promise<ElasticsearchMode> {
    this.#mode ??= this.#findMode().catch((error: unknown) => {
      this.#mode = undefined;
      throw error;
    });
    return this.#mode;
  }

  async #findMode(): Promise<ElasticsearchMode> {
    if (this.#wanted !== "auto") return this.#wanted;
    const type = await this.fieldMapping();
    if (type === "sparse_vector" || type === "rank_features") return type;
    // The index need not exist for a query to be parsed; what the server does not know or is not licensed for fails here.
    const query = { sparse_vector: { field: this.field, query_vector: { "0": 1 } } };
    try {
      await this.call({ method: "POST", path: this.path("_search"), querystring: { ignore_unavailable: "true" }, body: { query } });
      return "sparse_vector";
    } catch (error) {
      const refused = error instanceof EngineError && (error.code === "ERR_ENGINE_REFUSED" || error.code === "ERR_ENGINE_AUTH");
      if (!refused) throw error;
      if (error.code === "ERR_ENGINE_AUTH" && !/licen[sc]e/i.test(error.message)) throw error;
      return "rank_features";
    }
  }
}
