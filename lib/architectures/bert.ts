/** BERT (Devlin et al., 2019, arXiv 1810.04805): naver SPLADE, MS MARCO MiniLM and TinyBERT cross-encoders. */

import type { TensorInfo, TransformerPart } from "../checkpoint/types";
import { bertEmbeddings, bertLayers, readBertConfig } from "./bert-encoder";
import type { BertConfig } from "./bert-encoder";
import { GraphBuilder } from "./graph";
import type { Value } from "./graph";
import { activation, layerNorm, linear, SequenceShape, tanh } from "./layers";
import type { Queries, Scope } from "./layers";
import { Tensors } from "./tensors";
import type { Architecture } from "./types";

export const bert: Architecture = {
  modelTypes: ["bert"],

  maskedLanguageModel(part) {
    const { scope, config, hidden, common } = body(part, "all");
    const at = "cls.predictions";
    const dense = linear(scope, hidden, `${at}.transform.dense`, config.hidden, config.hidden);
    const activated = activation(scope.graph, config.activation, dense, config.file);
    const output = layerNorm(scope, activated, `${at}.transform.LayerNorm`, config.hidden, config.epsilon);
    return {
      ...common(output, "hidden"),
      decoder: decoderOf(scope.tensors, `${at}.decoder.weight`, config),
      // An untied decoder may have a bias of its own beside the head's.
      decoderBias: scope.tensors.require([`${at}.decoder.bias`, `${at}.bias`], [config.vocabulary]),
    };
  },

  sequenceClassifier(part, labels) {
    const { scope, config, hidden, common } = body(part, "first");
    const pooled = tanh(scope.graph, linear(scope, hidden, `${scope.tensors.prefix}pooler.dense`, config.hidden, config.hidden));
    const logits = linear(scope, pooled, "classifier", config.hidden, labels);
    return { ...common(logits, "logits"), labels };
  },
};

/** The decoder's own matrix, or the word embeddings where the file has none: then the two are tied. */
export function decoderOf(tensors: Tensors, name: string, config: { readonly vocabulary: number; readonly embedding: number }): TensorInfo {
  return tensors.require([name, `${tensors.prefix}embeddings.word_embeddings.weight`], [config.vocabulary, config.embedding]);
}

function body(part: TransformerPart, queries: Queries) {
  const config: BertConfig = readBertConfig(part);
  const graph = new GraphBuilder();
  const scope: Scope = { graph, tensors: new Tensors(part, "bert", "embeddings.word_embeddings.weight") };
  const inputIds = graph.input("input_ids");
  const tokenTypeIds = graph.input("token_type_ids");
  const shape = new SequenceShape(graph, inputIds);
  const positionIds = shape.positions();
  const embeddings = bertEmbeddings(scope, config, shape, inputIds, positionIds, tokenTypeIds);
  const hidden = bertLayers(scope, config, shape, embeddings, queries);
  const common = (value: Value, output: "hidden" | "logits") => ({
    model: graph.finish(value, output),
    weights: graph.weights,
    tokenTypes: true,
    vocabularySize: config.vocabulary,
    maxPositions: config.positions,
  });
  return { scope, config, hidden, common };
}
