/**
 * Multi-head attention (Vaswani et al., 2017, arXiv 1706.03762). On the CPU, which runs sequences alone, an operator of ours does all of it
 * (native/inference/attention_operator.h); groups use ONNX Runtime's operators, which CUDA has too.
 */

import { SparseRerankError } from "../errors";
import { keyPadding, packedSequences } from "./group-inputs";
import { MICROSOFT } from "./graph";
import type { Attributes, GraphBuilder, Value } from "./graph";
import { OWN_DOMAIN } from "./int8";
import type { Heads, Queries, SequenceShape } from "./layers";
import { localAttention } from "./local-attention";
import type { LocalWindow } from "./local-attention";
import { rotated } from "./rope";
import type { Rotation } from "./rope";

export interface ScoreOptions {
  /**
   * Added to the scaled scores: [batch or 1, heads or 1, queries, keys]. For a single sequence it must depend on the distance alone:
   * [heads, 2 · length − 1], ordered by position of the key − position of the query.
   */
  readonly bias?: Value | undefined;
  /** For a single sequence only; groups have these terms in the bias. */
  readonly distanceTerms?: DistanceTerms | undefined;
  /** Scale of the products of query and key. Default 1 / √(head size). */
  readonly scale?: number;
  /** Rotates query and key. */
  readonly rotation?: Rotation;
  /** Keys in reach of a query; not with a bias or with queries "first". */
  readonly window?: LocalWindow | undefined;
}

/** Terms of the scores that are products of a token and the distance: added to the scaled score of query i and key j, whose distance has row r. */
export interface DistanceTerms {
  /** Row of each distance: int32 [2 · length − 1], ordered as a bias. */
  readonly rows: Value;
  /** [1, heads, queries, rows], of which [i, r] is added. */
  readonly query: Value | undefined;
  /** [1, heads, length, rows], of which [j, r] is added. */
  readonly key: Value | undefined;
}

/**
 * @param query [tokens, hidden], or [batch, hidden] with queries "first" (for a packed group always all tokens)
 * @param key, value [tokens, hidden]
 * @returns [tokens, hidden], or [batch, hidden]
 */
export function attention(
  graph: GraphBuilder,
  shape: SequenceShape,
  [query, key, value]: readonly [query: Value, key: Value, value: Value],
  config: Heads,
  queries: Queries,
  options: ScoreOptions = {},
): Value {
  const { hidden } = config;
  const { rotation, window } = options;
  if (!graph.takesGroups) return ownAttention(graph, [query, key, value], config, options);
  if (rotation === undefined) {
    if (graph.layout.form === "packed") return packedAttention(graph, shape, [query, key, value], config, options, queries);
    const byQuery = queries === "all" ? shape.unflatten(query, hidden) : shape.unflattenFirst(query);
    const inputs = [byQuery, shape.unflatten(key, hidden), shape.unflatten(value, hidden)] as const;
    return multiHeadAttention(graph, shape, inputs, config, options, queries);
  }
  const inputs = rotated(graph, shape, [query, key, value], hidden, rotation, queries);
  if (window?.blocks !== undefined) return shape.flatten(localAttention(graph, shape, inputs, config, window.blocks), hidden);
  if (graph.layout.form !== "packed") return multiHeadAttention(graph, shape, inputs, config, options, queries);
  const flat = inputs.map((x) => shape.flatten(x, hidden));
  return packedAttention(graph, shape, flat, config, options, queries);
}

/** The part of a bias for the queries of a layer. */
export function firstQueryBias(graph: GraphBuilder, bias: Value, queries: Queries): Value {
  // A bias by distance serves any number of queries.
  return queries === "all" || !graph.takesGroups ? bias : graph.node("Gather", [bias, graph.integers([0])], { axis: 2 });
}

function ownAttention(graph: GraphBuilder, inputs: readonly Value[], { hidden, heads }: Heads, options: ScoreOptions): Value {
  const { bias, scale = 1 / Math.sqrt(hidden / heads), rotation, window, distanceTerms } = options;
  const terms = [distanceTerms?.rows, distanceTerms?.query, distanceTerms?.key];
  const optional = [rotation?.cosine, rotation?.sine, bias, ...terms];
  const given = optional.slice(0, optional.findLastIndex((input) => input !== undefined) + 1);
  const attributes = { heads, scale: { float: scale }, reach: window?.reach ?? -1 };
  return graph.node("Attention", [...inputs, ...given.map((input) => input ?? "")], attributes, OWN_DOMAIN);
}

/**
 * With padding masked. For inputs that are sequences already.
 *
 * @param query [batch, queries, hidden]
 * @param key, value [batch, keys, hidden]
 * @returns [batch · queries, hidden]
 */
export function multiHeadAttention(
  graph: GraphBuilder,
  shape: SequenceShape,
  [query, key, value]: readonly [query: Value, key: Value, value: Value],
  config: Heads,
  options: ScoreOptions,
  queries: Queries = "all",
): Value {
  if (!graph.takesGroups) {
    const flat = [query, key, value].map((x) => shape.flatten(x, config.hidden));
    return ownAttention(graph, flat, config, options);
  }
  const padding = keyPadding(graph, queries) ?? "";
  const { bias } = options;
  // The empty name is the omitted bias of the projections.
  const inputs = [query, key, value, "", padding, ...(bias === undefined ? [] : [bias])];
  return shape.flatten(graph.node("MultiHeadAttention", inputs, scoreAttributes(config, options), MICROSOFT), config.hidden);
}

/** @param inputs query, key and value of all tokens, each [tokens, hidden] */
function packedAttention(
  graph: GraphBuilder,
  shape: SequenceShape,
  inputs: readonly Value[],
  config: Heads,
  options: ScoreOptions,
  queries: Queries,
): Value {
  // The operator supports a bias, but not with flash attention, so families with a bias do not pack.
  if (options.bias !== undefined) throw new SparseRerankError("ERR_INTERNAL", "Packed attention does not support a bias.");
  const packed = packedSequences(graph);
  const sequences = ["", packed?.tokenOffset ?? "", packed?.bounds ?? ""];
  const context = graph.node("PackedMultiHeadAttention", [...inputs, ...sequences], scoreAttributes(config, options), MICROSOFT);
  return shape.rows(context, config.hidden, queries);
}

function scoreAttributes({ heads }: Heads, { scale }: ScoreOptions): Attributes {
  return scale === undefined ? { num_heads: heads } : { num_heads: heads, scale: { float: scale } };
}
