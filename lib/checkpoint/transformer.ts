/** Reads one transformers model of a checkpoint: the config.json, weights and limits of a folder. */

import { dirname, join, sep } from "node:path";

import { SparseRerankError } from "../errors";
import { messageSettings } from "./chat-template";
import { status } from "./checkpoint-files";
import {
  describe,
  field,
  isRecord,
  optionalBoolean,
  optionalObject,
  optionalString,
  optionalStrings,
  pathOf,
  readJsonObject,
} from "./json-fields";
import type { JsonObject } from "./json-fields";
import { readMaxSeqLength } from "./limits";
import type { ModuleEntry } from "./modules";
import type { ModelConfig, TransformerPart } from "./types";
import { readWeights } from "./weights";

/** The task of a Transformer module, which selects the model class in sentence-transformers and thus its output. */
export type TransformerTask = "fill-mask" | "sequence-classification" | "text-generation" | "feature-extraction";

/** Settings of a Transformer module. */
const SETTINGS_FILE = "sentence_bert_config.json";
/** Before version 2.0 the file was named after the model family. */
const SETTINGS_FILES = [
  SETTINGS_FILE,
  "sentence_roberta_config.json",
  "sentence_distilbert_config.json",
  "sentence_camembert_config.json",
  "sentence_albert_config.json",
  "sentence_xlm-roberta_config.json",
  "sentence_xlnet_config.json",
];

/** Settings that change tokens or scores and are not implemented, so they are rejected instead of ignored. */
const UNSUPPORTED_SETTINGS = ["query_length", "document_length", "query_expansion", "tokenizer_name_or_path"];

/** Arguments for transformers that affect where files come from or how fast they are read, but not results. */
const HARMLESS_ARGUMENTS = ["trust_remote_code", "revision", "token", "cache_dir", "local_files_only", "use_fast"];

/**
 * Sections of arguments (also under their names before version 5.4), with the arguments that are read elsewhere or do not affect results.
 */
const ARGUMENTS: readonly (readonly [section: string, allowed: readonly string[]])[] = [
  ["config_kwargs", HARMLESS_ARGUMENTS],
  ["config_args", HARMLESS_ARGUMENTS],
  ["processor_kwargs", [...HARMLESS_ARGUMENTS, "model_max_length", "padding_side", "padding"]],
  ["tokenizer_args", [...HARMLESS_ARGUMENTS, "model_max_length", "padding_side", "padding"]],
];

export async function readModelConfig(folder: string): Promise<ModelConfig> {
  if ((await status(join(folder, "adapter_config.json"))) !== undefined) {
    throw new SparseRerankError(
      "ERR_UNSUPPORTED_MODEL",
      `${folder} has an adapter_config.json: it is a PEFT adapter for another model. Merge it into that model with merge_and_unload() of peft and save the result.`,
    );
  }
  const config = await readJsonObject(join(folder, "config.json"));
  if (config === undefined) {
    throw new SparseRerankError("ERR_FILE_NOT_FOUND", `${folder} has no config.json, the file that describes a transformers model.`);
  }
  return config;
}

/** `architectures` of config.json: the model classes that saved the weights, for example "BertForMaskedLM". */
export function architecturesOf(config: ModelConfig): readonly string[] {
  return optionalStrings(config, "architectures") ?? [];
}

/** Describes `architectures` for a message. */
export function describeArchitectures(config: ModelConfig): string {
  const architectures = architecturesOf(config);
  return architectures.length === 0 ? "names no architecture" : `describes ${architectures.slice(0, 4).map(describe).join(", ")}`;
}

/**
 * Reads the model in the folder of `config`.
 * @param settings sentence_bert_config.json of a module; a plain checkpoint has none
 * @param exported absolute path of an ONNX file, which replaces the weights if it is inside this folder
 */
export async function readTransformer(config: ModelConfig, settings?: JsonObject, exported?: string): Promise<TransformerPart> {
  const folder = dirname(config.file);
  const own = exported?.startsWith(folder + sep) === true ? exported : undefined;
  return {
    folder,
    config,
    exported: own,
    tensors: own === undefined ? await readWeights(folder) : new Map(),
    maxSeqLength: await readMaxSeqLength(folder, config, settings),
    lowerCase: (settings === undefined ? undefined : optionalBoolean(settings, "do_lower_case")) ?? false,
  };
}

/** Reads a Transformer (or MLMTransformer) module, which must have the given task and read texts. */
export async function readTransformerModule(entry: ModuleEntry, task: TransformerTask, exported?: string): Promise<TransformerPart> {
  const settings = await readTransformerSettings(entry, task);
  const message = messageSettings(settings);
  if (message !== undefined) throw unusual(message, "method", "the modality text");
  return readTransformer(await readModelConfig(entry.folder), settings, exported);
}

/** sentence_bert_config.json of a module, which must have the given task; empty if there is none. */
export async function readTransformerSettings(entry: ModuleEntry, task: TransformerTask): Promise<JsonObject> {
  const settings = await readSettings(entry.folder);
  const stated = settings === undefined ? undefined : optionalString(settings, "transformer_task");
  const found = stated ?? (entry.className === "MLMTransformer" ? "fill-mask" : "feature-extraction");
  if (found !== task) {
    throw new SparseRerankError(
      "ERR_UNSUPPORTED_MODEL",
      `${settings?.file ?? join(entry.folder, SETTINGS_FILE)}: the transformer_task of ${entry.className} is ${describe(found)}; expected "${task}".`,
    );
  }
  if (settings !== undefined) requireUsualOutput(settings, task);
  return settings ?? { file: join(entry.folder, SETTINGS_FILE), json: {} };
}

/**
 * The output of the model that a Transformer uses and the feature that it writes, unless the settings (since version 5.4) specify others.
 */
const OUTPUTS: Readonly<Record<TransformerTask, { readonly field: string; readonly feature: string }>> = {
  "feature-extraction": { field: "last_hidden_state", feature: "token_embeddings" },
  "fill-mask": { field: "logits", feature: "token_embeddings" },
  "sequence-classification": { field: "logits", feature: "scores" },
  "text-generation": { field: "logits", feature: "causal_logits" },
};

/** Rejects other outputs, such as pooler_output or the hidden states of an earlier layer, which would change results. */
function requireUsualOutput(settings: JsonObject, task: TransformerTask): void {
  const { field: output, feature } = OUTPUTS[task];
  const modalities = optionalObject(settings, "modality_config");
  // Messages take precedence over texts.
  const read = messageSettings(settings) ?? (modalities === undefined ? undefined : optionalObject(modalities, "text"));
  if (modalities !== undefined && read === undefined) throw unusual(modalities, "text", "how the model reads texts");
  const stated: readonly (readonly [object: JsonObject, name: string, supported: string])[] = [
    ...(read === undefined
      ? []
      : ([
          [read, "method", "forward"],
          [read, "method_output_name", output],
        ] as const)),
    [settings, "module_output_name", feature],
  ];
  for (const [object, name, supported] of stated) {
    const value = field(object, name);
    // sentence-transformers also accepts a path, an array of which the usual one has a single element.
    const only = Array.isArray(value) && value.length === 1 ? (value[0] as unknown) : value;
    if (only !== undefined && only !== supported) throw unusual(object, name, `"${supported}"`);
  }
}

function unusual(object: JsonObject, name: string, supported: string): SparseRerankError {
  return new SparseRerankError(
    "ERR_UNSUPPORTED_MODEL",
    `${object.file}: "${pathOf(object, name)}" is ${describe(field(object, name))}; only ${supported} is supported.`,
  );
}

async function readSettings(folder: string): Promise<JsonObject | undefined> {
  for (const name of SETTINGS_FILES) {
    const settings = await readJsonObject(join(folder, name));
    if (settings === undefined || Object.keys(settings.json).length === 0) {
      continue;
    }
    for (const unsupported of UNSUPPORTED_SETTINGS) {
      const value = field(settings, unsupported);
      if (value !== undefined && !(isRecord(value) && Object.keys(value).length === 0)) {
        throw unsupportedSetting(settings, unsupported);
      }
    }
    requireNoProcessing(settings);
    for (const [name, allowed] of ARGUMENTS) {
      const section = optionalObject(settings, name);
      const unsupported = section === undefined ? undefined : Object.keys(section.json).find((argument) => !allowed.includes(argument));
      if (section !== undefined && unsupported !== undefined) throw unsupportedSetting(section, unsupported);
    }
    return settings;
  }
  return undefined;
}

/** Arguments of calls, by kind; those of the chat template are read elsewhere (chat-template.ts). */
function requireNoProcessing(settings: JsonObject): void {
  const sections = optionalObject(settings, "processing_kwargs");
  for (const name of Object.keys(sections?.json ?? {})) {
    const section = sections === undefined || name === "chat_template" ? undefined : optionalObject(sections, name);
    const [argument] = Object.keys(section?.json ?? {});
    if (section !== undefined && argument !== undefined) throw unsupportedSetting(section, argument);
  }
}

function unsupportedSetting(object: JsonObject, name: string): SparseRerankError {
  return new SparseRerankError("ERR_UNSUPPORTED_MODEL", `${object.file}: the setting "${pathOf(object, name)}" is not supported.`);
}
