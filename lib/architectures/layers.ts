/** Building blocks that the families share, over matrices [tokens, hidden]. Names of layers are those of the checkpoint, without ".weight". */

import { describe } from "../checkpoint/json";
import { SparseRerankError } from "../errors";
import { MICROSOFT } from "./graph";
import type { GraphBuilder, Value } from "./graph";
import type { Tensors } from "./tensors";

/** What every block needs: where nodes go, and where weights come from. */
export interface Scope {
  readonly graph: GraphBuilder;
  readonly tensors: Tensors;
}

/** x · Wᵀ + b. PyTorch keeps W as [outputs, inputs], which Gemm takes as it is. */
export function linear({ graph, tensors }: Scope, x: Value, name: string, inputs: number, outputs: number): Value {
  const weight = graph.weight(tensors.require([`${name}.weight`], [outputs, inputs]));
  const bias = graph.weight(tensors.require([`${name}.bias`], [outputs]));
  return graph.node("Gemm", [x, weight, bias], { transB: 1 });
}

/** Checkpoints converted from TensorFlow call the parameters gamma and beta. */
function layerNormParameters({ graph, tensors }: Scope, name: string, hidden: number): [scale: Value, shift: Value] {
  return [
    graph.weight(tensors.require([`${name}.weight`, `${name}.gamma`], [hidden])),
    graph.weight(tensors.require([`${name}.bias`, `${name}.beta`], [hidden])),
  ];
}

export function layerNorm(scope: Scope, x: Value, name: string, hidden: number, epsilon: number): Value {
  const parameters = layerNormParameters(scope, name, hidden);
  return scope.graph.node("LayerNormalization", [x, ...parameters], { axis: -1, epsilon: { float: epsilon } });
}

/** LayerNorm(x + residual). */
export function addAndNorm(scope: Scope, x: Value, residual: Value, name: string, hidden: number, epsilon: number): Value {
  const parameters = layerNormParameters(scope, name, hidden);
  return scope.graph.node("SkipLayerNormalization", [x, residual, ...parameters], { epsilon: { float: epsilon } }, MICROSOFT);
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

  /** 0, 1, 2, … up to the length: int64 [length]. */
  positions(): Value {
    const length = this.#graph.node("Gather", [this.#batchAndLength, this.#graph.integers(1)]);
    return this.#graph.node("Range", [this.#graph.integers(0), length, this.#graph.integers(1)]);
  }

  flatten(x: Value, hidden: number): Value {
    return this.#graph.node("Reshape", [x, this.#graph.integers([-1, hidden])]);
  }

  unflatten(x: Value, hidden: number): Value {
    const shape = this.#graph.node("Concat", [this.#batchAndLength, this.#graph.integers([hidden])], { axis: 0 });
    return this.#graph.node("Reshape", [x, shape]);
  }

  /** The first token of each sequence, [batch, hidden]. */
  firstTokens(x: Value, hidden: number): Value {
    return this.#graph.node("Gather", [this.unflatten(x, hidden), this.#graph.integers(0)], { axis: 1 });
  }
}

/** What the queries of an attention layer are: all tokens, or the first of each sequence. */
export type Queries = "all" | "first";

/**
 * Multi-head attention without mask: sequences have no padding.
 *
 * @param query [tokens, hidden], or [batch, hidden] when the queries are first tokens
 * @param key, value [tokens, hidden]
 * @returns the shape of `query`
 */
export function attention(
  graph: GraphBuilder,
  shape: SequenceShape,
  query: Value,
  key: Value,
  value: Value,
  hidden: number,
  heads: number,
  queries: Queries,
): Value {
  const query3 = queries === "all" ? shape.unflatten(query, hidden) : graph.node("Unsqueeze", [query, graph.integers([1])]);
  const inputs = [query3, shape.unflatten(key, hidden), shape.unflatten(value, hidden)];
  return shape.flatten(graph.node("MultiHeadAttention", inputs, { num_heads: heads }, MICROSOFT), hidden);
}
