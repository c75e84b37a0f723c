/**
 * The tensors in a checkpoint of each family, by name and shape, derived from its config.json: what transformers' save_pretrained() writes.
 */

import assert from "node:assert/strict";

import type { Config } from "./published-families";

export type Shapes = ReadonlyMap<string, readonly number[]>;

type Write = (name: string, ...shape: number[]) => void;

/** Decoders tied to the word embeddings have no tensor of their own. */
export function tensorShapes(config: Config): Shapes {
  const shapes = new Map<string, readonly number[]>();
  const write: Write = (name, ...shape) => shapes.set(name, shape);
  familyOf(config)(config, write);
  return shapes;
}

/** "masked-lm" or the number of labels. */
function headOf(config: Config): "masked-lm" | number {
  const [architecture = ""] = config["architectures"] as string[];
  return architecture.endsWith("ForMaskedLM") ? "masked-lm" : Object.keys((config["id2label"] as object | undefined) ?? { "0": "" }).length;
}

function familyOf(config: Config): (config: Config, write: Write) => void {
  if ("use_flash_attn" in config) return jinaRoberta;
  switch (config["model_type"]) {
    case "bert":
      return bert;
    case "distilbert":
      return distilBert;
    case "roberta":
    case "xlm-roberta":
      return roberta;
    case "electra":
      return electra;
    case "deberta":
    case "deberta-v2":
      return deberta;
    case "modernbert":
      return modernBert;
    case "new":
      return gte;
    case "qwen2":
    case "qwen3":
    case "gemma":
      return decoder;
    default:
      return assert.fail(`no shapes for ${String(config["model_type"])}`);
  }
}

/** The files of the modules over a bare transformer, by their folders. */
export function headShapes(config: Config): ReadonlyMap<string, Shapes> {
  const hidden = number(config, "hidden_size");
  return new Map<string, Shapes>([
    ["2_Dense", new Map([["linear.weight", [hidden, hidden]]])],
    ["3_LayerNorm", new Map(["weight", "bias"].map((name) => [`norm.${name}`, [hidden]]))],
    ["4_Dense", new Map(Object.entries({ "linear.weight": [1, hidden], "linear.bias": [1] }))],
  ]);
}

const number = (config: Config, name: string): number => {
  const value = config[name];
  assert.ok(typeof value === "number", name);
  return value;
};

const sizes = (config: Config): { hidden: number; inner: number; layers: number; vocabulary: number } => ({
  hidden: number(config, "hidden_size"),
  inner: number(config, "intermediate_size"),
  layers: number(config, "num_hidden_layers"),
  vocabulary: number(config, "vocab_size"),
});

function linear(write: Write, name: string, outputs: number, inputs: number, bias = true): void {
  write(`${name}.weight`, outputs, inputs);
  if (bias) write(`${name}.bias`, outputs);
}

function norm(write: Write, name: string, width: number, bias = true): void {
  write(`${name}.weight`, width);
  if (bias) write(`${name}.bias`, width);
}

function embeddings(config: Config, write: Write, prefix: string, width: number): void {
  const types = number(config, "type_vocab_size");
  // ALiBi, disentangled and rotary attention need no position embeddings.
  const relative = ["alibi", "rope"].includes(String(config["position_embedding_type"])) || config["position_biased_input"] === false;
  write(`${prefix}.word_embeddings.weight`, number(config, "vocab_size"), width);
  if (!relative) write(`${prefix}.position_embeddings.weight`, number(config, "max_position_embeddings"), width);
  if (types > 0) write(`${prefix}.token_type_embeddings.weight`, types, width);
  norm(write, `${prefix}.LayerNorm`, width);
}

/** `projections` writes the attention's own tensors. */
function encoder(config: Config, write: Write, prefix: string, projections: (write: Write, name: string, hidden: number) => void): void {
  const { hidden, inner, layers } = sizes(config);
  for (let i = 0; i < layers; i++) {
    const layer = `${prefix}.layer.${String(i)}`;
    projections(write, `${layer}.attention.self`, hidden);
    linear(write, `${layer}.attention.output.dense`, hidden, hidden);
    norm(write, `${layer}.attention.output.LayerNorm`, hidden);
    if (config["position_embedding_type"] === "alibi") {
      linear(write, `${layer}.mlp.gated_layers`, 2 * inner, hidden, false);
      linear(write, `${layer}.mlp.wo`, hidden, inner);
      norm(write, `${layer}.mlp.layernorm`, hidden);
    } else {
      linear(write, `${layer}.intermediate.dense`, inner, hidden);
      linear(write, `${layer}.output.dense`, hidden, inner);
      norm(write, `${layer}.output.LayerNorm`, hidden);
    }
  }
}

function queryKeyValue(suffix = ""): (write: Write, name: string, hidden: number) => void {
  return (write, name, hidden) => {
    for (const part of ["query", "key", "value"]) linear(write, `${name}.${part}${suffix}`, hidden, hidden);
  };
}

function bert(config: Config, write: Write): void {
  const { hidden, vocabulary } = sizes(config);
  const head = headOf(config);
  embeddings(config, write, "bert.embeddings", hidden);
  encoder(config, write, "bert.encoder", queryKeyValue());
  if (head === "masked-lm") {
    linear(write, "cls.predictions.transform.dense", hidden, hidden);
    norm(write, "cls.predictions.transform.LayerNorm", hidden);
    write("cls.predictions.bias", vocabulary);
  } else {
    linear(write, "bert.pooler.dense", hidden, hidden);
    linear(write, "classifier", head, hidden);
  }
}

function distilBert(config: Config, write: Write): void {
  const hidden = number(config, "dim");
  const inner = number(config, "hidden_dim");
  const vocabulary = number(config, "vocab_size");
  write("distilbert.embeddings.word_embeddings.weight", vocabulary, hidden);
  write("distilbert.embeddings.position_embeddings.weight", number(config, "max_position_embeddings"), hidden);
  norm(write, "distilbert.embeddings.LayerNorm", hidden);
  for (let i = 0; i < number(config, "n_layers"); i++) {
    const layer = `distilbert.transformer.layer.${String(i)}`;
    for (const part of ["q_lin", "k_lin", "v_lin", "out_lin"]) linear(write, `${layer}.attention.${part}`, hidden, hidden);
    norm(write, `${layer}.sa_layer_norm`, hidden);
    linear(write, `${layer}.ffn.lin1`, inner, hidden);
    linear(write, `${layer}.ffn.lin2`, hidden, inner);
    norm(write, `${layer}.output_layer_norm`, hidden);
  }
  linear(write, "vocab_transform", hidden, hidden);
  norm(write, "vocab_layer_norm", hidden);
  write("vocab_projector.bias", vocabulary);
}

function roberta(config: Config, write: Write): void {
  const { hidden, vocabulary } = sizes(config);
  const head = headOf(config);
  embeddings(config, write, "roberta.embeddings", hidden);
  encoder(config, write, "roberta.encoder", queryKeyValue());
  if (head === "masked-lm") {
    linear(write, "lm_head.dense", hidden, hidden);
    norm(write, "lm_head.layer_norm", hidden);
    write("lm_head.bias", vocabulary);
  } else {
    linear(write, "classifier.dense", hidden, hidden);
    linear(write, "classifier.out_proj", head, hidden);
  }
}

/** With the names of jinaai/xlm-roberta-flash-implementation. */
function jinaRoberta(config: Config, write: Write): void {
  const { hidden, inner, layers, vocabulary } = sizes(config);
  write("roberta.embeddings.word_embeddings.weight", vocabulary, hidden);
  write("roberta.embeddings.position_embeddings.weight", number(config, "max_position_embeddings"), hidden);
  write("roberta.embeddings.token_type_embeddings.weight", number(config, "type_vocab_size"), hidden);
  norm(write, "roberta.emb_ln", hidden);
  for (let i = 0; i < layers; i++) {
    const layer = `roberta.encoder.layers.${String(i)}`;
    linear(write, `${layer}.mixer.Wqkv`, 3 * hidden, hidden);
    linear(write, `${layer}.mixer.out_proj`, hidden, hidden);
    norm(write, `${layer}.norm1`, hidden);
    linear(write, `${layer}.mlp.fc1`, inner, hidden);
    linear(write, `${layer}.mlp.fc2`, hidden, inner);
    norm(write, `${layer}.norm2`, hidden);
  }
  linear(write, "classifier.dense", hidden, hidden);
  linear(write, "classifier.out_proj", headOf(config) as number, hidden);
}

function electra(config: Config, write: Write): void {
  const { hidden } = sizes(config);
  const width = number(config, "embedding_size");
  embeddings(config, write, "electra.embeddings", width);
  if (width !== hidden) linear(write, "electra.embeddings_project", hidden, width);
  encoder(config, write, "electra.encoder", queryKeyValue());
  linear(write, "classifier.dense", hidden, hidden);
  linear(write, "classifier.out_proj", headOf(config) as number, hidden);
}

function deberta(config: Config, write: Write): void {
  const { hidden } = sizes(config);
  const first = config["model_type"] === "deberta";
  embeddings(config, write, "deberta.embeddings", hidden);
  encoder(config, write, "deberta.encoder", first ? debertaProjections : queryKeyValue("_proj"));
  const distances = first ? number(config, "max_position_embeddings") : number(config, "position_buckets");
  write("deberta.encoder.rel_embeddings.weight", 2 * distances, hidden);
  if (!first) norm(write, "deberta.encoder.LayerNorm", hidden);
  linear(write, "pooler.dense", hidden, hidden);
  linear(write, "classifier", headOf(config) as number, hidden);
}

function debertaProjections(write: Write, name: string, hidden: number): void {
  linear(write, `${name}.in_proj`, 3 * hidden, hidden, false);
  write(`${name}.q_bias`, hidden);
  write(`${name}.v_bias`, hidden);
  linear(write, `${name}.pos_proj`, hidden, hidden, false);
  linear(write, `${name}.pos_q_proj`, hidden, hidden);
}

/** The bare model has no prefix and no head. */
function modernBert(config: Config, write: Write): void {
  const { hidden, inner, layers, vocabulary } = sizes(config);
  const isBare = (config["architectures"] as string[])[0] === "ModernBertModel";
  const prefix = isBare ? "" : "model.";
  write(`${prefix}embeddings.tok_embeddings.weight`, vocabulary, hidden);
  norm(write, `${prefix}embeddings.norm`, hidden, false);
  for (let i = 0; i < layers; i++) {
    const layer = `${prefix}layers.${String(i)}`;
    if (i > 0) norm(write, `${layer}.attn_norm`, hidden, false);
    linear(write, `${layer}.attn.Wqkv`, 3 * hidden, hidden, false);
    linear(write, `${layer}.attn.Wo`, hidden, hidden, false);
    norm(write, `${layer}.mlp_norm`, hidden, false);
    linear(write, `${layer}.mlp.Wi`, 2 * inner, hidden, false);
    linear(write, `${layer}.mlp.Wo`, hidden, inner, false);
  }
  norm(write, `${prefix}final_norm`, hidden, false);
  if (isBare) return;
  linear(write, "head.dense", hidden, hidden, false);
  norm(write, "head.norm", hidden, false);
  linear(write, "classifier", headOf(config) as number, hidden);
}

function decoder(config: Config, write: Write): void {
  const { hidden, inner, layers, vocabulary } = sizes(config);
  const width = number(config, "head_dim");
  const [queries, keys] = [number(config, "num_attention_heads") * width, number(config, "num_key_value_heads") * width];
  write("model.embed_tokens.weight", vocabulary, hidden);
  for (let i = 0; i < layers; i++) {
    const layer = `model.layers.${String(i)}`;
    const hasBias = config["model_type"] === "qwen2";
    for (const [part, outputs] of Object.entries({ q_proj: queries, k_proj: keys, v_proj: keys })) {
      linear(write, `${layer}.self_attn.${part}`, outputs, hidden, hasBias);
    }
    linear(write, `${layer}.self_attn.o_proj`, hidden, queries, false);
    if (config["model_type"] === "qwen3") for (const part of ["q_norm", "k_norm"]) write(`${layer}.self_attn.${part}.weight`, width);
    for (const part of ["gate_proj", "up_proj"]) linear(write, `${layer}.mlp.${part}`, inner, hidden, false);
    linear(write, `${layer}.mlp.down_proj`, hidden, inner, false);
    for (const part of ["input_layernorm", "post_attention_layernorm"]) norm(write, `${layer}.${part}`, hidden, false);
  }
  norm(write, "model.norm", hidden, false);
  if ((config["architectures"] as string[])[0]?.endsWith("ForSequenceClassification") === true) write("score.weight", 1, hidden);
  else if (config["tie_word_embeddings"] === false) write("lm_head.weight", vocabulary, hidden);
}

function gte(config: Config, write: Write): void {
  const { hidden, inner, layers, vocabulary } = sizes(config);
  const head = headOf(config);
  embeddings(config, write, "new.embeddings", hidden);
  for (let i = 0; i < layers; i++) {
    const layer = `new.encoder.layer.${String(i)}`;
    linear(write, `${layer}.attention.qkv_proj`, 3 * hidden, hidden);
    linear(write, `${layer}.attention.o_proj`, hidden, hidden);
    linear(write, `${layer}.mlp.up_gate_proj`, 2 * inner, hidden, false);
    linear(write, `${layer}.mlp.down_proj`, hidden, inner);
    norm(write, `${layer}.attn_ln`, hidden);
    norm(write, `${layer}.mlp_ln`, hidden);
  }
  if (head === "masked-lm") {
    linear(write, "lm_head.dense", hidden, hidden);
    norm(write, "lm_head.norm", hidden);
    write("lm_head.decoder.bias", vocabulary);
  } else {
    linear(write, "new.pooler.dense", hidden, hidden);
    linear(write, "classifier", head, hidden);
  }
}
