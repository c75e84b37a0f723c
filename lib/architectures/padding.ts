/**
 * Batches of sequences of different length: shorter ones are filled up with padding, which attention must not see, and which heads must not
 * count. Only graphs with a PaddedLayout have any; the input attention_mask, int64 [batch, sequence], is 0 for padding.
 */

import { INT32 } from "./graph";
import type { GraphBuilder, Value } from "./graph";

function mask(graph: GraphBuilder): Value {
  return graph.once("mask", () => graph.input("attention_mask"));
}

/**
 * What MultiHeadAttention knows as key_padding_mask, int32 [3 · batch + 2]: the number of keys of each sequence, where its queries begin among
 * all, and where its keys do. Of the forms that the operator takes this is the one that CUDA's memory-efficient kernels work with.
 * Undefined without padding.
 */
export function keyPadding(graph: GraphBuilder, queries: "all" | "first"): Value | undefined {
  if (graph.layout === undefined) return undefined;
  return graph.once(`keys_of_${queries}`, () => {
    const shape = graph.once("mask_shape", () => graph.node("Shape", [mask(graph)]));
    const [batch, length] = [0, 1].map((i) => graph.node("Gather", [shape, graph.integers(i)]));
    const sequences = graph.node("Range", [graph.integers(0), graph.node("Add", [batch ?? "", graph.integers(1)]), graph.integers(1)]);
    const keysBegin = graph.node("Mul", [sequences, length ?? ""]);
    const counts = graph.node("ReduceSum", [mask(graph), graph.integers([1])], { keepdims: 0 });
    const parts = [counts, queries === "all" ? keysBegin : sequences, keysBegin];
    return graph.node("Cast", [graph.node("Concat", parts, { axis: 0 })], { to: INT32 });
  });
}

/** 1 for tokens and 0 for padding, [batch, length, 1] in the type that the graph computes in; undefined without padding. */
export function tokenMask(graph: GraphBuilder): Value | undefined {
  if (graph.layout === undefined) return undefined;
  return graph.once(`tokens_${String(graph.floatType)}`, () =>
    graph.node("Unsqueeze", [graph.node("Cast", [mask(graph)], { to: graph.floatType }), graph.integers([2])]),
  );
}

/** Positions of padding: bool [batch, length]; undefined without padding. */
export function isPadding(graph: GraphBuilder): Value | undefined {
  if (graph.layout === undefined) return undefined;
  return graph.once("is_padding", () => graph.node("Equal", [mask(graph), graph.integers(0)]));
}

/** Tokens of each sequence, [batch, 1] in the type that the graph computes in; undefined without padding. */
export function tokenCounts(graph: GraphBuilder): Value | undefined {
  const tokens = tokenMask(graph);
  return tokens === undefined ? undefined : graph.node("ReduceSum", [tokens, graph.integers([1])], { keepdims: 0 });
}
