/**
 * ModernBERT (Warner et al., 2024, arXiv 2412.13663): pre-norm layers, rotary position embeddings, gated linear units, and layers with
 * sliding-window attention between layers with full attention. Checkpoint: gte-reranker-modernbert-base.
 */

import type { TransformerPart } from "../checkpoint/types";
import { attention } from "./attention";
import { ConfigReader } from "./config";
import { decoderOf, openScope } from "./encoder-config";
import type { Value } from "./graph";
import { meanOfTokens } from "./group-inputs";
import { activation, gated, layerNorm, linear, linearThenNorm, lookUp, SequenceShape } from "./layers";
import type { Norm, Queries, Scope } from "./layers";
import { localAttentionFloats, localWindow } from "./local-attention";
import type { LocalWindow } from "./local-attention";
import { workingBytes } from "./working-set";

import { headSizeOf, rotaryFrequencies, rotation } from "./rope";
import type { Rotation } from "./rope";
import type { Architecture, Graph } from "./types";

const WORD_EMBEDDINGS = "embeddings.tok_embeddings";

export const modernbert: Architecture = {
  modelTypes: ["modernbert"],

  maskedLanguageModel(part, layout) {
    const config = readConfig(part);
    const scope = openScope(part, layout, "model", `${WORD_EMBEDDINGS}.weight`);
    const decoder = decoderOf(scope, config, "decoder.weight", `${WORD_EMBEDDINGS}.weight`);
    const { hidden } = body(scope, config, "all");
    const output = predictionHead(scope, config, hidden);
    return {
      ...modernBertGraph(scope, config, output, "hidden"),
      decoder,
      decoderBias: config.decoderBias ? scope.tensors.require(["decoder.bias"], [config.vocabulary]) : undefined,
    };
  },

  sequenceClassifier(part, labels, layout) {
    const config = readConfig(part);
    const scope = openScope(part, layout, "model", `${WORD_EMBEDDINGS}.weight`);
    const logits = linear(scope, predictionHead(scope, config, pooled(scope, config)), "classifier", config.hidden, labels);
    return { ...modernBertGraph(scope, config, logits, "logits"), labels };
  },

  body(part, queries, layout) {
    const config = readConfig(part);
    const scope = openScope(part, layout, "model", `${WORD_EMBEDDINGS}.weight`);
    const hidden = queries === "first" ? firstTokens(scope, config) : body(scope, config, "all").hidden;
    const finish = (value: Value): Graph => modernBertGraph(scope, config, value, "logits");
    return { graph: scope.graph, hidden, size: config.hidden, vocabularySize: config.vocabulary, finish };
  },
};

type LayerType = "full_attention" | "sliding_attention";

interface ModernBertConfig {
  readonly file: string;
  readonly vocabulary: number;
  readonly hidden: number;
  readonly embedding: number;
  readonly heads: number;
  readonly intermediate: number;
  readonly activation: string;
  readonly norm: Norm;
  readonly tied: boolean;
  readonly layers: number;
  readonly layerTypeOf: (index: number) => LayerType;
  /** The largest distance that a token attends to in a layer with sliding attention, to either side. */
  readonly reach: number;
  readonly headSize: number;
  /** Bases of the rotary position embeddings. */
  readonly bases: Readonly<Record<LayerType, number>>;
  readonly attentionBias: boolean;
  readonly mlpBias: boolean;
  readonly decoderBias: boolean;
  readonly headBias: boolean;
  readonly headActivation: string;
  readonly pooling: "cls" | "mean";
}

function readConfig(part: TransformerPart): ModernBertConfig {
  const config = new ConfigReader(part.config);
  const hidden = config.positiveInteger("hidden_size");
  const heads = config.heads("num_attention_heads", hidden);
  const layers = config.positiveInteger("num_hidden_layers");
  const pooling = config.string("classifier_pooling", "cls");
  if (pooling !== "cls" && pooling !== "mean") throw config.invalid("classifier_pooling", '"cls" or "mean"');
  return {
    file: part.config.file,
    vocabulary: config.positiveInteger("vocab_size"),
    hidden,
    embedding: hidden,
    heads,
    intermediate: config.positiveInteger("intermediate_size"),
    activation: config.string("hidden_activation", "gelu"),
    norm: { size: hidden, epsilon: config.positiveNumber("norm_eps", 1e-5), bias: config.boolean("norm_bias", false) },
    tied: config.boolean("tie_word_embeddings", true),
    layers,
    layerTypeOf: readLayerTypes(config, layers),
    reach: Math.floor(config.positiveInteger("local_attention", 128) / 2),
    headSize: headSizeOf(config, { hidden, heads }),
    bases: readBases(config),
    attentionBias: config.boolean("attention_bias", false),
    mlpBias: config.boolean("mlp_bias", false),
    decoderBias: config.boolean("decoder_bias", true),
    headBias: config.boolean("classifier_bias", false),
    headActivation: config.string("classifier_activation", "gelu"),
    pooling,
  };
}

/** transformers 5 lists the type of each layer; version 4 states the interval between layers of full attention. */
function readLayerTypes(config: ConfigReader, layers: number): (index: number) => LayerType {
  const listed = config.strings("layer_types");
  if (listed === undefined) {
    const period = config.positiveInteger("global_attn_every_n_layers", 3);
    return (index) => (index % period === 0 ? "full_attention" : "sliding_attention");
  }
  if (listed.length !== layers || listed.some((name) => name !== "full_attention" && name !== "sliding_attention")) {
    throw config.invalid("layer_types", `"full_attention" or "sliding_attention" for each of the ${String(layers)} layers`);
  }
  return (index) => (listed[index] === "full_attention" ? "full_attention" : "sliding_attention");
}

/** transformers 5 stores the bases in rope_parameters, version 4 in top-level fields. */
function readBases(config: ConfigReader): Readonly<Record<LayerType, number>> {
  config.requireAbsent("rope_scaling");
  const parameters = config.section("rope_parameters");
  const of = (type: LayerType, oldName: string, fallback: number): number => {
    const own = parameters?.section(type);
    own?.requireOnly("rope_type", "default");
    return own?.has("rope_theta") === true ? own.positiveNumber("rope_theta") : config.positiveNumber(oldName, fallback);
  };
  return {
    full_attention: of("full_attention", "global_rope_theta", 160_000),
    sliding_attention: of("sliding_attention", "local_rope_theta", 10_000),
  };
}

/** Values shared by the layers of one type. */
interface LayerContext {
  readonly shape: SequenceShape;
  readonly turns: Rotation;
  /** Undefined for full attention. */
  readonly window: LocalWindow | undefined;
}

/** The residual stream, and its norm, the input of the next layer. */
interface Stream {
  readonly sum: Value;
  readonly normed: Value;
}

/** @returns hidden: [tokens, hidden], or [batch, hidden] with queries "first", which requires full attention in the last layer */
function body(scope: Scope, config: ModernBertConfig, queries: Queries): { readonly shape: SequenceShape; readonly hidden: Value } {
  const { graph, tensors } = scope;
  const inputIds = graph.input("input_ids");
  const shape = new SequenceShape(graph, inputIds);
  const words = lookUp(scope, `${tensors.prefix}${WORD_EMBEDDINGS}`, config.vocabulary, config.hidden, inputIds);
  const embedded = layerNorm(scope, shape.flatten(words, config.hidden), `${tensors.prefix}embeddings.norm`, config.norm);
  const contexts = new Map<LayerType, LayerContext>();
  const last = config.layers - 1;
  let stream: Stream = { sum: embedded, normed: embedded };
  for (let i = 0; i <= last; i++) {
    const type = config.layerTypeOf(i);
    const context = contexts.get(type) ?? contextOf(scope, config, shape, type);
    contexts.set(type, context);
    const nextNorm = i === last ? "final_norm" : `layers.${String(i + 1)}.attn_norm`;
    stream = layer(scope, config, context, stream, i, i === last ? queries : "all", nextNorm);
  }
  return { shape, hidden: stream.normed };
}

function contextOf({ graph }: Scope, config: ModernBertConfig, shape: SequenceShape, type: LayerType): LayerContext {
  return {
    shape,
    turns: rotation(graph, `frequencies_${type}`, shape.positions(), rotaryFrequencies(config.headSize, config.bases[type])),
    window: type === "sliding_attention" ? localWindow(graph, shape, config.reach) : undefined,
  };
}

function layer(
  scope: Scope,
  config: ModernBertConfig,
  { shape, turns, window }: LayerContext,
  { sum, normed }: Stream,
  index: number,
  queries: Queries,
  nextNorm: string,
): Stream {
  const { graph, tensors } = scope;
  const { hidden, intermediate, norm, attentionBias, mlpBias } = config;
  const at = `${tensors.prefix}layers.${String(index)}`;
  const rows = (x: Value): Value => shape.rows(x, hidden, queries);
  const project = (x: Value, which: number): Value =>
    linear(scope, x, `${at}.attn.Wqkv`, hidden, hidden, { bias: attentionBias, part: { index: which, of: 3 } });
  const projections = [project(rows(normed), 0), project(normed, 1), project(normed, 2)] as const;
  const context = attention(graph, shape, projections, config, queries, { rotation: turns, window });
  const projection = { name: `${at}.attn.Wo`, inputs: hidden, outputs: hidden, bias: attentionBias };
  const middle = linearThenNorm(scope, context, projection, rows(sum), `${at}.mlp_norm`, norm);
  const options = { activation: config.activation, activated: "upper", bias: mlpBias, configFile: config.file } as const;
  const product = gated(scope, middle.normed, `${at}.mlp.Wi`, hidden, intermediate, options);
  const output = { name: `${at}.mlp.Wo`, inputs: intermediate, outputs: hidden, bias: mlpBias };
  return linearThenNorm(scope, product, output, middle.sum, `${tensors.prefix}${nextNorm}`, norm);
}

/** One vector per sequence, [batch, hidden]. */
function pooled(scope: Scope, config: ModernBertConfig): Value {
  if (config.pooling === "cls") return firstTokens(scope, config);
  const { shape, hidden } = body(scope, config, "all");
  return meanOfTokens(scope.graph, shape.unflatten(hidden, config.hidden));
}

/** The first token of each sequence, [batch, hidden]. With full attention, the last layer computes only these. */
function firstTokens(scope: Scope, config: ModernBertConfig): Value {
  if (config.layerTypeOf(config.layers - 1) === "full_attention") return body(scope, config, "first").hidden;
  const { shape, hidden } = body(scope, config, "all");
  return shape.firstTokens(hidden, config.hidden);
}

/** LayerNorm(act(W · x)), of all tokens before the decoder, or of the pooled vector before the classifier. */
function predictionHead(scope: Scope, config: ModernBertConfig, x: Value): Value {
  const dense = linear(scope, x, "head.dense", config.hidden, config.hidden, { bias: config.headBias });
  return layerNorm(scope, activation(scope.graph, config.headActivation, dense, config.file), "head.norm", config.norm);
}

function modernBertGraph({ graph }: Scope, config: ModernBertConfig, value: Value, output: "hidden" | "logits"): Graph {
  const types = Array.from({ length: config.layers }, (_, i) => config.layerTypeOf(i));
  const perToken = graph.takesGroups && types.includes("sliding_attention") ? localAttentionFloats(config.reach, config) : 0;
  return {
    ...graph.finish(value, output),
    vocabularySize: config.vocabulary,
    maxPositions: undefined,
    // The widest point is either in the attention or in the feed-forward layer.
    bytesPerSequence: (length) =>
      Math.max(workingBytes({ ...config, wide: 0, perToken }, length), workingBytes({ ...config, wide: 3 }, length)),
  };
}
