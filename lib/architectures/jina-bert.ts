/**
 * JinaBERT (Günther et al., 2023, arXiv 2310.19923; code in jinaai/jina-bert-implementation): BERT with ALiBi instead of position
 * embeddings, and gated linear units. Checkpoints: jina-reranker-v1-tiny-en and -turbo-en. Their model_type is "bert".
 */

import type { TransformerPart } from "../checkpoint/types";
import { firstQueryBias } from "./attention";
import { bertAttention } from "./bert-encoder";
import { bertClassifier, bertMaskedHead } from "./bert-heads";
import { ConfigReader } from "./config";
import { normOf, openScope, readEncoderConfig, tokenTypeIds } from "./encoder-config";
import type { EncoderConfig } from "./encoder-config";
import { FLOAT } from "./graph";
import type { GraphBuilder, Value } from "./graph";
import { gated, layerNorm, linearAndNorm, lookUp, SequenceShape } from "./layers";
import type { Queries, Scope } from "./layers";
import type { Architecture, Graph } from "./types";
import { workingBytes } from "./working-set";

export const jinaBert: Architecture = {
  modelTypes: ["bert"],
  configClass: "JinaBertConfig",

  maskedLanguageModel(part, layout) {
    const config = readConfig(part);
    const scope = openScope(part, layout, "bert");
    const { output, ...head } = bertMaskedHead(scope, config, () => body(scope, config, "all"));
    return { ...jinaBertGraph(scope, config, output, "hidden"), ...head };
  },

  sequenceClassifier(part, labels, layout) {
    const config = readConfig(part);
    const scope = openScope(part, layout, "bert");
    const logits = bertClassifier(scope, config, body(scope, config, "first"), labels);
    return { ...jinaBertGraph(scope, config, logits, "logits"), labels };
  },

  body(part, queries, layout) {
    const config = readConfig(part);
    const scope = openScope(part, layout, "bert");
    const hidden = body(scope, config, queries);
    const finish = (value: Value): Graph => jinaBertGraph(scope, config, value, "logits");
    return { graph: scope.graph, hidden, size: config.hidden, vocabularySize: config.vocabulary, finish };
  },
};

/** Activations by feed_forward_type. */
const GATES: ReadonlyMap<string, string> = new Map([
  ["geglu", "gelu"],
  ["reglu", "relu"],
]);

interface JinaBertConfig extends EncoderConfig {
  readonly tokenTypes: number;
  readonly gate: string;
}

function readConfig(part: TransformerPart): JinaBertConfig {
  const config = new ConfigReader(part.config);
  if (config.string("position_embedding_type", "absolute") !== "alibi") {
    throw config.unsupported("position_embedding_type", 'only "alibi" is supported for JinaBERT');
  }
  const feedForward = config.string("feed_forward_type", "original");
  const gate = GATES.get(feedForward);
  if (gate === undefined) throw config.unsupported("feed_forward_type", `supported are: ${[...GATES.keys()].join(", ")}`);
  return { ...readEncoderConfig(part, 1e-12), tokenTypes: config.positiveInteger("type_vocab_size", 2), gate };
}

function body(scope: Scope, config: JinaBertConfig, queries: Queries): Value {
  const { graph } = scope;
  const inputIds = graph.input("input_ids");
  const shape = new SequenceShape(graph, inputIds);
  let x = embeddings(scope, config, shape, inputIds);
  const bias = alibi(graph, shape, config.heads);
  for (let i = 0; i < config.layers - 1; i++) x = layer(scope, config, shape, x, i, "all", bias);
  return layer(scope, config, shape, x, config.layers - 1, queries, firstQueryBias(graph, bias, queries));
}

/** LayerNorm(word + token type). */
function embeddings(scope: Scope, config: JinaBertConfig, shape: SequenceShape, inputIds: Value): Value {
  const { graph, tensors } = scope;
  const { hidden } = config;
  const at = `${tensors.prefix}embeddings`;
  const words = lookUp(scope, `${at}.word_embeddings`, config.vocabulary, hidden, inputIds);
  const types = lookUp(scope, `${at}.token_type_embeddings`, config.tokenTypes, hidden, tokenTypeIds(graph, config));
  return layerNorm(scope, shape.flatten(graph.node("Add", [words, types]), hidden), `${at}.LayerNorm`, normOf(config));
}

/** The symmetric variant of ALiBi (Press et al., 2022, arXiv 2108.12409): -slope · |i - j|, in the shape of ScoreOptions. */
function alibi(graph: GraphBuilder, shape: SequenceShape, heads: number): Value {
  const distances = graph.node("Abs", [graph.node("Cast", [shape.distances()], { to: FLOAT })]);
  const steepness = slopes(heads).map((slope) => -slope);
  const shapeOfSlopes = graph.takesGroups ? [1, heads, 1, 1] : [heads, 1];
  return graph.narrow(graph.node("Mul", [graph.floats("alibi", steepness, shapeOfSlopes), distances]));
}

/** Powers of 2^(-8 / n). If the number of heads is not a power of two, the rest are every other slope for the next power of two. */
function slopes(heads: number): number[] {
  const whole = 2 ** Math.floor(Math.log2(heads));
  const geometric = (count: number): number[] => Array.from({ length: count }, (_, i) => 2 ** ((-8 * (i + 1)) / count));
  const between = geometric(2 * whole).filter((_, i) => i % 2 === 0);
  return [...geometric(whole), ...between.slice(0, heads - whole)];
}

function layer(scope: Scope, config: JinaBertConfig, shape: SequenceShape, x: Value, index: number, queries: Queries, bias: Value): Value {
  const { hidden, intermediate, gate, file } = config;
  const at = `${scope.tensors.prefix}encoder.layer.${String(index)}`;
  const middle = bertAttention(scope, config, shape, x, `${at}.attention`, queries, { bias });
  const options = { activation: gate, activated: "upper", bias: false, configFile: file } as const;
  const product = gated(scope, middle, `${at}.mlp.gated_layers`, hidden, intermediate, options);
  const output = { name: `${at}.mlp.wo`, inputs: intermediate, outputs: hidden };
  return linearAndNorm(scope, product, output, middle, `${at}.mlp.layernorm`, normOf(config));
}

/** In groups, the bias and the scores need [heads, length, length] each. */
function jinaBertGraph({ graph }: Scope, config: JinaBertConfig, value: Value, output: "hidden" | "logits"): Graph {
  const { heads } = config;
  return {
    ...graph.finish(value, output),
    vocabularySize: config.vocabulary,
    maxPositions: undefined,
    bytesPerSequence: (length) => workingBytes({ ...config, wide: 3, perPair: graph.takesGroups ? 2 * heads + 3 : 0 }, length),
  };
}
