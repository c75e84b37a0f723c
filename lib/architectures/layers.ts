/** Building blocks that the families share, over matrices [tokens, hidden]. Names of layers are those of the checkpoint, without ".weight". */

import { describe } from "../checkpoint/json";
import { SparseRerankError } from "../errors";
import { MICROSOFT } from "./graph";
import type { GraphBuilder, Value } from "./graph";
import { keyPadding } from "./padding";
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
  const { graph, tensors } = scope;
  const { bias = true, part = { index: 0, of: 1 } } = options;
  const own = (suffix: string, rest: readonly number[]): Value => {
    const tensor = tensors.require([`${name}.${suffix}`], [part.of * outputs, ...rest]);
    return graph.weight(part.of === 1 ? tensor : partOf(tensor, part.index, part.of));
  };
  const weight = own("weight", [inputs]);
  return graph.node("Gemm", bias ? [x, weight, own("bias", [])] : [x, weight], { transB: 1 });
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

/** x + residual, and LayerNorm of the sum: what a layer with its norms in front goes on with. */
export function addThenNorm(scope: Scope, x: Value, residual: Value, name: string, norm: Norm): { sum: Value; normed: Value } {
  const sum = scope.graph.node("Add", [x, residual]);
  return { sum, normed: layerNorm(scope, sum, name, norm) };
}

/**
 * LayerNorm(x + residual). ONNX Runtime has one operator for both, SkipLayerNormalization, which sums value by value on the CPU: measured,
 * 0.41 ms for 128 rows of 768 against 0.05 ms of these two, a tenth of the time of a MiniLM.
 */
export function addAndNorm(scope: Scope, x: Value, residual: Value, name: string, norm: Norm): Value {
  return addThenNorm(scope, x, residual, name, norm).normed;
}

/** Activations by the names that config.json uses (transformers' ACT2FN). */
const ACTIVATIONS: ReadonlyMap<string, (graph: GraphBuilder, x: Value) => Value> = new Map([
  ["gelu", gelu],
  ["gelu_python", gelu],
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

/** The sequences of a batch: how [batch · length, hidden] and [batch, length, hidden] become one another. */
export class SequenceShape {
  readonly #graph: GraphBuilder;
  readonly #batchAndLength: Value;

  constructor(graph: GraphBuilder, inputIds: Value) {
    this.#graph = graph;
    this.#batchAndLength = graph.node("Shape", [inputIds]);
  }

  /** int64 [1]. */
  batch(): Value {
    return this.#graph.node("Gather", [this.#batchAndLength, this.#graph.integers([0])]);
  }

  /** int64 scalar. */
  length(): Value {
    return this.#graph.node("Gather", [this.#batchAndLength, this.#graph.integers(1)]);
  }

  /** 0, 1, 2, … up to the length: int64 [length]. */
  positions(): Value {
    return this.#graph.node("Range", [this.#graph.integers(0), this.length(), this.#graph.integers(1)]);
  }

  flatten(x: Value, hidden: number): Value {
    return this.#graph.node("Reshape", [x, this.#graph.integers([-1, hidden])]);
  }

  unflatten(x: Value, hidden: number): Value {
    const shape = this.#graph.node("Concat", [this.#batchAndLength, this.#graph.integers([hidden])], { axis: 0 });
    return this.#graph.node("Reshape", [x, shape]);
  }

  /** As unflatten, for rows that are one for each sequence: [batch, hidden] becomes [batch, 1, hidden]. */
  unflattenFirst(x: Value): Value {
    return this.#graph.node("Unsqueeze", [x, this.#graph.integers([1])]);
  }

  /** The first token of each sequence, [batch, hidden]. */
  firstTokens(x: Value, hidden: number): Value {
    return this.#graph.node("Gather", [this.unflatten(x, hidden), this.#graph.integers(0)], { axis: 1 });
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
 * @param query [batch, queries, hidden]
 * @param key, value [batch, keys, hidden]
 * @returns the shape of `query`
 */
export function multiHeadAttention(
  graph: GraphBuilder,
  [query, key, value]: readonly [query: Value, key: Value, value: Value],
  heads: number,
  { bias, scale }: ScoreOptions = {},
  queries: Queries = "all",
): Value {
  const padding = keyPadding(graph, queries);
  // The empty name stands for a bias of the projections.
  const optional = bias === undefined ? (padding === undefined ? [] : ["", padding]) : ["", padding ?? "", bias];
  const inputs = [query, key, value, ...optional];
  const attributes = scale === undefined ? { num_heads: heads } : { num_heads: heads, scale: { float: scale } };
  return graph.node("MultiHeadAttention", inputs, attributes, MICROSOFT);
}

/**
 * The same over matrices.
 *
 * @param query [tokens, hidden], or [batch, hidden] when the queries are first tokens
 * @param key, value [tokens, hidden]
 * @returns the shape of `query`
 */
export function attention(
  graph: GraphBuilder,
  shape: SequenceShape,
  [query, key, value]: readonly [query: Value, key: Value, value: Value],
  { hidden, heads }: Heads,
  queries: Queries,
  options: ScoreOptions = {},
): Value {
  const query3 = queries === "all" ? shape.unflatten(query, hidden) : shape.unflattenFirst(query);
  const inputs = [query3, shape.unflatten(key, hidden), shape.unflatten(value, hidden)] as const;
  return shape.flatten(multiHeadAttention(graph, inputs, heads, options, queries), hidden);
}
