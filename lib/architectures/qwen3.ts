/** Qwen3 (arXiv 2505.09388): Llama with a norm for each head of queries and keys. Checkpoint: Qwen3-Reranker-0.6B. */

import type { ConfigReader } from "./config";
import { decoder } from "./decoder";
import { optionalPositiveInteger, readDecoderConfig, slidingWindows } from "./decoder-config";
import type { DecoderConfig } from "./decoder-config";

const base = decoder("qwen3", (part, config) => {
  const shared = readDecoderConfig(part, config, { positions: 32_768, headSize: 128 });
  const bias = config.boolean("attention_bias", false);
  return {
    ...shared,
    biases: { inputs: bias, output: bias, mlp: false },
    normsHeads: true,
    windowOf: qwenWindows(config, shared.layers),
  };
});

/** naver/splade-code-06B: its class only ties the weights; `is_causal` makes it bidirectional. */
export const qwen3: typeof base = { ...base, maskedModel: "splade.Qwen3ForCausalLM" };

/** Windows count only with use_sliding_window; without layer_types, the first max_window_layers layers have none. */
export function qwenWindows(config: ConfigReader, layers: number): DecoderConfig["windowOf"] {
  const window = config.boolean("use_sliding_window", false) ? (optionalPositiveInteger(config, "sliding_window") ?? 4096) : undefined;
  const whole = config.nonNegativeInteger("max_window_layers", 28);
  return slidingWindows(config, layers, window, (layer) => layer >= whole);
}
