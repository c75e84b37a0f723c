/** Reads the lexical head of BGE-M3: sparse_linear.pt, a linear layer with one output over the hidden states, next to the transformer. */

import { join } from "node:path";

import { status } from "./checkpoint-files";
import { field, invalidField, isRecord, readJsonObject } from "./json-fields";
import type { JsonObject } from "./json-fields";
import { readPytorch } from "./pytorch";
import type { LexicalHead, TransformerPart } from "./types";

const FILE = "sparse_linear.pt";

/** Tokens that FlagEmbedding drops, with the defaults of XLM-RoBERTa's tokenizer. */
const IGNORED: Readonly<Record<string, string>> = { cls_token: "<s>", eos_token: "</s>", pad_token: "<pad>", unk_token: "<unk>" };

export async function hasLexicalHead(folder: string): Promise<boolean> {
  return (await status(join(folder, FILE))) !== undefined;
}

/** @param part a transformer whose folder has a lexical head (hasLexicalHead) */
export async function readLexicalHead({ folder, config }: TransformerPart): Promise<LexicalHead> {
  const tensors = (await readPytorch(join(folder, FILE))) ?? new Map();
  const files = [
    await readJsonObject(join(folder, "tokenizer_config.json")),
    await readJsonObject(join(folder, "special_tokens_map.json")),
  ];
  const ignoredTokens = Object.entries(IGNORED).map(([name, fallback]) => {
    const stated = files.map((file) => (file === undefined ? undefined : contentOf(file, name)));
    return stated.find((content) => content !== undefined) ?? fallback;
  });
  return { kind: "lexical", part: { folder, config, tensors }, ignoredTokens };
}

/** The text of a special token, which is a string or an object with a `content`. */
function contentOf(file: JsonObject, name: string): string | undefined {
  const value = field(file, name);
  const content = isRecord(value) ? value["content"] : value;
  if (content === undefined || typeof content === "string") return content;
  throw invalidField(file, name, "a token");
}
