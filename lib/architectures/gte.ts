/**
 * The architecture that Alibaba's GTE models call "new" (Zhang et al., 2024, arXiv 2407.19669; code in the repository Alibaba-NLP/new-impl)
 * and transformers 5 calls "gte": BERT with rotary position embeddings and gated linear units. Checkpoints: OpenSearch doc-v3-gte,
 * gte-multilingual-reranker-base.
 */

import type { TransformerPart } from "../checkpoint/types";
import { attention } from "./attention";
import { bertClassifier } from "./bert-heads";
import { ConfigReader } from "./config";
import { decoderOf, normOf, openScope, readEncoderConfig, tokenTypeIds } from "./encoder-config";
import type { EncoderConfig } from "./encoder-config";
import type { Value } from "./graph";
import { activated, gated, layerNorm, linear, linearAndNorm, lookUp, SequenceShape } from "./layers";
import type { Queries, Scope } from "./layers";
import { headSizeOf, rotaryFrequencies, rotation } from "./rope";
import type { Rotation } from "./rope";
import type { Architecture, Graph } from "./types";
import { workingBytes } from "./working-set";

export const gte: Architecture = {
  modelTypes: ["new", "gte"],
  configClass: "NewConfig",
  packs: true,

  maskedLanguageModel(part, layout) {
    const config = readConfig(part);
    const scope = openScope(part, layout, baseOf(part));
    const decoder = decoderOf(scope, config, "lm_head.decoder.weight");
    const dense = activated(
      scope,
      body(scope, config, "all"),
      ["lm_head.dense", config.hidden, config.hidden],
      config.activation,
      config.file,
    );
    const output = layerNorm(scope, dense, "lm_head.norm", normOf(config));
    return {
      ...gteGraph(scope, config, output, "hidden"),
      decoder,
      decoderBias: scope.tensors.require(["lm_head.decoder.bias"], [config.vocabulary]),
    };
  },

  sequenceClassifier(part, labels, layout) {
    const config = readConfig(part);
    const scope = openScope(part, layout, baseOf(part));
    const logits = bertClassifier(scope, config, body(scope, config, "first"), labels);
    return { ...gteGraph(scope, config, logits, "logits"), labels };
  },

  body(part, queries, layout) {
    const config = readConfig(part);
    const scope = openScope(part, layout, baseOf(part));
    const hidden = body(scope, config, queries);
    const finish = (value: Value): Graph => gteGraph(scope, config, value, "logits");
    return { graph: scope.graph, hidden, size: config.hidden, vocabularySize: config.vocabulary, finish };
  },
};

/** The repositories' model class and that of transformers use different prefixes for the same tensor names. */
function baseOf({ tensors }: TransformerPart): string {
  return tensors.has("gte.embeddings.word_embeddings.weight") ? "gte" : "new";
}

interface GteConfig extends EncoderConfig {
  /** 0 in models that were trained without token types. */
  readonly tokenTypes: number;
  readonly rotation: RotationConfig;
}

interface RotationConfig {
  readonly headSize: number;
  readonly base: number;
  /** Divisor of all frequencies; 1 without scaling. */
  readonly slower: number;
}

function readConfig(part: TransformerPart): GteConfig {
  const config = new ConfigReader(part.config);
  config.requireOnly("position_embedding_type", "rope");
  config.requireOnly("layer_norm_type", "layer_norm");
  config.requireOnly("pack_qkv", true);
  config.requireOnly("logn_attention_scale", false);
  const encoder = readEncoderConfig(part, 1e-12);
  const tokenTypes = config.nonNegativeInteger("type_vocab_size", 1);
  return { ...encoder, tokenTypes, rotation: readRotation(config, headSizeOf(config, encoder)) };
}

/**
 * rope_scaling "ntk" (kexue.fm/archives/9706) enlarges the base and also divides the frequencies, for every length: the published code
 * computes its tables for factor · max_position_embeddings positions at once. A factor up to 1 means no scaling. The class in transformers
 * has "linear" instead, which only divides the frequencies.
 */
function readRotation(config: ConfigReader, headSize: number): RotationConfig {
  const native = config.string("model_type", "new") === "gte";
  // transformers 5 writes rope_scaling and rope_theta as one object, rope_parameters.
  const scaling = config.section("rope_scaling") ?? config.section("rope_parameters");
  const base = (scaling?.has("rope_theta") === true ? scaling : config).positiveNumber("rope_theta", native ? 160_000 : 10_000);
  const field = scaling?.has("type") === true ? "type" : "rope_type";
  const type = scaling?.string(field, native ? "default" : "ntk");
  const plain = { headSize, base, slower: 1 };
  if (scaling === undefined || type === "default") return plain;
  if (native && type === "linear") return { ...plain, slower: Math.fround(scaling.positiveNumber("factor")) };
  scaling.requireOnly(field, "ntk");
  scaling.requireAbsent("mixed_b");
  const factor = scaling.positiveNumber("factor");
  return factor <= 1 ? plain : { headSize, base: base * factor, slower: Math.fround(factor ** (2 / headSize)) };
}

function body(scope: Scope, config: GteConfig, queries: Queries): Value {
  const inputIds = scope.graph.input("input_ids");
  const shape = new SequenceShape(scope.graph, inputIds);
  let x = embeddings(scope, config, shape, inputIds);
  const { headSize, base, slower } = config.rotation;
  const frequencies = rotaryFrequencies(headSize, base).map((frequency) => Math.fround(frequency / slower));
  const turns = rotation(scope.graph, "frequencies", shape.rowPositions(), frequencies);
  for (let i = 0; i < config.layers; i++) x = layer(scope, config, shape, turns, x, i, i === config.layers - 1 ? queries : "all");
  return x;
}

/** LayerNorm(word + token type). */
function embeddings(scope: Scope, config: GteConfig, shape: SequenceShape, inputIds: Value): Value {
  const { graph, tensors } = scope;
  const { hidden, tokenTypes } = config;
  const at = `${tensors.prefix}embeddings`;
  const words = lookUp(scope, `${at}.word_embeddings`, config.vocabulary, hidden, inputIds);
  const types = (): Value => lookUp(scope, `${at}.token_type_embeddings`, tokenTypes, hidden, tokenTypeIds(graph, config));
  const sum = tokenTypes === 0 ? words : graph.node("Add", [words, types()]);
  return layerNorm(scope, shape.flatten(sum, hidden), `${at}.LayerNorm`, normOf(config));
}

function layer(scope: Scope, config: GteConfig, shape: SequenceShape, turns: Rotation, x: Value, index: number, queries: Queries): Value {
  const { graph, tensors } = scope;
  const { hidden, intermediate, file } = config;
  const at = `${tensors.prefix}encoder.layer.${String(index)}`;
  const rows = shape.rows(x, hidden, queries);
  const project = (from: Value, which: number): Value =>
    linear(scope, from, `${at}.attention.qkv_proj`, hidden, hidden, { part: { index: which, of: 3 } });
  const inputs = [project(shape.queried(x, rows), 0), project(x, 1), project(x, 2)] as const;
  const context = attention(graph, shape, inputs, config, queries, { rotation: turns });
  const projection = { name: `${at}.attention.o_proj`, inputs: hidden, outputs: hidden };
  const middle = linearAndNorm(scope, context, projection, rows, `${at}.attn_ln`, normOf(config));
  const options = { activation: config.activation, activated: "lower", bias: false, configFile: file } as const;
  const product = gated(scope, middle, `${at}.mlp.up_gate_proj`, hidden, intermediate, options);
  const output = { name: `${at}.mlp.down_proj`, inputs: intermediate, outputs: hidden };
  return linearAndNorm(scope, product, output, middle, `${at}.mlp_ln`, normOf(config));
}

function gteGraph({ graph }: Scope, config: GteConfig, value: Value, output: "hidden" | "logits"): Graph {
  return {
    ...graph.finish(value, output),
    vocabularySize: config.vocabulary,
    maxPositions: undefined,
    bytesPerSequence: (length) => workingBytes({ ...config, wide: 3 }, length),
  };
}
