/** Qwen2 and Qwen2.5 (arXiv 2407.10671, 2412.15115): Llama with biases before attention. Checkpoint: mxbai-rerank-base-v2. */

import { decoder } from "./decoder";
import { readDecoderConfig } from "./decoder-config";
import { qwenWindows } from "./qwen3";

export const qwen2 = decoder("qwen2", (part, config) => {
  const base = readDecoderConfig(part, config, { positions: 32_768 });
  // The class has these biases, whatever config.json states.
  return { ...base, biases: { ...base.biases, inputs: true }, windowOf: qwenWindows(config, base.layers) };
});
