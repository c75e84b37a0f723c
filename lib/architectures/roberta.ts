/**
 * RoBERTa (Liu et al., 2019, arXiv 1907.11692), XLM-RoBERTa (arXiv 1911.02116) and CamemBERT. Checkpoints: granite sparse, bge rerankers,
 * stsb, nli.
 */

import { invalidField } from "../checkpoint/json-fields";
import type { TransformerPart } from "../checkpoint/types";
import { bertEmbeddings, bertGraph, bertLayers, readBertConfig } from "./bert-encoder";
import type { BertConfig } from "./bert-encoder";
import { ConfigReader } from "./config";
import { decoderOf, normOf, openScope, positionsAfterPadding } from "./encoder-config";
import type { Value } from "./graph";
import { gelu, layerNorm, linear, SequenceShape, tanh } from "./layers";
import type { Queries, Scope } from "./layers";
import type { Architecture, Graph } from "./types";

export const roberta: Architecture = {
  modelTypes: ["roberta", "xlm-roberta", "camembert"],
  packs: true,

  maskedLanguageModel(part, layout) {
    const config = readConfig(part);
    const scope = openScope(part, layout, "roberta");
    const decoder = decoderOf(scope, config, "lm_head.decoder.weight");
    const dense = gelu(scope.graph, linear(scope, body(scope, config, "all"), "lm_head.dense", config.hidden, config.hidden));
    const output = layerNorm(scope, dense, "lm_head.layer_norm", normOf(config));
    return {
      ...bertGraph(scope, config, output, "hidden"),
      decoder,
      decoderBias: scope.tensors.require(["lm_head.decoder.bias", "lm_head.bias"], [config.vocabulary]),
    };
  },

  sequenceClassifier(part, labels, layout) {
    const config = readConfig(part);
    const scope = openScope(part, layout, "roberta");
    const dense = tanh(scope.graph, linear(scope, body(scope, config, "first"), "classifier.dense", config.hidden, config.hidden));
    const logits = linear(scope, dense, "classifier.out_proj", config.hidden, labels);
    return { ...bertGraph(scope, config, logits, "logits"), labels };
  },

  body(part, queries, layout) {
    const config = readConfig(part);
    const scope = openScope(part, layout, "roberta");
    const hidden = body(scope, config, queries);
    const finish = (value: Value): Graph => bertGraph(scope, config, value, "logits");
    return { graph: scope.graph, hidden, size: config.hidden, vocabularySize: config.vocabulary, finish };
  },
};

interface RobertaConfig extends BertConfig {
  /** Id of the padding token, and the row of the position table before the first position. */
  readonly padding: number;
}

function readConfig(part: TransformerPart): RobertaConfig {
  const config = readBertConfig(part);
  const padding = new ConfigReader(part.config).nonNegativeInteger("pad_token_id", 1);
  const maxPositions = config.positions - padding - 1;
  if (maxPositions > 0) return { ...config, padding, maxPositions };
  throw invalidField(
    part.config,
    "max_position_embeddings",
    `at least ${padding + 2}, since positions begin after pad_token_id ${padding}`,
  );
}

function body(scope: Scope, config: RobertaConfig, queries: Queries): Value {
  const inputIds = scope.graph.input("input_ids");
  const shape = new SequenceShape(scope.graph, inputIds);
  const embeddings = bertEmbeddings(scope, config, shape, inputIds, positionsAfterPadding(scope.graph, shape, inputIds, config.padding));
  return bertLayers(scope, config, shape, embeddings, queries);
}
