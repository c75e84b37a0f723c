/**
 * Reads JSON files of a checkpoint. They are untrusted: reads have a size limit, and every field is validated where it is used. Errors name
 * the file and the field. In all getters a missing field and null are the same, as in files written by transformers.
 */

import { parsePythonJson } from "../core/python-json";
import { MAX_JSON_BYTES } from "../core/regular-file";
import { SparseRerankError } from "../errors";
import type { ErrorCode } from "../errors";
import { readExactly, withFile } from "./checkpoint-files";

/** A JSON object with its origin. A ModelConfig is one. */
export interface JsonObject {
  readonly file: string;
  readonly json: Readonly<Record<string, unknown>>;
  /** The path of a nested object within the file. */
  readonly parent?: string;
}

/** @returns undefined if the file does not exist */
export async function readJson(path: string): Promise<{ readonly value: unknown } | undefined> {
  return withFile(path, async (file) => {
    if (file.size > MAX_JSON_BYTES) {
      throw new SparseRerankError(
        "ERR_INVALID_CONFIG",
        `${path} has ${file.size} bytes; a configuration file of a model has at most ${MAX_JSON_BYTES}. Check that it is the right file.`,
      );
    }
    return { value: parseJson(await readExactly(file, 0, file.size), path, "ERR_INVALID_CONFIG", parsePythonJson) };
  });
}

/** @returns undefined if the file does not exist */
export async function readJsonObject(path: string): Promise<JsonObject | undefined> {
  const parsed = await readJson(path);
  if (parsed === undefined) {
    return undefined;
  }
  if (!isRecord(parsed.value)) {
    throw new SparseRerankError("ERR_INVALID_CONFIG", `${path} contains ${describe(parsed.value)}; expected a JSON object.`);
  }
  return { file: path, json: parsed.value };
}

/**
 * @param where the file, or the part of one, for the error message
 * @param parse the parser; it also gets a byte order mark, which is not valid JSON
 */
export function parseJson(bytes: Uint8Array, where: string, code: ErrorCode, parse: (text: string) => unknown = JSON.parse): unknown {
  try {
    return parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (cause) {
    throw new SparseRerankError(code, `${where} is not valid JSON in UTF-8: ${(cause as Error).message}`, { cause });
  }
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Describes an untrusted value briefly for an error message. */
export function describe(value: unknown): string {
  if (value === undefined) {
    return "missing";
  }
  if (Array.isArray(value)) {
    return `an array of ${value.length}`;
  }
  if (isRecord(value)) {
    return "an object";
  }
  const text = typeof value === "number" ? String(value) : JSON.stringify(value);
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}

/** An own field of the object; undefined if it is missing or null. */
export function field(object: JsonObject, name: string): unknown {
  return Object.hasOwn(object.json, name) ? (object.json[name] ?? undefined) : undefined;
}

/** Creates an ERR_INVALID_CONFIG that names the file and the field. */
export function invalidField(object: JsonObject, name: string, expected: string): SparseRerankError {
  return new SparseRerankError(
    "ERR_INVALID_CONFIG",
    `${object.file}: "${pathOf(object, name)}" is ${describe(field(object, name))}; expected ${expected}.`,
  );
}

export function optionalString(object: JsonObject, name: string): string | undefined {
  const value = field(object, name);
  if (value === undefined || typeof value === "string") {
    return value;
  }
  throw invalidField(object, name, "a string");
}

export function optionalBoolean(object: JsonObject, name: string): boolean | undefined {
  const value = field(object, name);
  if (value === undefined || typeof value === "boolean") {
    return value;
  }
  throw invalidField(object, name, "true or false");
}

export function optionalInteger(object: JsonObject, name: string, minimum: number, maximum = Number.MAX_SAFE_INTEGER): number | undefined {
  const value = field(object, name);
  if (value === undefined || (typeof value === "number" && Number.isSafeInteger(value) && value >= minimum && value <= maximum)) {
    return value;
  }
  throw invalidField(
    object,
    name,
    maximum === Number.MAX_SAFE_INTEGER ? `an integer >= ${minimum}` : `an integer from ${minimum} to ${maximum}`,
  );
}

export function optionalObject(object: JsonObject, name: string): JsonObject | undefined {
  const value = field(object, name);
  if (value === undefined) {
    return undefined;
  }
  if (!isRecord(value)) {
    throw invalidField(object, name, "an object");
  }
  return { file: object.file, json: value, parent: pathOf(object, name) };
}

export function optionalStrings(object: JsonObject, name: string): readonly string[] | undefined {
  const value = field(object, name);
  if (value === undefined || (Array.isArray(value) && value.every((item) => typeof item === "string"))) {
    return value;
  }
  throw invalidField(object, name, "an array of strings");
}

/** The path of a field within its file, for messages. */
export function pathOf(object: JsonObject, name: string): string {
  return object.parent === undefined ? name : `${object.parent}.${name}`;
}
