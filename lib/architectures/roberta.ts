/** RoBERTa (Liu et al., 2019, arXiv 1907.11692), XLM-RoBERTa (arXiv 1911.02116) and CamemBERT: granite sparse, bge rerankers, stsb and nli. */

import type { TransformerPart } from "../checkpoint/types";
import { decoderOf } from "./bert";
import { bertEmbeddings, bertLayers, readBertConfig } from "./bert-encoder";
import { ConfigReader } from "./config";
import { GraphBuilder } from "./graph";
import type { Value } from "./graph";
import { gelu, layerNorm, linear, SequenceShape, tanh } from "./layers";
import type { Queries, Scope } from "./layers";
import { Tensors } from "./tensors";
import type { Architecture } from "./types";

export const roberta: Architecture = {
  modelTypes: ["roberta", "xlm-roberta", "camembert"],

  maskedLanguageModel(part) {
    const { scope, config, hidden, common } = body(part, "all");
    const dense = gelu(scope.graph, linear(scope, hidden, "lm_head.dense", config.hidden, config.hidden));
    const output = layerNorm(scope, dense, "lm_head.layer_norm", config.hidden, config.epsilon);
    return {
      ...common(output, "hidden"),
      decoder: decoderOf(scope.tensors, "lm_head.decoder.weight", config),
      decoderBias: scope.tensors.require(["lm_head.decoder.bias", "lm_head.bias"], [config.vocabulary]),
    };
  },

  sequenceClassifier(part, labels) {
    const { scope, config, hidden, common } = body(part, "first");
    const dense = tanh(scope.graph, linear(scope, hidden, "classifier.dense", config.hidden, config.hidden));
    const logits = linear(scope, dense, "classifier.out_proj", config.hidden, labels);
    return { ...common(logits, "logits"), labels };
  },
};

function body(part: TransformerPart, queries: Queries) {
  const config = readBertConfig(part);
  const padding = new ConfigReader(part.config).nonNegativeInteger("pad_token_id", 1);
  const graph = new GraphBuilder();
  const scope: Scope = { graph, tensors: new Tensors(part, "roberta", "embeddings.word_embeddings.weight") };
  const inputIds = graph.input("input_ids");
  const shape = new SequenceShape(graph, inputIds);
  const positionIds = positionsAfterPadding(graph, inputIds, padding);
  // The tokenizers of this family give every token type 0.
  const embeddings = bertEmbeddings(scope, config, shape, inputIds, positionIds, graph.integers(0));
  const hidden = bertLayers(scope, config, shape, embeddings, queries);
  const common = (value: Value, output: "hidden" | "logits") => ({
    model: graph.finish(value, output),
    weights: graph.weights,
    tokenTypes: false,
    vocabularySize: config.vocabulary,
    maxPositions: config.positions - padding - 1,
  });
  return { scope, config, hidden, common };
}

/** Positions count from padding + 1; padding tokens, which a text can contain literally, are not counted and stay at `padding`. */
function positionsAfterPadding(graph: GraphBuilder, inputIds: Value, padding: number): Value {
  const isPadding = graph.node("Equal", [inputIds, graph.integers(padding)]);
  const isToken = graph.node("Cast", [graph.node("Not", [isPadding])], { to: 7 });
  const counted = graph.node("Mul", [graph.node("CumSum", [isToken, graph.integers(1)]), isToken]);
  return graph.node("Add", [counted, graph.integers(padding)]);
}
