/** Heads that make one vector of a text's hidden states by modules of sentence-transformers: pooling, then what follows it. */

import { basename } from "node:path";

import { SparseRerankError } from "../errors";
import type { AutoencoderModule, DenseModule, EmbeddingModule, PoolingMode, TransformerPart, WeightedPart } from "../checkpoint/types";
import { FLOAT } from "./graph";
import type { GraphBuilder, BatchLayout, Value } from "./graph";
import { activation, layerNorm, linear, SequenceShape } from "./layers";
import type { Queries, Scope } from "./layers";
import { isPadding, tokenCounts, tokenMask } from "./batches";
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
  layout?: BatchLayout,
): { readonly graph: Graph; readonly columns: number } {
  const modes = modules.flatMap((module) => (module.kind === "pooling" ? module.modes : []));
  const queries = modes.every((mode) => mode === "cls") ? "first" : "all";
  const body = bodyOf(architecture, part, queries, layout);
  const { graph } = body;
  const hidden = graph.widen(body.hidden);
  const pooled = queries === "first" ? modes.map(() => hidden) : pool(graph, hidden, body.size, modes);
  let embedding = {
    value: pooled.length === 1 ? (pooled[0] ?? "") : graph.node("Concat", pooled, { axis: 1 }),
    size: modes.length * body.size,
  };
  for (const module of modules) embedding = apply(graph, module, embedding);
  return { graph: body.finish(embedding.value), columns: embedding.size };
}

/** Errors: ERR_UNSUPPORTED_MODEL for a family that has none. */
export function bodyOf(architecture: Architecture, part: TransformerPart, queries: Queries, layout?: BatchLayout): Body {
  const body = architecture.body?.(part, queries, layout);
  if (body !== undefined) return body;
  throw new SparseRerankError(
    "ERR_UNSUPPORTED_MODEL",
    `${part.config.file}: heads of other modules are not supported over ${architecture.modelTypes.join(", ")}.`,
  );
}

/** Each mode's vector, [batch, size]. */
function pool(graph: GraphBuilder, hidden: Value, size: number, modes: readonly PoolingMode[]): Value[] {
  const shape = new SequenceShape(graph, "input_ids");
  const tokens = shape.unflatten(hidden, size);
  const mask = tokenMask(graph);
  const masked = (values: Value): Value => (mask === undefined ? values : graph.node("Mul", [values, mask]));
  const count = tokenCounts(graph) ?? graph.node("Cast", [shape.length()], { to: FLOAT });
  const sum = (values: Value): Value => graph.node("ReduceSum", [values, graph.integers([1])], { keepdims: 0 });
  const pooled: Readonly<Record<PoolingMode, () => Value>> = {
    cls: () => graph.node("Gather", [tokens, graph.integers(0)], { axis: 1 }),
    lasttoken: () =>
      mask === undefined
        ? graph.node("Gather", [tokens, graph.integers(-1)], { axis: 1 })
        : sum(graph.node("Mul", [tokens, lastToken(graph, shape, count)])),
    max: () => graph.node("ReduceMax", [withoutPadding(graph, tokens)], { axes: [1], keepdims: 0 }),
    mean: () => graph.node("Div", [sum(masked(tokens)), count]),
    mean_sqrt_len_tokens: () => graph.node("Div", [sum(masked(tokens)), graph.node("Sqrt", [count])]),
    // Token t weighs t + 1.
    weightedmean: () => {
      const ranks = graph.node("Cast", [graph.node("Add", [shape.positions(), graph.integers(1)])], { to: FLOAT });
      const weights = masked(graph.node("Unsqueeze", [ranks, graph.integers([1])]));
      const total = mask === undefined ? graph.node("ReduceSum", [ranks], { keepdims: 0 }) : sum(weights);
      return graph.node("Div", [sum(graph.node("Mul", [tokens, weights])), total]);
    },
  };
  return modes.map((mode) => pooled[mode]());
}

/** 1 for the last token of each sequence, else 0: [batch, length, 1]. */
function lastToken(graph: GraphBuilder, shape: SequenceShape, count: Value): Value {
  const positions = graph.node("Cast", [shape.positions()], { to: FLOAT });
  const last = graph.node("Sub", [count, graph.floats("one", [1], [])]);
  return graph.node("Unsqueeze", [graph.node("Cast", [graph.node("Equal", [positions, last])], { to: FLOAT }), graph.integers([2])]);
}

/** −∞ in the place of padding. */
function withoutPadding(graph: GraphBuilder, tokens: Value): Value {
  const padding = isPadding(graph);
  if (padding === undefined) return tokens;
  const ofTokens = graph.node("Unsqueeze", [padding, graph.integers([2])]);
  return graph.node("Where", [ofTokens, graph.floats("hidden_token", [-Infinity], []), tokens]);
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
