/** Determines the maximum number of tokens of a model from its files. */

import { join } from "node:path";

import { field, invalidField, optionalInteger, optionalObject, optionalString, readJsonObject } from "./json-fields";
import type { JsonObject } from "./json-fields";
import type { ModelConfig } from "./types";

/** Defaults of transformers for max_position_embeddings. */
const DEFAULT_POSITIONS: ReadonlyMap<string, number> = new Map([
  ["bert", 512],
  ["distilbert", 512],
  ["electra", 512],
  ["roberta", 512],
  ["xlm-roberta", 512],
  ["camembert", 512],
  ["deberta-v2", 512],
  ["mpnet", 512],
  ["modernbert", 8192],
  ["gte", 8192],
  ["llama", 2048],
  ["mistral", 131_072],
  ["qwen2", 32_768],
  ["qwen3", 32_768],
  ["gemma", 8192],
  ["gemma2", 8192],
]);

/** Families that number positions from pad_token_id + 1, so that earlier rows are unused. */
const OFFSET_POSITIONS: ReadonlySet<string> = new Set(["roberta", "xlm-roberta", "camembert"]);
/** MPNet does the same, but always with 1 as padding id. */
const MPNET_UNUSED = 2;

/**
 * The maximum sequence length in tokens, special tokens included. As in sentence-transformers, `settings` (sentence_bert_config.json) takes
 * precedence; otherwise it is the smaller of the tokenizer's model_max_length and the model's number of positions. The position table of
 * the weights (Graph.maxPositions) is a further limit, which also applies to the settings.
 * @returns undefined if no limit is stated
 */
export async function readMaxSeqLength(folder: string, config: ModelConfig, settings: JsonObject | undefined): Promise<number | undefined> {
  const stated = settings === undefined ? undefined : statedLength(settings);
  if (stated !== undefined) {
    return stated;
  }
  const limits = [await readModelMaxLength(folder), usablePositions(config)].filter((limit) => limit !== undefined);
  return limits.length === 0 ? undefined : Math.min(...limits);
}

/**
 * model_max_length of tokenizer_config.json (max_len in older files).
 * @returns undefined if it is not stated, or is one of the huge numbers that transformers writes for "no limit"
 */
export async function readModelMaxLength(folder: string): Promise<number | undefined> {
  const tokenizer = await readJsonObject(join(folder, "tokenizer_config.json"));
  return tokenizer === undefined ? undefined : (tokenLimit(tokenizer, "model_max_length") ?? tokenLimit(tokenizer, "max_len"));
}

function statedLength(settings: JsonObject): number | undefined {
  // Tokenizer arguments take precedence over max_seq_length; before version 5.4 they are called tokenizer_args.
  for (const name of ["processor_kwargs", "tokenizer_args"]) {
    const section = optionalObject(settings, name);
    const limit = section === undefined ? undefined : tokenLimit(section, "model_max_length");
    if (limit !== undefined) {
      return limit;
    }
  }
  return tokenLimit(settings, "max_seq_length");
}

/** A number above the safe integers means "no limit": transformers writes 10^30. */
function tokenLimit(object: JsonObject, name: string): number | undefined {
  const value = field(object, name);
  if (typeof value === "number" && value > Number.MAX_SAFE_INTEGER) {
    return undefined;
  }
  return optionalInteger(object, name, 1);
}

/** Number of usable positions in the position table that config.json describes; undefined if there is no limit. */
export function usablePositions(config: ModelConfig): number | undefined {
  const family = optionalString(config, "model_type") ?? "";
  const positions = optionalInteger(config, "max_position_embeddings", -1) ?? DEFAULT_POSITIONS.get(family);
  // In XLNet -1 means "no limit".
  if (positions === undefined || positions === -1) {
    return undefined;
  }
  const unused = unusedPositions(family, config);
  if (positions <= unused) {
    throw invalidField(config, "max_position_embeddings", `an integer > ${unused}`);
  }
  return positions - unused;
}

function unusedPositions(family: string, config: ModelConfig): number {
  if (family === "mpnet") return MPNET_UNUSED;
  return OFFSET_POSITIONS.has(family) ? (optionalInteger(config, "pad_token_id", 0) ?? 1) + 1 : 0;
}
