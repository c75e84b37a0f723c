/** Gemma (arXiv 2403.08295): Llama with scaled embeddings, GELU, and norms that scale by 1 + weight. Checkpoint: bge-reranker-v2-gemma. */

import type { TransformerPart } from "../checkpoint/types";
import type { ConfigReader } from "./config";
import { decoder } from "./decoder";
import { readDecoderConfig } from "./decoder-config";
import type { DecoderConfig, DecoderDefaults } from "./decoder-config";

/** The first checkpoints state "gelu" but were trained with its approximation; transformers replaces it. */
export const gemma = decoder("gemma", (part, config) => {
  const base = readGemmaConfig(part, config, { field: "hidden_act", fallback: TANH_GELU });
  return { ...base, activation: base.activation === "gelu" ? TANH_GELU : base.activation };
});

export const TANH_GELU = "gelu_pytorch_tanh";

/** What Gemma and Gemma 2 share. */
export function readGemmaConfig(part: TransformerPart, config: ConfigReader, activation: DecoderDefaults["activation"]): DecoderConfig {
  const base = readDecoderConfig(part, config, {
    positions: 8192,
    headSize: 256,
    tied: true,
    padTokenId: 0,
    ...(activation === undefined ? {} : { activation }),
  });
  config.requireOnly("use_bidirectional_attention", false);
  const bias = config.boolean("attention_bias", false);
  return {
    ...base,
    biases: { inputs: bias, output: bias, mlp: false },
    normOffset: true,
    embeddingScale: Math.sqrt(base.hidden),
  };
}
