/** The encoder of Devlin et al., 2019 (arXiv 1810.04805). BERT, RoBERTa and ELECTRA share its layers, including tensor names. */

import type { TransformerPart } from "../checkpoint/types";
import { attention } from "./attention";
import type { ScoreOptions } from "./attention";
import { ConfigReader } from "./config";
import { normOf, readEncoderConfig, tokenTypeIds } from "./encoder-config";
import type { EncoderConfig } from "./encoder-config";
import type { Value } from "./graph";
import { activated, layerNorm, linear, linearAndNorm, lookUp } from "./layers";
import type { Queries, Scope, SequenceShape } from "./layers";
import type { Graph } from "./types";
import { workingBytes } from "./working-set";

export interface BertConfig extends EncoderConfig {
  /** Number of rows in the position table. */
  readonly positions: number;
  /** Maximum sequence length: in RoBERTa smaller than the number of rows. */
  readonly maxPositions: number;
  readonly tokenTypes: number;
}

export function readBertConfig(part: TransformerPart): BertConfig {
  const config = new ConfigReader(part.config);
  config.requireOnly("position_embedding_type", "absolute");
  config.requireOnly("is_decoder", false);
  const positions = config.positiveInteger("max_position_embeddings");
  return {
    ...readEncoderConfig(part, 1e-12),
    positions,
    maxPositions: positions,
    tokenTypes: config.positiveInteger("type_vocab_size", 2),
  };
}

/** LayerNorm(word + position + token type), [tokens, embedding]. */
export function bertEmbeddings(scope: Scope, config: BertConfig, shape: SequenceShape, inputIds: Value, positionIds: Value): Value {
  const { graph, tensors } = scope;
  const { embedding, epsilon } = config;
  const at = `${tensors.prefix}embeddings`;
  const words = lookUp(scope, `${at}.word_embeddings`, config.vocabulary, embedding, inputIds);
  const positions = lookUp(scope, `${at}.position_embeddings`, config.positions, embedding, positionIds);
  const types = lookUp(scope, `${at}.token_type_embeddings`, config.tokenTypes, embedding, tokenTypeIds(graph, config));
  const sum = graph.node("Add", [graph.node("Add", [words, types]), positions]);
  return layerNorm(scope, shape.flatten(sum, embedding), `${at}.LayerNorm`, { size: embedding, epsilon });
}

/**
 * All layers, [tokens, hidden]. With queries "first", the last layer computes only the first token of each sequence, [batch, hidden], the
 * only one that a classification head reads.
 */
export function bertLayers(scope: Scope, config: BertConfig, shape: SequenceShape, embeddings: Value, queries: Queries): Value {
  let x = embeddings;
  for (let i = 0; i < config.layers; i++) x = bertLayer(scope, config, shape, x, i, i === config.layers - 1 ? queries : "all");
  return x;
}

function bertLayer(scope: Scope, config: BertConfig, shape: SequenceShape, x: Value, index: number, queries: Queries): Value {
  const at = `${scope.tensors.prefix}encoder.layer.${String(index)}`;
  const middle = bertAttention(scope, config, shape, x, `${at}.attention`, queries);
  return feedForward(scope, config, middle, at);
}

/** The first half of a layer: LayerNorm(x + attention(x)), for the rows that `queries` selects. */
export function bertAttention(
  scope: Scope,
  config: EncoderConfig,
  shape: SequenceShape,
  x: Value,
  at: string,
  queries: Queries,
  scores: ScoreOptions = {},
): Value {
  const { hidden } = config;
  const rows = shape.rows(x, hidden, queries);
  const query = linear(scope, shape.queried(x, rows), `${at}.self.query`, hidden, hidden);
  const key = linear(scope, x, `${at}.self.key`, hidden, hidden);
  const value = linear(scope, x, `${at}.self.value`, hidden, hidden);
  const context = attention(scope.graph, shape, [query, key, value], config, queries, scores);
  const output = { name: `${at}.output.dense`, inputs: hidden, outputs: hidden };
  return linearAndNorm(scope, context, output, rows, `${at}.output.LayerNorm`, normOf(config));
}

/** The second half of a layer: LayerNorm(x + W₂ · act(W₁ · x)). */
export function feedForward(scope: Scope, config: EncoderConfig, x: Value, at: string): Value {
  const { hidden, intermediate } = config;
  const wide = activated(scope, x, [`${at}.intermediate.dense`, hidden, intermediate], config.activation, config.file);
  const output = { name: `${at}.output.dense`, inputs: intermediate, outputs: hidden };
  return linearAndNorm(scope, wide, output, x, `${at}.output.LayerNorm`, normOf(config));
}

export function bertGraph({ graph }: Scope, config: BertConfig, value: Value, output: "hidden" | "logits"): Graph {
  return {
    ...graph.finish(value, output),
    vocabularySize: config.vocabulary,
    maxPositions: config.maxPositions,
    bytesPerSequence: (length) => workingBytes(config, length),
  };
}
