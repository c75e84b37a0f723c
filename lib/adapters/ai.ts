/** Adapter for the Vercel AI SDK: exposes a cross-encoder as a reranking model for rerank(). */

import { requireMethod, requireRecord, requireString } from "../core/validate";
import type { CrossEncoder } from "../cross-encoder";

/** The part of RerankingModelV3 and RerankingModelV4 of @ai-sdk/provider that a model without HTTP needs. Both have the same shape. */
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
  /** The model id that the SDK reports. Default "cross-encoder". */
  readonly modelId?: string;
  /** Version of the provider specification. "v3" (the default) is for ai 6; ai 7 accepts both. */
  readonly specificationVersion?: V;
}

/**
 * Creates a model for `rerank({ model, … })` of the package ai. Documents that are objects are serialized as JSON. The encoder must have
 * one label; the caller closes it.
 *
 * Errors: ERR_INVALID_ARGUMENT. Calls of the model reject with the errors of CrossEncoder.rank().
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
