/** config_sentence_transformers.json: what sentence-transformers stores of a whole pipeline. */

import { join } from "node:path";

import { describe, invalidField, optionalObject, optionalString, readJsonObject } from "./json-fields";
import type { JsonObject } from "./json-fields";

export interface Prompts {
  readonly prompts: Readonly<Record<string, string>>;
  readonly defaultPromptName: string | undefined;
}

const FILE = "config_sentence_transformers.json";

/** States nothing: for plain checkpoints, where the reference does not read the file, and for pipelines from before the file existed. */
export const NO_PIPELINE_CONFIG: JsonObject = { file: FILE, json: {} };

export async function readPipelineConfig(root: string): Promise<JsonObject> {
  return (await readJsonObject(join(root, FILE))) ?? NO_PIPELINE_CONFIG;
}

/** The class that saved the model. Versions before 5 had only one that wrote the file, and did not name it. */
export function modelTypeOf(pipeline: JsonObject): string {
  return optionalString(pipeline, "model_type") ?? "SentenceTransformer";
}

/** The stored prompts; those of `always` exist in any case, empty where they are not stored. */
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
  // fromEntries defines own properties, so that a prompt named __proto__ stays a prompt.
  return { prompts: Object.freeze(Object.fromEntries(prompts)), defaultPromptName };
}
