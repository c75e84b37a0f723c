/** What the encoders of all families have in common, under the names of BERT's config.json. */

import type { TensorInfo, TransformerPart } from "../checkpoint/types";
import { ConfigReader } from "./config";
import { GraphBuilder, INT64 } from "./graph";
import type { GraphLayout, Value } from "./graph";
import type { Norm, Scope, SequenceShape } from "./layers";
import { Tensors } from "./tensors";

/** Without prefix. Only ModernBERT has another name for them. */
const WORD_EMBEDDINGS = "embeddings.word_embeddings.weight";

export interface EncoderConfig {
  /** config.json, for error messages. */
  readonly file: string;
  readonly vocabulary: number;
  readonly hidden: number;
  /** Width of the embeddings, which are projected where it is not `hidden`. */
  readonly embedding: number;
  readonly layers: number;
  readonly heads: number;
  readonly intermediate: number;
  readonly activation: string;
  readonly epsilon: number;
  /** The decoder of the masked language model is the word embeddings. */
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

/** The norms of the layers. */
export function normOf({ hidden, epsilon }: { readonly hidden: number; readonly epsilon: number }): Norm {
  return { size: hidden, epsilon };
}

/** @param base, words see Tensors; the word embeddings are its probe */
export function openScope(part: TransformerPart, layout: GraphLayout | undefined, base: string, words = WORD_EMBEDDINGS): Scope {
  return { graph: new GraphBuilder(layout), tensors: new Tensors(part, base, words) };
}

/**
 * The decoder matrix, [vocabulary, embedding]. Comes before the embeddings are looked up: of a tied pair the file may have either tensor. A
 * file with two different ones is not tied, whatever config.json says.
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
 * Ids for a table of token types. One type leaves nothing to choose, so the graph then has no such input; with more an id beyond the table makes
 * the run fail.
 */
export function tokenTypeIds(graph: GraphBuilder, config: { readonly tokenTypes: number }): Value {
  return config.tokenTypes > 1 ? graph.input("token_type_ids") : graph.integers(0);
}

/**
 * RoBERTa's positions count from padding + 1; padding tokens, which a text can contain literally, are not counted and stay at `padding`.
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
