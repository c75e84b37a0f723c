/**
 * The encoder shared by DeBERTa (He et al., 2021, arXiv 2006.03654) and its versions 2 and 3 (arXiv 2111.09543): BERT's layers with
 * disentangled attention, usually without position embeddings in the input.
 */

import type { TransformerPart } from "../checkpoint/types";
import { attention } from "./attention";
import type { ScoreOptions } from "./attention";
import { feedForward } from "./bert-encoder";
import { bertMaskedHead } from "./bert-heads";
import type { MaskedHead } from "./bert-heads";
import { ConfigReader } from "./config";
import { normOf, openScope, readEncoderConfig, tokenTypeIds } from "./encoder-config";
import type { EncoderConfig } from "./encoder-config";
import type { GraphBuilder, Value } from "./graph";
import { activated, activation, layerNorm, linear, linearAndNorm, lookUp, SequenceShape } from "./layers";
import type { Heads, Queries, Scope } from "./layers";
import { contentToPosition, positionToContent, product, relativePositions } from "./relative-positions";
import type { DistanceRows, RelativePositions } from "./relative-positions";
import type { Architecture, Graph } from "./types";
import { workingBytes } from "./working-set";

export interface DebertaConfig extends EncoderConfig {
  /** Number of rows in the position table of the input; undefined without one. */
  readonly positions: number | undefined;
  /** 0 in all published models. */
  readonly tokenTypes: number;
  /** Scale of all products in the scores: 1 / √(head size · number of terms). */
  readonly scale: number;
  /** True for BERT's head, which transformers uses by default; false for the head of DeBERTa's authors. */
  readonly bertHead: boolean;
  readonly poolerActivation: string;
  readonly relative: RelativeConfig | undefined;
}

export interface RelativeConfig {
  readonly contentToPosition: boolean;
  readonly positionToContent: boolean;
  readonly distances: DistanceRows;
  /** Whether a layer norm is applied to the distance embeddings. */
  readonly norm: boolean;
}

/** The differences between the versions. `at` is the name of a layer's attention. */
export interface DebertaVersion {
  readonly config: DebertaConfig;
  /** Query, key and value, [tokens, hidden] each; with queries "first" the query is [batch, hidden]. */
  project(scope: Scope, shape: SequenceShape, x: Value, at: string, queries: Queries): readonly [query: Value, key: Value, value: Value];
  /** Keys of the distance embeddings, for the content-to-position term: [rows, hidden]. */
  positionKeys(scope: Scope, distances: Value, at: string): Value;
  /** Queries of the distance embeddings, for the position-to-content term: [rows, hidden]. */
  positionQueries(scope: Scope, distances: Value, at: string): Value;
  /** Computes the second layer's input from the embeddings and the first layer's output; undefined if it is that output. */
  readonly afterFirstLayer: ((scope: Scope, shape: SequenceShape, embeddings: Value, output: Value) => Value) | undefined;
}

/** Reads the fields of config.json that all versions share. @param distances called if config.json enables relative attention */
export function readDebertaConfig(part: TransformerPart, distances: () => DistanceRows, norm: boolean): DebertaConfig {
  const config = new ConfigReader(part.config);
  const encoder = readEncoderConfig(part, 1e-7);
  const { hidden, heads } = encoder;
  const terms = new Set(config.names("pos_att_type"));
  const [contentToPosition, positionToContent] = [terms.has("c2p"), terms.has("p2c")];
  const known = Number(contentToPosition) + Number(positionToContent);
  if (known !== terms.size) throw config.unsupported("pos_att_type", "supported are: c2p, p2c");
  config.requireOnly("pooler_hidden_size", hidden);
  config.requireOnly("attention_head_size", hidden / heads);
  return {
    ...encoder,
    embedding: config.positiveInteger("embedding_size", hidden),
    positions: config.boolean("position_biased_input", true) ? config.positiveInteger("max_position_embeddings", 512) : undefined,
    tokenTypes: config.nonNegativeInteger("type_vocab_size", 0),
    // The number of terms counts even without relative attention.
    scale: 1 / Math.sqrt((hidden / heads) * (1 + known)),
    bertHead: config.boolean("legacy", true),
    poolerActivation: config.string("pooler_hidden_act", "gelu"),
    relative: config.boolean("relative_attention", false)
      ? { contentToPosition, positionToContent, distances: distances(), norm }
      : undefined,
  };
}

/** The largest distance in the table, to either side, if it has no buckets. */
export function maxRelativePositions(config: ConfigReader): number {
  const stated = config.integer("max_relative_positions", -1);
  return stated < 1 ? config.positiveInteger("max_position_embeddings", 512) : stated;
}

export function debertaFamily(modelTypes: readonly string[], read: (part: TransformerPart) => DebertaVersion): Architecture {
  return {
    modelTypes,

    maskedLanguageModel(part, layout) {
      const version = read(part);
      const { config } = version;
      const scope = openScope(part, layout, "deberta");
      const maskedHead = config.bertHead ? bertMaskedHead : authorsMaskedHead;
      const { output, ...head } = maskedHead(scope, config, () => body(scope, version, "all"));
      return { ...debertaGraph(scope, config, output, "hidden"), ...head };
    },

    sequenceClassifier(part, labels, layout) {
      const version = read(part);
      const { config } = version;
      const scope = openScope(part, layout, "deberta");
      const dense = linear(scope, body(scope, version, "first"), "pooler.dense", config.hidden, config.hidden);
      const pooled = activation(scope.graph, config.poolerActivation, dense, config.file);
      const logits = linear(scope, pooled, "classifier", config.hidden, labels);
      return { ...debertaGraph(scope, config, logits, "logits"), labels };
    },

    body(part, queries, layout) {
      const version = read(part);
      const { config } = version;
      const scope = openScope(part, layout, "deberta");
      const hidden = body(scope, version, queries);
      const finish = (value: Value): Graph => debertaGraph(scope, config, value, "logits");
      return { graph: scope.graph, hidden, size: config.hidden, vocabularySize: config.vocabulary, finish };
    },
  };
}

/** The head of DeBERTa's authors. Its decoder is always tied to the word embeddings. */
function authorsMaskedHead(scope: Scope, config: DebertaConfig, body: () => Value): MaskedHead {
  const { tensors } = scope;
  const at = "lm_predictions.lm_head";
  const dense = activated(scope, body(), [`${at}.dense`, config.hidden, config.hidden], config.activation, config.file);
  return {
    output: layerNorm(scope, dense, `${at}.LayerNorm`, normOf(config)),
    decoder: tensors.require([`${tensors.prefix}embeddings.word_embeddings.weight`], [config.vocabulary, config.hidden]),
    decoderBias: tensors.require([`${at}.bias`], [config.vocabulary]),
  };
}

/** The terms of relative positions, and the values that the layers of a graph share for them. */
type Relative = RelativeConfig & RelativePositions;

interface Context {
  readonly scope: Scope;
  readonly version: DebertaVersion;
  readonly shape: SequenceShape;
  readonly relative: Relative | undefined;
}

function body(scope: Scope, version: DebertaVersion, queries: Queries): Value {
  const { config, afterFirstLayer } = version;
  const inputIds = scope.graph.input("input_ids");
  const shape = new SequenceShape(scope.graph, inputIds);
  const embedded = embeddings(scope, config, shape, inputIds);
  const context: Context = { scope, version, shape, relative: relativeOf(scope, config, shape) };
  const queriesOf = (index: number): Queries => (index === config.layers - 1 ? queries : "all");
  // afterFirstLayer reads all tokens of the first layer.
  const first = layer(context, embedded, 0, afterFirstLayer === undefined ? queriesOf(0) : "all");
  let x = afterFirstLayer === undefined ? first : afterFirstLayer(scope, shape, embedded, first);
  for (let i = 1; i < config.layers; i++) x = layer(context, x, i, queriesOf(i));
  return afterFirstLayer !== undefined && queriesOf(0) === "first" ? shape.firstTokens(x, config.hidden) : x;
}

/** LayerNorm(word [+ position] [+ token type]), projected if the embeddings are narrower than the layers. */
function embeddings(scope: Scope, config: DebertaConfig, shape: SequenceShape, inputIds: Value): Value {
  const { graph, tensors } = scope;
  const { hidden, embedding, positions, tokenTypes } = config;
  const at = `${tensors.prefix}embeddings`;
  const tables = [lookUp(scope, `${at}.word_embeddings`, config.vocabulary, embedding, inputIds)];
  if (positions !== undefined) tables.push(lookUp(scope, `${at}.position_embeddings`, positions, embedding, shape.positionIds()));
  if (tokenTypes > 0) tables.push(lookUp(scope, `${at}.token_type_embeddings`, tokenTypes, embedding, tokenTypeIds(graph, config)));
  const sum = tables.reduce((a, b) => graph.node("Add", [a, b]));
  const rows = shape.flatten(sum, embedding);
  const wide = embedding === hidden ? rows : linear(scope, rows, `${at}.embed_proj`, embedding, hidden, { bias: false });
  return layerNorm(scope, wide, `${at}.LayerNorm`, normOf(config));
}

function relativeOf(scope: Scope, config: DebertaConfig, shape: SequenceShape): Relative | undefined {
  const { relative } = config;
  if (relative === undefined || (!relative.contentToPosition && !relative.positionToContent)) return undefined;
  const at = `${scope.tensors.prefix}encoder`;
  const norm = relative.norm ? ([`${at}.LayerNorm`, normOf(config)] as const) : undefined;
  return { ...relative, ...relativePositions(scope, shape, relative.distances, `${at}.rel_embeddings`, config, norm) };
}

function layer(context: Context, x: Value, index: number, queries: Queries): Value {
  const { scope, version, shape, relative } = context;
  const { config } = version;
  const { hidden, scale } = config;
  const at = `${scope.tensors.prefix}encoder.layer.${String(index)}`;
  const rows = shape.rows(x, hidden, queries);
  const inputs = version.project(scope, shape, x, `${at}.attention.self`, queries);
  const terms = relative && distanceTerms(context, relative, inputs, `${at}.attention.self`, queries);
  const attended = attention(scope.graph, shape, inputs, config, queries, { ...terms, scale });
  const projection = { name: `${at}.attention.output.dense`, inputs: hidden, outputs: hidden };
  const middle = linearAndNorm(scope, attended, projection, rows, `${at}.attention.output.LayerNorm`, normOf(config));
  return feedForward(scope, config, middle, at);
}

function distanceTerms(
  { scope, version, shape }: Context,
  relative: Relative,
  [query, key]: readonly [query: Value, key: Value, value: Value],
  at: string,
  queries: Queries,
): ScoreOptions {
  const { config } = version;
  const { scale } = config;
  const { graph } = scope;
  const content = (x: Value): Value => tokensByHead(graph, shape, x, config);
  const positionKey = (): Value => distancesByHead(graph, version.positionKeys(scope, relative.embeddings, at), config);
  const positionQuery = (): Value => distancesByHead(graph, version.positionQueries(scope, relative.embeddings, at), config);
  const { contentToPosition: hasQueryTerm, positionToContent: hasKeyTerm, rows } = relative;
  if (!graph.takesGroups) {
    const queryTerm = hasQueryTerm ? product(graph, content(query), positionKey(), scale) : undefined;
    const keyTerm = hasKeyTerm ? product(graph, content(key), positionQuery(), scale) : undefined;
    return { distanceTerms: { rows, query: queryTerm, key: keyTerm } };
  }
  const pairs = queries === "all" ? rows : graph.once("first_rows", () => graph.node("Gather", [rows, graph.integers([0])], { axis: 2 }));
  const terms: Value[] = [];
  if (hasQueryTerm) terms.push(contentToPosition(graph, content(query), positionKey(), pairs, scale));
  if (hasKeyTerm) terms.push(positionToContent(graph, positionQuery(), content(key), pairs, scale));
  return { bias: terms.reduce((a, b) => graph.node("Add", [a, b])) };
}

/** [tokens, hidden] -> [batch, heads, tokens, size] */
function tokensByHead(graph: GraphBuilder, shape: SequenceShape, x: Value, { hidden, heads }: Heads): Value {
  const split = graph.node("Concat", [shape.batch(), graph.integers([-1, heads, hidden / heads])], { axis: 0 });
  return graph.node("Transpose", [graph.node("Reshape", [x, split])], { perm: [0, 2, 1, 3] });
}

/** [rows, hidden] -> [heads, rows, size] */
function distancesByHead(graph: GraphBuilder, x: Value, { hidden, heads }: Heads): Value {
  return graph.node("Transpose", [graph.node("Reshape", [x, graph.integers([-1, heads, hidden / heads])])], { perm: [1, 0, 2] });
}

/**
 * Memory in addition to BERT's: per token its products with the rows; the rows with their projections and copies; and in groups, per pair
 * of tokens, the row numbers, the two terms and the scores.
 */
function debertaGraph({ graph }: Scope, config: DebertaConfig, value: Value, output: "hidden" | "logits"): Graph {
  const { hidden, heads, positions, relative } = config;
  const bytesPerSequence = (length: number): number => {
    if (relative === undefined) return workingBytes(config, length);
    const rows = Math.min(2 * length, relative.distances.count);
    const constant = 6 * rows * hidden;
    const perHead = graph.takesGroups ? { perPair: 4 * heads + 6, perToken: heads * rows } : { perToken: 2 * heads * rows };
    return workingBytes({ ...config, ...perHead, constant }, length);
  };
  const limits = [positions, relative?.distances.maxPositions].filter((limit) => limit !== undefined);
  return {
    ...graph.finish(value, output),
    vocabularySize: config.vocabulary,
    maxPositions: limits.length === 0 ? undefined : Math.min(...limits),
    bytesPerSequence,
  };
}
