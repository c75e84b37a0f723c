/**
 * Attention of decoders: causal masks, sliding windows (Beltagy et al., 2020, arXiv 2004.05150), soft-capped scores (Gemma 2, arXiv
 * 2408.00118), and keys and values that several heads of queries share.
 */

import type { DecoderConfig } from "./decoder-config";
import { SparseRerankError } from "../errors";
import { multiHeadAttention } from "./attention";
import { keyPadding } from "./group-inputs";
import { INT32, MICROSOFT } from "./graph";
import type { GraphBuilder, Value } from "./graph";
import type { LayerPast } from "./kept-prefix";
import type { SequenceShape } from "./layers";

/** The tokens that attention computes: all, or one of each sequence, at these positions, int64 [batch]. */
export type Rows = "all" | { readonly positions: Value };

/** One layer's attention. */
export interface LayerAttention {
  /** See DecoderConfig.windowOf. */
  readonly window: number | undefined;
  readonly rows: Rows;
  /** Undefined if the graph keeps no keys and values. */
  readonly past: LayerPast | undefined;
}

/**
 * @param query rotated, [batch, tokens or 1, heads · size]
 * @param key, value rotated, [batch, tokens, keyHeads · size]
 * @returns [batch · tokens or batch, heads · size]
 */
export function decoderAttention(
  graph: GraphBuilder,
  shape: SequenceShape,
  inputs: readonly [query: Value, key: Value, value: Value],
  config: DecoderConfig,
  layer: LayerAttention,
): Value {
  const { window, rows } = layer;
  if (!config.causal) return bidirectional(graph, shape, inputs, config, window, rows);
  if (rows !== "all") return composed(graph, shape, inputs, config, layer);
  if (!graph.takesGroups && supportsGroupedQueries(config)) return groupedQueries(graph, shape, inputs, config, layer);
  if (graph.takesGroups && window === undefined && config.scoreCap === undefined) return multiHead(graph, shape, inputs, config);
  return composed(graph, shape, inputs, config, layer);
}

/** Number of past and new tokens, int64 scalar. */
function keyCount(graph: GraphBuilder, shape: SequenceShape, past: LayerPast | undefined): Value {
  if (past === undefined) return shape.length();
  return graph.once("key_count", () => graph.node("Add", [past.length, shape.length()]));
}

/** Whether attention of these sequences keeps the scores of all pairs of tokens in memory at once. */
export function keepsAllScores(graph: GraphBuilder, config: DecoderConfig): boolean {
  return config.causal && (graph.takesGroups || !supportsGroupedQueries(config));
}

/** A requirement of ONNX Runtime. All published models fulfil it. */
function supportsGroupedQueries({ headSize }: DecoderConfig): boolean {
  return headSize % 8 === 0;
}

/**
 * ONNX Runtime's GroupQueryAttention, which processes the scores in tiles and skips masked ones: for 512 tokens of Qwen3-0.6B (16 heads
 * of 128 on 8), 33 ms on one thread of an AMD EPYC; MultiHeadAttention takes 85 ms, the standard operator Attention 50 ms, and composed
 * operators 72 ms.
 */
function groupedQueries(
  graph: GraphBuilder,
  shape: SequenceShape,
  inputs: readonly Value[],
  config: DecoderConfig,
  { window, past }: LayerAttention,
): Value {
  const { heads, keyHeads, headSize, scale, scoreCap = 0 } = config;
  const count = keyCount(graph, shape, past);
  const length = graph.once("length_32", () => graph.node("Cast", [count], { to: INT32 }));
  // For each sequence, the position of its last token.
  const ends = graph.once("ends", () => {
    const last = graph.node("Sub", [count, graph.integers(1)]);
    return graph.node("Cast", [graph.node("Expand", [last, shape.batch()])], { to: INT32 });
  });
  const attributes = {
    num_heads: heads,
    kv_num_heads: keyHeads,
    scale: { float: scale },
    softcap: { float: scoreCap },
    local_window_size: window ?? -1,
  };
  // The operator requires outputs for keys and values, also if nothing reads them.
  const [keys, values] = [graph.nameOf("keys"), graph.nameOf("values")];
  const before = past === undefined ? ["", ""] : [past.keys, past.values];
  const context = graph.node("GroupQueryAttention", [...inputs, ...before, ends, length], attributes, MICROSOFT, [keys, values]);
  past?.keep(keys, values);
  return shape.flatten(context, heads * headSize);
}

/** For groups, since CUDA has fused kernels for it in every element type. */
function multiHead(
  graph: GraphBuilder,
  shape: SequenceShape,
  [query, key, value]: readonly [query: Value, key: Value, value: Value],
  config: DecoderConfig,
): Value {
  const { heads, headSize, scale } = config;
  const padding = keyPadding(graph, "all");
  const shared = [key, value].map((x) => repeated(graph, x, config));
  const attributes = { num_heads: heads, scale: { float: scale }, unidirectional: 1 };
  const inputs = [query, ...shared, ...(padding === undefined ? [] : ["", padding])];
  return shape.flatten(graph.node("MultiHeadAttention", inputs, attributes, MICROSOFT), heads * headSize);
}

/** Every head of queries gets its own copy: [batch, tokens, keyHeads · size] becomes [batch, tokens, heads · size]. */
function repeated(graph: GraphBuilder, x: Value, { heads, keyHeads, headSize }: DecoderConfig): Value {
  if (heads === keyHeads) return x;
  const split = graph.node("Reshape", [x, graph.integers([0, 0, keyHeads, 1, headSize])]);
  const copies = graph.node("Expand", [split, graph.integers([1, 1, 1, heads / keyHeads, 1])]);
  return graph.node("Reshape", [copies, graph.integers([0, 0, heads * headSize])]);
}

function bidirectional(
  graph: GraphBuilder,
  shape: SequenceShape,
  [query, key, value]: readonly [query: Value, key: Value, value: Value],
  config: DecoderConfig,
  window: number | undefined,
  rows: Rows,
): Value {
  if (window !== undefined || config.scoreCap !== undefined) {
    const what = window === undefined ? "attn_logit_softcapping" : "a sliding window";
    throw new SparseRerankError("ERR_UNSUPPORTED_MODEL", `${config.file}: ${what} is only supported with "is_causal" true.`);
  }
  if (rows !== "all") throw new SparseRerankError("ERR_INTERNAL", "Only causal attention computes single tokens.");
  const { heads, headSize, scale } = config;
  const inputs = [query, repeated(graph, key, config), repeated(graph, value, config)] as const;
  return multiHeadAttention(graph, shape, inputs, { heads, hidden: heads * headSize }, { scale });
}

/** From basic operators. The heads of queries that share keys are one matrix. */
function composed(
  graph: GraphBuilder,
  shape: SequenceShape,
  [query, key, value]: readonly [query: Value, key: Value, value: Value],
  config: DecoderConfig,
  { window, rows, past }: LayerAttention,
): Value {
  const { heads, keyHeads, headSize, scale, scoreCap } = config;
  const sharing = heads / keyHeads;
  const byHead = (x: Value, split: readonly number[], perm: readonly number[]): Value =>
    graph.node("Transpose", [graph.node("Reshape", [x, graph.integers(split)])], { perm });
  const queries = byHead(query, [0, 0, keyHeads, sharing, headSize], [0, 2, 3, 1, 4]);
  const stacked = graph.node("Reshape", [queries, graph.integers([0, 0, -1, headSize])]);
  const [newKeys = "", newValues = ""] = [key, value].map((x) => byHead(x, [0, 0, keyHeads, headSize], [0, 2, 1, 3]));
  const after = (before: Value | undefined, x: Value): Value => (before === undefined ? x : graph.node("Concat", [before, x], { axis: 2 }));
  const [keys, values] = [after(past?.keys, newKeys), after(past?.values, newValues)];
  past?.keep(keys, values);
  const scores = graph.node("FusedMatMul", [stacked, keys], { transB: 1, alpha: { float: scale } }, MICROSOFT);
  const capped = scoreCap === undefined ? scores : softCapped(graph, scores, scoreCap);

  const count = keyCount(graph, shape, past);
  const length = graph.once("length_1", () => graph.node("Unsqueeze", [count, graph.integers([0])]));
  const withLength = (sizes: readonly number[]): Value =>
    graph.once(`length_after_${sizes.join("_")}`, () => graph.node("Concat", [graph.integers(sizes), length], { axis: 0 }));
  // [batch, keyHeads, sharing, queries, keys]
  const separate = graph.node("Reshape", [capped, withLength([0, keyHeads, sharing, -1])]);
  const biased = graph.node("Add", [separate, mask(graph, shape, { window, rows, past })]);
  const weights = graph.node("Reshape", [graph.node("Softmax", [biased], { axis: -1 }), withLength([0, keyHeads, -1])]);
  const context = graph.node("Reshape", [graph.node("MatMul", [weights, values]), graph.integers([0, 0, sharing, -1, headSize])]);
  return shape.flatten(graph.node("Transpose", [context], { perm: [0, 3, 1, 2, 4] }), heads * headSize);
}

/** cap · tanh(x / cap). */
export function softCapped(graph: GraphBuilder, x: Value, cap: number): Value {
  const factor = (value: number): Value => graph.narrow(graph.floats(`float_${String(value)}`, [value], []));
  return graph.node("Mul", [graph.node("Tanh", [graph.node("Mul", [x, factor(1 / cap)])]), factor(cap)]);
}

/** 0 or -∞, [batch or 1, 1, 1, queries, keys]. A token sees at least itself. Padding follows all tokens, so that no token sees it. */
function mask(graph: GraphBuilder, shape: SequenceShape, { window, rows, past }: LayerAttention): Value {
  const positions = rows === "all" ? undefined : rows.positions;
  return graph.once(`mask_${String(window)}_${String(positions)}`, () => {
    const range = (end: Value): Value => graph.node("Range", [graph.integers(0), end, graph.integers(1)]);
    const keys = past === undefined ? shape.positions() : range(keyCount(graph, shape, past));
    const ofNew = positions ?? shape.positions();
    const all = past === undefined ? ofNew : graph.node("Add", [ofNew, past.length]);
    // [batch or 1, 1, 1, queries, 1]
    const queries = graph.node("Unsqueeze", [all, graph.integers(positions === undefined ? [0, 1, 2, 4] : [1, 2, 3, 4])]);
    const earlier = graph.node("LessOrEqual", [keys, queries]);
    const near = (reach: number): Value => graph.node("Greater", [keys, graph.node("Sub", [queries, graph.integers(reach)])]);
    const seen = window === undefined ? earlier : graph.node("And", [earlier, near(window)]);
    return graph.narrow(graph.node("Where", [seen, graph.floats("zero", [0], []), graph.floats("hidden_key", [-Infinity], [])]));
  });
}
