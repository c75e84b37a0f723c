import { loadPackage } from "../core/optional-package";
import { SparseRerankError } from "../errors";
import type { CheckedSearch } from "./documents";
import { EngineError } from "./errors";
import { LuceneEngine } from "./lucene";
import type { LuceneClient, LuceneOptions } from "./lucene";

/**
 * How OpenSearch stores and scores vectors. All modes but the first require the neural-search plugin.
 * - rank_features: one rank_feature clause per weight of the query
 * - neural_sparse: the neural_sparse query with raw tokens
 * - neural_sparse_two_phase: neural_sparse with the two-phase search pipeline, which first scores with the tokens of the largest weights
 * - ann: a sparse_vector field with approximate search (SEISMIC), since OpenSearch 3.3
 */
export type OpenSearchMode = "rank_features" | "neural_sparse" | "neural_sparse_two_phase" | "ann";

export interface OpenSearchOptions extends LuceneOptions {
  /** Default "auto": ann for an index created with it, otherwise neural_sparse if the plugin is installed, otherwise rank_features. */
  readonly mode?: OpenSearchMode | "auto";
}

const MODES: readonly string[] = ["auto", "rank_features", "neural_sparse", "neural_sparse_two_phase", "ann"];
const PLUGIN = "opensearch-neural-search";

/**
 * An index of OpenSearch (2.12 or later). Requires @opensearch-project/opensearch. Both rank_features fields and the plugin store document
 * weights with 9 significant bits, so scores differ from exact dot products by up to 0.4 %.
 */
export class OpenSearchEngine extends LuceneEngine {
  readonly name = "OpenSearch";
  readonly #requestedMode: OpenSearchMode | "auto";
  #mode: Promise<OpenSearchMode> | undefined;

  constructor(options: OpenSearchOptions) {
    super(options);
    this.#requestedMode = options.mode ?? "auto";
    if (!MODES.includes(this.#requestedMode))
      throw new SparseRerankError("ERR_INVALID_ARGUMENT", `mode must be one of ${MODES.join(", ")}.`);
  }

  /** The mode in use. "auto" is resolved once, by querying the server. */
  mode(): Promise<OpenSearchMode> {
    return this.run(() => this.#currentMode());
  }

  protected override async createIndex(): Promise<void> {
    await super.createIndex();
    if ((await this.#currentMode()) !== "neural_sparse_two_phase") return;
    const processor = { neural_sparse_two_phase_processor: { tag: "sparse-rerank", enabled: true } };
    await this.call({ method: "PUT", path: `/_search/pipeline/${this.#pipeline()}`, body: { request_processors: [processor] } });
  }

  protected async connect(node: string): Promise<LuceneClient> {
    const { Client } = await loadPackage("@opensearch-project/opensearch", () => import("@opensearch-project/opensearch"));
    return new Client({ node });
  }

  protected async vectorMapping(): Promise<{ mapping: Record<string, unknown>; settings: Record<string, unknown> }> {
    if ((await this.#currentMode()) !== "ann") return { mapping: { type: "rank_features" }, settings: {} };
    return { mapping: { type: "sparse_vector", method: { name: "seismic" } }, settings: { "index.sparse": true } };
  }

  protected async vectorQuery(search: CheckedSearch, filter: Record<string, unknown> | undefined): Promise<Record<string, unknown>> {
    const mode = await this.#currentMode();
    if (mode === "rank_features") return this.rankFeaturesQuery(search, filter);
    const query_tokens = this.tokens(search.query);
    if (mode !== "ann") return LuceneEngine.filtered({ neural_sparse: { [this.field]: { query_tokens } } }, filter);
    // Inside method_parameters the filter is applied before the approximate search.
    const method_parameters = { k: search.topK, ...(filter === undefined ? {} : { filter }) };
    return { neural_sparse: { [this.field]: { query_tokens, method_parameters } } };
  }

  protected async searchParameters(): Promise<Record<string, string>> {
    return (await this.#currentMode()) === "neural_sparse_two_phase" ? { search_pipeline: this.#pipeline() } : {};
  }

  #pipeline(): string {
    return `${encodeURIComponent(this.index)}-two-phase`;
  }

  #currentMode(): Promise<OpenSearchMode> {
    this.#mode ??= this.#findMode().catch((error: unknown) => {
      this.#mode = undefined;
      throw error;
    });
    return this.#mode;
  }

  async #findMode(): Promise<OpenSearchMode> {
    if (this.#requestedMode === "rank_features") return this.#requestedMode;
    const hasPlugin = await this.#hasPlugin();
    if (this.#requestedMode !== "auto") {
      if (hasPlugin) return this.#requestedMode;
      throw new EngineError(
        this.name,
        "ERR_NOT_SUPPORTED",
        `the mode ${this.#requestedMode} requires the plugin ${PLUGIN}, which is not installed on the server; install it, or use the mode rank_features.`,
      );
    }
    if (!hasPlugin) return "rank_features";
    return (await this.fieldMapping()) === "sparse_vector" ? "ann" : "neural_sparse";
  }

  async #hasPlugin(): Promise<boolean> {
    const answer = await this.call({ method: "GET", path: "/_nodes/plugins" });
    const nodes = Object.values((answer["nodes"] ?? {}) as Record<string, { readonly plugins?: readonly { readonly name?: string }[] }>);
    return nodes.length > 0 && nodes.every(({ plugins = [] }) => plugins.some(({ name }) => name === PLUGIN));
  }
}
