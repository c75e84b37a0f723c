/**
 * The one published comparison of most rerankers in one setting, by the author of sentence-transformers: mean nDCG@10 of the ten retrieval
 * tasks of MTEB(eng, v2), the first 100 hits of six embedding models reranked, and pairs per second on an NVIDIA H100 in bf16 at up to 512
 * tokens.
 */

import type { Score } from "./types";

const SOURCE = "https://huggingface.co/blog/ettin-reranker";

/** The speed of some was not measured; those of 4 billion parameters read at most 8,192 tokens. */
const FIGURES: Readonly<Record<string, readonly [ndcg: number, pairsPerSecond?: number]>> = {
  "Qwen/Qwen3-Reranker-4B": [63.67],
  "mixedbread-ai/mxbai-rerank-large-v2": [61.15, 387],
  "cross-encoder/ettin-reranker-1b-v1": [61.14, 928],
  "cross-encoder/ettin-reranker-400m-v1": [60.91, 1738],
  "cross-encoder/ettin-reranker-150m-v1": [59.94, 3237],
  "Qwen/Qwen3-Reranker-0.6B": [59.4],
  "mixedbread-ai/mxbai-rerank-base-v2": [59.2, 809],
  "cross-encoder/ettin-reranker-68m-v1": [59.15, 4913],
  "Alibaba-NLP/gte-reranker-modernbert-base": [58.43, 1418],
  "cross-encoder/ettin-reranker-32m-v1": [57.79, 6602],
  "ibm-granite/granite-embedding-reranker-english-r2": [56.56, 1404],
  "cross-encoder/ettin-reranker-17m-v1": [55.76, 7517],
  "BAAI/bge-reranker-v2-m3": [55.26, 1569],
  "zeroentropy/zerank-2-reranker": [53],
  "BAAI/bge-reranker-large": [50.98, 1659],
  "cross-encoder/ms-marco-MiniLM-L6-v2": [50.82, 3817],
  "cross-encoder/ms-marco-MiniLM-L12-v2": [50.66, 3311],
  "mixedbread-ai/mxbai-rerank-large-v1": [50.63, 867],
  "cross-encoder/ms-marco-MiniLM-L4-v2": [49.79, 4029],
  "mixedbread-ai/mxbai-rerank-xsmall-v1": [49.68, 2636],
  "BAAI/bge-reranker-base": [48.9, 2858],
  "mixedbread-ai/mxbai-rerank-base-v1": [48.65, 1953],
};

/** @param name of a model on the hub; the result is empty if the comparison lacks it */
export function mtebScores(name: string): Score[] {
  const figures = FIGURES[name];
  if (figures === undefined) return [];
  const [ndcg, pairs] = figures;
  return [
    { metric: "MTEB(eng, v2) nDCG@10", value: ndcg, source: SOURCE },
    ...(pairs === undefined ? [] : [{ metric: "pairs/s on an H100", value: pairs, source: SOURCE } as const]),
  ];
}
