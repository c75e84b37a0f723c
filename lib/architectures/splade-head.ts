/**
 * The SPLADE head as part of a graph, for sequences of different length that run together (the CPU uses native/kernels/splade_head
 * instead). It processes the vocabulary in slices, so that at most [tokens, slice] logits exist at once, and outputs only [batch,
 * vocabulary].
 */

import type { SpladePooling } from "../checkpoint/types";
import { groupedRows, ROW_GROUPS, tokenMask } from "./group-inputs";
import { FLOAT16 } from "./graph";
import type { GraphBuilder, Value } from "./graph";
import { SequenceShape } from "./layers";
import { rowsOf } from "./tensors";
import type { MaskedLanguageModel } from "./types";

/** Vocabulary entries in a slice: enough for matrix products that fill a GPU, at 256 MB of fp16 logits for 16,384 tokens. */
const SLICE = 8192;

/**
 * @param hidden [tokens, hidden]
 * @returns [batch, vocabulary]: for max pooling the largest logit over a sequence (native code then applies the activation, to positive
 *   logits only); for sum pooling, which requires a padded group, the weights
 */
export function spladeHead(graph: GraphBuilder, hidden: Value, model: MaskedLanguageModel, { pooling, activation }: SpladePooling): Value {
  return pooling === "max" ? largestLogits(graph, hidden, model) : summedWeights(graph, hidden, model, activation);
}

/**
 * The tokens of a sequence are distributed over ROW_GROUPS groups, whose products with the decoder have the same shape. Max computes the
 * elementwise maximum of all groups in one pass and leaves an eighth of the work to ReduceMax, which is slow on CUDA. The bias is added
 * after the maximum, since it is the same for all tokens.
 */
function largestLogits(graph: GraphBuilder, hidden: Value, { decoder, decoderBias, vocabularySize }: MaskedLanguageModel): Value {
  const rows = groupedRows(graph);
  const [, width = 0] = decoder.shape;
  const groups = Array.from({ length: ROW_GROUPS }, (_, i) => {
    const ofGroup = graph.node("Gather", [hidden, graph.node("Gather", [rows, graph.integers(i)])]);
    return graph.node("Reshape", [ofGroup, graph.integers([-1, width])]);
  });
  const batchAndLength = graph.node("Slice", [graph.node("Shape", [rows]), graph.integers([1]), graph.integers([3])]);
  const slices = slicesOf(vocabularySize).map(({ from, count }) => {
    const weight = graph.weight(rowsOf(decoder, from, count));
    const logits = groups.map((group) => half(graph, graph.node("Gemm", [group, weight], { transB: 1 })));
    const shape = graph.node("Concat", [batchAndLength, graph.integers([count])], { axis: 0 });
    const largest = graph.node("ReduceMax", [graph.node("Reshape", [graph.node("Max", logits), shape])], { axes: [1], keepdims: 0 });
    if (decoderBias === undefined) return largest;
    return graph.node("Add", [largest, half(graph, graph.weight(rowsOf(decoderBias, from, count)))]);
  });
  return graph.node("Concat", slices, { axis: 1 });
}

/** CUDA does not support ReduceMax in bf16. fp16 represents the logits exactly. */
function half(graph: GraphBuilder, value: Value): Value {
  return graph.layout.floats === "bf16" ? graph.node("Cast", [value], { to: FLOAT16 }) : value;
}

function summedWeights(
  graph: GraphBuilder,
  hidden: Value,
  { decoder, decoderBias, vocabularySize }: MaskedLanguageModel,
  activation: SpladePooling["activation"],
): Value {
  const shape = new SequenceShape(graph, "input_ids");
  const states = graph.layout.floats === "bf16" ? graph.widen(hidden) : hidden;
  const mask = tokenMask(graph) ?? "";
  const one = graph.narrow(graph.floats("one", [1], []));
  const log1p = (x: Value): Value => graph.node("Log", [graph.node("Add", [x, one])]);
  const slices = slicesOf(vocabularySize).map(({ from, count }) => {
    const parts = decoderBias === undefined ? [decoder] : [decoder, decoderBias];
    const weights = parts.map((tensor) => graph.weight(rowsOf(tensor, from, count)));
    const logits = shape.unflatten(graph.node("Gemm", [states, ...weights], { transB: 1 }), count);
    const once = log1p(graph.node("Relu", [logits]));
    const counted = graph.node("Mul", [activation === "log1p_relu" ? log1p(once) : once, mask]);
    return graph.node("ReduceSum", [counted, graph.integers([1])], { keepdims: 0 });
  });
  return graph.node("Concat", slices, { axis: 1 });
}

function slicesOf(vocabulary: number): { readonly from: number; readonly count: number }[] {
  return Array.from({ length: Math.ceil(vocabulary / SLICE) }, (_, i) => ({
    from: i * SLICE,
    count: Math.min(SLICE, vocabulary - i * SLICE),
  }));
}

/**
 * Floats per token at the widest point of the head: its input by groups, and the logits of a slice and the previous one, for sum pooling
 * with their activations. On the simulated GPU, 8,192 tokens took 0.6 to 0.95 of this.
 */
export function headFloats({ decoder }: MaskedLanguageModel, { pooling }: SpladePooling): number {
  const [, width = 0] = decoder.shape;
  return 4 * width + (pooling === "max" ? 2.25 : 3.25) * SLICE;
}
