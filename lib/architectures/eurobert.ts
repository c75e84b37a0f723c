/**
 * EuroBERT (Boizard et al., 2025, arXiv 2503.05500): Llama's layers, but every token attends to all others. Checkpoint: EuroBERT-210m, whose
 * repository has code of its own; transformers has the same as a class.
 */

import type { TransformerPart } from "../checkpoint/types";
import { ConfigReader } from "./config";
import { readDecoderConfig } from "./decoder-config";
import type { DecoderConfig } from "./decoder-config";
import { decoderGraph, decoderLayers, languageModelHead, openDecoder } from "./decoder-layers";
import type { Value } from "./graph";
import { meanOfTokens } from "./group-inputs";
import { gelu, linear, SequenceShape } from "./layers";
import type { Scope } from "./layers";
import type { Architecture, Graph } from "./types";

export const eurobert: Architecture = {
  modelTypes: ["eurobert"],
  configClass: "EuroBertConfig",

  maskedLanguageModel(part, layout) {
    const config = readConfig(part);
    const scope = openDecoder(part, layout);
    const decoder = languageModelHead(scope, config);
    const hidden = decoderLayers(scope, config, "all");
    return {
      ...decoderGraph(scope, config, hidden, "hidden"),
      decoder,
      decoderBias: config.biases.mlp ? scope.tensors.require(["lm_head.bias"], [config.vocabulary]) : undefined,
    };
  },

  sequenceClassifier(part, labels, layout) {
    const config = readConfig(part);
    const scope = openDecoder(part, layout);
    const pooled = classify(scope, config, labels);
    return { ...decoderGraph(scope, config, pooled, "logits"), labels };
  },

  body(part, queries, layout) {
    const config = readConfig(part);
    const scope = openDecoder(part, layout);
    const all = decoderLayers(scope, config, "all");
    const hidden = queries === "first" ? shapeOf(scope).firstTokens(all, config.hidden) : all;
    const finish = (value: Value): Graph => decoderGraph(scope, config, value, "logits");
    return { graph: scope.graph, hidden, size: config.hidden, vocabularySize: config.vocabulary, finish };
  },
};

type Pooling = "late" | "mean" | "bos";

interface EuroBertConfig extends DecoderConfig {
  /** "late": the mean of the logits of all tokens. */
  readonly pooling: Pooling;
}

const POOLINGS: readonly string[] = ["late", "mean", "bos"] satisfies Pooling[];

function readConfig(part: TransformerPart): EuroBertConfig {
  const config = new ConfigReader(part.config);
  const base = readDecoderConfig(part, config, { positions: 8192, epsilon: 1e-5 });
  const bias = config.boolean("attention_bias", false);
  const pooling = config.string("classifier_pooling", "late");
  if (!POOLINGS.includes(pooling)) throw config.invalid("classifier_pooling", POOLINGS.map((name) => `"${name}"`).join(", "));
  return {
    ...base,
    causal: false,
    biases: { inputs: bias, output: bias, mlp: config.boolean("mlp_bias", false) },
    pooling: pooling as Pooling,
  };
}

function shapeOf({ graph }: Scope): SequenceShape {
  return new SequenceShape(graph, "input_ids");
}

/** The logits of each sequence, [batch, labels]. */
function classify(scope: Scope, config: EuroBertConfig, labels: number): Value {
  const { hidden } = config;
  const all = decoderLayers(scope, config, "all");
  const shape = shapeOf(scope);
  const head = (x: Value): Value =>
    linear(scope, gelu(scope.graph, linear(scope, x, "dense", hidden, hidden)), "classifier", hidden, labels);
  switch (config.pooling) {
    case "bos":
      return head(shape.firstTokens(all, hidden));
    case "mean":
      return head(meanOfTokens(scope.graph, shape.unflatten(all, hidden)));
    case "late":
      return meanOfTokens(scope.graph, shape.unflatten(head(all), labels));
  }
}
