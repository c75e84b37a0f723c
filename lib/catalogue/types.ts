/** What the catalogue says of a checkpoint. */

export type Metric =
  | "MS MARCO dev MRR@10"
  | "BEIR-13 nDCG@10"
  | "BEIR-17 nDCG@10"
  | "TREC-DL 2019 nDCG@10"
  | "MIRACL nDCG@10"
  /** Pairs scored in a second on an NVIDIA V100, as its authors measured it: to compare models, not to plan a machine. */
  | "documents/s on a V100"
  | "QNLI dev accuracy"
  | "STS benchmark test"
  | "Quora dev average precision"
  | "MNLI mismatched accuracy";

/** A published figure, in percent where the metric is one. */
export interface Score {
  readonly metric: Metric;
  readonly value: number;
  /** Address of the page that states it. */
  readonly source: string;
  readonly note?: string;
}

export type Task =
  /** First stage: vectors of queries and documents. */
  | "retrieval"
  /** How well a text answers a query. */
  | "reranking"
  /** Whether a text contains the answer to a question. */
  | "answer detection"
  | "text similarity"
  | "duplicate questions"
  /** contradiction, entailment, neutral */
  | "inference between sentences";

export interface CatalogueModel {
  /** On the Hugging Face hub; what load() takes. */
  readonly name: string;
  readonly kind: "sparse-encoder" | "cross-encoder";
  readonly task: Task;
  /** Of sparse encoders: whether queries go through the model, or through a table of token weights. */
  readonly querySide?: "model" | "static";
  /** The family, as in lib/architectures. */
  readonly architecture: string;
  readonly layers: number;
  /** Width of the hidden states. */
  readonly hiddenSize: number;
  /** Number of weights, those of the query's table left out. */
  readonly parameters: number;
  /** Number of tokens; of a sparse encoder also the dimension of its vectors. */
  readonly vocabulary: number;
  readonly languages: string;
  readonly multilingual: boolean;
  /** SPDX identifier in lower case, as on the model's page; absent where the page states none. */
  readonly licence?: string;
  /** Its files can be had only after accepting conditions on the model's page, with an access token. */
  readonly gated: boolean;
  readonly scores: readonly Score[];
  /** Estimate of what the weights take in memory in fp32, within a tenth of what was measured. Weights that are fp32 in the file are mapped from it. */
  readonly memoryBytes: number;
  /** What to choose it for. */
  readonly advice: string;
  /** The model's page. */
  readonly page: string;
}
