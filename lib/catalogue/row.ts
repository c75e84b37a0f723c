/** What the rows of the catalogue are made of: shapes, figures with their sources, and estimates of memory. */

import { mtebScores } from "./mteb";
import type { CatalogueModel, Metric, Score, Task } from "./types";

export type Row = Omit<CatalogueModel, "gated" | "languages" | "memoryBytes" | "multilingual" | "page" | "scores"> &
  Partial<Pick<CatalogueModel, "gated" | "languages" | "multilingual">> & { readonly scores?: readonly Score[] };

export type Shape = Pick<CatalogueModel, "architecture" | "layers" | "hiddenSize" | "parameters" | "vocabulary">;

export const SBERT_SPARSE = "https://sbert.net/docs/sparse_encoder/pretrained_models.html";
export const SBERT_CROSS = "https://sbert.net/docs/cross_encoder/pretrained_models.html";
/** This model card compares several rerankers in one setting: the first 100 hits of BM25, 17 datasets. */
export const JINA_TURBO = "https://huggingface.co/jinaai/jina-reranker-v1-turbo-en";
export const OPENSEARCH = "opensearch-project/opensearch-neural-sparse-encoding";

export const APACHE = "apache-2.0";
export const NON_COMMERCIAL = "cc-by-nc-sa-4.0";

export const shape = (architecture: string, layers: number, hiddenSize: number, vocabulary: number, millions: number): Shape => ({
  architecture,
  layers,
  hiddenSize,
  parameters: Math.round(millions * 1e6),
  vocabulary,
});

export const score = (source: string, metric: Metric, value: number, note?: string): Score =>
  note === undefined ? { metric, value, source } : { metric, value, source, note };
export const sparseScores = (mrr: number | undefined, beir: number): Score[] => [
  ...(mrr === undefined ? [] : [score(SBERT_SPARSE, "MS MARCO dev MRR@10", mrr)]),
  score(SBERT_SPARSE, "BEIR-13 nDCG@10", beir),
];
export const rerankScores = (ndcg: number, mrr: number, speed: number): Score[] => [
  score(SBERT_CROSS, "TREC-DL 2019 nDCG@10", ndcg),
  score(SBERT_CROSS, "MS MARCO dev MRR@10", mrr),
  score(SBERT_CROSS, "documents/s on a V100", speed),
];

export function model(row: Row): CatalogueModel {
  const { hiddenSize, parameters, vocabulary } = row;
  // Native code stores a second copy of the decoder, in the layout of its CPU kernels.
  const decoder = row.kind === "sparse-encoder" ? vocabulary * hiddenSize : 0;
  const embeddings = vocabulary * hiddenSize;
  return {
    gated: false,
    languages: "English",
    multilingual: false,
    scores: [],
    ...row,
    memoryBytes: {
      fp32: 4 * (parameters + decoder),
      int8: parameters - embeddings + 4 * (embeddings + decoder),
      fp16: 2 * parameters,
    },
    page: `https://huggingface.co/${row.name}`,
  };
}

export const splade = (
  name: string,
  size: Shape,
  licence: string,
  scores: Score[],
  advice: string,
  more: Partial<Row> = {},
): CatalogueModel =>
  model({ name, kind: "sparse-encoder", task: "retrieval", querySide: "model", ...size, licence, scores, advice, ...more });

export const inferenceFree = (
  name: string,
  size: Shape,
  licence: string,
  scores: Score[],
  advice: string,
  more: Partial<Row> = {},
): CatalogueModel =>
  model({ name, kind: "sparse-encoder", task: "retrieval", querySide: "static", ...size, licence, scores, advice, ...more });

export const cross = (
  name: string,
  task: Task,
  size: Shape,
  licence: string,
  scores: Score[],
  advice: string,
  more: Partial<Row> = {},
): CatalogueModel =>
  model({ name, kind: "cross-encoder", task, ...size, licence, scores: [...scores, ...mtebScores(name)], advice, ...more });
