/**
 * The checkpoints that this package supports as published. Figures are quoted from the page in `source`; values without a public source are
 * absent. Shapes are those of the published config.json files (test/golden/published-configs.ts), and `parameters` follows from them. The
 * tables of sbert.net are docs/sparse_encoder/pretrained_models.md and docs/cross_encoder/pretrained_models.md of sentence-transformers
 * 6.0.
 */

import { CAUSAL_ROWS } from "./causal-rows";
import {
  APACHE,
  cross,
  inferenceFree,
  JINA_TURBO,
  model,
  NON_COMMERCIAL,
  OPENSEARCH,
  rerankScores,
  SBERT_CROSS,
  score,
  shape,
  sparseScores,
  splade,
} from "./row";
import type { CatalogueModel, Score } from "./types";

const DISTILBERT = shape("distilbert", 6, 768, 30522, 67);
const BERT_BASE = shape("bert", 12, 768, 30522, 109.5);
/** Published as 133M: the weight file contains the decoder in addition to the embeddings. */
const BERT_BASE_UNTIED = shape("bert", 12, 768, 30522, 133);
const ELECTRA_BASE = shape("electra", 12, 768, 30522, 109.5);
const DISTILROBERTA = shape("roberta", 6, 768, 50265, 82.1);
const ROBERTA_BASE = shape("roberta", 12, 768, 50265, 124.6);
const ROBERTA_LARGE = shape("roberta", 24, 1024, 50265, 355.4);
const DEBERTA_V3_XSMALL = shape("deberta-v2", 12, 384, 128100, 70.8);
const DEBERTA_V3_BASE = shape("deberta-v2", 12, 768, 128100, 184.4);
const DEBERTA_V3_LARGE = shape("deberta-v2", 24, 1024, 128100, 435.1);

export const ROWS: readonly CatalogueModel[] = [
  splade(
    `${OPENSEARCH}-v2-distill`,
    DISTILBERT,
    APACHE,
    sparseScores(undefined, 52.8),
    "The best SPLADE model of its size with a permissive license; queries need the model.",
  ),
  splade(
    `${OPENSEARCH}-v1`,
    BERT_BASE_UNTIED,
    APACHE,
    sparseScores(undefined, 52.4),
    "Superseded by v2-distill, which is half as large and better.",
  ),
  splade(
    "naver/splade-v3",
    BERT_BASE,
    NON_COMMERCIAL,
    sparseScores(40.2, 51.7),
    "The best on MS MARCO, if a non-commercial license is acceptable.",
    {
      gated: true,
    },
  ),
  splade(
    "naver/splade-cocondenser-selfdistil",
    BERT_BASE,
    NON_COMMERCIAL,
    sparseScores(37.6, 50.7),
    "To reproduce SPLADE++ (arXiv 2205.04733).",
  ),
  splade(
    "naver/splade-cocondenser-ensembledistil",
    BERT_BASE,
    NON_COMMERCIAL,
    sparseScores(38.0, 50.5),
    "To reproduce SPLADE++ (arXiv 2205.04733).",
  ),
  splade("naver/splade_v2_distil", DISTILBERT, NON_COMMERCIAL, sparseScores(36.8, 50.6), "To reproduce SPLADE v2 (arXiv 2109.10086)."),
  splade("naver/splade_v2_max", DISTILBERT, NON_COMMERCIAL, sparseScores(34.0, 46.4), "To reproduce SPLADE v2 (arXiv 2109.10086)."),
  splade("naver/splade-v3-distilbert", DISTILBERT, NON_COMMERCIAL, sparseScores(38.7, 50.0), "SPLADE-v3 at half the cost, non-commercial."),
  splade(
    "naver/splade-v3-lexical",
    BERT_BASE,
    NON_COMMERCIAL,
    sparseScores(40.0, 49.1),
    "SPLADE-v3 without query expansion: short queries and fast search; non-commercial.",
    { gated: true },
  ),
  splade(
    "ibm-granite/granite-embedding-30m-sparse",
    shape("roberta", 6, 384, 50265, 30.3),
    APACHE,
    sparseScores(undefined, 50.8),
    "Small, and trained on data that permits commercial use.",
  ),
  splade(
    "rasyosef/splade-mini",
    shape("bert", 4, 256, 30522, 11.2),
    "mit",
    sparseScores(34.1, 44.5),
    "For small machines and short texts.",
  ),
  model({
    // The model's page states no license.
    name: "rasyosef/splade-tiny",
    kind: "sparse-encoder",
    task: "retrieval",
    querySide: "model",
    ...shape("bert", 2, 128, 30522, 4.4),
    scores: sparseScores(30.9, 40.6),
    advice: "For trying things out: this package includes its weights as splade-tiny.",
  }),
  ...(
    [
      ["V-large", 134, 38.8, "Separate towers for queries and documents (Lassance and Clinchant, 2022); non-commercial."],
      ["VI-BT-large", 71.4, 38, "Queries run through a BERT of 2 layers, documents through DistilBERT; non-commercial."],
    ] as const
  ).map(([name, millions, mrr, advice]) =>
    splade(
      `naver/efficient-splade-${name}-doc`,
      shape("distilbert", 6, 768, 30522, millions),
      NON_COMMERCIAL,
      [score(`https://huggingface.co/naver/efficient-splade-${name}-doc`, "MS MARCO dev MRR@10", mrr)],
      advice,
    ),
  ),
  splade("prithivida/Splade_PP_en_v1", BERT_BASE, APACHE, sparseScores(37.2, 48.7), "SPLADE++ retrained under a permissive license."),
  splade("prithivida/Splade_PP_en_v2", BERT_BASE, APACHE, sparseScores(37.8, 49.4), "SPLADE++ retrained under a permissive license."),

  inferenceFree(
    `${OPENSEARCH}-doc-v3-gte`,
    shape("gte", 12, 768, 30522, 137.4),
    APACHE,
    sparseScores(undefined, 54.6),
    "The best first stage in this list, with queries at no model cost.",
  ),
  inferenceFree(
    `${OPENSEARCH}-doc-v3-distill`,
    DISTILBERT,
    APACHE,
    sparseScores(undefined, 51.7),
    "Queries at no model cost, and indexing is feasible on a CPU.",
  ),
  inferenceFree(
    `${OPENSEARCH}-doc-v2-distill`,
    DISTILBERT,
    APACHE,
    sparseScores(undefined, 50.4),
    "Superseded by doc-v3-distill, at the same cost.",
  ),
  inferenceFree(
    `${OPENSEARCH}-doc-v2-mini`,
    shape("bert", 6, 384, 30522, 22.7),
    APACHE,
    sparseScores(undefined, 49.7),
    "The cheapest indexing among models with queries at no model cost.",
  ),
  inferenceFree(
    `${OPENSEARCH}-doc-v1`,
    BERT_BASE_UNTIED,
    APACHE,
    sparseScores(undefined, 49.0),
    "Superseded by the v2 and v3 models, which are smaller or better.",
  ),
  inferenceFree(
    "naver/splade-v3-doc",
    BERT_BASE,
    NON_COMMERCIAL,
    [score("https://huggingface.co/naver/splade-v3-doc", "MS MARCO dev MRR@10", 37.8), ...sparseScores(undefined, 47.0)],
    "SPLADE-v3 without a model for queries; non-commercial.",
    { gated: true },
  ),
  inferenceFree(
    `${OPENSEARCH}-multilingual-v1`,
    shape("bert", 12, 768, 105879, 167.5),
    APACHE,
    [score(`https://huggingface.co/${OPENSEARCH}-multilingual-v1`, "MIRACL nDCG@10", 62.9, "without Thai")],
    "The first stage for languages other than English.",
    { languages: "15 languages", multilingual: true },
  ),

  ...(
    [
      ["TinyBERT-L2-v2", shape("bert", 2, 128, 30522, 4.39), [69.84, 32.56, 9000], "For the lowest latency."],
      ["MiniLM-L2-v2", shape("bert", 2, 384, 30522, 15.6), [71.01, 34.85, 4100], "Low latency on a CPU."],
      ["MiniLM-L4-v2", shape("bert", 4, 384, 30522, 19.2), [73.04, 37.7, 2500], "Between L2 and L6."],
      ["MiniLM-L6-v2", shape("bert", 6, 384, 30522, 22.7), [74.3, 39.01, 1800], "ettin-reranker-17m-v1 is better and faster."],
      ["MiniLM-L12-v2", shape("bert", 12, 384, 30522, 33.4), [74.31, 39.02, 960], "No better than L6, at twice the cost."],
      ["electra-base", ELECTRA_BASE, [71.99, 36.41, 340], "To reproduce older results; MiniLM-L6-v2 is better and faster."],
    ] as const
  ).map(([name, size, [ndcg, mrr, speed], advice]) =>
    cross(
      `cross-encoder/ms-marco-${name}`,
      "reranking",
      size,
      APACHE,
      [...rerankScores(ndcg, mrr, speed), ...(name === "MiniLM-L6-v2" ? [score(JINA_TURBO, "BEIR-17 nDCG@10", 48.64)] : [])],
      advice,
    ),
  ),
  ...(
    [
      ["17m", shape("modernbert", 7, 256, 50368, 16.9), "The fastest in this list, and better than all MiniLM models."],
      ["32m", shape("modernbert", 10, 384, 50368, 32), "The default choice on a CPU."],
      ["68m", shape("modernbert", 19, 512, 50368, 68.4), "The best on a CPU where quality comes first."],
      ["150m", shape("modernbert", 22, 768, 50368, 149.6), "English texts of up to 7,999 tokens, on a GPU."],
      ["400m", shape("modernbert", 28, 1024, 50368, 395.8), "English, on a GPU, where quality comes first."],
      ["1b", shape("modernbert", 28, 1792, 50368, 1031), "The best English encoder in this list; needs a GPU."],
    ] as const
  ).map(([size, of, advice]) => cross(`cross-encoder/ettin-reranker-${size}-v1`, "reranking", of, APACHE, [], advice)),
  cross(
    "ibm-granite/granite-embedding-reranker-english-r2",
    "reranking",
    shape("modernbert", 22, 768, 50368, 149.6),
    APACHE,
    [],
    "English texts of up to 8,192 tokens; trained on data that permits commercial use.",
  ),
  cross(
    "maidalun1020/bce-reranker-base_v1",
    "reranking",
    shape("xlm-roberta", 12, 768, 250002, 278),
    APACHE,
    [],
    "Chinese and English with Japanese and Korean.",
    { languages: "Chinese, English, Japanese, Korean", multilingual: true },
  ),
  cross(
    "BAAI/bge-reranker-base",
    "reranking",
    shape("xlm-roberta", 12, 768, 250002, 278),
    "mit",
    [],
    "A small model for these two languages.",
    {
      languages: "Chinese, English",
      multilingual: true,
    },
  ),
  cross(
    "BAAI/bge-reranker-large",
    "reranking",
    shape("xlm-roberta", 24, 1024, 250002, 559.9),
    "mit",
    [],
    "For these two languages, on a GPU.",
    {
      languages: "Chinese, English",
      multilingual: true,
    },
  ),
  cross(
    "BAAI/bge-reranker-v2-m3",
    "reranking",
    shape("xlm-roberta", 24, 1024, 250002, 567.8),
    APACHE,
    [],
    "Texts of up to 8,192 tokens; needs a GPU for reasonable speed.",
    { languages: "Many languages", multilingual: true },
  ),
  cross(
    "Alibaba-NLP/gte-multilingual-reranker-base",
    "reranking",
    shape("gte", 12, 768, 250048, 306),
    APACHE,
    [],
    "A third of the cost of bge-reranker-v2-m3, texts of up to 8,192 tokens.",
    { languages: "Over 70 languages", multilingual: true },
  ),
  cross(
    "Alibaba-NLP/gte-reranker-modernbert-base",
    "reranking",
    shape("modernbert", 22, 768, 50368, 149.6),
    APACHE,
    [],
    "English texts of up to 8,192 tokens, and code.",
  ),
  cross(
    "jinaai/jina-reranker-v1-tiny-en",
    "reranking",
    shape("jina-bert", 4, 384, 61056, 33),
    APACHE,
    [score(JINA_TURBO, "BEIR-17 nDCG@10", 48.54)],
    "Long English texts on a CPU, up to 8,192 tokens.",
  ),
  cross(
    "jinaai/jina-reranker-v1-turbo-en",
    "reranking",
    shape("jina-bert", 6, 384, 61056, 37.8),
    APACHE,
    [score(JINA_TURBO, "BEIR-17 nDCG@10", 49.6)],
    "Long English texts on a CPU, up to 8,192 tokens; slightly better than tiny.",
  ),
  cross(
    "jinaai/jina-reranker-v2-base-multilingual",
    "reranking",
    shape("jina-xlm-roberta", 12, 768, 250002, 278.4),
    "cc-by-nc-4.0",
    [],
    "Texts of up to 1,024 tokens; non-commercial.",
    { languages: "Many languages", multilingual: true },
  ),
  cross(
    "mixedbread-ai/mxbai-rerank-xsmall-v1",
    "reranking",
    DEBERTA_V3_XSMALL,
    APACHE,
    [score(JINA_TURBO, "BEIR-17 nDCG@10", 48.8)],
    "English; slightly better than MiniLM-L6-v2, and slower.",
  ),
  cross(
    "mixedbread-ai/mxbai-rerank-base-v1",
    "reranking",
    DEBERTA_V3_BASE,
    APACHE,
    [score(JINA_TURBO, "BEIR-17 nDCG@10", 49.19)],
    "English, on a GPU.",
  ),
  cross("mixedbread-ai/mxbai-rerank-large-v1", "reranking", DEBERTA_V3_LARGE, APACHE, [], "English, on a GPU, where quality comes first."),

  ...CAUSAL_ROWS,

  ...(
    [
      ["qnli-distilroberta-base", DISTILROBERTA, 90.96],
      ["qnli-electra-base", ELECTRA_BASE, 93.21],
    ] as const
  ).map(([name, size, accuracy]) =>
    cross(
      `cross-encoder/${name}`,
      "answer detection",
      size,
      APACHE,
      [score(SBERT_CROSS, "QNLI dev accuracy", accuracy)],
      "Detects whether a paragraph contains the answer to a question.",
    ),
  ),
  ...(
    [
      ["stsb-TinyBERT-L4", shape("bert", 4, 312, 30522, 14.4), 85.5],
      ["stsb-distilroberta-base", DISTILROBERTA, 87.92],
      ["stsb-roberta-base", ROBERTA_BASE, 90.17],
      ["stsb-roberta-large", ROBERTA_LARGE, 91.47],
    ] as const
  ).map(([name, size, value]) =>
    cross(
      `cross-encoder/${name}`,
      "text similarity",
      size,
      APACHE,
      [score(SBERT_CROSS, "STS benchmark test", value)],
      "Scores the semantic similarity of two sentences from 0 to 1.",
    ),
  ),
  ...(
    [
      ["quora-distilroberta-base", DISTILROBERTA, 87.48],
      ["quora-roberta-base", ROBERTA_BASE, 87.8],
      ["quora-roberta-large", ROBERTA_LARGE, 87.91],
    ] as const
  ).map(([name, size, value]) =>
    cross(
      `cross-encoder/${name}`,
      "duplicate questions",
      size,
      APACHE,
      [score(SBERT_CROSS, "Quora dev average precision", value)],
      "Detects whether two questions ask the same; merely related questions score low.",
    ),
  ),
  ...(
    [
      ["nli-deberta-v3-xsmall", DEBERTA_V3_XSMALL, 87.77],
      ["nli-deberta-v3-small", shape("deberta-v2", 6, 768, 128100, 141.9), 87.55],
      ["nli-deberta-v3-base", DEBERTA_V3_BASE, 90.04],
      ["nli-deberta-v3-large", DEBERTA_V3_LARGE, undefined],
      ["nli-deberta-base", shape("deberta", 12, 768, 50265, 139.2), 88.08],
      ["nli-MiniLM2-L6-H768", DISTILROBERTA, 86.89],
      ["nli-roberta-base", ROBERTA_BASE, 87.47],
      ["nli-distilroberta-base", DISTILROBERTA, 83.98],
    ] as const
  ).map(([name, size, accuracy]) =>
    cross(
      `cross-encoder/${name}`,
      "inference between sentences",
      size,
      APACHE,
      accuracy === undefined ? [] : [score(SBERT_CROSS, "MNLI mismatched accuracy", accuracy)],
      "Classifies whether a sentence contradicts another, follows from it, or neither.",
    ),
  ),
];

/** Figures of BM25, for comparison. */
export const BM25_SCORES: readonly Score[] = sparseScores(18.4, 45.6);
