/** Tokenizers in temporary folders and their results, for the tests of lib/tokenization. */

import fs from "node:fs";
import path from "node:path";

import { TextTokenizer } from "../../dist/tokenization/tokenizer";
import type { TokenBatch } from "../../dist/tokenization/tokenizer";
import { withFolder } from "./checkpoint-folder";
import type { Files } from "./checkpoint-folder";

export const fixtures = path.join(__dirname, "..", "data", "checkpoints");

/** A file of a fixture, parsed, so that parts of it can be changed. */
export function readFixture(...names: string[]): Record<string, unknown> {
  return JSON.parse(fs.readFileSync(path.join(fixtures, ...names), "utf8")) as Record<string, unknown>;
}

export function loadFixture(
  name: string,
  { maxLength, lowerCase = false, workers }: { maxLength?: number; lowerCase?: boolean; workers?: number } = {},
): Promise<TextTokenizer> {
  return TextTokenizer.load({ folder: path.join(fixtures, name), maxLength, lowerCase }, workers);
}

/** A minimal tokenizer.json: whole words, split at white space. */
export function wordLevel(words: readonly string[], parts: object = {}): Files {
  const vocab = Object.fromEntries(["?", ...words].map((word, id) => [word, id]));
  return {
    "tokenizer.json": {
      version: "1.0",
      added_tokens: [],
      normalizer: null,
      pre_tokenizer: { type: "WhitespaceSplit" },
      post_processor: null,
      model: { type: "WordLevel", vocab, unk_token: "?" },
      ...parts,
    },
  };
}

/** Loads a tokenizer from files, uses it and disposes it. */
export function withTokenizer<T>(files: Files, use: (tokenizer: TextTokenizer) => Promise<T>, maxLength?: number): Promise<T> {
  return withFolder(files, async (folder) => {
    const tokenizer = await TextTokenizer.load({ folder, maxLength, lowerCase: false });
    try {
      return await use(tokenizer);
    } finally {
      tokenizer.dispose();
    }
  });
}

export function sequences(batch: TokenBatch): number[][] {
  return rows(batch, batch.ids);
}

export function typeIds(batch: TokenBatch): number[][] {
  return rows(batch, batch.typeIds ?? new Uint8Array(batch.ids.length));
}

function rows(batch: TokenBatch, values: Int32Array | Uint8Array): number[][] {
  return Array.from({ length: batch.offsets.length - 1 }, (_, i) => Array.from(values.subarray(batch.offsets[i], batch.offsets[i + 1])));
}

/** The tokens of one text, without special tokens. */
export async function tokensOf(tokenizer: TextTokenizer, text: string): Promise<(string | undefined)[]> {
  const batch = await tokenizer.encode([text], { addSpecialTokens: false });
  return Array.from(batch.ids, (id) => tokenizer.token(id));
}
