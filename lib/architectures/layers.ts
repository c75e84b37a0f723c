/** Building blocks shared by the families, over matrices [tokens, hidden]. Layer names are those of the checkpoint, without ".weight". */

import { describe } from "../checkpoint/json-fields";
import { SparseRerankError } from "../errors";
import { packedSequences, positionIds } from "./group-inputs";
import { MICROSOFT } from "./graph";
import type { Attributes, GraphBuilder, Value } from "./graph";
import { OWN_DOMAIN } from "./int8";
import { partOf } from "./tensors";
import type { Tensors } from "./tensors";

/** The graph to add nodes to, and the source of weights. */
export interface Scope {
  readonly graph: GraphBuilder;
  readonly tensors: Tensors;
}

export interface LinearOptions {
  /** Default true. */
  readonly bias?: boolean;
  /** Set if the checkpoint stacks the rows of several layers in one matrix: which of them this layer is. */
  readonly part?: { readonly index: number; readonly of: number };
}

/** x · Wᵀ + b. PyTorch stores W as [outputs, inputs], which Gemm accepts unchanged. */
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
 * x · Wᵀ, for a following operator that adds the bias. Used for groups: CUDA's Gemm would write the bias to its whole output, in a
 * separate kernel, and read it again.
 */
function product(scope: Scope, x: Value, name: string, inputs: number, outputs: number, options: LinearOptions): Biased {
  if (!scope.graph.takesGroups) return { value: linear(scope, x, name, inputs, outputs, options), bias: undefined };
  const { weight, bias } = parametersOf(scope, name, inputs, outputs, options);
  return { value: scope.graph.node("Gemm", [x, weight], { transB: 1 }), bias };
}

/** A value, and the bias (if any) that has not been added to it yet. */
interface Biased {
  readonly value: Value;
  readonly bias: Value | undefined;
}

/** act(x · Wᵀ + b). @param configFile for the error message about an unknown activation */
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
  /** Which half of the checkpoint's matrix the activation is applied to. */
  readonly activated: "upper" | "lower";
  readonly bias: boolean;
  /** For the error message about an unknown activation. */
  readonly configFile: string;
}

/** act(x · Gᵀ) ⊙ (x · Uᵀ), the gated linear units of Shazeer, 2020 (arXiv 2002.05202); G and U are the halves of one matrix. */
export function gated(scope: Scope, x: Value, name: string, inputs: number, outputs: number, options: GatedOptions): Value {
  const { bias, activated, configFile } = options;
  const half = (index: number): Value => linear(scope, x, name, inputs, outputs, { bias, part: { index, of: 2 } });
  const [upper, lower] = [half(0), half(1)];
  const [gate, up] = activated === "upper" ? [upper, lower] : [lower, upper];
  return activation(scope.graph, options.activation, gate, configFile, up);
}

/** The rows of an embedding table [rows, width] with the given ids. */
export function lookUp({ graph, tensors }: Scope, name: string, rows: number, width: number, ids: Value): Value {
  return graph.node("Gather", [graph.weight(tensors.require([`${name}.weight`], [rows, width])), ids]);
}

/**
 * Like lookUp, but for single sequences the table stays in the file as it is, and only the rows are widened: a decoder's vocabulary is so
 * large that a copy in fp32 would take as much memory as many layers.
 */
export function lookUpStored({ graph, tensors }: Scope, name: string, rows: number, width: number, ids: Value): Value {
  const tensor = tensors.require([`${name}.weight`], [rows, width]);
  if (graph.takesGroups || tensor.dtype === "F32") return graph.node("Gather", [graph.weight(tensor), ids]);
  const stored = graph.weight(tensor, tensor.dtype === "BF16" ? "bf16" : "fp16");
  return graph.node("Cast", [graph.node("Gather", [stored, ids])], { to: graph.floatType });
}

/** A layer norm over vectors of `size`. */
export interface Norm {
  readonly size: number;
  readonly epsilon: number;
  /** Whether the checkpoint has a bias. Default true. */
  readonly bias?: boolean;
}

/** In checkpoints converted from TensorFlow, the parameters are called gamma and beta. */
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

/** residual + x · Wᵀ + b, and LayerNorm of that sum: the two values that a pre-norm layer continues with. */
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
 * LayerNorm(x + residual [+ bias]). ONNX Runtime's SkipLayerNormalization does all of it in one kernel on CUDA, but is not vectorized on
 * the CPU: measured for 128 rows of 768, it takes 0.41 ms, and two operators 0.05 ms; the difference is a tenth of the time of a MiniLM.
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

/** Names of the exact GELU, x · Φ(x) with erf. */
const EXACT_GELU: ReadonlySet<string> = new Set(["gelu", "gelu_python"]);

/** @param up a factor of the result, for gated linear units */
type Activation = (graph: GraphBuilder, x: Value, up?: Value) => Value;

/** Activations by their names in config.json (ACT2FN of transformers). */
const ACTIVATIONS: ReadonlyMap<string, Activation> = new Map<string, Activation>([
  ...Array.from(EXACT_GELU, (name) => [name, gelu] as const),
  ["gelu_new", tanhGelu],
  ["gelu_fast", tanhGelu],
  ["gelu_pytorch_tanh", tanhGelu],
  ["gelu_python_tanh", tanhGelu],
  ["quick_gelu", quickGelu(1.702)],
  ["relu", multiplied(relu)],
  ["silu", quickGelu(1)],
  ["swish", quickGelu(1)],
  ["sigmoid", multiplied((graph, x) => graph.node("Sigmoid", [x]))],
  ["tanh", multiplied(tanh)],
  ["linear", multiplied((_graph, x) => x)],
]);

/** The activation as two operators if it has a factor. */
function multiplied(plain: (graph: GraphBuilder, x: Value) => Value): Activation {
  return (graph, x, up) => (up === undefined ? plain(graph, x) : graph.node("Mul", [plain(graph, x), up]));
}

/**
 * On the CPU an operator of ours, which is faster than ONNX Runtime's (docs/decisions/0020-own-operators-on-the-cpu.md) and
 * multiplies by the factor in the same pass.
 */
function ownOr(own: string, ownAttributes: Attributes, others: string, otherAttributes: Attributes = {}): Activation {
  const elsewhere = multiplied((graph, x) => graph.node(others, [x], otherAttributes, MICROSOFT));
  return (graph, x, up) => {
    if (graph.takesGroups) return elsewhere(graph, x, up);
    return graph.node(own, up === undefined ? [x] : [x, up], ownAttributes, OWN_DOMAIN);
  };
}

export function tanh(graph: GraphBuilder, x: Value): Value {
  return graph.node("Tanh", [x]);
}

export function relu(graph: GraphBuilder, x: Value): Value {
  return graph.node("Relu", [x]);
}

/** The exact GELU, x · Φ(x) with erf. */
export function gelu(graph: GraphBuilder, x: Value, up?: Value): Value {
  return ownOr("Gelu", {}, "Gelu")(graph, x, up);
}

/** The tanh approximation of GELU (Hendrycks and Gimpel, 2016, arXiv 1606.08415): since tanh(u) = 2 · sigmoid(2u) − 1, x · sigmoid(2u). */
function tanhGelu(graph: GraphBuilder, x: Value, up?: Value): Value {
  const linear = 2 * Math.sqrt(2 / Math.PI);
  return ownOr("Swish", { linear: { float: linear }, cubic: { float: linear * 0.044715 } }, "FastGelu")(graph, x, up);
}

/** x · sigmoid(alpha · x), which is SiLU for alpha = 1. */
function quickGelu(alpha: number): Activation {
  return ownOr("Swish", { linear: { float: alpha }, cubic: { float: 0 } }, "QuickGelu", { alpha: { float: alpha } });
}

/**
 * Applies the activation `name`.
 *
 * @param configFile for the error message about an unknown name
 * @param up a factor of the result, for gated linear units
 */
export function activation(graph: GraphBuilder, name: string, x: Value, configFile: string, up?: Value): Value {
  const apply = ACTIVATIONS.get(name);
  if (apply !== undefined) return apply(graph, x, up);
  throw new SparseRerankError(
    "ERR_UNSUPPORTED_MODEL",
    `${configFile}: the activation ${describe(name)} is not supported; supported are: ${[...ACTIVATIONS.keys()].join(", ")}.`,
  );
}

/**
 * The shape of a group: converts between [tokens, hidden] and the shapes that operators need per sequence. The tokens of a padded group are
 * [batch · length], padding included; operators see a packed group as a single sequence, [1, tokens, hidden].
 */
export class SequenceShape {
  readonly #graph: GraphBuilder;
  readonly #inputIds: Value;

  constructor(graph: GraphBuilder, inputIds: Value) {
    this.#graph = graph;
    this.#inputIds = inputIds;
  }

  /** Number of sequences, int64 [1]. */
  batch(): Value {
    return this.#graph.node("Gather", [this.#batchAndLength(), this.#graph.integers([0])]);
  }

  /** Length of the longest sequence, int64 scalar. */
  length(): Value {
    return this.#graph.node("Gather", [this.#batchAndLength(), this.#graph.integers(1)]);
  }

  /** 0, 1, …, length − 1: int64 [length]. */
  positions(): Value {
    return this.#graph.node("Range", [this.#graph.integers(0), this.length(), this.#graph.integers(1)]);
  }

  /** Position of the query − position of the key: int64 [length, length], or for a single sequence each distance once, [2 · length − 1], falling. */
  distances(): Value {
    const graph = this.#graph;
    if (!graph.takesGroups) {
      const [length, one] = [this.length(), graph.integers(1)];
      return graph.node("Range", [graph.node("Sub", [length, one]), graph.node("Neg", [length]), graph.integers(-1)]);
    }
    const positions = this.positions();
    return graph.node("Sub", [graph.node("Unsqueeze", [positions, graph.integers([1])]), positions]);
  }

  /** Position of each token in its sequence: int64, in the shape of the ids or broadcastable to it. */
  positionIds(): Value {
    return positionIds(this.#graph) ?? this.positions();
  }

  /** Positions along the sequence axis that operators see: int64 [length], for a packed group [tokens]. */
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

  /** Like unflatten, for one row per sequence: [batch, hidden] becomes [batch, 1, hidden]. */
  unflattenFirst(x: Value): Value {
    return this.#graph.node("Unsqueeze", [x, this.#graph.integers([1])]);
  }

  /** The first token of each sequence, [batch, hidden]. */
  firstTokens(x: Value, hidden: number): Value {
    if (!this.#graph.takesGroups) return this.#graph.node("Gather", [x, this.#graph.integers([0])]);
    const packed = packedSequences(this.#graph);
    if (packed === undefined) return this.#graph.node("Gather", [this.unflatten(x, hidden), this.#graph.integers(0)], { axis: 1 });
    const [zero, last] = [this.#graph.integers([0]), this.#graph.integers([-1])];
    const begins = this.#graph.once("begins", () => this.#graph.node("Slice", [packed.bounds, zero, last]));
    return this.#graph.node("Gather", [x, begins]);
  }

  /** The rows that remain after an attention layer with these queries. */
  rows(x: Value, hidden: number, queries: Queries): Value {
    return queries === "all" ? x : this.firstTokens(x, hidden);
  }

  /** The rows to use as queries: packed attention requires as many queries as keys. */
  queried(x: Value, rows: Value): Value {
    return this.#graph.layout.form === "packed" ? x : rows;
  }

  #batchAndLength(): Value {
    const shaped = packedSequences(this.#graph)?.tokenOffset ?? this.#inputIds;
    return this.#graph.once("batch_and_length", () => this.#graph.node("Shape", [shaped]));
  }
}

/** The queries of an attention layer: all tokens, or the first token of each sequence. */
export type Queries = "all" | "first";

export interface Heads {
  readonly hidden: number;
  readonly heads: number;
}
