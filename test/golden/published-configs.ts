/**
 * The config.json of every checkpoint of the catalogue, with the values that shape the model and without training-only values. A fine-tuned
 * checkpoint keeps the shape of its base model. docs/layouts.md lists the public sources, and what no page states.
 */

import {
  DISTILBERT,
  ELECTRA,
  JINA_V2,
  LABEL,
  MODERNBERT,
  NLI,
  bert,
  debertaV3,
  gte,
  jina,
  roberta,
  xlmRoberta,
} from "./published-families";
import type { Config } from "./published-families";

export type Layout =
  /** modules.json with MLMTransformer and 1_SpladePooling, as sentence-transformers 5 writes it. */
  | "splade"
  /** A Router whose document side is the repository's own folder and whose query side is a table of token weights. */
  | "router"
  /** A Router whose document side is the repository's own folder and whose query side is another model. */
  | "two towers"
  /** A plain sequence classifier. */
  | "classifier"
  /** Pooling CLS, Dense with GELU, LayerNorm and Dense over a bare transformer, as sentence-transformers 5.5 writes it. */
  | "modules"
  /** A causal language model, or a sequence classifier on one. */
  | "causal";

export type TokenizerKind =
  "bert-uncased" | "bert-multilingual-uncased" | "roberta" | "modernbert" | "xlm-roberta" | "deberta" | "deberta-v3" | "jina";

export interface Published {
  readonly name: string;
  readonly layout: Layout;
  readonly config: Config;
  readonly tokenizer: TokenizerKind;
  /** The query side of two towers. */
  readonly query?: Config;
  /** SpladePooling's activation, if it is not relu. */
  readonly activation?: "log1p_relu";
  /** The activation that the reranker applies to one score, if config.json names one. */
  readonly scoreActivation?: "Identity" | "Sigmoid";
}

/** The shapes are those of pretraining/configs in JHU-CLSP/ettin-encoder-vs-decoder@6cbf954, and of the post about the rerankers. */
function ettin(size: string, hidden: number, inner: number, layers: number): Published {
  const config = {
    ...MODERNBERT,
    // Of a classifier; JSON leaves them out.
    classifier_bias: undefined,
    id2label: undefined,
    label2id: undefined,
    architectures: ["ModernBertModel"],
    hidden_size: hidden,
    intermediate_size: inner,
    local_rope_theta: 160000,
    max_position_embeddings: 7999,
    num_attention_heads: hidden / 64,
    num_hidden_layers: layers,
    torch_dtype: "float32",
  };
  return { name: `cross-encoder/ettin-reranker-${size}-v1`, layout: "modules", config, tokenizer: "modernbert" };
}

/** A decoder with grouped queries. @param sizes hidden, inner, layers, heads, key-value heads, width of a head, vocabulary */
function causal(name: string, family: "qwen2" | "qwen3" | "gemma", sizes: readonly number[], more: Config = {}): Published {
  const [hidden = 0, inner = 0, layers = 0, heads = 0, groups = 0, width = 0, vocabulary = 0] = sizes;
  const className = { qwen2: "Qwen2", qwen3: "Qwen3", gemma: "Gemma" }[family];
  const config = {
    architectures: [`${className}ForCausalLM`],
    head_dim: width,
    hidden_size: hidden,
    intermediate_size: inner,
    model_type: family,
    num_attention_heads: heads,
    num_hidden_layers: layers,
    num_key_value_heads: groups,
    tie_word_embeddings: true,
    torch_dtype: "bfloat16",
    vocab_size: vocabulary,
    ...more,
  };
  return { name, layout: "causal", config, tokenizer: "roberta" };
}

const QWEN3_RERANKERS = [
  ["0.6B", [1024, 3072, 28, 16, 8, 128, 151669]],
  ["4B", [2560, 9728, 36, 32, 8, 128, 151669]],
  ["8B", [4096, 12288, 36, 32, 8, 128, 151669]],
] as const;

const OPENSEARCH = "opensearch-project/opensearch-neural-sparse-encoding";
const BASE = bert(768, 12, 12);

const splade = (name: string, config: Config, tokenizer: TokenizerKind = "bert-uncased"): Published => ({
  name,
  layout: "splade",
  config,
  tokenizer,
});
const router = (name: string, config: Config, more: Partial<Published> = {}): Published => ({
  name,
  layout: "router",
  config,
  tokenizer: "bert-uncased",
  ...more,
});
const classifier = (name: string, config: Config, tokenizer: TokenizerKind, more: Partial<Published> = {}): Published => ({
  name,
  layout: "classifier",
  config,
  tokenizer,
  ...more,
});
const msmarco = (name: string, hidden: number, layers: number, heads: number): Published =>
  classifier(
    `cross-encoder/ms-marco-${name}`,
    bert(hidden, layers, heads, { architectures: ["BertForSequenceClassification"], ...LABEL }),
    "bert-uncased",
    { scoreActivation: "Identity" },
  );

export const PUBLISHED: readonly Published[] = [
  splade(`${OPENSEARCH}-v2-distill`, DISTILBERT),
  splade(`${OPENSEARCH}-v1`, BASE),
  splade("naver/splade-v3", BASE),
  splade("naver/splade-cocondenser-selfdistil", BASE),
  splade("naver/splade-cocondenser-ensembledistil", BASE),
  splade("naver/splade_v2_distil", DISTILBERT),
  splade("naver/splade_v2_max", DISTILBERT),
  splade("naver/splade-v3-distilbert", DISTILBERT),
  splade("naver/splade-v3-lexical", BASE),
  splade(
    "ibm-granite/granite-embedding-30m-sparse",
    roberta(384, 6, 12, {
      architectures: ["RobertaForMaskedLM"],
      layer_norm_eps: 1e-12,
      position_embedding_type: "absolute",
      torch_dtype: "bfloat16",
      type_vocab_size: 2,
    }),
    "roberta",
  ),
  splade("rasyosef/splade-mini", bert(256, 4, 4)),
  splade("rasyosef/splade-tiny", bert(128, 2, 2)),
  splade("prithivida/Splade_PP_en_v1", BASE),
  splade("prithivida/Splade_PP_en_v2", BASE),
  router(`${OPENSEARCH}-doc-v1`, BASE),
  router(`${OPENSEARCH}-doc-v2-distill`, DISTILBERT),
  router(`${OPENSEARCH}-doc-v2-mini`, bert(384, 6, 12)),
  router(`${OPENSEARCH}-doc-v3-distill`, DISTILBERT, { activation: "log1p_relu" }),
  router(
    `${OPENSEARCH}-doc-v3-gte`,
    // No public page states its rope_theta and rope_scaling, so they are absent. They change numbers, but not what is read.
    gte({
      architectures: ["NewForMaskedLM"],
      pad_token_id: 0,
      torch_dtype: "float32",
      type_vocab_size: 0,
      vocab_size: 30522,
    }),
    { activation: "log1p_relu" },
  ),
  router(`${OPENSEARCH}-multilingual-v1`, bert(768, 12, 12, { vocab_size: 105879 }), { tokenizer: "bert-multilingual-uncased" }),
  router("naver/splade-v3-doc", BASE),
  { ...splade("naver/efficient-splade-V-large-doc", DISTILBERT), layout: "two towers", query: DISTILBERT },
  { ...splade("naver/efficient-splade-VI-BT-large-doc", DISTILBERT), layout: "two towers", query: bert(128, 2, 2) },
  ettin("17m", 256, 384, 7),
  ettin("32m", 384, 576, 10),
  ettin("68m", 512, 768, 19),
  ettin("150m", 768, 1152, 22),
  ettin("400m", 1024, 2624, 28),
  ettin("1b", 1792, 3840, 28),
  classifier("ibm-granite/granite-embedding-reranker-english-r2", MODERNBERT, "modernbert"),
  classifier("maidalun1020/bce-reranker-base_v1", xlmRoberta(768, 12, 12), "xlm-roberta"),
  classifier("cross-encoder/quora-roberta-large", roberta(1024, 24, 16, LABEL), "roberta"),
  classifier("cross-encoder/nli-distilroberta-base", roberta(768, 6, 12, NLI), "roberta"),
  classifier(
    "cross-encoder/stsb-TinyBERT-L4",
    bert(312, 4, 12, { architectures: ["BertForSequenceClassification"], intermediate_size: 1200, ...LABEL }),
    "bert-uncased",
  ),
  ...QWEN3_RERANKERS.flatMap(([size, sizes]) => [
    causal(`Qwen/Qwen3-Reranker-${size}`, "qwen3", sizes, { tie_word_embeddings: size !== "8B" }),
    causal(`tomaarsen/Qwen3-Reranker-${size}-seq-cls`, "qwen3", sizes, { architectures: ["Qwen3ForSequenceClassification"] }),
  ]),
  causal("mixedbread-ai/mxbai-rerank-base-v2", "qwen2", [896, 4864, 24, 14, 2, 64, 151936]),
  causal("mixedbread-ai/mxbai-rerank-large-v2", "qwen2", [1536, 8960, 28, 12, 2, 128, 151936]),
  causal("BAAI/bge-reranker-v2-gemma", "gemma", [2048, 16384, 18, 8, 1, 256, 256000], { torch_dtype: "float32" }),
  causal("zeroentropy/zerank-2-reranker", "qwen3", [2560, 9728, 36, 32, 8, 128, 151936]),
  msmarco("TinyBERT-L2-v2", 128, 2, 2),
  msmarco("MiniLM-L2-v2", 384, 2, 12),
  msmarco("MiniLM-L4-v2", 384, 4, 12),
  msmarco("MiniLM-L6-v2", 384, 6, 12),
  msmarco("MiniLM-L12-v2", 384, 12, 12),
  classifier("cross-encoder/ms-marco-electra-base", ELECTRA, "bert-uncased"),
  classifier("cross-encoder/qnli-electra-base", ELECTRA, "bert-uncased"),
  classifier("cross-encoder/qnli-distilroberta-base", roberta(768, 6, 12, LABEL), "roberta"),
  classifier("cross-encoder/stsb-distilroberta-base", roberta(768, 6, 12, LABEL), "roberta"),
  classifier("cross-encoder/stsb-roberta-base", roberta(768, 12, 12, LABEL), "roberta"),
  classifier("cross-encoder/stsb-roberta-large", roberta(1024, 24, 16, LABEL), "roberta"),
  classifier("cross-encoder/quora-distilroberta-base", roberta(768, 6, 12, LABEL), "roberta"),
  classifier("cross-encoder/quora-roberta-base", roberta(768, 12, 12, LABEL), "roberta"),
  classifier("cross-encoder/nli-deberta-v3-xsmall", debertaV3(384, 12, 6, NLI), "deberta-v3"),
  classifier("cross-encoder/nli-deberta-v3-small", debertaV3(768, 6, 12, NLI), "deberta-v3"),
  classifier("cross-encoder/nli-deberta-v3-base", debertaV3(768, 12, 12, NLI), "deberta-v3"),
  classifier("cross-encoder/nli-deberta-v3-large", debertaV3(1024, 24, 16, NLI), "deberta-v3"),
  classifier(
    "cross-encoder/nli-deberta-base",
    {
      architectures: ["DebertaForSequenceClassification"],
      hidden_act: "gelu",
      hidden_size: 768,
      intermediate_size: 3072,
      layer_norm_eps: 1e-7,
      max_position_embeddings: 512,
      max_relative_positions: -1,
      model_type: "deberta",
      num_attention_heads: 12,
      num_hidden_layers: 12,
      pad_token_id: 0,
      pooler_dropout: 0,
      pooler_hidden_act: "gelu",
      pooler_hidden_size: 768,
      pos_att_type: ["c2p", "p2c"],
      position_biased_input: false,
      relative_attention: true,
      type_vocab_size: 0,
      vocab_size: 50265,
      ...NLI,
    },
    "deberta",
  ),
  classifier("cross-encoder/nli-MiniLM2-L6-H768", roberta(768, 6, 12, NLI), "roberta"),
  classifier("cross-encoder/nli-roberta-base", roberta(768, 12, 12, NLI), "roberta"),
  classifier("BAAI/bge-reranker-base", xlmRoberta(768, 12, 12), "xlm-roberta"),
  classifier("BAAI/bge-reranker-large", xlmRoberta(1024, 24, 16), "xlm-roberta"),
  classifier("BAAI/bge-reranker-v2-m3", xlmRoberta(1024, 24, 16, { max_position_embeddings: 8194 }), "xlm-roberta"),
  classifier("jinaai/jina-reranker-v1-tiny-en", jina(4), "jina"),
  classifier("jinaai/jina-reranker-v1-turbo-en", jina(6), "jina"),
  classifier("jinaai/jina-reranker-v2-base-multilingual", JINA_V2, "xlm-roberta"),
  classifier("mixedbread-ai/mxbai-rerank-xsmall-v1", debertaV3(384, 12, 6, { torch_dtype: "float16", ...LABEL }), "deberta-v3"),
  classifier("mixedbread-ai/mxbai-rerank-base-v1", debertaV3(768, 12, 12, { torch_dtype: "float16", ...LABEL }), "deberta-v3"),
  classifier("mixedbread-ai/mxbai-rerank-large-v1", debertaV3(1024, 24, 16, { torch_dtype: "float16", ...LABEL }), "deberta-v3"),
  classifier("Alibaba-NLP/gte-reranker-modernbert-base", MODERNBERT, "modernbert"),
  classifier(
    "Alibaba-NLP/gte-multilingual-reranker-base",
    gte({
      architectures: ["NewForSequenceClassification"],
      pad_token_id: 1,
      rope_scaling: { factor: 8, type: "ntk" },
      rope_theta: 20000,
      torch_dtype: "float16",
      type_vocab_size: 1,
      vocab_size: 250048,
      ...LABEL,
    }),
    "xlm-roberta",
  ),
];
