/** What the decoders (causal language models) have in common in their config.json. */

import type { TransformerPart } from "../checkpoint/types";
import type { ConfigReader } from "./config";
import { readFrequencies } from "./rope";

export interface DecoderConfig {
  /** config.json, for error messages. */
  readonly file: string;
  readonly vocabulary: number;
  readonly hidden: number;
  /** `hidden`: the width of the embeddings, for decoderOf. */
  readonly embedding: number;
  readonly layers: number;
  /** Heads of the queries. */
  readonly heads: number;
  /** Heads of keys and values, each of which `heads / keyHeads` heads of queries share (Ainslie et al., 2023, arXiv 2305.13245). */
  readonly keyHeads: number;
  /** May differ from hidden / heads. */
  readonly headSize: number;
  readonly intermediate: number;
  readonly activation: string;
  readonly epsilon: number;
  /** Whether the language model's head is tied to the word embeddings. */
  readonly tied: boolean;
  /** Whether a token attends only to itself and to earlier tokens. */
  readonly causal: boolean;
  /** Frequencies of the rotary position embeddings. */
  readonly frequencies: readonly number[];
  /** Which linear layers have biases. */
  readonly biases: { readonly inputs: boolean; readonly output: boolean; readonly mlp: boolean };
  /** Whether each head of queries and keys has a norm. */
  readonly normsHeads: boolean;
  /** Whether norms scale by 1 + weight instead of weight. */
  readonly normOffset: boolean;
  /** Whether the outputs of attention and of the feed-forward layer have norms too. */
  readonly normsOutputs: boolean;
  /** Factor of the word embeddings. */
  readonly embeddingScale: number;
  /** Factor of the products of queries and keys. */
  readonly scale: number;
  /** x becomes cap · tanh(x / cap), for the scaled products and for the language model's logits. */
  readonly scoreCap: number | undefined;
  readonly logitCap: number | undefined;
  /** How many tokens each token of a layer attends to, itself included; undefined for all. */
  readonly windowOf: (layer: number) => number | undefined;
  /** pad_token_id of transformers. */
  readonly padTokenId: number | null;
}

/** Defaults of a family's configuration class in transformers. */
export interface DecoderDefaults {
  /** Default of head_dim; if absent, hidden_size / num_attention_heads. */
  readonly headSize?: number;
  readonly epsilon?: number;
  readonly tied?: boolean;
  readonly positions: number;
  readonly padTokenId?: number;
  /** The field with the activation, which defaults to "silu". */
  readonly activation?: { readonly field: string; readonly fallback: string };
}

/** The configuration of Llama, with the fields of all families that mean the same in each. */
export function readDecoderConfig(part: TransformerPart, config: ConfigReader, defaults: DecoderDefaults): DecoderConfig {
  const { epsilon = 1e-6, tied = false, activation = { field: "hidden_act", fallback: "silu" } } = defaults;
  const hidden = config.positiveInteger("hidden_size");
  const stated = config.has("head_dim") || defaults.headSize !== undefined;
  const heads = stated ? config.positiveInteger("num_attention_heads") : config.heads("num_attention_heads", hidden);
  const headSize = config.positiveInteger("head_dim", defaults.headSize ?? hidden / heads);
  const keyHeads = config.positiveInteger("num_key_value_heads", heads);
  if (heads % keyHeads !== 0) throw config.invalid("num_key_value_heads", `a divisor of "num_attention_heads", ${String(heads)}`);
  const positions = config.positiveInteger("max_position_embeddings", defaults.positions);
  return {
    file: part.config.file,
    vocabulary: config.positiveInteger("vocab_size"),
    hidden,
    embedding: hidden,
    layers: config.positiveInteger("num_hidden_layers"),
    heads,
    keyHeads,
    headSize,
    intermediate: config.positiveInteger("intermediate_size"),
    activation: config.string(activation.field, activation.fallback),
    epsilon: config.positiveNumber("rms_norm_eps", epsilon),
    tied: config.boolean("tie_word_embeddings", tied),
    causal: config.boolean("is_causal", true),
    frequencies: readFrequencies(config, headSize, positions),
    biases: { inputs: false, output: false, mlp: false },
    normsHeads: false,
    normOffset: false,
    normsOutputs: false,
    embeddingScale: 1,
    scale: headSize ** -0.5,
    scoreCap: undefined,
    logitCap: undefined,
    windowOf: () => undefined,
    padTokenId: readPadTokenId(part, config, defaults.padTokenId),
  };
}

/** In contrast to other fields, null is not the default. */
function readPadTokenId(part: TransformerPart, config: ConfigReader, fallback: number | undefined): number | null {
  const name = "pad_token_id";
  if (config.has(name)) return config.integer(name, 0);
  return fallback === undefined || Object.hasOwn(part.config.json, name) ? null : fallback;
}

/** @returns undefined without the field, and for null */
export function optionalPositiveInteger(config: ConfigReader, name: string): number | undefined {
  return config.has(name) ? config.positiveInteger(name) : undefined;
}

/** Like optionalPositiveInteger. */
export function optionalPositiveNumber(config: ConfigReader, name: string): number | undefined {
  return config.has(name) ? config.positiveNumber(name) : undefined;
}

/**
 * The windows of layers of the type "sliding_attention".
 * @param isSliding the type of a layer if config.json does not list layer_types
 */
export function slidingWindows(
  config: ConfigReader,
  layers: number,
  window: number | undefined,
  isSliding: (layer: number) => boolean,
): DecoderConfig["windowOf"] {
  const listed = config.strings("layer_types");
  if (listed !== undefined && (listed.length !== layers || listed.some((type) => !LAYER_TYPES.has(type)))) {
    throw config.invalid("layer_types", `"full_attention" or "sliding_attention" for each of the ${String(layers)} layers`);
  }
  const slides = listed === undefined ? isSliding : (layer: number): boolean => listed[layer] === "sliding_attention";
  if (listed?.includes("sliding_attention") === true && window === undefined) {
    throw config.invalid("sliding_window", 'a positive integer, since "layer_types" lists "sliding_attention"');
  }
  return (layer) => (slides(layer) ? window : undefined);
}

const LAYER_TYPES: ReadonlySet<string> = new Set(["full_attention", "sliding_attention"]);
