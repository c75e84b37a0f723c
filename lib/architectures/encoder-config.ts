/** Configuration and building blocks that the encoders of all families share. Field names follow BERT's config.json. */

import type { TensorInfo, TransformerPart } from "../checkpoint/types";
import { ConfigReader } from "./config";
import { GraphBuilder, INT64 } from "./graph";
import type { GraphLayout, Value } from "./graph";
import type { Norm, Scope, SequenceShape } from "./layers";
import { Tensors } from "./tensors";

/** The name without prefix, which all families but ModernBERT use. */
const WORD_EMBEDDINGS = "embeddings.word_embeddings.weight";

export interface EncoderConfig {
  /** config.json, for error messages. */
  readonly file: string;
  readonly vocabulary: number;
  readonly hidden: number;
  /** Width of the embeddings, which are projected if it differs from `hidden`. */
  readonly embedding: number;
  readonly layers: number;
  readonly heads: number;
  readonly intermediate: number;
  readonly activation: string;
  readonly epsilon: number;
  /** Whether the decoder of the masked language model is tied to the word embeddings. */
  readonly tied: boolean;
}

export function readEncoderConfig({ config: { file, json } }: TransformerPart, defaultEpsilon: number): EncoderConfig {
  const config = new ConfigReader({ file, json });
  const hidden = config.positiveInteger("hidden_size");
  return {
    file,
    vocabulary: config.positiveInteger("vocab_size"),
    hidden,
    embedding: hidden,
    layers: config.positiveInteger("num_hidden_layers"),
    heads: config.heads("num_attention_heads", hidden),
    intermediate: config.positiveInteger("intermediate_size"),
    activation: config.string("hidden_act", "gelu"),
    epsilon: config.positiveNumber("layer_norm_eps", defaultEpsilon),
    tied: config.boolean("tie_word_embeddings", true),
  };
}

/** The layer norm of all layers. */
export function normOf({ hidden, epsilon }: { readonly hidden: number; readonly epsilon: number }): Norm {
  return { size: hidden, epsilon };
}

/** @param base see Tensors @param words name of the word embeddings, used as the probe of Tensors */
export function openScope(part: TransformerPart, layout: GraphLayout | undefined, base: string, words = WORD_EMBEDDINGS): Scope {
  return { graph: new GraphBuilder(layout), tensors: new Tensors(part, base, words) };
}

/**
 * The decoder matrix, [vocabulary, embedding]. Call it before looking up the embeddings: of a tied pair, the file may contain either
 * tensor. If it contains both, they are not tied, whatever config.json states.
 */
export function decoderOf(
  { tensors }: Scope,
  config: { readonly tied: boolean; readonly vocabulary: number; readonly embedding: number },
  name: string,
  words = WORD_EMBEDDINGS,
): TensorInfo {
  const shape = [config.vocabulary, config.embedding];
  if (!config.tied) return tensors.require([name], shape);
  const embeddings = `${tensors.prefix}${words}`;
  tensors.tie(name, embeddings);
  return tensors.require([name, embeddings], shape);
}

/**
 * Ids for the table of token types. With a single type the graph has no such input. With more, an id outside the table makes the run fail.
 */
export function tokenTypeIds(graph: GraphBuilder, config: { readonly tokenTypes: number }): Value {
  return config.tokenTypes > 1 ? graph.input("token_type_ids") : graph.integers(0);
}

/**
 * RoBERTa's position ids, which start at padding + 1. Padding tokens, which a text can contain literally, are not counted and have the id
 * `padding`.
 * @returns int64 in the shape of the ids
 */
export function positionsAfterPadding(graph: GraphBuilder, shape: SequenceShape, inputIds: Value, padding: number): Value {
  if (graph.takesGroups) {
    graph.countPositionsAfter(padding);
    return shape.positionIds();
  }
  const isPadding = graph.node("Equal", [inputIds, graph.integers(padding)]);
  const isToken = graph.node("Cast", [graph.node("Not", [isPadding])], { to: INT64 });
  const counted = graph.node("Mul", [graph.node("CumSum", [isToken, graph.integers(1)]), isToken]);
  return graph.node("Add", [counted, graph.integers(padding)]);
}
