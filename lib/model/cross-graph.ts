/** Builds the graph of a cross-encoder. Separate from cross-encoder.ts, so that the public types do not depend on the types of graphs. */

import { architectureFor } from "../architectures";
import { ConfigReader } from "../architectures/config";
import { embeddingGraph } from "../architectures/embedding";
import { layoutFor, paddedLayout } from "../architectures/execution-plan";
import type { ExecutionPlan } from "../architectures/execution-plan";
import { exportedGraph } from "../architectures/exported";
import type { ExportedGraph, Graph } from "../architectures/types";
import type { CausalScoring, CrossCheckpoint, TransformerPart } from "../checkpoint/types";
import { notSupported } from "../core/validate";
import { SparseRerankError } from "../errors";
import type { TextTokenizer } from "../tokenization/tokenizer";
import type { TransformerPlan } from "./plan";

export function planCross(checkpoint: CrossCheckpoint, execution: ExecutionPlan): TransformerPlan {
  const { transformer: part, scoringTokens } = checkpoint;
  if (scoringTokens === undefined) return { part, graph: crossEncoderGraph(checkpoint, execution), execution };
  // The first graph only has the limits, which do not depend on the tokens.
  const graph = causalGraph(part, { kind: "logit-score", trueTokenId: 0, falseTokenId: 0 }, execution);
  const complete = async (tokenizer: TextTokenizer): Promise<Graph> =>
    causalGraph(part, await scoringOf(scoringTokens, tokenizer, checkpoint), execution);
  return { part, graph, complete, execution };
}

/** @param checkpoint with the ids of its scoring tokens */
function crossEncoderGraph(
  { transformer: part, head, numLabels, scoring }: CrossCheckpoint,
  execution: ExecutionPlan,
): Graph | ExportedGraph {
  if (part.exported !== undefined) {
    if (head !== undefined) throw notSupported("modelFile for a model whose scores come from modules after the transformer");
    return exportedGraph(part, part.exported);
  }
  if (scoring?.kind === "logit-score") return causalGraph(part, scoring, execution);
  const architecture = architectureFor(part.config);
  return head === undefined
    ? architecture.sequenceClassifier(part, numLabels, layoutFor(architecture, execution))
    : embeddingGraph(architecture, part, head, "scores", paddedLayout(execution)).graph;
}

function causalGraph(part: TransformerPart, scoring: CausalScoring, execution: ExecutionPlan): Graph {
  const architecture = architectureFor(part.config);
  if (architecture.causalScorer === undefined) {
    throw new ConfigReader(part.config).unsupported("model_type", "it is not a causal language model, which LogitScore needs");
  }
  return architecture.causalScorer(part, scoring, 1, layoutFor(architecture, execution));
}

/**
 * transformers replaces a token that the tokenizer lacks by the unknown token, or fails. Then all scores are 0, and the order says nothing.
 * @throws ERR_UNSUPPORTED_MODEL
 */
async function scoringOf(
  [positive, negative]: readonly [string, string?],
  tokenizer: TextTokenizer,
  { transformer: { folder }, scoringName }: CrossCheckpoint,
): Promise<CausalScoring> {
  const idOf = (token: string, id: number | undefined): number => {
    if (id !== undefined) return id;
    const scored = scoringName ?? "a causal language model without modules.json";
    const tokens = [positive, negative].filter((one) => one !== undefined).map((one) => JSON.stringify(one));
    throw new SparseRerankError(
      "ERR_UNSUPPORTED_MODEL",
      `The tokenizer of ${folder} has no token ${JSON.stringify(token)}; ${scored} is scored by ${tokens.join(" and ")}.`,
    );
  };
  if (scoringName === "FlagLLMReranker") {
    const { ids } = await tokenizer.encode([positive], { addSpecialTokens: false });
    return { kind: "logit-score", trueTokenId: idOf(positive, ids[0]), falseTokenId: null };
  }
  const [trueTokenId, falseTokenId = null] = [positive, negative].flatMap((one) => (one === undefined ? [] : idOf(one, tokenizer.id(one))));
  return { kind: "logit-score", trueTokenId: trueTokenId ?? 0, falseTokenId };
}
