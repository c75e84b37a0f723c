/** The encoder of Devlin et al., 2019 (arXiv 1810.04805), whose layers BERT, RoBERTa and ELECTRA share tensor by tensor. */

import type { TensorInfo, TransformerPart } from "../checkpoint/types";
import { ConfigReader } from "./config";
import { GraphBuilder } from "./graph";
import type { Value } from "./graph";
import { activation, addAndNorm, attention, layerNorm, linear } from "./layers";
import type { Queries, Scope, SequenceShape } from "./layers";
import { Tensors } from "./tensors";
import type { Graph } from "./types";

/** Without prefix. DistilBERT has it, too. */
const WORD_EMBEDDINGS = "embeddings.word_embeddings.weight";

export interface BertConfig {
  readonly file: string;
  readonly vocabulary: number;
  readonly hidden: number;
  /** Differs from `hidden` in ELECTRA only. */
  readonly embedding: number;
  readonly layers: number;
  readonly heads: number;
  readonly intermediate: number;
  readonly activation: string;
  readonly epsilon: number;
  /** Rows of the position table. */
  readonly positions: number;
  /** Tokens that have a position: fewer than rows in RoBERTa. */
  readonly maxPositions: number;
  readonly tokenTypes: number;
  /** The decoder of the masked language model is the word embeddings. */
  readonly tied: boolean;
}

export function readBertConfig(part: TransformerPart): BertConfig {
  const config = new ConfigReader(part.config);
  config.requireOnly("position_embedding_type", "absolute");
  config.requireOnly("is_decoder", false);
  const hidden = config.positiveInteger("hidden_size");
  const positions = config.positiveInteger("max_position_embeddings");
  return {
    file: part.config.file,
    vocabulary: config.positiveInteger("vocab_size"),
    hidden,
    embedding: hidden,
    layers: config.positiveInteger("num_hidden_layers"),
    heads: config.heads("num_attention_heads", hidden),
    intermediate: config.positiveInteger("intermediate_size"),
    activation: config.string("hidden_act", "gelu"),
    epsilon: config.positiveNumber("layer_norm_eps", 1e-12),
    positions,
    maxPositions: positions,
    tokenTypes: config.positiveInteger("type_vocab_size", 2),
    tied: config.boolean("tie_word_embeddings", true),
  };
}

/** @param base see Tensors */
export function openScope(part: TransformerPart, base: string): Scope {
  return { graph: new GraphBuilder(), tensors: new Tensors(part, base, WORD_EMBEDDINGS) };
}

/**
 * The decoder matrix, [vocabulary, embedding]. Comes before the embeddings are looked up: of a tied pair the file may have either tensor. A
 * file with two different ones is not tied, whatever config.json says.
 */
export function decoderOf(
  { tensors }: Scope,
  config: { readonly tied: boolean; readonly vocabulary: number; readonly embedding: number },
  name: string,
): TensorInfo {
  const shape = [config.vocabulary, config.embedding];
  if (!config.tied) return tensors.require([name], shape);
  const words = `${tensors.prefix}${WORD_EMBEDDINGS}`;
  tensors.tie(name, words);
  return tensors.require([name, words], shape);
}

/**
 * LayerNorm(word + position + token type), [tokens, embedding]. A table of one token type leaves nothing to choose, so the graph then has no
 * input token_type_ids; with a larger table an id beyond it makes the run fail.
 */
export function bertEmbeddings(scope: Scope, config: BertConfig, shape: SequenceShape, inputIds: Value, positionIds: Value): Value {
  const { graph, tensors } = scope;
  const at = `${tensors.prefix}embeddings`;
  const look = (name: string, rows: number, ids: Value): Value =>
    graph.node("Gather", [graph.weight(tensors.require([`${at}.${name}.weight`], [rows, config.embedding])), ids]);
  const words = look("word_embeddings", config.vocabulary, inputIds);
  const positions = look("position_embeddings", config.positions, positionIds);
  const tokenTypeIds = takesTokenTypes(config) ? graph.input("token_type_ids") : graph.integers(0);
  const types = look("token_type_embeddings", config.tokenTypes, tokenTypeIds);
  const sum = graph.node("Add", [graph.node("Add", [words, types]), positions]);
  return layerNorm(scope, shape.flatten(sum, config.embedding), `${at}.LayerNorm`, config.embedding, config.epsilon);
}

/**
 * All layers, [tokens, hidden]. With queries "first" the last layer computes only the first token of each sequence, [batch, hidden]: a
 * classification head reads no other.
 */
export function bertLayers(scope: Scope, config: BertConfig, shape: SequenceShape, embeddings: Value, queries: Queries): Value {
  let x = embeddings;
  for (let i = 0; i < config.layers; i++) x = bertLayer(scope, config, shape, x, i, i === config.layers - 1 ? queries : "all");
  return x;
}

function bertLayer(scope: Scope, config: BertConfig, shape: SequenceShape, x: Value, index: number, queries: Queries): Value {
  const { graph, tensors } = scope;
  const { hidden, intermediate, heads, epsilon } = config;
  const at = `${tensors.prefix}encoder.layer.${String(index)}`;
  const rows = queries === "all" ? x : shape.firstTokens(x, hidden);
  const query = linear(scope, rows, `${at}.attention.self.query`, hidden, hidden);
  const key = linear(scope, x, `${at}.attention.self.key`, hidden, hidden);
  const value = linear(scope, x, `${at}.attention.self.value`, hidden, hidden);
  const context = attention(graph, shape, query, key, value, hidden, heads, queries);
  const attended = linear(scope, context, `${at}.attention.output.dense`, hidden, hidden);
  const middle = addAndNorm(scope, attended, rows, `${at}.attention.output.LayerNorm`, hidden, epsilon);
  const widened = linear(scope, middle, `${at}.intermediate.dense`, hidden, intermediate);
  const activated = activation(graph, config.activation, widened, config.file);
  const output = linear(scope, activated, `${at}.output.dense`, intermediate, hidden);
  return addAndNorm(scope, output, middle, `${at}.output.LayerNorm`, hidden, epsilon);
}

export function bertGraph({ graph }: Scope, config: BertConfig, value: Value, output: "hidden" | "logits"): Graph {
  return {
    model: graph.finish(value, output),
    weights: graph.weights,
    tokenTypes: takesTokenTypes(config),
    vocabularySize: config.vocabulary,
    maxPositions: config.maxPositions,
  };
}

function takesTokenTypes(config: BertConfig): boolean {
  return config.tokenTypes > 1;
}
