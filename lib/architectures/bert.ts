/** BERT (Devlin et al., 2019, arXiv 1810.04805). Checkpoints: SPLADE of naver, MS MARCO MiniLM and TinyBERT cross-encoders. */

import { bertEmbeddings, bertGraph, bertLayers, readBertConfig } from "./bert-encoder";
import type { BertConfig } from "./bert-encoder";
import { bertClassifier, bertMaskedHead } from "./bert-heads";
import { openScope } from "./encoder-config";
import type { Value } from "./graph";
import { SequenceShape } from "./layers";
import type { Queries, Scope } from "./layers";
import type { Architecture, Graph } from "./types";

export const bert: Architecture = {
  modelTypes: ["bert"],
  packs: true,

  maskedLanguageModel(part, layout) {
    const config = readBertConfig(part);
    const scope = openScope(part, layout, "bert");
    const { output, ...head } = bertMaskedHead(scope, config, () => body(scope, config, "all"));
    return { ...bertGraph(scope, config, output, "hidden"), ...head };
  },

  sequenceClassifier(part, labels, layout) {
    const config = readBertConfig(part);
    const scope = openScope(part, layout, "bert");
    const logits = bertClassifier(scope, config, body(scope, config, "first"), labels);
    return { ...bertGraph(scope, config, logits, "logits"), labels };
  },

  body(part, queries, layout) {
    const config = readBertConfig(part);
    const scope = openScope(part, layout, "bert");
    const hidden = body(scope, config, queries);
    const finish = (value: Value): Graph => bertGraph(scope, config, value, "logits");
    return { graph: scope.graph, hidden, size: config.hidden, vocabularySize: config.vocabulary, finish };
  },
};

function body(scope: Scope, config: BertConfig, queries: Queries): Value {
  const inputIds = scope.graph.input("input_ids");
  const shape = new SequenceShape(scope.graph, inputIds);
  const embeddings = bertEmbeddings(scope, config, shape, inputIds, shape.positionIds());
  return bertLayers(scope, config, shape, embeddings, queries);
}
