/** BGE-M3's lexical weights: sparse_linear.pt, a layer of one output over the hidden states, beside the transformer. */

import { join } from "node:path";

import { status } from "./checkpoint-files";
import { field, invalidField, isRecord, readJsonObject } from "./json-fields";
import type { JsonObject } from "./json-fields";
import { readPytorch } from "./pytorch";
import type { LexicalHead, TransformerPart } from "./types";

const FILE = "sparse_linear.pt";

/** Tokens that FlagEmbedding drops, and what XLM-RoBERTa's tokenizer calls them where no file does. */
const IGNORED: Readonly<Record<string, string>> = { cls_token: "<s>", eos_token: "</s>", pad_token: "<pad>", unk_token: "<unk>" };

export async function hasLexicalHead(folder: string): Promise<boolean> {
  return (await status(join(folder, FILE))) !== undefined;
}

/** For a transformer whose folder has one. */
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

/** A special token is a string, or an object with its content. */
function contentOf(file: JsonObject, name: string): string | undefined {
  const value = field(file, name);
  const content = isRecord(value) ? value["content"] : value;
  if (content === undefined || typeof content === "string") return content;
  throw invalidField(file, name, "a token");
}
