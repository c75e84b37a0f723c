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

/** Longer heads do not exist; the bound limits what an invalid config.json can allocate. */
const MAX_HEAD_SIZE = 65_536;

/** transformers' default of rope_theta. */
const DEFAULT_BASE = 10_000;

/**
 * The frequencies of a decoder, whose config.json states the base and the scaling in rope_parameters (transformers 5), or in rope_theta and
 * rope_scaling. Implemented are "default", "linear" (Chen et al., 2023, arXiv 2306.15595) and "llama3" (Llama 3.1).
 */
export function readFrequencies(config: ConfigReader, headSize: number, positions: number): number[] {
  if (headSize % 2 !== 0 || headSize > MAX_HEAD_SIZE) {
    const name = config.has("head_dim") ? "head_dim" : "num_attention_heads";
    throw config.invalid(name, `a number that makes the head size even and at most ${String(MAX_HEAD_SIZE)}`);
  }
  const scaling = config.section("rope_scaling");
  const parameters = scaling?.isEmpty === false ? scaling : config.section("rope_parameters");
  const base = parameters?.has("rope_theta") === true ? parameters : config;
  const frequencies = rotaryFrequencies(headSize, base.positiveNumber("rope_theta", DEFAULT_BASE));
  config.requireOnly("partial_rotary_factor", 1);
  if (parameters === undefined) return frequencies;
  parameters.requireOnly("partial_rotary_factor", 1);
  // Other bases for other layers.
  for (const nested of ["full_attention", "sliding_attention"]) parameters.requireAbsent(nested);
  const field = parameters.has("rope_type") ? "rope_type" : "type";
  switch (parameters.string(field, "default")) {
    case "default":
      return frequencies;
    case "linear": {
      const factor = parameters.positiveNumber("factor");
      return frequencies.map((frequency) => Math.fround(frequency / factor));
    }
    case "llama3":
      return llama3Frequencies(frequencies, config, parameters, positions);
    default:
      throw parameters.unsupported(field, 'supported are "default", "linear" and "llama3"');
  }
}

/**
 * Long wavelengths are stretched by a factor, short ones are kept, and those between are interpolated. In fp32, operation by operation, as
 * in transformers.
 */
function llama3Frequencies(frequencies: readonly number[], config: ConfigReader, parameters: ConfigReader, positions: number): number[] {
  const factor = parameters.positiveNumber("factor");
  const low = parameters.positiveNumber("low_freq_factor");
  const high = parameters.positiveNumber("high_freq_factor");
  if (high <= low) throw parameters.invalid("high_freq_factor", `a number > ${String(low)}, "low_freq_factor"`);
  const name = "original_max_position_embeddings";
  const original = config.has(name) ? config.positiveNumber(name) : parameters.positiveNumber(name, positions);
  return frequencies.map((frequency) => {
    const wavelength = Math.fround((2 * Math.PI) / frequency);
    if (wavelength < original / high) return frequency;
    const stretched = Math.fround(frequency / factor);
    if (wavelength > original / low) return stretched;
    const smooth = Math.fround(Math.fround(Math.fround(original / wavelength) - low) / (high - low));
    const kept = Math.fround(smooth * frequency);
    return Math.fround(Math.fround(Math.fround(Math.fround(1 - smooth) * frequency) / factor) + kept);
  });
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
