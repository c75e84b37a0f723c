/** BERT (Devlin et al., 2019, arXiv 1810.04805): naver SPLADE, MS MARCO MiniLM and TinyBERT cross-encoders. */

import { bertEmbeddings, bertGraph, bertLayers, decoderOf, openScope, readBertConfig } from "./bert-encoder";
import type { BertConfig } from "./bert-encoder";
import type { Value } from "./graph";
import { activation, layerNorm, linear, SequenceShape, tanh } from "./layers";
import type { Queries, Scope } from "./layers";
import type { Architecture } from "./types";

export const bert: Architecture = {
  modelTypes: ["bert"],

  maskedLanguageModel(part) {
    const config = readBertConfig(part);
    const scope = openScope(part, "bert");
    const at = "cls.predictions";
    const decoder = decoderOf(scope, config, `${at}.decoder.weight`);
    const dense = linear(scope, body(scope, config, "all"), `${at}.transform.dense`, config.hidden, config.hidden);
    const activated = activation(scope.graph, config.activation, dense, config.file);
    const output = layerNorm(scope, activated, `${at}.transform.LayerNorm`, config.hidden, config.epsilon);
    return {
      ...bertGraph(scope, config, output, "hidden"),
      decoder,
      // Of two the reference adds the decoder's own. An untied decoder without one gets the head's, as in transformers 4, which saved it so;
      // transformers 5 would put zeros there.
      decoderBias: scope.tensors.require([`${at}.decoder.bias`, `${at}.bias`], [config.vocabulary]),
    };
  },

  sequenceClassifier(part, labels) {
    const config = readBertConfig(part);
    const scope = openScope(part, "bert");
    const first = body(scope, config, "first");
    const pooled = tanh(scope.graph, linear(scope, first, `${scope.tensors.prefix}pooler.dense`, config.hidden, config.hidden));
    const logits = linear(scope, pooled, "classifier", config.hidden, labels);
    return { ...bertGraph(scope, config, logits, "logits"), labels };
  },
};

function body(scope: Scope, config: BertConfig, queries: Queries): Value {
  const inputIds = scope.graph.input("input_ids");
  const shape = new SequenceShape(scope.graph, inputIds);
  const embeddings = bertEmbeddings(scope, config, shape, inputIds, shape.positions());
  return bertLayers(scope, config, shape, embeddings, queries);
}
