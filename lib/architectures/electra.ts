/** ELECTRA (Clark et al., 2020, arXiv 2003.10555): embeddings may be narrower than the layers. */

import type { TransformerPart } from "../checkpoint/types";
import { decoderOf } from "./bert";
import { bertEmbeddings, bertLayers, readBertConfig } from "./bert-encoder";
import { ConfigReader } from "./config";
import { GraphBuilder } from "./graph";
import type { Value } from "./graph";
import { gelu, layerNorm, linear, SequenceShape } from "./layers";
import type { Queries, Scope } from "./layers";
import { Tensors } from "./tensors";
import type { Architecture } from "./types";

export const electra: Architecture = {
  modelTypes: ["electra"],

  maskedLanguageModel(part) {
    const { scope, config, hidden, common } = body(part, "all");
    const dense = gelu(scope.graph, linear(scope, hidden, "generator_predictions.dense", config.hidden, config.embedding));
    const output = layerNorm(scope, dense, "generator_predictions.LayerNorm", config.embedding, config.epsilon);
    return {
      ...common(output, "hidden"),
      decoder: decoderOf(scope.tensors, "generator_lm_head.weight", config),
      decoderBias: scope.tensors.require(["generator_lm_head.bias"], [config.vocabulary]),
    };
  },

  sequenceClassifier(part, labels) {
    const { scope, config, hidden, common } = body(part, "first");
    const dense = gelu(scope.graph, linear(scope, hidden, "classifier.dense", config.hidden, config.hidden));
    const logits = linear(scope, dense, "classifier.out_proj", config.hidden, labels);
    return { ...common(logits, "logits"), labels };
  },
};

function body(part: TransformerPart, queries: Queries) {
  const base = readBertConfig(part);
  const config = { ...base, embedding: new ConfigReader(part.config).positiveInteger("embedding_size", base.hidden) };
  const graph = new GraphBuilder();
  const scope: Scope = { graph, tensors: new Tensors(part, "electra", "embeddings.word_embeddings.weight") };
  const inputIds = graph.input("input_ids");
  const tokenTypeIds = graph.input("token_type_ids");
  const shape = new SequenceShape(graph, inputIds);
  const positionIds = shape.positions();
  const embeddings = bertEmbeddings(scope, config, shape, inputIds, positionIds, tokenTypeIds);
  const wide =
    config.embedding === config.hidden
      ? embeddings
      : linear(scope, embeddings, `${scope.tensors.prefix}embeddings_project`, config.embedding, config.hidden);
  const hidden = bertLayers(scope, config, shape, wide, queries);
  const common = (value: Value, output: "hidden" | "logits") => ({
    model: graph.finish(value, output),
    weights: graph.weights,
    tokenTypes: true,
    vocabularySize: config.vocabulary,
    maxPositions: config.positions,
  });
  return { scope, config, hidden, common };
}
