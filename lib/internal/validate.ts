/** Checks of arguments that come from users: each throws ERR_INVALID_ARGUMENT and names the argument, what it is and what it must be. */

import { SparseRerankError } from "../errors";

/** How a value is called in a message: never its contents, which may be long or secret. */
export function describe(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return value.length === 0 ? "an empty array" : "an array";
  if (typeof value === "number") return String(value);
  if (typeof value === "string") return value === "" ? "an empty string" : "a string";
  if (typeof value === "object") return "an object";
  return typeof value;
}

export function invalid(name: string, value: unknown, expected: string): SparseRerankError {
  return new SparseRerankError("ERR_INVALID_ARGUMENT", `${name} must be ${expected}, not ${describe(value)}.`);
}

export function requireString(value: unknown, name: string): asserts value is string {
  if (typeof value !== "string" || value === "") throw invalid(name, value, "a non-empty string");
}

export function requirePositiveInteger(value: unknown, name: string, maximum = Number.MAX_SAFE_INTEGER): asserts value is number {
  if (!Number.isInteger(value) || (value as number) < 1 || (value as number) > maximum) {
    throw invalid(name, value, maximum === Number.MAX_SAFE_INTEGER ? "a positive integer" : `an integer from 1 to ${String(maximum)}`);
  }
}

export function requireFunction(value: unknown, name: string): void {
  if (typeof value !== "function") throw invalid(name, value, "a function");
}

/** Texts of one call. Returns nothing: the array itself is used, so that large inputs are not copied. */
export function requireTexts(value: unknown, name: string): asserts value is readonly string[] {
  if (!Array.isArray(value)) throw invalid(name, value, "a string or an array of strings");
  for (let i = 0; i < value.length; i++) {
    if (typeof value[i] !== "string") throw invalid(`${name}[${String(i)}]`, value[i], "a string");
  }
}

/** An options object: unknown keys are refused, since a misspelt option would be ignored in silence. */
export function requireRecord(value: unknown, name: string, keys: readonly string[]): void {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw invalid(name, value, "an object");
  for (const key of Object.keys(value)) {
    if (!keys.includes(key)) {
      throw new SparseRerankError("ERR_INVALID_ARGUMENT", `${name} has an unknown property "${key}"; known are: ${keys.join(", ")}.`);
    }
  }
}

export function notSupported(what: string): SparseRerankError {
  return new SparseRerankError("ERR_NOT_SUPPORTED", `${what} is not available in this version of sparse-rerank.`);
}

/** The `signal` and `onProgress` that long calls share. */
export function requireControls(options: { readonly signal?: unknown; readonly onProgress?: unknown }): void {
  if (options.signal !== undefined && !isSignal(options.signal)) throw invalid("signal", options.signal, "an AbortSignal");
  if (options.onProgress !== undefined) requireFunction(options.onProgress, "onProgress");
}

/** By its interface: there are several classes of that name (jsdom, a page in Electron). */
function isSignal(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { aborted, addEventListener, removeEventListener } = value as Partial<AbortSignal>;
  return typeof aborted === "boolean" && typeof addEventListener === "function" && typeof removeEventListener === "function";
}
