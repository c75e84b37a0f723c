/**
 * Inputs of graphs that take groups of sequences of different length. Padded groups fill shorter sequences up: attention must not see the padding,
 * and heads must not count it. Packed groups have the tokens of all sequences one after the other. What depends on the lengths alone comes from
 * native code as inputs of the graph (native/inference/group_inputs.h): computed in the graph it would make a GPU wait for the host and back.
 */

import { INT32 } from "./graph";
import type { GraphBuilder, Value } from "./graph";

/** How many groups of tokens `grouped_rows` has. */
export const ROW_GROUPS = 8;

/** int64 [batch, sequence], 0 for padding. */
function mask(graph: GraphBuilder): Value {
  return graph.input("attention_mask", ["batch", "sequence"]);
}

/**
 * What MultiHeadAttention knows as key_padding_mask, int32 [3 · batch + 2]: the number of keys of each sequence, where its queries begin among
 * all, and where its keys do. Of the forms that the operator takes this is the one that CUDA's memory-efficient kernels work with.
 * Undefined without padding.
 */
export function keyPadding(graph: GraphBuilder, queries: "all" | "first"): Value | undefined {
  if (!graph.takesGroups) return undefined;
  return graph.input(queries === "all" ? "key_padding" : "first_key_padding", ["3 * batch + 2"], INT32);
}

/** 1 for tokens and 0 for padding, [batch, length, 1] in the type that the graph computes in; undefined without padding. */
export function tokenMask(graph: GraphBuilder): Value | undefined {
  if (!graph.takesGroups) return undefined;
  return graph.once(`tokens_${String(graph.floatType)}`, () =>
    graph.node("Unsqueeze", [graph.node("Cast", [mask(graph)], { to: graph.floatType }), graph.integers([2])]),
  );
}

/** Positions of padding: bool [batch, length]; undefined without padding. */
export function isPadding(graph: GraphBuilder): Value | undefined {
  if (!graph.takesGroups) return undefined;
  return graph.once("is_padding", () => graph.node("Equal", [mask(graph), graph.integers(0)]));
}

/** Tokens of each sequence, [batch, 1] in the type that the graph computes in; undefined without padding. */
export function tokenCounts(graph: GraphBuilder): Value | undefined {
  const tokens = tokenMask(graph);
  return tokens === undefined ? undefined : graph.node("ReduceSum", [tokens, graph.integers([1])], { keepdims: 0 });
}

/** Where each token stands in its sequence, int64 in the shape of input_ids; undefined for sequences of equal length. */
export function positionIds(graph: GraphBuilder): Value | undefined {
  return !graph.takesGroups ? undefined : graph.input("position_ids", ["batch", "sequence"]);
}

/** What PackedMultiHeadAttention knows of the sequences of a packed group. */
export interface PackedSequences {
  /** Where each token would stand if the group were padded, then where the padding would: int32 [batch, longest]. */
  readonly tokenOffset: Value;
  /** Where each sequence begins, and the number of tokens: int32 [batch + 1]. */
  readonly bounds: Value;
}

/** Undefined for other layouts. */
export function packedSequences(graph: GraphBuilder): PackedSequences | undefined {
  if (graph.layout.form !== "packed") return undefined;
  return {
    tokenOffset: graph.input("token_offset", ["batch", "longest"], INT32),
    bounds: graph.input("cumulative_sequence_length", ["batch + 1"], INT32),
  };
}

/**
 * Rows of [tokens, hidden] by sequence, for a maximum over the tokens of each: int32 [ROW_GROUPS, batch, ⌈longest / ROW_GROUPS⌉]. A sequence that
 * is shorter repeats its first token, which changes no maximum, so that nothing need be masked.
 */
export function groupedRows(graph: GraphBuilder): Value {
  return graph.input("grouped_rows", [String(ROW_GROUPS), "batch", `longest / ${String(ROW_GROUPS)}`], INT32);
}
