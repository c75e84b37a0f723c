/** Reads config_sentence_transformers.json, which holds the settings of a whole pipeline. */

import { join } from "node:path";

import { describe, invalidField, optionalObject, optionalString, readJsonObject } from "./json-fields";
import type { JsonObject } from "./json-fields";

export interface Prompts {
  readonly prompts: Readonly<Record<string, string>>;
  readonly defaultPromptName: string | undefined;
}

const FILE = "config_sentence_transformers.json";

/** Empty settings: for plain checkpoints, where sentence-transformers does not read the file, and for pipelines that predate it. */
export const NO_PIPELINE_CONFIG: JsonObject = { file: FILE, json: {} };

export async function readPipelineConfig(root: string): Promise<JsonObject> {
  return (await readJsonObject(join(root, FILE))) ?? NO_PIPELINE_CONFIG;
}

/** The class that saved the model. Before version 5 only SentenceTransformer wrote the file, without its name. */
export function modelTypeOf(pipeline: JsonObject): string {
  return optionalString(pipeline, "model_type") ?? "SentenceTransformer";
}

/** The stored prompts. Those named in `always` are present even if not stored, as empty strings. */
export function readPrompts(pipeline: JsonObject, always: readonly string[]): Prompts {
  const prompts = new Map(always.map((name) => [name, ""]));
  const stored = optionalObject(pipeline, "prompts");
  if (stored !== undefined) {
    for (const name of Object.keys(stored.json)) {
      prompts.set(name, optionalString(stored, name) ?? "");
    }
  }
  const defaultPromptName = optionalString(pipeline, "default_prompt_name");
  if (defaultPromptName !== undefined && !prompts.has(defaultPromptName)) {
    throw invalidField(
      pipeline,
      "default_prompt_name",
      `one of the prompts: ${[...prompts.keys()].slice(0, 16).map(describe).join(", ") || "there are none"}`,
    );
  }
  // fromEntries defines own properties, so a prompt named __proto__ is stored as a prompt.
  return { prompts: Object.freeze(Object.fromEntries(prompts)), defaultPromptName };
}
