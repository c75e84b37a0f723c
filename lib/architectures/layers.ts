/** Building blocks that the families share, over matrices [tokens, hidden]. Names of layers are those of the checkpoint, without ".weight". */

import { describe } from "../checkpoint/json-fields";
import { SparseRerankError } from "../errors";
import { keyPadding, packedSequences, positionIds } from "./group-inputs";
import { MICROSOFT } from "./graph";
import type { Attributes, GraphBuilder, Value } from "./graph";
import { partOf } from "./tensors";
import type { Tensors } from "./tensors";

/** What every block needs: where nodes go, and where weights come from. */
export interface Scope {
  readonly graph: GraphBuilder;
  readonly tensors: Tensors;
}

export interface LinearOptions {
  /** Absent means true. */
  readonly bias?: boolean;
  /** The layer is one of several that the checkpoint keeps in one matrix, one below the other. */
  readonly part?: { readonly index: number; readonly of: number };
}

/** x · Wᵀ + b. PyTorch keeps W as [outputs, inputs], which Gemm takes as it is. */
export function linear(scope: Scope, x: Value, name: string, inputs: number, outputs: number, options: LinearOptions = {}): Value {
  const { weight, bias } = parametersOf(scope, name, inputs, outputs, options);
  return scope.graph.node("Gemm", bias === undefined ? [x, weight] : [x, weight, bias], { transB: 1 });
}

function parametersOf({ graph, tensors }: Scope, name: string, inputs: number, outputs: number, options: LinearOptions): Parameters {
  const { bias = true, part = { index: 0, of: 1 } } = options;
  const own = (suffix: string, rest: readonly number[]): Value => {
    const tensor = tensors.require([`${name}.${suffix}`], [part.of * outputs, ...rest]);
    return graph.weight(part.of === 1 ? tensor : partOf(tensor, part.index, part.of));
  };
  return { weight: own("weight", [inputs]), bias: bias ? own("bias", []) : undefined };
}

interface Parameters {
  readonly weight: Value;
  readonly bias: Value | undefined;
}

/**
 * x · Wᵀ for an operator that adds the bias, over groups: CUDA's Gemm would write the bias into all of its output, in a kernel of its own, and
 * read it again.
 */
function product(scope: Scope, x: Value, name: string, inputs: number, outputs: number, options: LinearOptions): Biased {
  if (!scope.graph.takesGroups) return { value: linear(scope, x, name, inputs, outputs, options), bias: undefined };
  const { weight, bias } = parametersOf(scope, name, inputs, outputs, options);
  return { value: scope.graph.node("Gemm", [x, weight], { transB: 1 }), bias };
}

/** A value to which a bias is still to be added, if there is one. */
interface Biased {
  readonly value: Value;
  readonly bias: Value | undefined;
}

/** act(x · Wᵀ + b). @param configFile for the error of an unknown activation */
export function activated(
  scope: Scope,
  x: Value,
  layer: readonly [name: string, inputs: number, outputs: number],
  act: string,
  configFile: string,
): Value {
  if (!scope.graph.takesGroups || !EXACT_GELU.has(act)) return activation(scope.graph, act, linear(scope, x, ...layer), configFile);
  const { value, bias } = product(scope, x, ...layer, {});
  return scope.graph.node("BiasGelu", [value, bias ?? ""], {}, MICROSOFT);
}

export interface GatedOptions {
  readonly activation: string;
  /** Which of the two matrices, the upper or the lower half of the checkpoint's, goes through the activation. */
  readonly activated: "upper" | "lower";
  readonly bias: boolean;
  /** For the error of an unknown activation. */
  readonly configFile: string;
}

/** act(x · Gᵀ) ⊙ (x · Uᵀ), the gated linear units of Shazeer, 2020 (arXiv 2002.05202); G and U are the halves of one matrix. */
export function gated(scope: Scope, x: Value, name: string, inputs: number, outputs: number, options: GatedOptions): Value {
  const { bias, activated, configFile } = options;
  const half = (index: number): Value => linear(scope, x, name, inputs, outputs, { bias, part: { index, of: 2 } });
  const [upper, lower] = [half(0), half(1)];
  const [gate, up] = activated === "upper" ? [upper, lower] : [lower, upper];
  return scope.graph.node("Mul", [activation(scope.graph, options.activation, gate, configFile), up]);
}

/** The rows of an embedding table [rows, width] that the ids name. */
export function lookUp({ graph, tensors }: Scope, name: string, rows: number, width: number, ids: Value): Value {
  return graph.node("Gather", [graph.weight(tensors.require([`${name}.weight`], [rows, width])), ids]);
}

/** A layer norm of the checkpoint: over vectors of `size`. */
export interface Norm {
  readonly size: number;
  readonly epsilon: number;
  /** False: it scales only, and the checkpoint has no bias. Absent means true. */
  readonly bias?: boolean;
}

/** Checkpoints converted from TensorFlow call the parameters gamma and beta. */
function normParameters({ graph, tensors }: Scope, name: string, { size, bias = true }: Norm): Value[] {
  const scale = graph.weight(tensors.require([`${name}.weight`, `${name}.gamma`], [size]));
  return bias ? [scale, graph.weight(tensors.require([`${name}.bias`, `${name}.beta`], [size]))] : [scale];
}

export function layerNorm(scope: Scope, x: Value, name: string, norm: Norm): Value {
  const inputs = [x, ...normParameters(scope, name, norm)];
  return scope.graph.node("LayerNormalization", inputs, { axis: -1, epsilon: { float: norm.epsilon } });
}

/** A linear layer of the checkpoint. */
export interface Layer extends LinearOptions {
  readonly name: string;
  readonly inputs: number;
  readonly outputs: number;
}

/** residual + x · Wᵀ + b, and LayerNorm of the sum: what a layer with its norms in front goes on with. */
export function linearThenNorm(
  scope: Scope,
  x: Value,
  { name: layer, inputs, outputs, ...options }: Layer,
  residual: Value,
  name: string,
  norm: Norm,
): { sum: Value; normed: Value } {
  const { value, bias } = product(scope, x, layer, inputs, outputs, options);
  if (!scope.graph.takesGroups) {
    const sum = scope.graph.node("Add", [value, residual]);
    return { sum, normed: layerNorm(scope, sum, name, norm) };
  }
  const sum = scope.graph.nameOf("sum");
  return { sum, normed: skipLayerNorm(scope, [value, residual, bias], name, norm, ["", "", sum]) };
}

/** LayerNorm(residual + x · Wᵀ + b). */
export function linearAndNorm(
  scope: Scope,
  x: Value,
  { name: layer, inputs, outputs, ...options }: Layer,
  residual: Value,
  name: string,
  norm: Norm,
): Value {
  const { value, bias } = product(scope, x, layer, inputs, outputs, options);
  return addAndNorm(scope, value, residual, name, norm, bias);
}

/**
 * LayerNorm(x + residual [+ bias]). ONNX Runtime has one operator for all, SkipLayerNormalization, which is one kernel on CUDA, but sums value by value
 * on the CPU: measured, 0.41 ms for 128 rows of 768 against 0.05 ms of two operators, a tenth of the time of a MiniLM.
 */
export function addAndNorm(scope: Scope, x: Value, residual: Value, name: string, norm: Norm, bias?: Value): Value {
  if (!scope.graph.takesGroups) return layerNorm(scope, scope.graph.node("Add", [x, residual]), name, norm);
  return skipLayerNorm(scope, [x, residual, bias], name, norm);
}

function skipLayerNorm(
  scope: Scope,
  [x, residual, bias]: readonly [x: Value, residual: Value, bias: Value | undefined],
  name: string,
  norm: Norm,
  outputs: readonly Value[] = [],
): Value {
  const [scale = "", shift = ""] = normParameters(scope, name, norm);
  const inputs = bias === undefined ? [x, residual, scale, shift] : [x, residual, scale, shift, bias];
  return scope.graph.node("SkipLayerNormalization", inputs, { epsilon: { float: norm.epsilon } }, MICROSOFT, outputs);
}

/** The names of x · Φ(x), with erf. */
const EXACT_GELU: ReadonlySet<string> = new Set(["gelu", "gelu_python"]);

/** Activations by the names that config.json uses (transformers' ACT2FN). */
const ACTIVATIONS: ReadonlyMap<string, (graph: GraphBuilder, x: Value) => Value> = new Map([
  ...Array.from(EXACT_GELU, (name) => [name, gelu] as const),
  ["gelu_new", tanhGelu],
  ["gelu_fast", tanhGelu],
  ["gelu_pytorch_tanh", tanhGelu],
  ["gelu_python_tanh", tanhGelu],
  ["quick_gelu", (graph: GraphBuilder, x: Value) => graph.node("QuickGelu", [x], { alpha: { float: 1.702 } }, MICROSOFT)],
  ["relu", (graph: GraphBuilder, x: Value) => graph.node("Relu", [x])],
  ["silu", silu],
  ["swish", silu],
  ["sigmoid", (graph: GraphBuilder, x: Value) => graph.node("Sigmoid", [x])],
  ["tanh", tanh],
  ["linear", (_graph: GraphBuilder, x: Value) => x],
]);

export function tanh(graph: GraphBuilder, x: Value): Value {
  return graph.node("Tanh", [x]);
}

export function relu(graph: GraphBuilder, x: Value): Value {
  return graph.node("Relu", [x]);
}

/** x · Φ(x), with erf. */
export function gelu(graph: GraphBuilder, x: Value): Value {
  return graph.node("Gelu", [x], {}, MICROSOFT);
}

/** The tanh approximation of gelu. */
function tanhGelu(graph: GraphBuilder, x: Value): Value {
  return graph.node("FastGelu", [x], {}, MICROSOFT);
}

/** QuickGelu with alpha = 1 is x · sigmoid(x). */
function silu(graph: GraphBuilder, x: Value): Value {
  return graph.node("QuickGelu", [x], { alpha: { float: 1 } }, MICROSOFT);
}

/** @param configFile for the error of an unknown name */
export function activation(graph: GraphBuilder, name: string, x: Value, configFile: string): Value {
  const apply = ACTIVATIONS.get(name);
  if (apply !== undefined) return apply(graph, x);
  throw new SparseRerankError(
    "ERR_UNSUPPORTED_MODEL",
    `${configFile}: the activation ${describe(name)} is not supported; supported are: ${[...ACTIVATIONS.keys()].join(", ")}.`,
  );
}

/**
 * The sequences of a run: how [tokens, hidden] and what operators want by sequence become one another. Tokens are [batch · length] of a padded
 * group, padding included; a packed one is to operators a single sequence, [1, tokens, hidden].
 */
export class SequenceShape {
  readonly #graph: GraphBuilder;
  readonly #inputIds: Value;

  constructor(graph: GraphBuilder, inputIds: Value) {
    this.#graph = graph;
    this.#inputIds = inputIds;
  }

  /** int64 [1]. */
  batch(): Value {
    return this.#graph.node("Gather", [this.#batchAndLength(), this.#graph.integers([0])]);
  }

  /** Of the longest sequence, int64 scalar. */
  length(): Value {
    return this.#graph.node("Gather", [this.#batchAndLength(), this.#graph.integers(1)]);
  }

  /** 0, 1, 2, … up to the length: int64 [length]. */
  positions(): Value {
    return this.#graph.node("Range", [this.#graph.integers(0), this.length(), this.#graph.integers(1)]);
  }

  /** The position of each token in its sequence: int64, in the shape of the ids or broadcast to it. */
  positionIds(): Value {
    return positionIds(this.#graph) ?? this.positions();
  }

  /** The positions along what operators take for a sequence, int64 [length], of a packed group [tokens]. */
  rowPositions(): Value {
    if (this.#graph.layout.form !== "packed") return this.positions();
    return this.#graph.node("Reshape", [this.positionIds(), this.#graph.integers([-1])]);
  }

  flatten(x: Value, hidden: number): Value {
    return this.#graph.node("Reshape", [x, this.#graph.integers([-1, hidden])]);
  }

  unflatten(x: Value, hidden: number): Value {
    const idShape = this.#graph.once("id_shape", () => this.#graph.node("Shape", [this.#inputIds]));
    const shape = this.#graph.once(`shape_${String(hidden)}`, () =>
      this.#graph.node("Concat", [idShape, this.#graph.integers([hidden])], { axis: 0 }),
    );
    return this.#graph.node("Reshape", [x, shape]);
  }

  /** As unflatten, for rows that are one for each sequence: [batch, hidden] becomes [batch, 1, hidden]. */
  unflattenFirst(x: Value): Value {
    return this.#graph.node("Unsqueeze", [x, this.#graph.integers([1])]);
  }

  /** The first token of each sequence, [batch, hidden]. */
  firstTokens(x: Value, hidden: number): Value {
    const packed = packedSequences(this.#graph);
    if (packed === undefined) return this.#graph.node("Gather", [this.unflatten(x, hidden), this.#graph.integers(0)], { axis: 1 });
    const [zero, last] = [this.#graph.integers([0]), this.#graph.integers([-1])];
    const begins = this.#graph.once("begins", () => this.#graph.node("Slice", [packed.bounds, zero, last]));
    return this.#graph.node("Gather", [x, begins]);
  }

  /** The rows that an attention layer with such queries goes on with. */
  rows(x: Value, hidden: number, queries: Queries): Value {
    return queries === "all" ? x : this.firstTokens(x, hidden);
  }

  /** The rows that it asks for: packed attention knows no fewer queries than keys. */
  queried(x: Value, rows: Value): Value {
    return this.#graph.layout.form === "packed" ? x : rows;
  }

  #batchAndLength(): Value {
    const shaped = packedSequences(this.#graph)?.tokenOffset ?? this.#inputIds;
    return this.#graph.once("batch_and_length", () => this.#graph.node("Shape", [shaped]));
  }
}

/** What the queries of an attention layer are: all tokens, or the first of each sequence. */
export type Queries = "all" | "first";

export interface Heads {
  readonly hidden: number;
  readonly heads: number;
}

export interface ScoreOptions {
  /** Added to the scaled scores: [batch or 1, heads or 1, queries, keys]. */
  readonly bias?: Value | undefined;
  /** Of the products of query and key; absent means 1 / √(size of a head). */
  readonly scale?: number;
}

/**
 * Multi-head attention; keys that are padding are not seen.
 *
 * @param query [batch, queries, hidden], or of a packed group all tokens whatever the queries
 * @param key, value [batch, keys, hidden]
 * @returns [batch · queries, hidden]
 */
export function multiHeadAttention(
  graph: GraphBuilder,
  shape: SequenceShape,
  [query, key, value]: readonly [query: Value, key: Value, value: Value],
  config: Heads,
  options: ScoreOptions = {},
  queries: Queries = "all",
): Value {
  if (graph.layout.form === "packed") {
    const flat = [query, key, value].map((x) => shape.flatten(x, config.hidden));
    return packedAttention(graph, shape, flat, config, options, queries);
  }
  const padding = keyPadding(graph, queries);
  const { bias } = options;
  // The empty name stands for a bias of the projections.
  const optional = bias === undefined ? (padding === undefined ? [] : ["", padding]) : ["", padding ?? "", bias];
  const inputs = [query, key, value, ...optional];
  return shape.flatten(graph.node("MultiHeadAttention", inputs, scoreAttributes(config, options), MICROSOFT), config.hidden);
}

/** @param inputs query, key and value of all tokens, each [tokens, hidden] */
function packedAttention(
  graph: GraphBuilder,
  shape: SequenceShape,
  inputs: readonly Value[],
  config: Heads,
  options: ScoreOptions,
  queries: Queries,
): Value {
  // The operator would take one, but leave flash attention for it; families with a bias do not pack.
  if (options.bias !== undefined) throw new SparseRerankError("ERR_INTERNAL", "Packed attention with a bias.");
  const packed = packedSequences(graph);
  const sequences = ["", packed?.tokenOffset ?? "", packed?.bounds ?? ""];
  const context = graph.node("PackedMultiHeadAttention", [...inputs, ...sequences], scoreAttributes(config, options), MICROSOFT);
  return shape.rows(context, config.hidden, queries);
}

function scoreAttributes({ heads }: Heads, { scale }: ScoreOptions): Attributes {
  return scale === undefined ? { num_heads: heads } : { num_heads: heads, scale: { float: scale } };
}

/**
 * The same over matrices.
 *
 * @param query [tokens, hidden], or [batch, hidden] when the queries are first tokens (of a packed group all tokens)
 * @param key, value [tokens, hidden]
 * @returns [tokens, hidden], or [batch, hidden]
 */
export function attention(
  graph: GraphBuilder,
  shape: SequenceShape,
  [query, key, value]: readonly [query: Value, key: Value, value: Value],
  config: Heads,
  queries: Queries,
  options: ScoreOptions = {},
): Value {
  const { hidden } = config;
  if (graph.layout.form === "packed") return packedAttention(graph, shape, [query, key, value], config, options, queries);
  const byQuery = queries === "all" ? shape.unflatten(query, hidden) : shape.unflattenFirst(query);
  const inputs = [byQuery, shape.unflatten(key, hidden), shape.unflatten(value, hidden)] as const;
  return multiHeadAttention(graph, shape, inputs, config, options, queries);
}
