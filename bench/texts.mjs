// Real texts to measure with.
import fs from "node:fs";
import path from "node:path";

import { passageText, readCollection } from "../dist/corpus/beir-corpus.js";
import { TextTokenizer } from "../dist/tokenization/tokenizer.js";

const root = path.join(import.meta.dirname, "..");
/** BEIR's SciFact beside the checkout, where there is one; documentation of packages elsewhere. */
const collection = path.join(root, "..", "shared", "data", "collections", "scifact", "corpus.jsonl");
/** Short, medium and long texts of a collection would come in its order: this takes them from all over it. */
const STRIDE = 7919;

/**
 * @returns {Promise<{ source: string, texts: string[] }>} passages: of each document its title and a run of sentences of a varying length,
 *   as passages of an index are
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

/** The first characters, up to the end of a sentence: 60 to 1,000 of them, 330 in the middle. */
function cut(text, i) {
  const wanted = Math.round(60 * (1000 / 60) ** (((i * 37) % 101) / 100));
  const end = text.indexOf(". ", wanted);
  return end < 0 ? text : text.slice(0, end + 1);
}

/** Tokens, special tokens included. */
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
