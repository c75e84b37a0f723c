import { loadPackage } from "../core/optional-package";
import { SparseRerankError } from "../errors";
import type { CheckedSearch } from "./documents";
import { EngineError } from "./errors";
import { LuceneEngine } from "./lucene";
import type { LuceneClient, LuceneOptions } from "./lucene";

/**
 * How Elasticsearch stores and scores vectors. sparse_vector requires version 8.15 or later and a license that includes it; the free basic
 * license does.
 */
export type ElasticsearchMode = "sparse_vector" | "rank_features";

export interface ElasticsearchOptions extends LuceneOptions {
  /** Default "auto": sparse_vector if the server supports its query, otherwise rank_features. */
  readonly mode?: ElasticsearchMode | "auto";
}

const MODES: readonly string[] = ["auto", "sparse_vector", "rank_features"];

/**
 * An index of Elasticsearch 8 or 9. Requires @elastic/elasticsearch with the major version of the server (version 8 rejects a client of
 * version 9). In both modes document weights keep 9 significant bits, so scores differ from exact dot products by up to 0.4 %.
 */
export class ElasticsearchEngine extends LuceneEngine {
  readonly name = "Elasticsearch";
  readonly #requestedMode: ElasticsearchMode | "auto";
  #mode: Promise<ElasticsearchMode> | undefined;

  constructor(options: ElasticsearchOptions) {
    super(options);
    this.#requestedMode = options.mode ?? "auto";
    if (!MODES.includes(this.#requestedMode))
      throw new SparseRerankError("ERR_INVALID_ARGUMENT", `mode must be one of ${MODES.join(", ")}.`);
  }

  /** The mode in use. "auto" is resolved once, by querying the server. */
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
    // Since version 9.1 query tokens are pruned by default.
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
    if (this.#requestedMode !== "auto") return this.#requestedMode;
    const type = await this.fieldMapping();
    if (type === "sparse_vector" || type === "rank_features") return type;
    // The server parses a query even if the index does not exist; an unsupported or unlicensed query fails here.
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
