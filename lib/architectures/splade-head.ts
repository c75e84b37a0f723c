/**
 * The SPLADE head as part of a graph over padded batches (on the CPU it is native/kernels/splade_head): the vocabulary goes through in slices, so
 * that no more logits than [tokens, slice] exist at once, and only [batch, vocabulary] leaves the graph.
 */

import type { SpladePooling } from "../checkpoint/types";
import type { GraphBuilder, Value } from "./graph";
import { SequenceShape } from "./layers";
import { tokenMask } from "./padding";
import { rowsOf } from "./tensors";
import type { MaskedLanguageModel } from "./types";

/** Rows of the vocabulary in a slice: a matrix product that fills a card, and 256 MB of fp16 logits for 16,384 tokens. */
const SLICE = 8192;

/**
 * @param hidden [tokens, hidden]
 * @returns [batch, vocabulary]: for max pooling the largest logit of a sequence or 0, whose activation is left to the reader, as it then goes over
 *   what is positive only; for sum pooling the weights
 */
export function spladeHead(graph: GraphBuilder, hidden: Value, model: MaskedLanguageModel, { pooling, activation }: SpladePooling): Value {
  const { decoder, decoderBias, vocabularySize } = model;
  const mask = tokenMask(graph) ?? "";
  const shape = new SequenceShape(graph, "input_ids");
  const one = graph.narrow(graph.floats("one", [1], []));
  const log1p = (x: Value): Value => graph.node("Log", [graph.node("Add", [x, one])]);
  const slices: Value[] = [];
  for (let from = 0; from < vocabularySize; from += SLICE) {
    const count = Math.min(SLICE, vocabularySize - from);
    const parts = decoderBias === undefined ? [decoder] : [decoder, decoderBias];
    const weights = parts.map((tensor) => graph.weight(rowsOf(tensor, from, count)));
    const logits = shape.unflatten(graph.node("Gemm", [hidden, ...weights], { transB: 1 }), count);
    if (pooling === "max") {
      slices.push(graph.node("ReduceMax", [graph.node("Mul", [logits, mask])], { axes: [1], keepdims: 0 }));
      continue;
    }
    const once = log1p(graph.node("Relu", [logits]));
    const counted = graph.node("Mul", [activation === "log1p_relu" ? log1p(once) : once, mask]);
    slices.push(graph.node("ReduceSum", [counted, graph.integers([1])], { keepdims: 0 }));
  }
  return graph.node("Concat", slices, { axis: 1 });
}

/** Floats for each token that the head takes beside its input: logits of a slice and their product with the mask or activation. */
export const HEAD_FLOATS = 3 * SLICE;
