/** Types of the catalogue. */

export type Metric =
  | "MS MARCO dev MRR@10"
  | "BEIR-13 nDCG@10"
  | "BEIR-17 nDCG@10"
  | "TREC-DL 2019 nDCG@10"
  /** Of rerankers: the mean of ten retrieval tasks and six first stages. */
  | "MTEB(eng, v2) nDCG@10"
  | "MIRACL nDCG@10"
  /** Pairs per second on an NVIDIA V100, as measured by the authors: for comparing models, not for capacity planning. */
  | "documents/s on a V100"
  /** The same on an NVIDIA H100, in bf16. */
  | "pairs/s on an H100"
  | "QNLI dev accuracy"
  | "STS benchmark test"
  | "Quora dev average precision"
  | "MNLI mismatched accuracy";

/** A published figure; quality metrics are in percent. */
export interface Score {
  readonly metric: Metric;
  readonly value: number;
  /** Address of the page that states the figure. */
  readonly source: string;
  readonly note?: string;
}

export type Task =
  /** First stage: encodes queries and documents as vectors. */
  | "retrieval"
  /** Scores how well a text answers a query. */
  | "reranking"
  /** Detects whether a text contains the answer to a question. */
  | "answer detection"
  | "text similarity"
  | "duplicate questions"
  /** Labels: contradiction, entailment, neutral. */
  | "inference between sentences";

export interface CatalogueModel {
  /** Name on the Hugging Face Hub, as load() accepts it. */
  readonly name: string;
  readonly kind: "sparse-encoder" | "cross-encoder";
  readonly task: Task;
  /** For sparse encoders: whether queries run through the model ("model") or are looked up in a table of token weights ("static"). */
  readonly querySide?: "model" | "static";
  /** Model family, as in lib/architectures. */
  readonly architecture: string;
  readonly layers: number;
  /** Width of the hidden states. */
  readonly hiddenSize: number;
  /** Number of parameters, without the table of query weights; of two towers, those of both. */
  readonly parameters: number;
  /** Vocabulary size; for a sparse encoder also the dimension of its vectors. */
  readonly vocabulary: number;
  readonly languages: string;
  readonly multilingual: boolean;
  /** SPDX identifier in lower case, as on the model's page; absent if the page states none. */
  readonly licence?: string;
  /** Whether downloading requires accepting conditions on the model's page, and an access token. */
  readonly gated: boolean;
  readonly scores: readonly Score[];
  /**
   * Estimated memory of the weights by dtype; in fp32 within 10 % of measured values. Weights that are fp32 in the file are mapped from it.
   * With int8, embeddings stay in fp32; fp16 (and bf16, which is the same) needs a GPU.
   */
  readonly memoryBytes: Readonly<Record<"fp32" | "int8" | "fp16", number>>;
  /** When to choose the model. */
  readonly advice: string;
  /** The model's page. */
  readonly page: string;
}
