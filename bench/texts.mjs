// Real texts to measure with.
import fs from "node:fs";
import path from "node:path";

import { passageText, readCollection } from "../dist/corpus/beir-corpus.js";
import { TextTokenizer } from "../dist/tokenization/tokenizer.js";

const root = path.join(import.meta.dirname, "..");
/** BEIR's SciFact next to the checkout if present, otherwise the documentation of packages. */
const collection = path.join(root, "..", "shared", "data", "collections", "scifact", "corpus.jsonl");
/** A collection may be sorted by length: this stride samples all of it. */
const STRIDE = 7919;

/**
 * @returns {Promise<{ source: string, texts: string[] }>} passages: each document's title and a run of sentences of varying length,
 *   like the passages of an index
 */
export async function readPassages(count) {
  const hasCollection = fs.existsSync(collection);
  const passages = [];
  for await (const passage of readCollection(hasCollection ? collection : path.join(root, "node_modules"))) {
    passages.push(passageText(passage));
  }
  const texts = Array.from({ length: count }, (_, i) => cut(passages[(i * STRIDE) % passages.length], i));
  return { source: hasCollection ? "SciFact (BEIR): title and first sentences" : "documentation of the packages in node_modules", texts };
}

/** The first characters, up to the end of a sentence: 60 to 1,000 of them, with a median of 330. */
function cut(text, i) {
  const wanted = Math.round(60 * (1000 / 60) ** (((i * 37) % 101) / 100));
  const end = text.indexOf(". ", wanted);
  return end < 0 ? text : text.slice(0, end + 1);
}

/** In tokens, including special tokens. */
export async function lengthsOf(model, inputs) {
  const tokenizer = await TextTokenizer.load({ folder: model, maxLength: 512, lowerCase: true });
  const pairs = Array.isArray(inputs[0]);
  const { offsets } = await (pairs ? tokenizer.encodePairs(inputs) : tokenizer.encode(inputs));
  tokenizer.dispose();
  const lengths = Array.from(inputs, (_, i) => offsets[i + 1] - offsets[i]).sort((a, b) => a - b);
  return {
    count: lengths.length,
    minimum: lengths[0],
    median: lengths[lengths.length >> 1],
    mean: Math.round(lengths.reduce((a, b) => a + b, 0) / lengths.length),
    maximum: lengths.at(-1),
  };
}
