/**
 * MPNet (Song et al., 2020, arXiv 2004.09297): BERT's layers with a bias per distance between tokens, shared by all layers, and RoBERTa's
 * positions, without token types. Checkpoints: cross-encoders and SPLADE models based on microsoft/mpnet-base and all-mpnet-base-v2.
 */

import { invalidField } from "../checkpoint/json-fields";
import type { TransformerPart } from "../checkpoint/types";
import { attention, firstQueryBias } from "./attention";
import { feedForward } from "./bert-encoder";
import { ConfigReader } from "./config";
import { decoderOf, normOf, openScope, positionsAfterPadding, readEncoderConfig } from "./encoder-config";
import type { EncoderConfig } from "./encoder-config";
import type { Value } from "./graph";
import { gelu, layerNorm, linear, linearAndNorm, lookUp, SequenceShape, tanh } from "./layers";
import type { Queries, Scope } from "./layers";
import { clipped } from "./relative-positions";
import type { Architecture, Graph } from "./types";
import { workingBytes } from "./working-set";

export const mpnet: Architecture = {
  modelTypes: ["mpnet"],

  maskedLanguageModel(part, layout) {
    const config = readConfig(part);
    const scope = openScope(part, layout, "mpnet");
    const decoder = decoderOf(scope, config, "lm_head.decoder.weight");
    const dense = gelu(scope.graph, linear(scope, body(scope, config, "all"), "lm_head.dense", config.hidden, config.hidden));
    const output = layerNorm(scope, dense, "lm_head.layer_norm", normOf(config));
    return {
      ...mpnetGraph(scope, config, output, "hidden"),
      decoder,
      decoderBias: scope.tensors.require(["lm_head.decoder.bias", "lm_head.bias"], [config.vocabulary]),
    };
  },

  sequenceClassifier(part, labels, layout) {
    const config = readConfig(part);
    const scope = openScope(part, layout, "mpnet");
    const dense = tanh(scope.graph, linear(scope, body(scope, config, "first"), "classifier.dense", config.hidden, config.hidden));
    const logits = linear(scope, dense, "classifier.out_proj", config.hidden, labels);
    return { ...mpnetGraph(scope, config, logits, "logits"), labels };
  },

  body(part, queries, layout) {
    const config = readConfig(part);
    const scope = openScope(part, layout, "mpnet");
    const hidden = body(scope, config, queries);
    const finish = (value: Value): Graph => mpnetGraph(scope, config, value, "logits");
    return { graph: scope.graph, hidden, size: config.hidden, vocabularySize: config.vocabulary, finish };
  },
};

/** Id of the padding token. A constant in transformers, regardless of config.json. */
const PADDING = 1;
/** Number of used rows in the table of biases, half of them for each direction. Also a constant. */
const BUCKETS = 32;
/** Distances from here on share the last row. */
const FARTHEST = 128;

interface MPNetConfig extends EncoderConfig {
  /** Number of rows in the position table. */
  readonly positions: number;
  /** Number of rows in the table of biases. */
  readonly buckets: number;
}

function readConfig(part: TransformerPart): MPNetConfig {
  const config = new ConfigReader(part.config);
  const positions = config.positiveInteger("max_position_embeddings", 512);
  if (positions <= PADDING + 1) throw invalidField(part.config, "max_position_embeddings", `an integer > ${String(PADDING + 1)}`);
  const buckets = config.positiveInteger("relative_attention_num_buckets", BUCKETS);
  if (buckets < BUCKETS) throw config.unsupported("relative_attention_num_buckets", `MPNet uses ${String(BUCKETS)}`);
  return { ...readEncoderConfig(part, 1e-12), positions, buckets };
}

function body(scope: Scope, config: MPNetConfig, queries: Queries): Value {
  const { graph } = scope;
  const inputIds = graph.input("input_ids");
  const shape = new SequenceShape(graph, inputIds);
  const last = config.layers - 1;
  let x = embeddings(scope, config, shape, inputIds);
  const bias = distanceBias(scope, config, shape);
  for (let i = 0; i < last; i++) x = layer(scope, config, shape, x, i, "all", bias);
  return layer(scope, config, shape, x, last, queries, firstQueryBias(graph, bias, queries));
}

/** LayerNorm(word + position). */
function embeddings(scope: Scope, config: MPNetConfig, shape: SequenceShape, inputIds: Value): Value {
  const { graph, tensors } = scope;
  const { hidden } = config;
  const at = `${tensors.prefix}embeddings`;
  const words = lookUp(scope, `${at}.word_embeddings`, config.vocabulary, hidden, inputIds);
  const positionIds = positionsAfterPadding(graph, shape, inputIds, PADDING);
  const positions = lookUp(scope, `${at}.position_embeddings`, config.positions, hidden, positionIds);
  return layerNorm(scope, shape.flatten(graph.node("Add", [words, positions]), hidden), `${at}.LayerNorm`, normOf(config));
}

/** See ScoreOptions: [1, heads, length, length], or [heads, 2 · length − 1] for a single sequence. */
function distanceBias(scope: Scope, { buckets, heads }: MPNetConfig, shape: SequenceShape): Value {
  const { graph, tensors } = scope;
  const distances = shape.distances();
  const rows = Array.from({ length: 2 * FARTHEST + 1 }, (_, i) => bucketOf(i - FARTHEST));
  const ofPairs = graph.node("Gather", [graph.table("distance_rows", rows), clipped(graph, distances, FARTHEST, FARTHEST)]);
  const biases = lookUp(scope, `${tensors.prefix}encoder.relative_attention_bias`, buckets, heads, ofPairs);
  if (!graph.takesGroups) return graph.node("Transpose", [biases], { perm: [1, 0] });
  return graph.node("Unsqueeze", [graph.node("Transpose", [biases], { perm: [2, 0, 1] }), graph.integers([0])]);
}

/**
 * T5's buckets (Raffel et al., 2020, arXiv 1910.10683): one bucket per short distance, then logarithmically growing ranges. Computed in
 * fp32 like transformers, since the bounds of the ranges depend on the last bit.
 *
 * @param distance position of the query − position of the key
 */
function bucketOf(distance: number): number {
  const side = BUCKETS / 2;
  const exact = side / 2;
  const before = distance < 0 ? side : 0;
  const size = Math.abs(distance);
  if (size < exact) return before + size;
  const share = Math.fround(Math.fround(Math.log(size / exact)) / Math.fround(Math.log(FARTHEST / exact)));
  return before + Math.min(exact + Math.trunc(Math.fround(share * (side - exact))), side - 1);
}

function layer(scope: Scope, config: MPNetConfig, shape: SequenceShape, x: Value, index: number, queries: Queries, bias: Value): Value {
  const { hidden } = config;
  const at = `${scope.tensors.prefix}encoder.layer.${String(index)}`;
  const rows = shape.rows(x, hidden, queries);
  const project = (from: Value, name: string): Value => linear(scope, from, `${at}.attention.attn.${name}`, hidden, hidden);
  const inputs = [project(rows, "q"), project(x, "k"), project(x, "v")] as const;
  const context = attention(scope.graph, shape, inputs, config, queries, { bias });
  const output = { name: `${at}.attention.attn.o`, inputs: hidden, outputs: hidden };
  const middle = linearAndNorm(scope, context, output, rows, `${at}.attention.LayerNorm`, normOf(config));
  return feedForward(scope, config, middle, at);
}

/** In groups, per pair of tokens: the bias by head (twice, since it is transposed), its row number, and the scores. */
function mpnetGraph({ graph }: Scope, config: MPNetConfig, value: Value, output: "hidden" | "logits"): Graph {
  const { heads, positions } = config;
  return {
    ...graph.finish(value, output),
    vocabularySize: config.vocabulary,
    maxPositions: positions - PADDING - 1,
    bytesPerSequence: (length) => workingBytes({ ...config, perPair: graph.takesGroups ? 3 * heads + 6 : 0 }, length),
  };
}
