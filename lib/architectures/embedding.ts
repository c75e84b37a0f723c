/** Heads that compute one vector per text from its hidden states, with modules of sentence-transformers. */

import { SparseRerankError } from "../errors";
import type {
  AutoencoderModule,
  DenseModule,
  EmbeddingModule,
  PoolingMode,
  PoolingModule,
  TransformerPart,
  WeightedPart,
} from "../checkpoint/types";
import { FLOAT } from "./graph";
import type { GraphBuilder, GraphLayout, Value } from "./graph";
import { layerNorm, linear, SequenceShape } from "./layers";
import type { Scope } from "./layers";
import { isPadding, tokenCounts, tokenMask } from "./group-inputs";
import { Tensors } from "./tensors";
import { torchActivation } from "./torch-activations";
import type { Architecture, Graph } from "./types";

/** Default of torch.nn.LayerNorm, which the module does not store. */
const EPSILON = 1e-5;
/** Lower bound of the divisor in torch.nn.functional.normalize. */
const LEAST_LENGTH = 1e-12;

/** A feature that modules read and write: [tokens, size] or [batch, size]. */
interface Feature {
  readonly value: Value;
  readonly size: number;
}

/**
 * The graph of a transformer and the modules after it, with `columns` values per text.
 * Errors: ERR_MISSING_TENSOR, ERR_TENSOR_MISMATCH, ERR_INVALID_CONFIG.
 * @param output the feature to return
 */
export function embeddingGraph(
  architecture: Architecture,
  part: TransformerPart,
  modules: readonly EmbeddingModule[],
  output: string,
  layout?: GraphLayout,
): { readonly graph: Graph; readonly columns: number } {
  const modes = modules.flatMap((module) => (module.kind === "pooling" ? module.modes : []));
  // Modules before a pooling process each token on its own, so they too need only the first token.
  const queries = modes.every((mode) => mode === "cls") ? "first" : "all";
  const body = architecture.body(part, queries, layout);
  const { graph } = body;
  const features = new Map<string, Feature>([["token_embeddings", { value: graph.widen(body.hidden), size: body.size }]]);
  const feature = (name: string): Feature => {
    const found = features.get(name);
    if (found === undefined) throw new SparseRerankError("ERR_INTERNAL", `No module outputs ${name}.`);
    return found;
  };
  for (const module of modules) {
    const input = feature(module.input);
    const made = module.kind === "pooling" ? pooled(graph, input, module.modes, queries === "first") : apply(graph, module, input);
    features.set(module.output, made);
  }
  const { value, size } = feature(output);
  return { graph: body.finish(value), columns: size };
}

/** Concatenates the vectors of the modes. @param isFirst whether the rows are already the first tokens */
function pooled(graph: GraphBuilder, { value, size }: Feature, modes: readonly PoolingMode[], isFirst: boolean): Feature {
  const [first = "", ...others] = isFirst ? modes.map(() => value) : pool(graph, value, size, modes);
  return { value: others.length === 0 ? first : graph.node("Concat", [first, ...others], { axis: 1 }), size: modes.length * size };
}

/** The vector of each mode, [batch, size]. */
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
    // Token t has the weight t + 1.
    weightedmean: () => {
      const ranks = graph.node("Cast", [graph.node("Add", [shape.positions(), graph.integers(1)])], { to: FLOAT });
      const weights = masked(graph.node("Unsqueeze", [ranks, graph.integers([1])]));
      const total = mask === undefined ? graph.node("ReduceSum", [ranks], { keepdims: 0 }) : sum(weights);
      return graph.node("Div", [sum(graph.node("Mul", [tokens, weights])), total]);
    },
  };
  return modes.map((mode) => pooled[mode]());
}

/** 1 for the last token of each sequence, 0 for all others: [batch, length, 1]. */
function lastToken(graph: GraphBuilder, shape: SequenceShape, count: Value): Value {
  const positions = graph.node("Cast", [shape.positions()], { to: FLOAT });
  const last = graph.node("Sub", [count, graph.floats("one", [1], [])]);
  return graph.node("Unsqueeze", [graph.node("Cast", [graph.node("Equal", [positions, last])], { to: FLOAT }), graph.integers([2])]);
}

/** Replaces padding by −∞. */
function withoutPadding(graph: GraphBuilder, tokens: Value): Value {
  const padding = isPadding(graph);
  if (padding === undefined) return tokens;
  const ofTokens = graph.node("Unsqueeze", [padding, graph.integers([2])]);
  return graph.node("Where", [ofTokens, graph.floats("hidden_token", [-Infinity], []), tokens]);
}

function apply(graph: GraphBuilder, module: Exclude<EmbeddingModule, PoolingModule>, { value, size }: Feature): Feature {
  switch (module.kind) {
    case "normalize":
      return { value: normalized(graph, value), size };
    case "layer-norm":
      return { value: layerNorm(scopeOf(graph, module.part), value, "norm", { size, epsilon: EPSILON }), size };
    case "dense":
      requireInputs(module, size);
      return dense(scopeOf(graph, module.part), module, value);
    case "autoencoder":
      requireInputs(module, size);
      return { value: encode(scopeOf(graph, module.part), module, value), size: module.outputs };
  }
}

/** L2 normalization. Not ONNX's LpNormalization, which returns NaN for a zero vector. */
function normalized(graph: GraphBuilder, x: Value): Value {
  const length = graph.node("ReduceL2", [x], { axes: [-1], keepdims: 1 });
  return graph.node("Div", [x, graph.node("Max", [length, graph.floats("least_length", [LEAST_LENGTH], [])])]);
}

function dense(scope: Scope, module: DenseModule, x: Value): Feature {
  const { inputs, outputs, bias, residual } = module;
  const { graph, tensors } = scope;
  const slope = (): Value => graph.weight(tensors.require(["activation_function.weight"], [1]));
  const value = torchActivation(graph, module.activation, linear(scope, x, "linear", inputs, outputs, { bias }), { slope });
  const size = sizeOf(module);
  if (!residual) return { value, size };
  const skipped = inputs === outputs ? x : linear(scope, x, "residual", inputs, outputs, { bias: false });
  return { value: graph.node("Add", [value, skipped]), size };
}

/** The number of outputs. GLU halves it, so the sizes of a residual would not match. */
function sizeOf({ part, outputs, activation, residual }: DenseModule): number {
  if (activation !== "GLU") return outputs;
  if (outputs % 2 === 0 && !residual) return outputs / 2;
  throw new SparseRerankError("ERR_INVALID_CONFIG", `${part.config.file}: GLU needs an even "out_features", and no residual.`);
}

/** relu(W · (x − b) + c). The k largest values are selected later, when the vectors become sparse. */
function encode({ graph, tensors }: Scope, { inputs, outputs, normalize }: AutoencoderModule, x: Value): Value {
  const prepared = normalize ? standardize(graph, x, inputs) : x;
  const centered = graph.node("Sub", [prepared, graph.weight(tensors.require(["pre_bias"], [inputs]))]);
  // The decoder is tied to this matrix; a file has at least one of the two names.
  const weight = graph.weight(tensors.require(["encoder.weight", "decoder.linear.weight"], [outputs, inputs]));
  const bias = graph.weight(tensors.require(["latent_bias"], [outputs]));
  return graph.node("Relu", [graph.node("Gemm", [centered, weight, bias], { transB: 1 })]);
}

/** (x − mean) / (standard deviation + ε), with n − 1 in the denominator of the deviation, as in torch.std. */
function standardize(graph: GraphBuilder, x: Value, size: number): Value {
  const last = graph.integers([-1]);
  const total = (values: Value): Value => graph.node("ReduceSum", [values, last], { keepdims: 1 });
  const scalar = (value: number): Value => graph.floats(`float_${String(value)}`, [value], []);
  const centered = graph.node("Sub", [x, graph.node("Div", [total(x), scalar(size)])]);
  const variance = graph.node("Div", [total(graph.node("Mul", [centered, centered])), scalar(size - 1)]);
  return graph.node("Div", [centered, graph.node("Add", [graph.node("Sqrt", [variance]), scalar(EPSILON)])]);
}

function scopeOf(graph: GraphBuilder, part: WeightedPart): Scope {
  return { graph, tensors: new Tensors(part) };
}

function requireInputs({ part, inputs }: DenseModule | AutoencoderModule, size: number): void {
  if (inputs === size) return;
  throw new SparseRerankError(
    "ERR_INVALID_CONFIG",
    `${part.config.file}: the module expects ${String(inputs)} values but gets ${String(size)} from the previous one.`,
  );
}
