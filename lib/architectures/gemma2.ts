/**
 * Gemma 2 (arXiv 2408.00118): Gemma with soft-capped scores and logits, norms after attention and the feed-forward layer, and a sliding
 * window in every other layer. Checkpoint: gemma-2-2b.
 */

import { decoder } from "./decoder";
import { optionalPositiveInteger, optionalPositiveNumber, slidingWindows } from "./decoder-config";
import { readGemmaConfig, TANH_GELU } from "./gemma";

export const gemma2 = decoder("gemma2", (part, config) => {
  const base = readGemmaConfig(part, config, { field: "hidden_activation", fallback: TANH_GELU });
  const isStated = (name: string): boolean => Object.hasOwn(part.config.json, name);
  const window = isStated("sliding_window") ? optionalPositiveInteger(config, "sliding_window") : 4096;
  // null means no cap.
  const cap = (name: string, fallback: number): number | undefined => (isStated(name) ? optionalPositiveNumber(config, name) : fallback);
  return {
    ...base,
    normsOutputs: true,
    scale: config.positiveNumber("query_pre_attn_scalar", 256) ** -0.5,
    scoreCap: cap("attn_logit_softcapping", 50),
    logitCap: cap("final_logit_softcapping", 30),
    windowOf: slidingWindows(config, base.layers, window, (layer) => layer % 2 === 0),
  };
});
