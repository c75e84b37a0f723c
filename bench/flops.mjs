import fs from "node:fs";
import path from "node:path";

import { TextTokenizer } from "../dist/tokenization/tokenizer.js";

/** Floating-point operations of the matrix products of a BERT body with the transform of its masked-language-model head, over all texts. */
export async function bertFlops(model, texts) {
  const config = JSON.parse(fs.readFileSync(path.join(model, "config.json"), "utf8"));
  const tokenizer = await TextTokenizer.load({ folder: model, maxLength: config.max_position_embeddings, lowerCase: true });
  const { offsets } = await tokenizer.encode(texts);
  tokenizer.dispose();
  const lengths = texts.map((_, i) => offsets[i + 1] - offsets[i]);
  return flopsOf(config, lengths, { transform: true });
}

/**
 * Floating-point operations of the matrix products over texts of these lengths, for a config.json of the BERT, DistilBERT or RoBERTa
 * family.
 *
 * @param heads `transform`: the layer before the decoder of a masked language model; `vocabulary`: that layer and the decoder
 */
export function flopsOf(config, lengths, { transform = false, vocabulary = false }) {
  const hidden = config.hidden_size ?? config.dim;
  const layers = config.num_hidden_layers ?? config.n_layers;
  const intermediate = config.intermediate_size ?? config.hidden_dim;
  const head = (transform || vocabulary ? hidden * hidden : 0) + (vocabulary ? hidden * config.vocab_size : 0);
  const weights = layers * (4 * hidden * hidden + 2 * hidden * intermediate) + head;
  // Scores and their product with the values: 2 · length · hidden multiplications per token and layer.
  return lengths.reduce((sum, length) => sum + 2 * length * (weights + layers * 2 * length * hidden), 0);
}
