/**
 * Sliding-window attention: a token attends to tokens at most `reach` away. Long sequences are split into blocks, and each block attends to
 * the keys around it like a sequence of a batch. Time and memory grow with length · reach; with a mask over all pairs they would grow with
 * length². A sequence no longer than the keys of one block is not split, so short sequences have no overhead for margins.
 */

import { MICROSOFT } from "./graph";
import type { GraphBuilder, Value } from "./graph";
import type { Heads, SequenceShape } from "./layers";
import { isPadding } from "./group-inputs";

/** Keeps matrix products large enough to be worth their overhead if `reach` is small. */
const SMALLEST_BLOCK = 32;

const blockOf = (reach: number): number => Math.max(2 * reach, SMALLEST_BLOCK);
const keysOf = (reach: number): number => blockOf(reach) + 2 * reach;

/** Which keys a query attends to. */
export interface LocalWindow {
  /** The largest distance between positions, to either side. */
  readonly reach: number;
  /** Undefined for a single sequence, whose operator needs none. */
  readonly blocks: Windows | undefined;
}

export function localWindow(graph: GraphBuilder, shape: SequenceShape, reach: number): LocalWindow {
  return { reach, blocks: graph.takesGroups ? windows(graph, shape, reach) : undefined };
}

/** The blocks of a run, shared by its layers. */
export interface Windows {
  /** Number of tokens in a block, int64 [1]. */
  readonly block: Value;
  /** Number of keys of a block, int64 [1]. */
  readonly keys: Value;
  /** Positions of the queries, int64 [blocks, block]. The last block is filled up with the last token. */
  readonly queryAt: Value;
  /** Positions of the keys, int64 [blocks, keys]. Margins beyond the ends repeat the first or last token; the bias masks them. */
  readonly keyAt: Value;
  /** 0 or -∞: [batch · blocks, 1, block, keys]. */
  readonly bias: Value;
}

function windows(graph: GraphBuilder, shape: SequenceShape, reach: number): Windows {
  const int = (value: number): Value => graph.integers(value);
  const upTo = (count: Value): Value => graph.node("Range", [int(0), count, int(1)]);
  const length = shape.length();
  const whole = graph.node("LessOrEqual", [length, int(keysOf(reach))]);
  const block = graph.node("Where", [whole, length, int(blockOf(reach))]);
  const margin = graph.node("Where", [whole, int(0), int(reach)]);
  const keys = graph.node("Add", [block, graph.node("Add", [margin, margin])]);
  const starts = graph.node("Unsqueeze", [graph.node("Range", [int(0), length, block]), graph.integers([1])]);
  const last = graph.node("Sub", [length, int(1)]);
  const queryAt = graph.node("Min", [graph.node("Add", [starts, upTo(block)]), last]);
  const keyPositions = graph.node("Add", [graph.node("Sub", [starts, margin]), upTo(keys)]);
  const keyAt = graph.node("Max", [graph.node("Min", [keyPositions, last]), int(0)]);

  const offsets = graph.node("Sub", [
    graph.node("Unsqueeze", [queryAt, graph.integers([2])]),
    graph.node("Unsqueeze", [keyPositions, graph.integers([1])]),
  ]);
  const near = graph.node("LessOrEqual", [graph.node("Abs", [offsets]), int(reach)]);
  const exists = graph.node("Unsqueeze", [graph.node("Equal", [keyPositions, keyAt]), graph.integers([1])]);
  const seen = graph.node("And", [near, exists]);
  const ofBlock = graph.node("Where", [seen, graph.floats("zero", [0], []), graph.floats("hidden_key", [-Infinity], [])]);
  const vector = (scalar: Value): Value => graph.node("Unsqueeze", [scalar, graph.integers([0])]);
  const perSequence = graph.node("Concat", [shape.batch(), graph.integers([1, 1, 1])], { axis: 0 });
  const perBlock = graph.node("Concat", [graph.integers([-1, 1]), vector(block), vector(keys)], { axis: 0 });
  const expanded = graph.node("Expand", [ofBlock, perSequence]);
  const bias = graph.narrow(graph.node("Reshape", [hidePadding(graph, expanded, keyAt), perBlock]));
  return { block: vector(block), keys: vector(keys), queryAt, keyAt, bias };
}

/**
 * Masks padding with a finite bias: a query that is padding itself may have no other key in reach, and −∞ for all keys would result in NaN.
 *
 * @param bias [batch, blocks, block, keys]
 */
function hidePadding(graph: GraphBuilder, bias: Value, keyAt: Value): Value {
  const padding = isPadding(graph);
  if (padding === undefined) return bias;
  const ofKeys = graph.node("Unsqueeze", [graph.node("Gather", [padding, keyAt], { axis: 1 }), graph.integers([2])]);
  const lowered = graph.node("Where", [ofKeys, graph.floats("padding_bias", [PADDING_BIAS], []), graph.floats("zero", [0], [])]);
  return graph.node("Add", [bias, lowered]);
}

/** The value that MultiHeadAttention adds to the scores of padding: representable in fp16, and negligible after exponentiation. */
const PADDING_BIAS = -10_000;

/**
 * Built from basic operators, since MultiHeadAttention (com.microsoft) of ONNX Runtime 1.20 reads out of bounds if a bias is shared by all
 * heads but not by all sequences. Measured, it is equally fast.
 *
 * @param query, key, value [batch, length, hidden]
 * @returns the shape of `query`
 */
export function localAttention(
  graph: GraphBuilder,
  shape: SequenceShape,
  [query, key, value]: readonly [query: Value, key: Value, value: Value],
  { hidden, heads }: Heads,
  { block, keys, queryAt, keyAt, bias }: Windows,
): Value {
  const size = hidden / heads;
  /** [batch · blocks, heads, tokens of the block, size] */
  const cut = (x: Value, positions: Value, tokens: Value): Value => {
    const split = graph.node("Concat", [graph.integers([-1]), tokens, graph.integers([heads, size])], { axis: 0 });
    const blocks = graph.node("Reshape", [graph.node("Gather", [x, positions], { axis: 1 }), split]);
    return graph.node("Transpose", [blocks], { perm: [0, 2, 1, 3] });
  };
  const products = [cut(query, queryAt, block), cut(key, keyAt, keys)];
  const scores = graph.node("FusedMatMul", products, { transB: 1, alpha: { float: 1 / Math.sqrt(size) } }, MICROSOFT);
  const weights = graph.node("Softmax", [graph.node("Add", [scores, bias])], { axis: -1 });
  const context = graph.node("Transpose", [graph.node("MatMul", [weights, cut(value, keyAt, keys)])], { perm: [0, 2, 1, 3] });
  const rows = graph.node("Reshape", [context, graph.node("Concat", [shape.batch(), graph.integers([-1, hidden])], { axis: 0 })]);
  const length = graph.node("Unsqueeze", [shape.length(), graph.integers([0])]);
  return graph.node("Slice", [rows, graph.integers([0]), length, graph.integers([1])]);
}

/** Floats per token in addition to those of any attention: scores and their softmax, the bias, its int64 offsets, and repeated keys. */
export function localAttentionFloats(reach: number, { hidden, heads }: Heads): number {
  const keys = keysOf(reach);
  return keys * (2 * heads + 5) + hidden * (keys / blockOf(reach));
}
