/** Mistral (Jiang et al., 2023, arXiv 2310.06825): Llama with a sliding window in every layer. Checkpoint: Mistral-7B-v0.1. */

import { decoder } from "./decoder";
import { optionalPositiveInteger, readDecoderConfig } from "./decoder-config";

export const mistral = decoder("mistral", (part, config) => {
  const base = readDecoderConfig(part, config, { positions: 131_072 });
  // The class does not distinguish layers.
  config.requireAbsent("layer_types");
  // null, in later versions of the model, means no window.
  const isStated = Object.hasOwn(part.config.json, "sliding_window");
  const window = isStated ? optionalPositiveInteger(config, "sliding_window") : 4096;
  return { ...base, windowOf: () => window };
});
