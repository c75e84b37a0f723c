/**
 * Disentangled attention (He et al., 2021, arXiv 2006.03654): beside content against content, the score of a query at i and a key at j has
 * terms of content against an embedding of the distance i - j. Every distance has a row in a table of the checkpoint; distances beyond the
 * table share its ends, and where it is made of buckets, far distances share rows with their neighbours.
 */

import { INT32, MICROSOFT } from "./graph";
import type { GraphBuilder, Value } from "./graph";
import { layerNorm } from "./layers";
import type { Heads, Norm, Scope, SequenceShape } from "./layers";

export interface DistanceRows {
  /** Rows of the table: 2 · span. */
  readonly count: number;
  /** Undefined where distance d has row d + span. */
  readonly buckets: Buckets | undefined;
  /** Longest sequence whose distances all have a row; undefined when every one has. */
  readonly maxPositions: number | undefined;
}

export interface Buckets {
  /** Distances beyond this one, to either side, have its row. */
  readonly reach: number;
  rowOf(distance: number): number;
}

/** One row for each distance from -span to span - 1. */
export function linearRows(span: number): DistanceRows {
  return { count: 2 * span, buckets: undefined, maxPositions: undefined };
}

/** Bounds how long config.json can make this look for the end: no attention over all pairs goes further. */
const LARGEST_DISTANCE = 65_536;

/**
 * Rows of DeBERTa v2's buckets: half of them for one distance each, the other half for ranges that grow up to `farthest` as the logarithm does.
 * In fp32 steps as the reference, since the edges of the ranges depend on the last bit.
 *
 * @param buckets to each side, at least 2
 */
export function bucketRows(buckets: number, farthest: number): DistanceRows {
  const half = Math.floor(buckets / 2);
  const range = Math.fround(Math.log(Math.fround((farthest - 1) / half)));
  const bucketOf = (distance: number): number => {
    if (distance <= half) return distance;
    const share = Math.fround(Math.fround(Math.log(Math.fround(distance / half))) / range);
    return Math.ceil(Math.fround(share * (half - 1))) + half;
  };
  // Where `farthest` lies within the first half, the formula has no meaning beyond it.
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
  /** Their row for every pair of a query and a key: int32 [batch, heads, queries, keys], equal for all batches and heads. */
  readonly rows: Value;
  /** The same for the first query only. */
  readonly firstRows: Value;
}

/**
 * Computed once for a run and shared by the layers. Only the rows that occur are kept: each layer projects them anew, since a graph cannot
 * hold products of weights (constant folding is off, see docs/architecture.md), and for short texts that would be most of its work.
 *
 * @param at name of the table
 * @param norm of the embeddings, as [name, norm]
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
  const positions = shape.positions();
  const distances = graph.node("Sub", [graph.node("Unsqueeze", [positions, graph.integers([1])]), positions]);
  // Before the buckets are listed: the file bounds how many there are.
  const table = graph.weight(tensors.require([`${at}.weight`], [count, hidden]));
  const all = buckets === undefined ? clipped(graph, distances, count / 2, count / 2 - 1) : bucketed(graph, distances, buckets);
  const lowest = graph.node("ReduceMin", [all], { keepdims: 0 });
  const end = graph.node("Add", [graph.node("ReduceMax", [all], { keepdims: 0 }), graph.integers(1)]);
  const vector = (scalar: Value): Value => graph.node("Unsqueeze", [scalar, graph.integers([0])]);
  const occurring = graph.node("Slice", [table, vector(lowest), vector(end), graph.integers([0])]);
  const perHead = graph.node("Concat", [shape.batch(), graph.integers([heads, 1, 1])], { axis: 0 });
  const rows = graph.node("Expand", [graph.node("Cast", [graph.node("Sub", [all, lowest])], { to: INT32 }), perHead]);
  return {
    embeddings: norm === undefined ? occurring : layerNorm(scope, occurring, ...norm),
    rows,
    firstRows: graph.node("Gather", [rows, graph.integers([0])], { axis: 2 }),
  };
}

/** Distances from -lowest to highest, those beyond at the ends; moved to begin at 0. */
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
 * query(i) · positionKey(i - j): the product with all rows, of which every pair then picks its own.
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

/** scale · a · bᵀ, of the last two dimensions. */
function product(graph: GraphBuilder, a: Value, b: Value, scale: number): Value {
  return graph.node("FusedMatMul", [a, b], { transB: 1, alpha: { float: scale } }, MICROSOFT);
}
