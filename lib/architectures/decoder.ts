/** The heads of decoders, and an Architecture from the configuration of a family. */

import type { CausalScoring, TransformerPart } from "../checkpoint/types";
import { SparseRerankError } from "../errors";
import { softCapped } from "./causal-attention";
import { ConfigReader } from "./config";
import type { DecoderConfig } from "./decoder-config";
import { decoderGraph, decoderLayers, languageModelHead, openDecoder } from "./decoder-layers";
import type { GraphLayout, Value } from "./graph";
import { linear, SequenceShape } from "./layers";
import type { Scope } from "./layers";
import { rowsOf } from "./tensors";
import type { Architecture, Graph, SequenceClassifier } from "./types";

/** @param readConfig reads config.json of a family */
export function decoder(
  modelType: string,
  readConfig: (part: TransformerPart, config: ConfigReader) => DecoderConfig,
): Architecture & Required<Pick<Architecture, "causalScorer">> {
  const read = (part: TransformerPart): DecoderConfig => readConfig(part, new ConfigReader(part.config));
  const classifier = (
    part: TransformerPart,
    config: DecoderConfig,
    labels: number,
    padTokenId: number | null,
    layout?: GraphLayout,
  ): SequenceClassifier => {
    const scope = openDecoder(part, layout);
    const last = scope.graph.widen(decoderLayers(scope, config, { padTokenId }));
    const logits = linear(scope, last, "score", config.hidden, labels, { bias: false });
    return { ...decoderGraph(scope, config, logits, "logits"), labels };
  };
  return {
    modelTypes: [modelType],

    maskedLanguageModel(part, layout) {
      const config = read(part);
      if (config.logitCap !== undefined) {
        throw new SparseRerankError(
          "ERR_UNSUPPORTED_MODEL",
          `${config.file}: SPLADE is not supported for a model with "final_logit_softcapping".`,
        );
      }
      const scope = openDecoder(part, layout);
      const head = languageModelHead(scope, config);
      const hidden = decoderLayers(scope, config, "all");
      return { ...decoderGraph(scope, config, hidden, "hidden"), decoder: head, decoderBias: undefined };
    },

    sequenceClassifier(part, labels, layout) {
      const config = read(part);
      return classifier(part, config, labels, config.padTokenId, layout);
    },

    causalScorer: (part, scoring, labels, layout) => {
      const config = read(part);
      if (scoring.kind === "sequence-classification") return classifier(part, config, labels, scoring.padTokenId, layout);
      const scope = openDecoder(part, layout);
      const logits = logitScore(scope, config, scoring);
      return { ...decoderGraph(scope, config, logits, "logits"), labels: 1 };
    },

    body(part, queries, layout) {
      const config = read(part);
      const scope = openDecoder(part, layout);
      const all = decoderLayers(scope, config, "all");
      const hidden = queries === "first" ? new SequenceShape(scope.graph, "input_ids").firstTokens(all, config.hidden) : all;
      const finish = (value: Value): Graph => decoderGraph(scope, config, value, "logits");
      return { graph: scope.graph, hidden, size: config.hidden, vocabularySize: config.vocabulary, finish };
    },
  };
}

type LogitScore = Extract<CausalScoring, { kind: "logit-score" }>;

/**
 * The logit of one token after the last one, or its difference from another's, [batch, 1]. Only these rows of the head are read; without a
 * soft cap, the difference of the rows is one row, which ONNX Runtime computes when it loads the graph.
 */
function logitScore(scope: Scope, config: DecoderConfig, { trueTokenId, falseTokenId }: LogitScore): Value {
  const { graph } = scope;
  const head = languageModelHead(scope, config);
  // In fp32, also in a graph of another type.
  const row = (id: number, name: string): Value => graph.weight(rowsOf(head, checked(config, id, name), 1), "fp32");
  const yes = row(trueTokenId, "true_token_id");
  const no = falseTokenId === null ? undefined : row(falseTokenId, "false_token_id");
  const last = graph.widen(decoderLayers(scope, config, { padTokenId: null }));
  const logit = (weight: Value): Value => graph.node("Gemm", [last, weight], { transB: 1 });
  const { logitCap } = config;
  if (logitCap === undefined) return logit(no === undefined ? yes : graph.node("Sub", [yes, no]));
  const capped = (weight: Value): Value => softCapped(graph, logit(weight), logitCap);
  return no === undefined ? capped(yes) : graph.node("Sub", [capped(yes), capped(no)]);
}

function checked({ vocabulary, file }: DecoderConfig, id: number, name: string): number {
  if (Number.isInteger(id) && id >= 0 && id < vocabulary) return id;
  throw new SparseRerankError(
    "ERR_INVALID_CONFIG",
    `The ${name} of LogitScore is ${String(id)}; ${file} describes a vocabulary of ${String(vocabulary)} tokens.`,
  );
}
