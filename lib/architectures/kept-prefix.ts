/**
 * Keys and values of the tokens that several sequences begin with (docs/decisions/0023): a run of these tokens returns them, and the runs of
 * the sequences continue from them. In causal attention they do not depend on later tokens, so this is exact.
 *
 * Inputs: `past_0` … `past_{2 · layers − 1}`, the keys and the values of each layer, [1, heads, past, size], without tokens for a sequence
 * that continues from nothing; `kept_tokens`, int64 [1], how many of the past and new tokens to return. Outputs: `kept_0` …, in the same
 * order and shape. Runs that keep nothing return them without tokens, so that the memory of a layer is free when the layer ends.
 */

import type { DecoderConfig } from "./decoder-config";
import { FLOAT } from "./graph";
import type { GraphBuilder, Value } from "./graph";

/** The past of one layer. */
export interface LayerPast {
  /** [1, heads, past, size]. */
  readonly keys: Value;
  readonly values: Value;
  /** Number of past tokens, int64 scalar. */
  readonly length: Value;
  /** Returns keys and values of past and new tokens, each [1, heads, past + new, size], as far as the run keeps them. */
  readonly keep: (keys: Value, values: Value) => void;
}

export interface Past {
  readonly length: Value;
  readonly ofLayer: (index: number) => LayerPast;
}

/** Undefined if runs cannot continue from a prefix: without causal attention, and for groups. */
export function openPast(graph: GraphBuilder, config: DecoderConfig, padTokenId: number | null): Past | undefined {
  if (!config.causal || graph.takesGroups) return undefined;
  const { layers, keyHeads: heads, headSize: size } = config;
  graph.continueFrom({ layers, heads, size, padTokenId });
  const dimensions = ["one", "heads", "past", "size"];
  const kept = graph.state("kept_tokens", ["one"]);
  // One by one, since config.json may state any number of layers before their tensors are looked for.
  const past = (i: number): Value => graph.state(`past_${String(i)}`, dimensions, FLOAT);
  const length = graph.node("Gather", [graph.node("Shape", [past(0)]), graph.integers(2)]);
  const ofLayer = (index: number): LayerPast => {
    const [keys, values] = [past(2 * index), past(2 * index + 1)];
    const keep = (...all: readonly Value[]): void => {
      for (const [i, value] of all.entries()) {
        const part = graph.node("Slice", [value, graph.integers([0]), kept, graph.integers([2])]);
        graph.output(part, `kept_${String(2 * index + i)}`, dimensions);
      }
    };
    return { keys, values, length, keep };
  };
  return { length, ofLayer };
}
