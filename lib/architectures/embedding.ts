/** Heads that make one vector of a text's hidden states by modules of sentence-transformers: pooling, then what follows it. */

import { basename } from "node:path";

import { SparseRerankError } from "../errors";
import type { AutoencoderModule, DenseModule, EmbeddingModule, PoolingMode, TransformerPart, WeightedPart } from "../checkpoint/types";
import { FLOAT } from "./graph";
import type { GraphBuilder, Value } from "./graph";
import { activation, layerNorm, linear, SequenceShape } from "./layers";
import type { Queries, Scope } from "./layers";
import { Tensors } from "./tensors";
import type { Architecture, Body, Graph } from "./types";

/** torch.nn.LayerNorm's default, which the module does not store. */
const EPSILON = 1e-5;

/** A vector on its way through the modules, [batch, size]. */
interface Embedding {
  readonly value: Value;
  readonly size: number;
}

/**
 * The graph of a body and the modules over it: `columns` values for each text.
 * Errors: ERR_UNSUPPORTED_MODEL (a family without `body`), ERR_MISSING_TENSOR, ERR_TENSOR_MISMATCH, ERR_INVALID_CONFIG.
 */
export function embeddingGraph(
  architecture: Architecture,
  part: TransformerPart,
  modules: readonly EmbeddingModule[],
): { readonly graph: Graph; readonly columns: number } {
  const modes = modules.flatMap((module) => (module.kind === "pooling" ? module.modes : []));
  const queries = modes.every((mode) => mode === "cls") ? "first" : "all";
  const body = bodyOf(architecture, part, queries);
  const { graph } = body;
  const pooled = queries === "first" ? modes.map(() => body.hidden) : pool(graph, body.hidden, body.size, modes);
  let embedding = {
    value: pooled.length === 1 ? (pooled[0] ?? "") : graph.node("Concat", pooled, { axis: 1 }),
    size: modes.length * body.size,
  };
  for (const module of modules) embedding = apply(graph, module, embedding);
  return { graph: body.finish(embedding.value), columns: embedding.size };
}

/** Errors: ERR_UNSUPPORTED_MODEL for a family that has none. */
export function bodyOf(architecture: Architecture, part: TransformerPart, queries: Queries): Body {
  const body = architecture.body?.(part, queries);
  if (body !== undefined) return body;
  throw new SparseRerankError(
    "ERR_UNSUPPORTED_MODEL",
    `${part.config.file}: heads of other modules are not supported over ${architecture.modelTypes.join(", ")}.`,
  );
}

/** Each mode's vector, [batch, size]. There is no padding, so every token counts. */
function pool(graph: GraphBuilder, hidden: Value, size: number, modes: readonly PoolingMode[]): Value[] {
  const shape = new SequenceShape(graph, "input_ids");
  const tokens = shape.unflatten(hidden, size);
  const length = graph.node("Cast", [shape.length()], { to: FLOAT });
  const sum = (values: Value): Value => graph.node("ReduceSum", [values, graph.integers([1])], { keepdims: 0 });
  const at = (position: number): Value => graph.node("Gather", [tokens, graph.integers(position)], { axis: 1 });
  const pooled: Readonly<Record<PoolingMode, () => Value>> = {
    cls: () => at(0),
    lasttoken: () => at(-1),
    max: () => graph.node("ReduceMax", [tokens], { axes: [1], keepdims: 0 }),
    mean: () => graph.node("Div", [sum(tokens), length]),
    mean_sqrt_len_tokens: () => graph.node("Div", [sum(tokens), graph.node("Sqrt", [length])]),
    // Token t weighs t + 1.
    weightedmean: () => {
      const ranks = graph.node("Cast", [graph.node("Add", [shape.positions(), graph.integers(1)])], { to: FLOAT });
      const weights = graph.node("Unsqueeze", [ranks, graph.integers([1])]);
      return graph.node("Div", [sum(graph.node("Mul", [tokens, weights])), graph.node("ReduceSum", [ranks], { keepdims: 0 })]);
    },
  };
  return modes.map((mode) => pooled[mode]());
}

function apply(graph: GraphBuilder, module: EmbeddingModule, { value, size }: Embedding): Embedding {
  switch (module.kind) {
    case "pooling":
      return { value, size };
    case "normalize":
      return { value: graph.node("LpNormalization", [value], { axis: -1, p: 2 }), size };
    case "layer-norm":
      return { value: layerNorm(scopeOf(graph, module.part), value, "norm", { size, epsilon: EPSILON }), size };
    case "dense":
      requireInputs(module, size);
      return { value: dense(scopeOf(graph, module.part), module, value), size: module.outputs };
    case "autoencoder":
      requireInputs(module, size);
      return { value: encode(scopeOf(graph, module.part), module, value), size: module.outputs };
  }
}

function dense(scope: Scope, { part, inputs, outputs, bias, activation: name, residual }: DenseModule, x: Value): Value {
  const output = activation(scope.graph, name, linear(scope, x, "linear", inputs, outputs, { bias }), part.config.file);
  if (!residual) return output;
  const skipped = inputs === outputs ? x : linear(scope, x, "residual", inputs, outputs, { bias: false });
  return scope.graph.node("Add", [output, skipped]);
}

/** relu(W · (x − b) + c): which of the values are kept is decided where vectors become sparse. */
function encode({ graph, tensors }: Scope, { inputs, outputs, normalize }: AutoencoderModule, x: Value): Value {
  const prepared = normalize ? standardise(graph, x, inputs) : x;
  const centred = graph.node("Sub", [prepared, graph.weight(tensors.require(["pre_bias"], [inputs]))]);
  // The decoder is the same matrix; of the two names a file has at least one.
  const weight = graph.weight(tensors.require(["encoder.weight", "decoder.linear.weight"], [outputs, inputs]));
  const bias = graph.weight(tensors.require(["latent_bias"], [outputs]));
  return graph.node("Relu", [graph.node("Gemm", [centred, weight, bias], { transB: 1 })]);
}

/** (x − mean) / (deviation + ε), the deviation with n − 1 in the denominator as torch.std has it. */
function standardise(graph: GraphBuilder, x: Value, size: number): Value {
  const last = graph.integers([-1]);
  const total = (values: Value): Value => graph.node("ReduceSum", [values, last], { keepdims: 1 });
  const scalar = (value: number): Value => graph.floats(`float_${String(value)}`, [value], []);
  const centred = graph.node("Sub", [x, graph.node("Div", [total(x), scalar(size)])]);
  const variance = graph.node("Div", [total(graph.node("Mul", [centred, centred])), scalar(size - 1)]);
  return graph.node("Div", [centred, graph.node("Add", [graph.node("Sqrt", [variance]), scalar(EPSILON)])]);
}

/** The tensors of a module under names that are its own in the graph. */
function scopeOf(graph: GraphBuilder, part: WeightedPart): Scope {
  const module = basename(part.folder);
  const tensors = new Map(Array.from(part.tensors, ([name, tensor]) => [name, { ...tensor, name: `${module}/${tensor.name}` }]));
  return { graph, tensors: new Tensors({ ...part, tensors }) };
}

function requireInputs({ part, inputs }: DenseModule | AutoencoderModule, size: number): void {
  if (inputs === size) return;
  throw new SparseRerankError(
    "ERR_INVALID_CONFIG",
    `${part.config.file}: the module takes ${String(inputs)} values, but gets ${String(size)} from the one before it.`,
  );
}
