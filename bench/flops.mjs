import fs from "node:fs";
import path from "node:path";

import { TextTokenizer } from "../dist/tokenization/tokenizer.js";

/** Floating-point operations of the matrix products of a BERT body with the transform of its masked-language-model head, over all texts. */
export async function bertFlops(model, texts) {
  const config = JSON.parse(fs.readFileSync(path.join(model, "config.json"), "utf8"));
  const { hidden_size: hidden, num_hidden_layers: layers, intermediate_size: intermediate } = config;
  const tokenizer = await TextTokenizer.load({ folder: model, maxLength: config.max_position_embeddings, lowerCase: true });
  const { offsets } = await tokenizer.encode(texts);
  tokenizer.dispose();
  const weights = layers * (4 * hidden * hidden + 2 * hidden * intermediate) + hidden * hidden;
  let sum = 0;
  for (let i = 0; i < texts.length; i++) {
    const length = offsets[i + 1] - offsets[i];
    // Scores and their product with the values: 2 · length · hidden multiplications a token and layer.
    sum += 2 * length * (weights + layers * 2 * length * hidden);
  }
  return sum;
}
