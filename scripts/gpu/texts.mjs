// Generates any number of texts without a collection: words of splade-tiny's vocabulary with the frequency of their rank, in passages and
// queries as long as those of MS MARCO. Reproducible by the seed.
import fs from "node:fs";
import path from "node:path";

import { root } from "../report.mjs";

/** One word in eight consists of two pieces, as names and technical terms do. */
const COMPOUND = 8;

export function makeTexts(count, seed = 20260101) {
  const { words, endings } = readVocabulary();
  const random = randomNumbers(seed);
  /** Zipf's law, by inverting the integral of 1/rank. */
  const pick = (list) => list[Math.floor(list.length ** random()) - 1];
  const word = () => (random() < 1 / COMPOUND ? pick(words) + pick(endings) : pick(words));
  const passage = () =>
    Array.from({ length: Math.round(40 * 3 ** random()) }, () => word() + (random() < 0.07 ? "." : random() < 0.05 ? "," : "")).join(" ");
  const query = () => Array.from({ length: 4 + Math.floor(5 * random()) }, word).join(" ");
  return { passages: Array.from({ length: count }, passage), queries: Array.from({ length: count }, query) };
}

function readVocabulary() {
  const { model } = JSON.parse(fs.readFileSync(path.join(root, "models", "splade-tiny", "tokenizer.json"), "utf8"));
  const pieces = Object.keys(model.vocab).sort((a, b) => model.vocab[a] - model.vocab[b]);
  const matching = (pattern) => pieces.flatMap((piece) => pattern.exec(piece)?.[1] ?? []);
  return { words: matching(/^([a-z]{2,})$/), endings: matching(/^##([a-z]{2,})$/) };
}

/** In (0, 1): a 32-bit xorshift generator (Marsaglia, 2003). */
function randomNumbers(seed) {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return ((state >>> 0) + 0.5) / 2 ** 32;
  };
}
