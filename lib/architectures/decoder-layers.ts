/**
 * The layers of decoders: pre-norm with RMSNorm (Zhang and Sennrich, 2019, arXiv 1910.07467), rotary position embeddings and gated linear
 * units. All families share the names of their tensors.
 */

import type { TensorInfo, TransformerPart } from "../checkpoint/types";
import { decoderAttention, keepsAllScores } from "./causal-attention";
import type { Rows } from "./causal-attention";
import type { DecoderConfig } from "./decoder-config";
import { decoderOf, openScope } from "./encoder-config";
import { INT64, MICROSOFT } from "./graph";
import type { GraphBuilder, GraphLayout, Value } from "./graph";
import { integerMask } from "./group-inputs";
import { openPast } from "./kept-prefix";
import type { Past } from "./kept-prefix";
import { activation, linear, lookUpStored, SequenceShape } from "./layers";
import type { Scope } from "./layers";
import { rotation } from "./rope";
import type { Rotation } from "./rope";
import type { Graph } from "./types";
import { workingBytes } from "./working-set";

const WORD_EMBEDDINGS = "embed_tokens";

export function openDecoder(part: TransformerPart, layout: GraphLayout | undefined): Scope {
  return openScope(part, layout, "model", `${WORD_EMBEDDINGS}.weight`);
}

/** The language model's head, [vocabulary, hidden]. Call it before decoderLayers (see decoderOf). */
export function languageModelHead(scope: Scope, config: DecoderConfig): TensorInfo {
  return decoderOf(scope, config, "lm_head.weight", `${WORD_EMBEDDINGS}.weight`);
}

/** What all layers of a run share. */
interface Run {
  readonly shape: SequenceShape;
  readonly turns: Rotation;
  readonly past: Past | undefined;
}

/** The residual stream, and its norm, the input of the next layer. */
interface Stream {
  readonly sum: Value;
  readonly normed: Value;
}

/** The tokens that a head reads: all, or one of each sequence. */
export type Readers = "all" | { readonly padTokenId: number | null };

/**
 * The normed output of the last layer: [tokens, hidden], or [batch, hidden] of the last token that is not the pad token, the only one that
 * the last layer then computes. A sequence of pad tokens alone is represented by its first token.
 */
export function decoderLayers(scope: Scope, config: DecoderConfig, readers: Readers): Value {
  const { graph, tensors } = scope;
  const { hidden, layers } = config;
  const inputIds = graph.input("input_ids");
  const shape = new SequenceShape(graph, inputIds);
  const words = lookUpStored(scope, `${tensors.prefix}${WORD_EMBEDDINGS}`, config.vocabulary, hidden, inputIds);
  const embedded = shape.flatten(scaled(graph, words, config.embeddingScale), hidden);
  const past = readers === "all" ? undefined : openPast(graph, config, readers.padTokenId);
  const turns = rotation(graph, "frequencies", newPositions(graph, shape, past), config.frequencies);
  const positions = readers === "all" ? undefined : lastPositions(graph, shape, inputIds, readers.padTokenId);
  // Every token attends to all others, so the last layer computes all.
  const rows: Rows = positions === undefined || !config.causal ? "all" : { positions };
  let stream: Stream = { sum: embedded, normed: rmsNorm(scope, embedded, `${tensors.prefix}layers.0.input_layernorm`, config) };
  for (let i = 0; i < layers; i++) {
    const nextNorm = i === layers - 1 ? "norm" : `layers.${String(i + 1)}.input_layernorm`;
    stream = layer(scope, config, { shape, turns, past }, stream, i, i === layers - 1 ? rows : "all", nextNorm);
  }
  return positions === undefined || rows !== "all" ? stream.normed : rowsAt(graph, shape, stream.normed, positions);
}

/** The positions of the tokens of this run in their sequence, int64 [length]. */
function newPositions(graph: GraphBuilder, shape: SequenceShape, past: Past | undefined): Value {
  return past === undefined ? shape.positions() : graph.node("Add", [shape.positions(), past.length]);
}

function scaled(graph: GraphBuilder, x: Value, factor: number): Value {
  return factor === 1 ? x : graph.node("Mul", [x, graph.narrow(graph.floats("embedding_scale", [factor], []))]);
}

/** The position of the last token of each sequence that is neither padding nor the pad token, or 0: int64 [batch]. */
function lastPositions(graph: GraphBuilder, shape: SequenceShape, inputIds: Value, padTokenId: number | null): Value {
  const isToken = integerMask(graph);
  const isOther =
    padTokenId === null
      ? undefined
      : graph.node("Cast", [graph.node("Not", [graph.node("Equal", [inputIds, graph.integers(padTokenId)])])], { to: INT64 });
  const factors = [isToken, isOther].filter((factor) => factor !== undefined);
  if (factors.length === 0) {
    return graph.node("Expand", [graph.node("Sub", [shape.length(), graph.integers(1)]), shape.batch()]);
  }
  const counted = factors.reduce((product, factor) => graph.node("Mul", [product, factor]), shape.positions());
  return graph.node("ReduceMax", [counted], { axes: [1], keepdims: 0 });
}

/** One row of each sequence: [batch, width] of [batch · length, width]. */
function rowsAt(graph: GraphBuilder, shape: SequenceShape, x: Value, positions: Value): Value {
  const at = graph.once(`rows_${positions}`, () => {
    const sequences = graph.node("Squeeze", [shape.batch(), graph.integers([0])]);
    const starts = graph.node("Mul", [graph.node("Range", [graph.integers(0), sequences, graph.integers(1)]), shape.length()]);
    return graph.node("Add", [starts, positions]);
  });
  return graph.node("Gather", [x, at]);
}

function layer(
  scope: Scope,
  config: DecoderConfig,
  run: Run,
  { sum, normed }: Stream,
  index: number,
  rows: Rows,
  nextNorm: string,
): Stream {
  const { graph, tensors } = scope;
  const { hidden, intermediate, biases, normsOutputs } = config;
  const at = `${tensors.prefix}layers.${String(index)}`;
  const select = (x: Value): Value => (rows === "all" ? x : rowsAt(graph, run.shape, x, rows.positions));
  const context = attention(scope, config, run, [select(normed), normed], index, rows);
  const width = config.heads * config.headSize;
  const attended = linear(scope, context, `${at}.self_attn.o_proj`, width, hidden, { bias: biases.output });
  const [afterAttention, beforeMlp] = normsOutputs
    ? [rmsNorm(scope, attended, `${at}.post_attention_layernorm`, config), `${at}.pre_feedforward_layernorm`]
    : [attended, `${at}.post_attention_layernorm`];
  const middle = addThenNorm(scope, afterAttention, select(sum), beforeMlp, config);

  const wide = (name: string): Value => linear(scope, middle.normed, `${at}.mlp.${name}_proj`, hidden, intermediate, { bias: biases.mlp });
  const product = activation(graph, config.activation, wide("gate"), config.file, wide("up"));
  const output = linear(scope, product, `${at}.mlp.down_proj`, intermediate, hidden, { bias: biases.mlp });
  const afterMlp = normsOutputs ? rmsNorm(scope, output, `${at}.post_feedforward_layernorm`, config) : output;
  return addThenNorm(scope, afterMlp, middle.sum, `${tensors.prefix}${nextNorm}`, config);
}

/** @param inputs the tokens that are computed, and all tokens, [tokens, hidden] */
function attention(
  scope: Scope,
  config: DecoderConfig,
  { shape, turns, past }: Run,
  [queried, all]: readonly [queried: Value, all: Value],
  index: number,
  rows: Rows,
): Value {
  const { graph, tensors } = scope;
  const { hidden, heads, keyHeads, headSize } = config;
  const at = `${tensors.prefix}layers.${String(index)}.self_attn`;
  const project = (x: Value, name: string, count: number): Value =>
    linear(scope, x, `${at}.${name}_proj`, hidden, count * headSize, { bias: config.biases.inputs });
  const normedHeads = (x: Value, name: string, count: number): Value => {
    if (!config.normsHeads) return x;
    const split = graph.node("Reshape", [x, graph.integers([-1, headSize])]);
    const normed = rmsNorm(scope, split, `${at}.${name}_norm`, { ...config, hidden: headSize });
    return graph.node("Reshape", [normed, graph.integers([-1, count * headSize])]);
  };
  const query = normedHeads(project(queried, "q", heads), "q", heads);
  const key = normedHeads(project(all, "k", keyHeads), "k", keyHeads);
  const value = shape.unflatten(project(all, "v", keyHeads), keyHeads * headSize);
  const turn = (x: Value, positions: Value): Value =>
    graph.node("RotaryEmbedding", [x, positions, turns.cosine, turns.sine], { interleaved: 0 }, MICROSOFT);
  // The first row of the angles, for consecutive positions.
  const first = graph.integers([0]);
  const turnedQuery =
    rows === "all"
      ? turn(shape.unflatten(query, heads * headSize), first)
      : turn(shape.unflattenFirst(query), graph.node("Unsqueeze", [rows.positions, graph.integers([1])]));
  const inputs = [turnedQuery, turn(shape.unflatten(key, keyHeads * headSize), first), value] as const;
  return decoderAttention(graph, shape, inputs, config, { window: config.windowOf(index), rows, past: past?.ofLayer(index) });
}

type NormConfig = Pick<DecoderConfig, "hidden" | "epsilon" | "normOffset">;

function normScale({ graph, tensors }: Scope, name: string, { hidden, normOffset }: NormConfig): Value {
  const tensor = tensors.require([`${name}.weight`], [hidden]);
  if (!normOffset) return graph.weight(tensor);
  // In fp32, since in 16 bits the sum would lose most bits of a small weight.
  return graph.narrow(graph.node("Add", [graph.weight(tensor, "fp32"), graph.floats("one", [1], [])]));
}

/** x / √(mean of x² + ε) · scale. */
function rmsNorm(scope: Scope, x: Value, name: string, config: NormConfig): Value {
  const attributes = { axis: -1, epsilon: { float: config.epsilon } };
  return scope.graph.node("SimplifiedLayerNormalization", [x, normScale(scope, name, config)], attributes);
}

function addThenNorm(scope: Scope, x: Value, residual: Value, name: string, config: NormConfig): Stream {
  const { graph } = scope;
  if (!graph.takesGroups) {
    const sum = graph.node("Add", [x, residual]);
    return { sum, normed: rmsNorm(scope, sum, name, config) };
  }
  const sum = graph.nameOf("sum");
  const inputs = [x, residual, normScale(scope, name, config)];
  const outputs = ["", "", sum];
  const attributes = { epsilon: { float: config.epsilon } };
  return { sum, normed: graph.node("SkipSimplifiedLayerNormalization", inputs, attributes, MICROSOFT, outputs) };
}

/**
 * Arrays of a layer that exist at once, as a multiple of those of an encoder: between norms, rotations and projections, ONNX Runtime's
 * arena keeps freed ones that nothing fits. For 2,000 tokens of Qwen3-0.6B a run took 0.60 GB; the estimate is 0.71 GB.
 */
const LAYERS_AT_ONCE = 3;

export function decoderGraph({ graph }: Scope, config: DecoderConfig, value: Value, output: "hidden" | "logits"): Graph {
  const hidden = Math.max(config.hidden, config.heads * config.headSize);
  // The scores and their softmax.
  const perPair = keepsAllScores(graph, config) ? 2 * config.heads : 0;
  const ofLayer = { hidden: LAYERS_AT_ONCE * hidden, intermediate: LAYERS_AT_ONCE * config.intermediate, wide: 3, perPair };
  return {
    ...graph.finish(value, output),
    vocabularySize: config.vocabulary,
    maxPositions: undefined,
    bytesPerSequence: (length) => workingBytes(ofLayer, length),
  };
}
