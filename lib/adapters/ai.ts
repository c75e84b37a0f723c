/** Adapter for the Vercel AI SDK: a cross-encoder as reranking model for its rerank(). */

import { requireMethod, requireRecord, requireString } from "../core/validate";
import type { CrossEncoder } from "../cross-encoder";

/** RerankingModelV3 and V4 of @ai-sdk/provider as far as a model without HTTP needs them; their shapes are the same. */
export interface LocalRerankingModel<V extends "v3" | "v4"> {
  readonly specificationVersion: V;
  readonly provider: string;
  readonly modelId: string;
  doRerank(options: RerankCall): PromiseLike<{ ranking: { index: number; relevanceScore: number }[] }>;
}

export interface RerankCall {
  readonly documents:
    { readonly type: "text"; readonly values: readonly string[] } | { readonly type: "object"; readonly values: readonly unknown[] };
  readonly query: string;
  readonly topN?: number | undefined;
  readonly abortSignal?: AbortSignal | undefined;
}

export interface RerankingModelOptions<V extends "v3" | "v4"> {
  /** How the SDK calls the model; default "cross-encoder". */
  readonly modelId?: string;
  /** That of the SDK: "v3" (default) is that of ai 6, and ai 7 takes both. */
  readonly specificationVersion?: V;
}

/**
 * A model for `rerank({ model, … })` of the package ai. Documents that are objects are read as JSON. The encoder has one label; its owner closes it.
 *
 * Errors: ERR_INVALID_ARGUMENT; the calls reject as CrossEncoder.rank() does.
 */
export function rerankingModel<V extends "v3" | "v4" = "v3">(
  encoder: CrossEncoder,
  options: RerankingModelOptions<V> = {},
): LocalRerankingModel<V> {
  requireRecord(options, "options", ["modelId", "specificationVersion"]);
  requireMethod(encoder, "rank", "encoder", "a CrossEncoder");
  const { modelId = "cross-encoder", specificationVersion = "v3" as V } = options;
  requireString(modelId, "modelId");
  return {
    specificationVersion,
    provider: "sparse-rerank",
    modelId,
    async doRerank({ documents, query, topN, abortSignal }) {
      const texts = documents.type === "text" ? documents.values : documents.values.map((value) => JSON.stringify(value));
      const ranked = await encoder.rank(query, texts, {
        ...(topN === undefined ? {} : { topK: topN }),
        ...(abortSignal === undefined ? {} : { signal: abortSignal }),
      });
      return { ranking: ranked.map(({ index, score }) => ({ index, relevanceScore: score })) };
    },
  };
}
