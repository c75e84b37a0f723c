// The measured workloads. `least` is the ratio that this package must reach; `most` is a limit on its own figure.

const ST = "sentence-transformers";
const TRANSFORMERS_JS = "@huggingface/transformers";

const BATCH_SIZES = { [ST]: [1, 8, 32], [TRANSFORMERS_JS]: [1, 8, 32] };
const QUERY = "how do sharks sense their prey";

/** `tolerance`: the largest difference from the reference's outputs (weights, logits) that is attributed to rounding. */
const EXACT = 1e-3;
/** How much int8 may change a weight or logit, relative to the largest one. */
const INT8 = 0.1;

export const rows = [
  {
    id: "splade-tiny",
    title: "SPLADE documents, splade-tiny (4.4 M)",
    kind: "documents",
    model: "splade-tiny",
    texts: 256,
    competitors: [{ name: ST, least: 15 }],
    tolerance: EXACT,
  },
  {
    id: "bert-base",
    title: "SPLADE documents, BERT-base size (109 M)",
    kind: "documents",
    model: "bert-base",
    texts: 64,
    competitors: [{ name: ST, least: 2.2 }],
    tolerance: EXACT,
    isBodyMeasured: true,
  },
  {
    id: "bert-base-int8",
    title: "SPLADE documents, BERT-base size, int8",
    kind: "documents",
    model: "bert-base",
    dtype: "int8",
    texts: 64,
    competitors: [{ name: ST, least: 5 }],
    tolerance: INT8,
  },
  {
    id: "minilm-l6",
    title: "Cross-encoder pairs, MiniLM-L6 size (23 M)",
    kind: "pairs",
    model: "minilm-l6",
    texts: 128,
    competitors: [
      { name: ST, least: 1.7 },
      { name: TRANSFORMERS_JS, least: 1.3 },
    ],
    tolerance: EXACT,
  },
  {
    id: "minilm-l6-int8",
    title: "Cross-encoder pairs, MiniLM-L6 size, int8",
    kind: "pairs",
    model: "minilm-l6",
    dtype: "int8",
    texts: 128,
    competitors: [
      { name: ST, least: 4 },
      { name: TRANSFORMERS_JS, least: 3 },
    ],
    tolerance: INT8,
  },
  {
    id: "query",
    title: "One query of 8 tokens, splade-tiny",
    kind: "query",
    model: "splade-tiny",
    inputs: [QUERY],
    competitors: [{ name: ST, least: 20 }],
    tolerance: EXACT,
  },
  {
    id: "inference-free-query",
    title: "One inference-free query of 10 tokens",
    kind: "query",
    model: "inference-free",
    inputs: ["how do sharks sense their prey in the dark sea"],
    competitors: [{ name: ST, least: 1 }],
    most: { unit: "ms", value: 0.02 },
    tolerance: EXACT,
  },
  {
    id: "load",
    title: "Load, BERT-base size, warm",
    kind: "load",
    model: "bert-base",
    texts: 16,
    competitors: [],
    most: { unit: "s", value: 0.5 },
  },
];

export { BATCH_SIZES, ST, TRANSFORMERS_JS };
