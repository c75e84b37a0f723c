/**
 * Inputs of graphs that run sequences of different length together, as on GPUs. A padded group extends shorter sequences with padding,
 * which attention must mask and heads must ignore. A packed group concatenates the tokens of all sequences. Values that depend only on the
 * lengths are computed by native code and passed as inputs (native/inference/group_inputs.h): computing them in the graph would synchronize
 * with the CPU.
 */

import { INT32 } from "./graph";
import type { GraphBuilder, Value } from "./graph";

/** Number of groups of tokens in `grouped_rows`. */
export const ROW_GROUPS = 8;

/** The attention mask, int64 [batch, sequence]; 0 for padding. */
function mask(graph: GraphBuilder): Value {
  return graph.input("attention_mask", ["batch", "sequence"]);
}

/**
 * The key_padding_mask of MultiHeadAttention, int32 [3 · batch + 2]: the number of keys of each sequence, the cumulative offsets of its
 * queries, and those of its keys. Of the forms that the operator accepts, this is the one that CUDA's memory-efficient kernels support.
 * Undefined without padding.
 */
export function keyPadding(graph: GraphBuilder, queries: "all" | "first"): Value | undefined {
  if (!graph.takesGroups) return undefined;
  return graph.input(queries === "all" ? "key_padding" : "first_key_padding", ["3 * batch + 2"], INT32);
}

/** 1 for tokens and 0 for padding, int64 in the shape of input_ids; undefined without padding. */
export function integerMask(graph: GraphBuilder): Value | undefined {
  return graph.takesGroups ? mask(graph) : undefined;
}

/** 1 for tokens and 0 for padding, [batch, length, 1] in the graph's float type; undefined without padding. */
export function tokenMask(graph: GraphBuilder): Value | undefined {
  if (!graph.takesGroups) return undefined;
  return graph.once(`tokens_${String(graph.floatType)}`, () =>
    graph.node("Unsqueeze", [graph.node("Cast", [mask(graph)], { to: graph.floatType }), graph.integers([2])]),
  );
}

/** True for padding, bool [batch, length]; undefined without padding. */
export function isPadding(graph: GraphBuilder): Value | undefined {
  if (!graph.takesGroups) return undefined;
  return graph.once("is_padding", () => graph.node("Equal", [mask(graph), graph.integers(0)]));
}

/** Number of tokens in each sequence, [batch, 1] in the graph's float type; undefined without padding. */
export function tokenCounts(graph: GraphBuilder): Value | undefined {
  const tokens = tokenMask(graph);
  return tokens === undefined ? undefined : graph.node("ReduceSum", [tokens, graph.integers([1])], { keepdims: 0 });
}

/** The mean over the tokens of each sequence: [batch, width] of [batch, length, width]. */
export function meanOfTokens(graph: GraphBuilder, tokens: Value): Value {
  const ofToken = tokenMask(graph);
  if (ofToken === undefined) return graph.node("ReduceMean", [tokens], { axes: [1], keepdims: 0 });
  const sum = graph.node("ReduceSum", [graph.node("Mul", [tokens, ofToken]), graph.integers([1])], { keepdims: 0 });
  return graph.node("Div", [sum, tokenCounts(graph) ?? ""]);
}

/** Position of each token in its sequence, int64 in the shape of input_ids; undefined for sequences of equal length. */
export function positionIds(graph: GraphBuilder): Value | undefined {
  return !graph.takesGroups ? undefined : graph.input("position_ids", ["batch", "sequence"]);
}

/** The inputs of PackedMultiHeadAttention that describe the sequences of a packed group. */
export interface PackedSequences {
  /** Offsets of all tokens in the equivalent padded group, followed by those of its padding: int32 [batch, longest]. */
  readonly tokenOffset: Value;
  /** Offset of each sequence, and the total number of tokens: int32 [batch + 1]. */
  readonly bounds: Value;
}

/** Undefined for groups that are not packed. */
export function packedSequences(graph: GraphBuilder): PackedSequences | undefined {
  if (graph.layout.form !== "packed") return undefined;
  return {
    tokenOffset: graph.input("token_offset", ["batch", "longest"], INT32),
    bounds: graph.input("cumulative_sequence_length", ["batch + 1"], INT32),
  };
}

/**
 * Rows of [tokens, hidden] by sequence, to compute a maximum over the tokens of each: int32 [ROW_GROUPS, batch, ⌈longest / ROW_GROUPS⌉].
 * Shorter sequences repeat their first token, which does not change a maximum, so no mask is needed.
 */
export function groupedRows(graph: GraphBuilder): Value {
  return graph.input("grouped_rows", [String(ROW_GROUPS), "batch", `longest / ${String(ROW_GROUPS)}`], INT32);
}
