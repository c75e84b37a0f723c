/** Llama (Touvron et al., 2023, arXiv 2302.13971), up to Llama 3.2. Checkpoint: Llama-3.2-1B. */

import { decoder } from "./decoder";
import { readDecoderConfig } from "./decoder-config";

export const llama = decoder("llama", (part, config) => {
  const base = readDecoderConfig(part, config, { positions: 2048 });
  const bias = config.boolean("attention_bias", false);
  return { ...base, biases: { inputs: bias, output: bias, mlp: config.boolean("mlp_bias", false) } };
});
