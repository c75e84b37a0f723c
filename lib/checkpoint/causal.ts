/** How the outputs of a causal language model become the score of a pair. */

import { join } from "node:path";

import { SparseRerankError } from "../errors";
import { field, invalidField, optionalInteger, optionalString, readJsonObject } from "./json-fields";
import type { JsonObject } from "./json-fields";
import type { ModuleEntry } from "./modules";
import type { CausalScoring, ModelConfig } from "./types";

/** Values of model_type whose sequence classifiers of transformers read one token, the last that is no padding. */
const CAUSAL_FAMILIES: ReadonlySet<string> = new Set(["gemma", "gemma2", "gemma3_text", "llama", "mistral", "phi3", "qwen2", "qwen3"]);

/** The feature that a Transformer of the task text-generation writes and LogitScore reads, unless the files say otherwise. */
const LOGITS = "causal_logits";

/** sentence-transformers scores a causal language model without modules.json by the tokens "yes" and "no". */
export const DEFAULT_SCORING_TOKENS = ["yes", "no"] as const;

/**
 * Reads the module LogitScore: the logit of one token, or the difference of two, at the last position.
 *
 * Errors: ERR_INVALID_CONFIG (no id, or one outside the vocabulary), ERR_UNSUPPORTED_MODEL (another input).
 */
export async function readLogitScore(entry: ModuleEntry, config: ModelConfig): Promise<CausalScoring> {
  const file = join(entry.folder, "config.json");
  const module = await readJsonObject(file);
  if (module === undefined) throw new SparseRerankError("ERR_FILE_NOT_FOUND", `${file} does not exist; it names the tokens of LogitScore.`);
  const input = optionalString(module, "module_input_name") ?? LOGITS;
  if (input !== LOGITS) {
    throw new SparseRerankError(
      "ERR_UNSUPPORTED_MODEL",
      `${file}: LogitScore reads ${JSON.stringify(input.slice(0, 100))}; only "${LOGITS}" is supported.`,
    );
  }
  const trueTokenId = readTokenId(module, "true_token_id", config);
  if (trueTokenId === undefined) throw invalidField(module, "true_token_id", "the id of a token");
  return { kind: "logit-score", trueTokenId, falseTokenId: readTokenId(module, "false_token_id", config) ?? null };
}

function readTokenId(module: JsonObject, name: string, config: ModelConfig): number | undefined {
  const size = optionalInteger(config, "vocab_size", 1);
  return optionalInteger(module, name, 0, size === undefined ? undefined : size - 1);
}

/** @returns undefined for an encoder, whose classification head reads what its family says */
export function readSequenceScoring(config: ModelConfig): CausalScoring | undefined {
  if (!CAUSAL_FAMILIES.has(optionalString(config, "model_type") ?? "")) return undefined;
  const padTokenId = field(config, "pad_token_id");
  return {
    kind: "sequence-classification",
    padTokenId: padTokenId === undefined ? null : (optionalInteger(config, "pad_token_id", 0) ?? null),
  };
}
