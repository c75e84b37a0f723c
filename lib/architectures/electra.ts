/** ELECTRA (Clark et al., 2020, arXiv 2003.10555): BERT, with embeddings that may be narrower than the layers. */

import type { TransformerPart } from "../checkpoint/types";
import { bertEmbeddings, bertGraph, bertLayers, readBertConfig } from "./bert-encoder";
import type { BertConfig } from "./bert-encoder";
import { ConfigReader } from "./config";
import { decoderOf, openScope } from "./encoder-config";
import type { Value } from "./graph";
import { gelu, layerNorm, linear, SequenceShape } from "./layers";
import type { Queries, Scope } from "./layers";
import type { Architecture, Graph } from "./types";

export const electra: Architecture = {
  modelTypes: ["electra"],
  packs: true,

  maskedLanguageModel(part, layout) {
    const config = readConfig(part);
    const scope = openScope(part, layout, "electra");
    const at = "generator_predictions";
    const decoder = decoderOf(scope, config, "generator_lm_head.weight");
    const dense = gelu(scope.graph, linear(scope, body(scope, config, "all"), `${at}.dense`, config.hidden, config.embedding));
    const output = layerNorm(scope, dense, `${at}.LayerNorm`, { size: config.embedding, epsilon: config.epsilon });
    return {
      ...bertGraph(scope, config, output, "hidden"),
      decoder,
      decoderBias: scope.tensors.require(["generator_lm_head.bias"], [config.vocabulary]),
    };
  },

  sequenceClassifier(part, labels, layout) {
    const config = readConfig(part);
    const scope = openScope(part, layout, "electra");
    const dense = gelu(scope.graph, linear(scope, body(scope, config, "first"), "classifier.dense", config.hidden, config.hidden));
    const logits = linear(scope, dense, "classifier.out_proj", config.hidden, labels);
    return { ...bertGraph(scope, config, logits, "logits"), labels };
  },

  body(part, queries, layout) {
    const config = readConfig(part);
    const scope = openScope(part, layout, "electra");
    const hidden = body(scope, config, queries);
    const finish = (value: Value): Graph => bertGraph(scope, config, value, "logits");
    return { graph: scope.graph, hidden, size: config.hidden, vocabularySize: config.vocabulary, finish };
  },
};

function readConfig(part: TransformerPart): BertConfig {
  return { ...readBertConfig(part), embedding: new ConfigReader(part.config).positiveInteger("embedding_size", 128) };
}

function body(scope: Scope, config: BertConfig, queries: Queries): Value {
  const inputIds = scope.graph.input("input_ids");
  const shape = new SequenceShape(scope.graph, inputIds);
  const embeddings = bertEmbeddings(scope, config, shape, inputIds, shape.positionIds());
  const projection = `${scope.tensors.prefix}embeddings_project`;
  const wide = config.embedding === config.hidden ? embeddings : linear(scope, embeddings, projection, config.embedding, config.hidden);
  return bertLayers(scope, config, shape, wide, queries);
}
