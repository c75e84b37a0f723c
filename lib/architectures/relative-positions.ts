/**
 * Disentangled attention (He et al., 2021, arXiv 2006.03654): in addition to the content-to-content term, the score of a query at i and a
 * key at j has terms between content and an embedding of the distance i - j. Every distance has a row in a table of the checkpoint.
 * Distances beyond the table use its first or last row, and in a table with buckets, neighboring large distances share a row.
 */

import { INT32, MICROSOFT } from "./graph";
import type { GraphBuilder, Value } from "./graph";
import { layerNorm } from "./layers";
import type { Heads, Norm, Scope, SequenceShape } from "./layers";

export interface DistanceRows {
  /** Number of rows in the table: 2 · span. */
  readonly count: number;
  /** Undefined if distance d has row d + span. */
  readonly buckets: Buckets | undefined;
  /** Length of the longest sequence whose distances all have a row; undefined if there is no limit. */
  readonly maxPositions: number | undefined;
}

export interface Buckets {
  /** Larger distances, to either side, use the row of this one. */
  readonly reach: number;
  rowOf(distance: number): number;
}

/** One row per distance from -span to span - 1. */
export function linearRows(span: number): DistanceRows {
  return { count: 2 * span, buckets: undefined, maxPositions: undefined };
}

/** Bounds the search for `reach`, whatever config.json states. Attention over all pairs does not extend further. */
const LARGEST_DISTANCE = 65_536;

/**
 * Rows of DeBERTa v2's buckets: half of them for one distance each, the other half for logarithmically growing ranges up to `farthest`.
 * Computed in fp32 like transformers, since the bounds of the ranges depend on the last bit.
 *
 * @param buckets number of buckets to either side, at least 2
 */
export function bucketRows(buckets: number, farthest: number): DistanceRows {
  const half = Math.floor(buckets / 2);
  const range = Math.fround(Math.log(Math.fround((farthest - 1) / half)));
  const bucketOf = (distance: number): number => {
    if (distance <= half) return distance;
    const share = Math.fround(Math.fround(Math.log(Math.fround(distance / half))) / range);
    return Math.ceil(Math.fround(share * (half - 1))) + half;
  };
  // If `farthest` is within the first half, the formula is not defined beyond it.
  const end = farthest - 1 > half ? LARGEST_DISTANCE : half;
  let reach = half;
  while (reach < end && bucketOf(reach) < buckets) reach += 1;
  const rowOf = (distance: number): number => {
    const bucket = Math.sign(distance) * bucketOf(Math.abs(distance));
    return Math.min(Math.max(bucket + buckets, 0), 2 * buckets - 1);
  };
  return { count: 2 * buckets, buckets: { reach, rowOf }, maxPositions: bucketOf(reach) < buckets ? reach + 1 : undefined };
}

export interface RelativePositions {
  /** Embeddings of the distances that occur in the sequence, [rows, hidden]. */
  readonly embeddings: Value;
  /**
   * Row of `embeddings` for every pair of a query and a key: int32 [batch, heads, queries, keys], the same for all sequences and heads. For
   * a single sequence the row of every distance, see DistanceTerms.
   */
  readonly rows: Value;
}

/**
 * Computed once per run and shared by the layers. Only the rows that occur are kept: each layer projects them again, since a graph does not
 * store products of weights (constant folding is disabled, see docs/architecture.md), and for short texts projecting all rows would
 * dominate.
 *
 * @param at name of the table
 * @param norm layer norm of the embeddings, as [name, norm]
 */
export function relativePositions(
  scope: Scope,
  shape: SequenceShape,
  { count, buckets }: DistanceRows,
  at: string,
  { hidden, heads }: Heads,
  norm: readonly [name: string, norm: Norm] | undefined,
): RelativePositions {
  const { graph, tensors } = scope;
  const distances = shape.distances();
  // Checked before the buckets are listed, since the size of the table in the file bounds their number.
  const table = graph.weight(tensors.require([`${at}.weight`], [count, hidden]));
  const all = buckets === undefined ? clipped(graph, distances, count / 2, count / 2 - 1) : bucketed(graph, distances, buckets);
  const lowest = graph.node("ReduceMin", [all], { keepdims: 0 });
  const end = graph.node("Add", [graph.node("ReduceMax", [all], { keepdims: 0 }), graph.integers(1)]);
  const vector = (scalar: Value): Value => graph.node("Unsqueeze", [scalar, graph.integers([0])]);
  const occurring = graph.node("Slice", [table, vector(lowest), vector(end), graph.integers([0])]);
  const rows = graph.node("Cast", [graph.node("Sub", [all, lowest])], { to: INT32 });
  const embeddings = norm === undefined ? occurring : layerNorm(scope, occurring, ...norm);
  if (!graph.takesGroups) return { embeddings, rows };
  const perHead = graph.node("Concat", [shape.batch(), graph.integers([heads, 1, 1])], { axis: 0 });
  return { embeddings, rows: graph.node("Expand", [rows, perHead]) };
}

/** Clips distances to [-lowest, highest] and shifts them to start at 0. */
export function clipped(graph: GraphBuilder, distances: Value, lowest: number, highest: number): Value {
  const within = graph.node("Clip", [distances, graph.integers(-lowest), graph.integers(highest)]);
  return graph.node("Add", [within, graph.integers(lowest)]);
}

function bucketed(graph: GraphBuilder, distances: Value, buckets: Buckets): Value {
  const { reach } = buckets;
  const rows = Array.from({ length: 2 * reach + 1 }, (_, i) => buckets.rowOf(i - reach));
  return graph.node("Gather", [graph.table("distance_rows", rows), clipped(graph, distances, reach, reach)]);
}

/**
 * query(i) · positionKey(i - j): computes the products with all rows, and then selects the row of every pair.
 *
 * @param query [batch, heads, queries, size]
 * @param positionKeys [heads, rows, size]
 * @returns [batch, heads, queries, keys]
 */
export function contentToPosition(graph: GraphBuilder, query: Value, positionKeys: Value, rows: Value, scale: number): Value {
  return graph.node("GatherElements", [product(graph, query, positionKeys, scale), rows], { axis: 3 });
}

/**
 * key(j) · positionQuery(i - j).
 *
 * @param positionQueries [heads, rows, size]
 * @param key [batch, heads, keys, size]
 * @returns [batch, heads, queries, keys]
 */
export function positionToContent(graph: GraphBuilder, positionQueries: Value, key: Value, rows: Value, scale: number): Value {
  return graph.node("GatherElements", [product(graph, positionQueries, key, scale), rows], { axis: 2 });
}

/** scale · a · bᵀ over the last two dimensions. */
export function product(graph: GraphBuilder, a: Value, b: Value, scale: number): Value {
  return graph.node("FusedMatMul", [a, b], { transB: 1, alpha: { float: scale } }, MICROSOFT);
}
