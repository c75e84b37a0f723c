/** DistilBERT (Sanh et al., 2019, arXiv 1910.01108). Checkpoints: OpenSearch neural sparse v2 and v3, naver/splade_v2_distil. */

import type { TransformerPart } from "../checkpoint/types";
import { attention } from "./attention";
import { ConfigReader } from "./config";
import { decoderOf, normOf, openScope } from "./encoder-config";
import type { EncoderConfig } from "./encoder-config";
import type { Value } from "./graph";
import { activated, layerNorm, linear, linearAndNorm, lookUp, relu, SequenceShape } from "./layers";
import type { Queries, Scope } from "./layers";
import type { Architecture, Graph } from "./types";
import { workingBytes } from "./working-set";

/** A constant in transformers; config.json does not contain it. */
const EPSILON = 1e-12;

export const distilbert: Architecture = {
  modelTypes: ["distilbert"],
  packs: true,

  maskedLanguageModel(part, layout) {
    const config = readConfig(part);
    const scope = openScope(part, layout, "distilbert");
    const decoder = decoderOf(scope, config, "vocab_projector.weight");
    const dense = activated(
      scope,
      body(scope, config, "all"),
      ["vocab_transform", config.hidden, config.hidden],
      config.activation,
      config.file,
    );
    const output = layerNorm(scope, dense, "vocab_layer_norm", normOf(config));
    return {
      ...distilBertGraph(scope, config, output, "hidden"),
      decoder,
      decoderBias: scope.tensors.require(["vocab_projector.bias"], [config.vocabulary]),
    };
  },

  sequenceClassifier(part, labels, layout) {
    const config = readConfig(part);
    const scope = openScope(part, layout, "distilbert");
    const dense = relu(scope.graph, linear(scope, body(scope, config, "first"), "pre_classifier", config.hidden, config.hidden));
    const logits = linear(scope, dense, "classifier", config.hidden, labels);
    return { ...distilBertGraph(scope, config, logits, "logits"), labels };
  },

  body(part, queries, layout) {
    const config = readConfig(part);
    const scope = openScope(part, layout, "distilbert");
    const hidden = body(scope, config, queries);
    const finish = (value: Value): Graph => distilBertGraph(scope, config, value, "logits");
    return { graph: scope.graph, hidden, size: config.hidden, vocabularySize: config.vocabulary, finish };
  },
};

interface DistilBertConfig extends EncoderConfig {
  readonly positions: number;
}

function readConfig(part: TransformerPart): DistilBertConfig {
  const config = new ConfigReader(part.config);
  const hidden = config.positiveInteger("dim");
  return {
    file: part.config.file,
    vocabulary: config.positiveInteger("vocab_size"),
    hidden,
    embedding: hidden,
    layers: config.positiveInteger("n_layers"),
    heads: config.heads("n_heads", hidden),
    intermediate: config.positiveInteger("hidden_dim"),
    activation: config.string("activation", "gelu"),
    epsilon: EPSILON,
    positions: config.positiveInteger("max_position_embeddings"),
    tied: config.boolean("tie_word_embeddings", true),
  };
}

function body(scope: Scope, config: DistilBertConfig, queries: Queries): Value {
  const inputIds = scope.graph.input("input_ids");
  const shape = new SequenceShape(scope.graph, inputIds);
  let x = embeddings(scope, config, shape, inputIds);
  for (let i = 0; i < config.layers; i++) x = layer(scope, config, shape, x, i, i === config.layers - 1 ? queries : "all");
  return x;
}

/** LayerNorm(word + position). There are no token types. */
function embeddings(scope: Scope, config: DistilBertConfig, shape: SequenceShape, inputIds: Value): Value {
  const { graph, tensors } = scope;
  const { hidden } = config;
  const at = `${tensors.prefix}embeddings`;
  const words = lookUp(scope, `${at}.word_embeddings`, config.vocabulary, hidden, inputIds);
  const positions = lookUp(scope, `${at}.position_embeddings`, config.positions, hidden, shape.positionIds());
  return layerNorm(scope, shape.flatten(graph.node("Add", [words, positions]), hidden), `${at}.LayerNorm`, normOf(config));
}

function layer(scope: Scope, config: DistilBertConfig, shape: SequenceShape, x: Value, index: number, queries: Queries): Value {
  const { graph, tensors } = scope;
  const { hidden, intermediate } = config;
  const at = `${tensors.prefix}transformer.layer.${String(index)}`;
  const rows = shape.rows(x, hidden, queries);
  const query = linear(scope, shape.queried(x, rows), `${at}.attention.q_lin`, hidden, hidden);
  const key = linear(scope, x, `${at}.attention.k_lin`, hidden, hidden);
  const value = linear(scope, x, `${at}.attention.v_lin`, hidden, hidden);
  const context = attention(graph, shape, [query, key, value], config, queries);
  const projection = { name: `${at}.attention.out_lin`, inputs: hidden, outputs: hidden };
  const middle = linearAndNorm(scope, context, projection, rows, `${at}.sa_layer_norm`, normOf(config));
  const wide = activated(scope, middle, [`${at}.ffn.lin1`, hidden, intermediate], config.activation, config.file);
  const output = { name: `${at}.ffn.lin2`, inputs: intermediate, outputs: hidden };
  return linearAndNorm(scope, wide, output, middle, `${at}.output_layer_norm`, normOf(config));
}

function distilBertGraph({ graph }: Scope, config: DistilBertConfig, value: Value, output: "hidden" | "logits"): Graph {
  return {
    ...graph.finish(value, output),
    vocabularySize: config.vocabulary,
    maxPositions: config.positions,
    bytesPerSequence: (length) => workingBytes(config, length),
  };
}
