/**
 * Rerankers that are causal language models: one or two rows of their output matrix make the score. Parameters follow from the published
 * config.json files, and agree with the published counts (596 M, 4.02 B, 494 M, 1.54 B; the sizes of the weight files of gemma).
 */

import { APACHE, cross, shape } from "./row";
import type { CatalogueModel } from "./types";

const MANY = { languages: "Over 100 languages", multilingual: true } as const;
const QWEN3 = {
  "0.6B": shape("qwen3", 28, 1024, 151669, 595.8),
  "4B": shape("qwen3", 36, 2560, 151669, 4021.8),
  "8B": shape("qwen3", 36, 4096, 151669, 8188.5),
};

export const CAUSAL_ROWS: readonly CatalogueModel[] = [
  ...(
    [
      ["0.6B", "Over 100 languages and code, texts of up to 32,768 tokens, instructions; slow on a CPU."],
      ["4B", "The best in this list; needs a GPU."],
      ["8B", "The largest of its family; needs a GPU."],
    ] as const
  ).map(([size, advice]) => cross(`Qwen/Qwen3-Reranker-${size}`, "reranking", QWEN3[size], APACHE, [], advice, MANY)),
  ...(["0.6B", "4B", "8B"] as const).map((size) =>
    cross(
      `tomaarsen/Qwen3-Reranker-${size}-seq-cls`,
      "reranking",
      size === "8B" ? shape("qwen3", 36, 4096, 151669, 7567.3) : QWEN3[size],
      APACHE,
      [],
      `Qwen3-Reranker-${size} as a sequence classifier: the texts must have its template already.`,
      MANY,
    ),
  ),
  cross(
    "mixedbread-ai/mxbai-rerank-base-v2",
    "reranking",
    shape("qwen2", 24, 896, 151936, 494),
    APACHE,
    [],
    "Over 100 languages and code, on a GPU.",
    MANY,
  ),
  cross(
    "mixedbread-ai/mxbai-rerank-large-v2",
    "reranking",
    shape("qwen2", 28, 1536, 151936, 1543.7),
    APACHE,
    [],
    "The teacher of the Ettin rerankers: ettin-reranker-1b-v1 equals it in English at less than half the cost.",
    MANY,
  ),
  cross(
    "BAAI/bge-reranker-v2-gemma",
    "reranking",
    shape("gemma", 18, 2048, 256000, 2506.2),
    APACHE,
    [],
    'With scoring: "FlagLLMReranker", as its page asks for; sentence-transformers reads no prompt and compares other answers.',
    { languages: "Many languages", multilingual: true },
  ),
  cross(
    "zeroentropy/zerank-2-reranker",
    "reranking",
    shape("qwen3", 36, 2560, 151936, 4022.5),
    "cc-by-nc-4.0",
    [],
    "To reproduce its figures; non-commercial.",
  ),
];
