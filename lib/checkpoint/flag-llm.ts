/**
 * FlagLLMReranker of FlagEmbedding scores by the logit of "Yes" after "A: <query>\nB: <document>\n<prompt>". The page of
 * BAAI/bge-reranker-v2-gemma asks for it, but nothing in the files of that model says so, so it is chosen by name. Sources: that page;
 * FlagOpen/FlagEmbedding inference/reranker/decoder_only/base.py.
 */

import { SparseRerankError } from "../errors";
import { architecturesOf } from "./transformer";
import type { CrossCheckpoint, ScoringName } from "./types";

export const SCORING_NAMES: readonly ScoringName[] = ["FlagLLMReranker"];

/**
 * The checkpoint with another way to score. Its scores are logits, as FlagLLMReranker's are unless `normalize` asks for a sigmoid.
 *
 * Errors: ERR_UNSUPPORTED_MODEL (not a causal language model).
 */
export function withScoring(checkpoint: CrossCheckpoint, scoringName: ScoringName | undefined): CrossCheckpoint {
  if (scoringName === undefined) return checkpoint;
  const { config } = checkpoint.transformer;
  if (checkpoint.scoringTokens === undefined && checkpoint.scoring?.kind !== "logit-score") {
    throw new SparseRerankError(
      "ERR_UNSUPPORTED_MODEL",
      `${config.file} describes ${architecturesOf(config).join(", ") || "no causal language model"}; the scoring "${scoringName}" needs a causal language model.`,
    );
  }
  return { ...checkpoint, scoring: undefined, scoringTokens: ["Yes"], scoringName, chat: undefined, activation: "identity" };
}
