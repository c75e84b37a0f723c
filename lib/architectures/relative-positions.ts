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
  /** Row of distance d at index d + (length - 1) / 2; undefined where row d + span is distance d's. */
  readonly buckets: readonly number[] | undefined;
  /** Longest sequence whose distances all have a row; undefined when every one has. */
  readonly maxPositions: number | undefined;
}

/** One row for each distance from -span to span - 1. */
export function linearRows(span: number): DistanceRows {
  return { count: 2 * span, buckets: undefined, maxPositions: undefined };
}

/** Bounds what config.json can make this allocate: no attention over all pairs goes further. */
const LARGEST_DISTANCE = 65_536;

/**
 * Rows of DeBERTa v2's buckets: half of them for one distance each, the other half for logarithmically growing ranges up to `farthest`.
 * In fp32 steps as the reference, since the edges of the ranges depend on the last bit.
 */
export function bucketRows(buckets: number, farthest: number): DistanceRows {
  const half = Math.floor(buckets / 2);
  const decades = Math.fround(Math.log(Math.fround((farthest - 1) / half)));
  const bucketOf = (distance: number): number => {
    if (distance <= half) return distance;
    const share = Math.fround(Math.fround(Math.log(Math.fround(distance / half))) / decades);
    return Math.ceil(Math.fround(share * (half - 1))) + half;
  };
  // The logarithm of nothing: the reference has no meaning beyond the first half then.
  const bounded = farthest - 1 <= half;
  let reach = half;
  if (!bounded) {
    while (bucketOf(reach) < buckets && reach < LARGEST_DISTANCE) reach += 1;
  }
  const rowOf = (distance: number): number => {
    const bucket = Math.sign(distance) * bucketOf(Math.abs(distance));
    return Math.min(Math.max(bucket + buckets, 0), 2 * buckets - 1);
  };
  return {
    count: 2 * buckets,
    buckets: Array.from({ length: 2 * reach + 1 }, (_, i) => rowOf(i - reach)),
    maxPositions: bounded ? half + 1 : undefined,
  };
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
  const table = graph.weight(tensors.require([`${at}.weight`], [count, hidden]));
  // From -reach to highest, moved to begin at 0.
  const clipped = (reach: number, highest: number): Value =>
    graph.node("Add", [graph.node("Clip", [distances, graph.integers(-reach), graph.integers(highest)]), graph.integers(reach)]);
  const reach = ((buckets?.length ?? 0) - 1) / 2;
  const all =
    buckets === undefined
      ? clipped(count / 2, count / 2 - 1)
      : graph.node("Gather", [graph.table("distance_rows", buckets), clipped(reach, reach)]);
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
