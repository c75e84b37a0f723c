/** Rotary position embeddings (Su et al., 2021, arXiv 2104.09864): pairs (i, i + size / 2) of a head turn by an angle that grows with the position. */

import type { ConfigReader } from "./config";
import { FLOAT, MICROSOFT } from "./graph";
import type { GraphBuilder, Value } from "./graph";
import type { Heads, Queries, SequenceShape } from "./layers";

/** Size of a head, which must be even: each value has its pair. */
export function headSizeOf(config: ConfigReader, { hidden, heads }: Heads): number {
  const size = hidden / heads;
  if (size % 2 === 0) return size;
  throw config.invalid(
    "num_attention_heads",
    `heads of an even size, since their positions are rotary; the hidden size is ${String(hidden)}`,
  );
}

/**
 * How fast each pair of a head turns, in radians for each position: base^(-2i / size). In fp32 steps as the reference, since at thousands of
 * positions the last bit of a frequency is seen in the angle.
 */
export function rotaryFrequencies(size: number, base: number): number[] {
  return Array.from({ length: size / 2 }, (_, i) => Math.fround(1 / Math.fround(Math.fround(base) ** Math.fround((2 * i) / size))));
}

/** Cosine and sine of every angle, [length, size / 2]. */
export interface Rotation {
  readonly cosine: Value;
  readonly sine: Value;
}

/**
 * Computed in the graph, once for a run: tables for the longest sequence would be megabytes, and config.json decides how many.
 *
 * @param name of the constant
 * @param positions int64 [length], see SequenceShape.rowPositions
 */
export function rotation(graph: GraphBuilder, name: string, positions: Value, frequencies: readonly number[]): Rotation {
  const column = graph.node("Unsqueeze", [graph.node("Cast", [positions], { to: FLOAT }), graph.integers([1])]);
  const angles = graph.node("Mul", [column, graph.floats(name, frequencies, [1, frequencies.length])]);
  return { cosine: graph.narrow(graph.node("Cos", [angles])), sine: graph.narrow(graph.node("Sin", [angles])) };
}

/**
 * Query, key and value as attention takes them, [batch, tokens, hidden], with query and key turned.
 *
 * @param query [tokens, hidden], or [batch, hidden] when the queries are first tokens (of a packed group all tokens)
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
  // Rows of the angles are counted from the one that is given.
  const turn = (x: Value): Value =>
    graph.node("RotaryEmbedding", [shape.unflatten(x, hidden), graph.integers([0]), cosine, sine], { interleaved: 0 }, MICROSOFT);
  // At position 0 all angles are 0.
  const turnedQuery = isPacked || queries === "all" ? turn(query) : shape.unflattenFirst(query);
  return [turnedQuery, turn(key), shape.unflatten(value, hidden)];
}
