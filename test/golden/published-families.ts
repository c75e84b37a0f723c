/** What the config.json of published checkpoints of a family have in common. */

export type Config = Readonly<Record<string, unknown>>;

export const LABEL = { id2label: { "0": "LABEL_0" }, label2id: { LABEL_0: 0 } };
export const NLI = {
  id2label: { "0": "contradiction", "1": "entailment", "2": "neutral" },
  label2id: { contradiction: 0, entailment: 1, neutral: 2 },
};

export function bert(hidden: number, layers: number, heads: number, more: Config = {}): Config {
  return {
    architectures: ["BertForMaskedLM"],
    hidden_act: "gelu",
    hidden_size: hidden,
    intermediate_size: 4 * hidden,
    layer_norm_eps: 1e-12,
    max_position_embeddings: 512,
    model_type: "bert",
    num_attention_heads: heads,
    num_hidden_layers: layers,
    pad_token_id: 0,
    position_embedding_type: "absolute",
    torch_dtype: "float32",
    type_vocab_size: 2,
    vocab_size: 30522,
    ...more,
  };
}

export const DISTILBERT: Config = {
  activation: "gelu",
  architectures: ["DistilBertForMaskedLM"],
  dim: 768,
  hidden_dim: 3072,
  max_position_embeddings: 512,
  model_type: "distilbert",
  n_heads: 12,
  n_layers: 6,
  pad_token_id: 0,
  sinusoidal_pos_embds: false,
  tie_weights_: true,
  torch_dtype: "float32",
  vocab_size: 30522,
};

export function roberta(hidden: number, layers: number, heads: number, more: Config): Config {
  return {
    architectures: ["RobertaForSequenceClassification"],
    bos_token_id: 0,
    eos_token_id: 2,
    hidden_act: "gelu",
    hidden_size: hidden,
    intermediate_size: 4 * hidden,
    layer_norm_eps: 1e-5,
    max_position_embeddings: 514,
    model_type: "roberta",
    num_attention_heads: heads,
    num_hidden_layers: layers,
    pad_token_id: 1,
    torch_dtype: "float32",
    type_vocab_size: 1,
    vocab_size: 50265,
    ...more,
  };
}

export function xlmRoberta(hidden: number, layers: number, heads: number, more: Config = {}): Config {
  return roberta(hidden, layers, heads, {
    architectures: ["XLMRobertaForSequenceClassification"],
    model_type: "xlm-roberta",
    position_embedding_type: "absolute",
    vocab_size: 250002,
    ...LABEL,
    ...more,
  });
}

export const ELECTRA: Config = {
  architectures: ["ElectraForSequenceClassification"],
  embedding_size: 768,
  hidden_act: "gelu",
  hidden_size: 768,
  intermediate_size: 3072,
  layer_norm_eps: 1e-12,
  max_position_embeddings: 512,
  model_type: "electra",
  num_attention_heads: 12,
  num_hidden_layers: 12,
  pad_token_id: 0,
  position_embedding_type: "absolute",
  summary_activation: "gelu",
  summary_last_dropout: 0.1,
  summary_type: "first",
  summary_use_proj: true,
  type_vocab_size: 2,
  vocab_size: 30522,
  ...LABEL,
};

export function debertaV3(hidden: number, layers: number, heads: number, more: Config): Config {
  return {
    architectures: ["DebertaV2ForSequenceClassification"],
    hidden_act: "gelu",
    hidden_size: hidden,
    intermediate_size: 4 * hidden,
    layer_norm_eps: 1e-7,
    max_position_embeddings: 512,
    max_relative_positions: -1,
    model_type: "deberta-v2",
    norm_rel_ebd: "layer_norm",
    num_attention_heads: heads,
    num_hidden_layers: layers,
    pad_token_id: 0,
    pooler_dropout: 0,
    pooler_hidden_act: "gelu",
    pooler_hidden_size: hidden,
    pos_att_type: ["p2c", "c2p"],
    position_biased_input: false,
    position_buckets: 256,
    relative_attention: true,
    share_att_key: true,
    torch_dtype: "float32",
    type_vocab_size: 0,
    vocab_size: 128100,
    ...more,
  };
}

/** The repositories contain code next to the weights, name the class of the bare model, and state no labels. */
export function jina(layers: number): Config {
  return {
    architectures: ["JinaBertModel"],
    auto_map: {
      AutoConfig: "configuration_bert.JinaBertConfig",
      AutoModel: "modeling_bert.JinaBertModel",
      AutoModelForMaskedLM: "modeling_bert.JinaBertForMaskedLM",
      AutoModelForSequenceClassification: "modeling_bert.JinaBertForSequenceClassification",
    },
    emb_pooler: "mean",
    feed_forward_type: "geglu",
    hidden_act: "gelu",
    hidden_size: 384,
    intermediate_size: 1536,
    layer_norm_eps: 1e-12,
    max_position_embeddings: 8192,
    model_type: "bert",
    num_attention_heads: 12,
    num_hidden_layers: layers,
    pad_token_id: 0,
    position_embedding_type: "alibi",
    torch_dtype: "float16",
    type_vocab_size: 2,
    vocab_size: 61056,
  };
}

/** Its config.json has no model_type: that is in the class that auto_map names. */
export const JINA_V2: Config = {
  architectures: ["XLMRobertaForSequenceClassification"],
  auto_map: {
    AutoConfig: "configuration_xlm_roberta.XLMRobertaFlashConfig",
    AutoModel: "modeling_xlm_roberta.XLMRobertaModel",
    AutoModelForSequenceClassification: "modeling_xlm_roberta.XLMRobertaForSequenceClassification",
  },
  bos_token_id: 0,
  classifier_dropout: null,
  emb_pooler: null,
  eos_token_id: 2,
  hidden_act: "gelu",
  hidden_size: 768,
  intermediate_size: 3072,
  layer_norm_eps: 1e-5,
  max_position_embeddings: 1026,
  num_attention_heads: 12,
  num_hidden_layers: 12,
  num_labels: 1,
  output_past: true,
  pad_token_id: 1,
  position_embedding_type: "absolute",
  torch_dtype: "bfloat16",
  type_vocab_size: 1,
  use_cache: false,
  use_flash_attn: true,
  vocab_size: 250002,
  ...LABEL,
};

export function gte(more: Config): Config {
  const code = "Alibaba-NLP/new-impl--";
  return {
    auto_map: {
      AutoConfig: `${code}configuration.NewConfig`,
      AutoModel: `${code}modeling.NewModel`,
      AutoModelForMaskedLM: `${code}modeling.NewForMaskedLM`,
      AutoModelForSequenceClassification: `${code}modeling.NewForSequenceClassification`,
    },
    hidden_act: "gelu",
    hidden_size: 768,
    intermediate_size: 3072,
    layer_norm_eps: 1e-12,
    layer_norm_type: "layer_norm",
    logn_attention_clip1: false,
    logn_attention_scale: false,
    max_position_embeddings: 8192,
    model_type: "new",
    num_attention_heads: 12,
    num_hidden_layers: 12,
    pack_qkv: true,
    position_embedding_type: "rope",
    unpad_inputs: false,
    use_memory_efficient_attention: false,
    ...more,
  };
}

export const MODERNBERT: Config = {
  architectures: ["ModernBertForSequenceClassification"],
  attention_bias: false,
  bos_token_id: 50281,
  classifier_activation: "gelu",
  classifier_bias: false,
  classifier_pooling: "mean",
  cls_token_id: 50281,
  eos_token_id: 50282,
  global_attn_every_n_layers: 3,
  global_rope_theta: 160000,
  hidden_activation: "gelu",
  hidden_size: 768,
  intermediate_size: 1152,
  layer_norm_eps: 1e-5,
  local_attention: 128,
  local_rope_theta: 10000,
  max_position_embeddings: 8192,
  mlp_bias: false,
  model_type: "modernbert",
  norm_bias: false,
  norm_eps: 1e-5,
  num_attention_heads: 12,
  num_hidden_layers: 22,
  pad_token_id: 50283,
  position_embedding_type: "absolute",
  sep_token_id: 50282,
  torch_dtype: "float16",
  vocab_size: 50368,
  ...LABEL,
};
