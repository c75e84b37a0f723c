/**
 * Values that JSON preserves. Those that it would silently change are rejected (a Map becomes {}, NaN becomes null, a function disappears).
 */

import { SparseRerankError } from "../errors";
import { describe, invalid, kindOf } from "./validate";

/** Deeper values are a mistake, and overflow the stack of JSON.stringify. */
const MAX_DEPTH = 512;

/**
 * Serializes the value as JSON.
 *
 * Errors: ERR_INVALID_ARGUMENT (with the path: "payloads[0].tags").
 */
export function jsonOf(value: unknown, name: string): string {
  requireJsonValue(value, name);
  return JSON.stringify(value);
}

/**
 * Accepts strings, finite numbers, booleans, null, arrays and plain objects of them, and values that toJSON() turns into one of these, such
 * as a Date. A field that is undefined counts as absent.
 *
 * Errors: ERR_INVALID_ARGUMENT (with the path).
 */
export function requireJsonValue(value: unknown, name: string): void {
  try {
    check(value, name, []);
  } catch (error) {
    if (error instanceof SparseRerankError) throw error;
    throw new SparseRerankError("ERR_INVALID_ARGUMENT", `${name} cannot be read: a getter or toJSON() in it throws.`, { cause: error });
  }
}

/** The value that JSON.stringify uses instead of this one. */
export function withToJson(value: unknown): unknown {
  if (typeof value !== "object" || value === null || !("toJSON" in value) || typeof value.toJSON !== "function") return value;
  return (value as { toJSON(): unknown }).toJSON();
}

/** @param around the objects that contain the value, the outermost first */
function check(given: unknown, name: string, around: readonly object[]): void {
  if (ArrayBuffer.isView(given)) throw refused(given, name, "convert it with Array.from()");
  const value = withToJson(given);
  if (typeof given === "object" && given !== null && value === null) {
    throw refused(given, name, "its toJSON() returns null, so it is invalid");
  }
  if (value === null || typeof value === "string" || typeof value === "boolean") return;
  if (typeof value === "number" && Number.isFinite(value)) return;
  if (typeof value !== "object") throw refused(value, name);
  if (around.includes(value)) throw new SparseRerankError("ERR_INVALID_ARGUMENT", `${name} contains itself: a cycle.`);
  if (around.length === MAX_DEPTH)
    throw new SparseRerankError("ERR_INVALID_ARGUMENT", `${name} is nested more than ${MAX_DEPTH} levels deep.`);
  const within = [...around, value];
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) check(value[i], `${name}[${i}]`, within);
    return;
  }
  if (!isPlain(value)) throw refused(value, name, "convert it to a plain object, an array or a string");
  const [symbol] = Object.getOwnPropertySymbols(value).filter((one) => Object.prototype.propertyIsEnumerable.call(value, one));
  if (symbol !== undefined) {
    throw new SparseRerankError("ERR_INVALID_ARGUMENT", `${name} has a key that is a symbol, which JSON cannot represent: use a string.`);
  }
  for (const [key, field] of Object.entries(value)) if (field !== undefined) check(field, `${name}.${key}`, within);
}

/** An object literal of any realm, or one without a prototype. */
function isPlain(value: object): boolean {
  if (kindOf(value) !== "Object") return false;
  /* eslint-disable no-restricted-syntax -- the end of the chain is the same in every realm */
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
  /* eslint-enable no-restricted-syntax */
}

function refused(value: unknown, name: string, remedy?: string): SparseRerankError {
  const what = typeof value === "object" && value !== null && kindOf(value) === "Object" ? "an instance of a class" : describe(value);
  if (remedy === undefined) return invalid(name, value, "a string, a finite number, a boolean, null, or an array or object of them");
  return new SparseRerankError("ERR_INVALID_ARGUMENT", `${name} is ${what}, which JSON cannot represent: ${remedy}.`);
}
