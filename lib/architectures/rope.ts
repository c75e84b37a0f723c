/**
 * Rotary position embeddings (Su et al., 2021, arXiv 2104.09864): pairs (i, i + size / 2) of a head are rotated in proportion to the
 * position.
 */

import type { ConfigReader } from "./config";
import { FLOAT, MICROSOFT } from "./graph";
import type { GraphBuilder, Value } from "./graph";
import type { Heads, Queries, SequenceShape } from "./layers";

/** The head size, which must be even, since values are rotated in pairs. */
export function headSizeOf(config: ConfigReader, { hidden, heads }: Heads): number {
  const size = hidden / heads;
  if (size % 2 === 0) return size;
  throw config.invalid(
    "num_attention_heads",
    `a number that makes the head size even, as rotary positions require; the hidden size is ${String(hidden)}`,
  );
}

/**
 * The frequency of each pair of a head, in radians per position: base^(-2i / size). Computed in fp32 like transformers, since after
 * thousands of positions the last bit of a frequency affects the angle.
 */
export function rotaryFrequencies(size: number, base: number): number[] {
  return Array.from({ length: size / 2 }, (_, i) => Math.fround(1 / Math.fround(Math.fround(base) ** Math.fround((2 * i) / size))));
}

/** Cosine and sine of all angles, [length, size / 2]. */
export interface Rotation {
  readonly cosine: Value;
  readonly sine: Value;
}

/**
 * Computed in the graph, once per run: tables for the longest sequence would take megabytes, and config.json determines their size.
 *
 * @param name name of the constant
 * @param positions int64 [length], see SequenceShape.rowPositions
 */
export function rotation(graph: GraphBuilder, name: string, positions: Value, frequencies: readonly number[]): Rotation {
  const column = graph.node("Unsqueeze", [graph.node("Cast", [positions], { to: FLOAT }), graph.integers([1])]);
  const angles = graph.node("Mul", [column, graph.floats(name, frequencies, [1, frequencies.length])]);
  return { cosine: graph.narrow(graph.node("Cos", [angles])), sine: graph.narrow(graph.node("Sin", [angles])) };
}

/**
 * Query, key and value as multiHeadAttention expects them, [batch, tokens, hidden], with query and key rotated.
 *
 * @param query [tokens, hidden], or [batch, hidden] with queries "first" (for a packed group always all tokens)
 * @param key, value [tokens, hidden]
 */
export function rotated(
  graph: GraphBuilder,
  shape: SequenceShape,
  [query, key, value]: readonly [query: Value, key: Value, value: Value],
  hidden: number,
  { cosine, sine }: Rotation,
  queries: Queries,
): [query: Value, key: Value, value: Value] {
  const isPacked = graph.layout.form === "packed";
  // The second input is the first row of the angles, for consecutive positions.
  const turn = (x: Value): Value =>
    graph.node("RotaryEmbedding", [shape.unflatten(x, hidden), graph.integers([0]), cosine, sine], { interleaved: 0 }, MICROSOFT);
  // At position 0 all angles are 0.
  const turnedQuery = isPacked || queries === "all" ? turn(query) : shape.unflattenFirst(query);
  return [turnedQuery, turn(key), shape.unflatten(value, hidden)];
}
