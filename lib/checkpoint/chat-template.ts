/**
 * Reads how a model turns a pair into messages: the chat template, the format of its messages and the variables that it gets. The rules are
 * those of sentence-transformers 6 and transformers 5.
 */

import { join } from "node:path";

import { SparseRerankError } from "../errors";
import { namesIn, readExactly, withFile } from "./checkpoint-files";
import {
  describe,
  field,
  invalidField,
  isRecord,
  optionalBoolean,
  optionalObject,
  optionalString,
  pathOf,
  readJsonObject,
} from "./json-fields";
import type { JsonObject } from "./json-fields";
import type { ChatFormat, ModelConfig } from "./types";

const FILE = "chat_template.jinja";
const FOLDER = "additional_chat_templates";
/** Published templates have up to 30,000 characters. */
const MAX_TEMPLATE_BYTES = 64 * 1024;
const MAX_TEMPLATES = 64;
const DEFAULT = "default";

/** Signs of a template that expects the content of a message to be a list of parts. */
const STRUCTURED = ["content[0]", ".type", "'type'", '"type"', "item.type", "message.content["];
/** Families whose templates these signs misjudge. */
const FLAT_FAMILIES: ReadonlySet<string> = new Set(["apertus", "deepseek_v3", "gpt_oss", "seed_oss"]);

/** Arguments of apply_chat_template that are no variables of the template, with the values that change nothing. */
const ARGUMENTS: Readonly<Record<string, readonly unknown[]>> = {
  padding: [true, false, "longest"],
  truncation: [true, "longest_first"],
  max_length: [],
  return_tensors: ["pt"],
  return_dict: [],
  tokenize: [],
  tools: [],
  documents: [],
  tokenizer_kwargs: [],
  common_kwargs: [],
  continue_final_message: [false],
  return_assistant_tokens_mask: [false],
  sanitize_control_tokens: [false],
};

interface Templates {
  readonly file: string;
  /** One template, or several by name. */
  readonly source: string | ReadonlyMap<string, string>;
}

/**
 * How pairs become messages; undefined if the model reads pairs of texts.
 *
 * @param settings sentence_bert_config.json of a module; undefined without modules.json, where any chat template makes messages of pairs
 * Errors: ERR_FILE_NOT_FOUND (no template, or none of the name), ERR_INVALID_CONFIG, ERR_UNSUPPORTED_MODEL.
 */
export async function readChatFormat(
  folder: string,
  config: ModelConfig,
  settings: JsonObject | undefined,
): Promise<ChatFormat | undefined> {
  const message = settings === undefined ? undefined : messageSettings(settings);
  if (settings !== undefined && message === undefined) return undefined;
  const templates = await readTemplates(folder);
  if (templates === undefined) {
    if (message === undefined) return undefined;
    throw new SparseRerankError(
      "ERR_FILE_NOT_FOUND",
      `${message.file} says that the model reads messages, but ${folder} has no ${FILE} and no chat_template in tokenizer_config.json.`,
    );
  }
  const { template, restoresTail, variables } = readArguments(settings);
  const source = chooseTemplate(templates, template);
  return { source, file: templates.file, format: readFormat(message, config, templates), variables, restoresTail };
}

/** The entry of the modality "message". */
export function messageSettings(settings: JsonObject): JsonObject | undefined {
  const modalities = optionalObject(settings, "modality_config");
  return modalities === undefined ? undefined : optionalObject(modalities, "message");
}

/** Files of their own take precedence over tokenizer_config.json. */
async function readTemplates(folder: string): Promise<Templates | undefined> {
  const path = join(folder, FILE);
  const own = await readTemplate(path);
  const others = await namedTemplates(join(folder, FOLDER));
  if (others.size > 0) return { file: join(folder, FOLDER), source: own === undefined ? others : new Map([[DEFAULT, own], ...others]) };
  if (own !== undefined) return { file: path, source: own };
  const tokenizer = await readJsonObject(join(folder, "tokenizer_config.json"));
  const stated = tokenizer === undefined ? undefined : field(tokenizer, "chat_template");
  return tokenizer === undefined || stated === undefined ? undefined : { file: tokenizer.file, source: readStated(tokenizer, stated) };
}

async function namedTemplates(folder: string): Promise<ReadonlyMap<string, string>> {
  const names = (await namesIn(folder)).filter((name) => name.endsWith(".jinja"));
  if (names.length > MAX_TEMPLATES) {
    throw new SparseRerankError(
      "ERR_INVALID_CONFIG",
      `${folder} has ${String(names.length)} chat templates; the limit is ${String(MAX_TEMPLATES)}.`,
    );
  }
  const templates = new Map<string, string>();
  for (const name of names.sort()) {
    templates.set(name.slice(0, -".jinja".length), (await readTemplate(join(folder, name))) ?? "");
  }
  return templates;
}

/** @returns undefined if the file does not exist */
async function readTemplate(path: string): Promise<string | undefined> {
  return withFile(path, async (file) => {
    if (file.size > MAX_TEMPLATE_BYTES) throw tooLong(path, file.size);
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(await readExactly(file, 0, file.size));
    } catch (cause) {
      if (cause instanceof SparseRerankError) throw cause;
      throw new SparseRerankError("ERR_INVALID_CONFIG", `${path} is not UTF-8. Download it again.`, { cause });
    }
  });
}

/** A template, a list of templates with names, or an object of them. */
function readStated(tokenizer: JsonObject, stated: unknown): Templates["source"] {
  if (typeof stated === "string") return requireLength(tokenizer, stated);
  const entries = Array.isArray(stated) ? stated.map(nameAndTemplate) : isRecord(stated) ? Object.entries(stated) : undefined;
  if (entries?.every(([name, template]) => typeof name === "string" && typeof template === "string") !== true) {
    throw invalidField(tokenizer, "chat_template", "a template, or a list of templates, each with name and template");
  }
  return new Map((entries as [string, string][]).map(([name, template]) => [name, requireLength(tokenizer, template)]));
}

function nameAndTemplate(entry: unknown): [unknown, unknown] {
  return isRecord(entry) ? [entry["name"], entry["template"]] : [undefined, undefined];
}

function requireLength({ file }: JsonObject, template: string): string {
  if (template.length <= MAX_TEMPLATE_BYTES) return template;
  throw tooLong(file, template.length);
}

function tooLong(file: string, size: number): SparseRerankError {
  return new SparseRerankError(
    "ERR_INVALID_CONFIG",
    `${file}: a chat template has ${String(size)} characters; the limit is ${String(MAX_TEMPLATE_BYTES)}.`,
  );
}

/** @param stated the argument chat_template: a name, or a template */
function chooseTemplate({ file, source }: Templates, stated: string | undefined): string {
  if (typeof source === "string") return stated ?? source;
  const found = source.get(stated ?? DEFAULT) ?? stated;
  if (found !== undefined) return found;
  const names = [...source.keys()].slice(0, 16).map(describe).join(", ");
  throw new SparseRerankError("ERR_FILE_NOT_FOUND", `${file} has several chat templates (${names}), and none is named "${DEFAULT}".`);
}

/** As sentence-transformers infers it, which for several templates is always the structured format. */
function readFormat(message: JsonObject | undefined, config: ModelConfig, { source }: Templates): ChatFormat["format"] {
  const stated = message === undefined ? "auto" : (optionalString(message, "format") ?? "auto");
  if (message !== undefined && stated !== "auto" && stated !== "flat" && stated !== "structured") {
    throw invalidField(message, "format", '"flat", "structured" or "auto"');
  }
  if (stated === "flat" || stated === "structured") return stated;
  if (FLAT_FAMILIES.has(optionalString(config, "model_type") ?? "")) return "flat";
  return typeof source !== "string" || source === "" || STRUCTURED.some((sign) => source.includes(sign)) ? "structured" : "flat";
}

/** processing_kwargs: only arguments of the chat template are supported. */
function readArguments(
  settings: JsonObject | undefined,
): Pick<ChatFormat, "variables" | "restoresTail"> & { readonly template: string | undefined } {
  const sections = settings === undefined ? undefined : optionalObject(settings, "processing_kwargs");
  const section = sections === undefined ? undefined : optionalObject(sections, "chat_template");
  if (section === undefined) return { template: undefined, restoresTail: true, variables: {} };
  const variables: [string, unknown][] = [];
  for (const [name, value] of Object.entries(section.json)) {
    if (name === "chat_template" || name === "restore_suffix") continue;
    const harmless = Object.hasOwn(ARGUMENTS, name) ? ARGUMENTS[name] : undefined;
    if (harmless === undefined) variables.push([name, value]);
    else if (value !== null && !harmless.includes(value)) {
      throw new SparseRerankError(
        "ERR_UNSUPPORTED_MODEL",
        `${section.file}: "${pathOf(section, name)}" is ${describe(value)}; this is not supported.`,
      );
    }
  }
  const template = optionalString(section, "chat_template");
  return {
    template: template === undefined ? undefined : requireLength(section, template),
    restoresTail: optionalBoolean(section, "restore_suffix") ?? true,
    variables: Object.fromEntries(variables),
  };
}
