/**
 * Reads modules.json of sentence-transformers: the pipeline of a model, one entry per module. Class paths have changed between versions
 * (sentence_transformers.models.Transformer, sentence_transformers.base.modules.transformer.Transformer, …SpladePooling.SpladePooling), but
 * not the class name at the end, which identifies a module.
 */

import { join } from "node:path";

import { SparseRerankError } from "../errors";
import { resolveInside } from "./checkpoint-files";
import { describe, invalidField, isRecord, optionalString, readJson } from "./json-fields";

/** Longer than any class name; keeps messages short. */
const MAX_NAME = 100;

export interface ModuleEntry {
  /** For example "SpladePooling". */
  readonly className: string;
  /** Absolute path of the module's folder: the root or a subfolder. */
  readonly folder: string;
}

/** @returns undefined if the checkpoint has no modules.json, so it is a plain transformers checkpoint */
export async function readModules(root: string): Promise<readonly ModuleEntry[] | undefined> {
  const path = join(root, "modules.json");
  const parsed = await readJson(path);
  if (parsed === undefined) {
    return undefined;
  }
  const entries = parsed.value;
  if (!Array.isArray(entries) || entries.length === 0) {
    throw new SparseRerankError("ERR_INVALID_CONFIG", `${path} contains ${describe(entries)}; expected an array of modules.`);
  }
  return entries.map((entry: unknown, i) => readEntry(root, path, i, entry));
}

/** For messages, for example "Transformer + SpladePooling". */
export function describeModules(modules: readonly ModuleEntry[]): string {
  const names = modules.slice(0, 16).map((entry) => entry.className);
  return modules.length > names.length ? `${names.join(" + ")} + …` : names.join(" + ");
}

function readEntry(root: string, file: string, i: number, json: unknown): ModuleEntry {
  if (!isRecord(json)) {
    throw new SparseRerankError("ERR_INVALID_CONFIG", `${file}: entry ${i} is ${describe(json)}; expected an object with type and path.`);
  }
  const entry = { file, json, parent: `[${i}]` };
  const type = optionalString(entry, "type");
  if (type === undefined) {
    throw invalidField(entry, "type", "the path of a module class");
  }
  const path = optionalString(entry, "path");
  if (path === undefined) {
    throw invalidField(entry, "path", 'a folder relative to the model, or "" for the model\'s own folder');
  }
  return moduleEntry(type, resolveInside(root, path, `${file}: "[${i}].path"`), `${file}: module ${i}`);
}

/**
 * @param type the path of the module's class
 * @param where the entry, for error messages
 */
export function moduleEntry(type: string, folder: string, where: string): ModuleEntry {
  if (!type.startsWith("sentence_transformers.")) {
    throw new SparseRerankError(
      "ERR_UNSUPPORTED_MODEL",
      `${where} is ${describe(type)}, which is custom Python code; only modules of sentence_transformers are supported.`,
    );
  }
  return { className: type.slice(type.lastIndexOf(".") + 1).slice(0, MAX_NAME), folder };
}
