/** Validates arguments from users: each check throws ERR_INVALID_ARGUMENT and names the argument, its value's kind and what is expected. */

import { SparseRerankError } from "../errors";

/** Node's timers use 32 bits, and fire immediately when given more. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

/** The kind of a value for messages: never its contents, which may be long or secret. */
export function describe(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return value.length === 0 ? "an empty array" : "an array";
  if (typeof value === "number") return String(value);
  if (typeof value === "string") return value === "" ? "an empty string" : "a string";
  if (typeof value !== "object") return typeof value;
  const kind = kindOf(value);
  return kind === "Object" ? "an object" : `${/^[AEIO]/.test(kind) ? "an" : "a"} ${kind}`;
}

/** "Object" for plain objects and most class instances; "Map", "Date", "Uint8Array" for built-ins, of any realm. */
export function kindOf(value: object): string {
  return Object.prototype.toString.call(value).slice("[object ".length, -1);
}

export function invalid(name: string, value: unknown, expected: string): SparseRerankError {
  return new SparseRerankError("ERR_INVALID_ARGUMENT", `${name} must be ${expected}, not ${describe(value)}.`);
}

export function requireString(value: unknown, name: string): asserts value is string {
  if (typeof value !== "string" || value === "") throw invalid(name, value, "a non-empty string");
}

/**
 * The rule for all counts (topK, batchSize, maxActiveDims, cutoffs, …): an integer from 1 to 2⁵³ − 1; a value above the number available
 * means all. Infinity is not a count: omit the option, or pass a large number.
 */
export function requirePositiveInteger(value: unknown, name: string, maximum = Number.MAX_SAFE_INTEGER): asserts value is number {
  if (!Number.isInteger(value) || (value as number) < 1 || (value as number) > maximum) {
    throw invalid(name, value, maximum === Number.MAX_SAFE_INTEGER ? "a positive integer" : `an integer from 1 to ${String(maximum)}`);
  }
}

export function requireFunction(value: unknown, name: string): void {
  if (typeof value !== "function") throw invalid(name, value, "a function");
}

/** Validates the texts of a call. Returns nothing: the array itself is used, so that large inputs are not copied. */
export function requireTexts(value: unknown, name: string): asserts value is readonly string[] {
  if (!Array.isArray(value)) throw invalid(name, value, "a string or an array of strings");
  for (let i = 0; i < value.length; i++) {
    if (typeof value[i] !== "string") throw invalid(`${name}[${String(i)}]`, value[i], "a string");
  }
}

/**
 * Validates a path from a caller. The system would cut it at a NUL character and read or write another file; a lone
 * surrogate would become U+FFFD, which is another name too.
 */
export function requirePath(value: unknown, name: string): asserts value is string {
  if (
    (typeof value === "object" && value !== null && kindOf(value) === "URL") ||
    (typeof value === "string" && /^file:\/\//i.test(value))
  ) {
    throw new SparseRerankError("ERR_INVALID_ARGUMENT", `${name} is a URL; convert it to a path with fileURLToPath() of node:url.`);
  }
  requireString(value, name);
  const problem = value.includes("\0") ? "a NUL character" : /\p{Surrogate}/u.test(value) ? "a lone surrogate" : undefined;
  if (problem !== undefined) throw new SparseRerankError("ERR_INVALID_ARGUMENT", `${name} has ${problem}, which no path can have.`);
}

/**
 * Validates an options object: unknown properties are rejected, since a misspelled option would be silently ignored. Inherited properties
 * count, and a Map is not an options object although it has no properties.
 */
export function requireRecord(value: unknown, name: string, keys: readonly string[]): void {
  if (typeof value !== "object" || value === null || kindOf(value) !== "Object") throw invalid(name, value, "an object");
  for (const key in value) {
    if (keys.includes(key)) continue;
    const nearest = nearestName(key, keys);
    const hint = nearest === undefined ? "" : ` (did you mean "${nearest}"?)`;
    const known = keys.length === 0 ? "there are none" : `known are: ${keys.join(", ")}`;
    throw new SparseRerankError("ERR_INVALID_ARGUMENT", `${name} has an unknown property ${quote(key)}${hint}; ${known}.`);
  }
}

function quote(text: string): string {
  return JSON.stringify(text.length > MAX_QUOTED ? `${text.slice(0, MAX_QUOTED)}…` : text);
}

const MAX_QUOTED = 64;

/** The known name that was probably meant: equal except for case and separators ("top_k"), or the one with the fewest edits. */
function nearestName(given: string, names: readonly string[]): string | undefined {
  const bare = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, "");
  const wanted = bare(given.slice(0, MAX_QUOTED));
  const distances = names.map((name) => ({ name, edits: editDistance(wanted, bare(name)) })).sort((a, b) => a.edits - b.edits);
  const [best] = distances;
  return best !== undefined && best.edits <= Math.max(1, wanted.length / 3) && best.edits < bare(best.name).length ? best.name : undefined;
}

/** Levenshtein distance: the insertions, deletions and replacements between two texts. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (const [i, letter] of Array.from(a).entries()) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++) {
      const replaced = (row[j] ?? 0) + (letter === b[j] ? 0 : 1);
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

/** The first argument of private constructors, which JavaScript programs can call but should not. */
export const FACTORY = Symbol("factory");

/** @param instead the function to call, as written after the class name */
export function requireFactory(given: unknown, name: string, instead: string): void {
  if (given === FACTORY) return;
  throw new SparseRerankError("ERR_INVALID_ARGUMENT", `A ${name} is not created with new; call ${name}.${instead}.`);
}

/** Decodes the percent escapes of a part of an address. Messages never quote it, as it may be a password. */
export function unescapePart(part: string, name: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new SparseRerankError(
      "ERR_INVALID_ARGUMENT",
      `${name} has a % that does not start a valid percent escape; write a literal % as %25.`,
    );
  }
}

/** Validates the address of a server. @param protocols those allowed, such as "http:" */
export function requireAddress(value: unknown, name: string, protocols: readonly string[]): asserts value is string {
  requireString(value, name);
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url === undefined || !protocols.includes(url.protocol) || url.host === "") {
    const forms = protocols.map((protocol) => `${protocol}//host:port`).join(" or ");
    throw new SparseRerankError("ERR_INVALID_ARGUMENT", `${name} must be an address such as ${forms}.`);
  }
  for (const part of [url.username, url.password, url.pathname]) unescapePart(part, name);
}

export function notSupported(what: string): SparseRerankError {
  return new SparseRerankError("ERR_NOT_SUPPORTED", `${what} is not available in this version of sparse-rerank.`);
}

/** Validates, by a method of its interface, an object of this package or a substitute. @param expected "a SparseEncoder" */
export function requireMethod(value: unknown, method: string, name: string, expected: string): void {
  const found = typeof value === "object" && value !== null ? (value as Record<string, unknown>)[method] : undefined;
  if (typeof found !== "function") throw invalid(name, value, expected);
}

/** Validates the `signal` and `onProgress` options of long calls. */
export function requireControls(options: { readonly signal?: unknown; readonly onProgress?: unknown }): void {
  if (options.signal !== undefined && !isSignal(options.signal)) throw invalid("signal", options.signal, "an AbortSignal");
  if (options.onProgress !== undefined) requireFunction(options.onProgress, "onProgress");
}

/** Checks the interface, since several classes have that name (jsdom, a page in Electron). */
function isSignal(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { aborted, addEventListener, removeEventListener } = value as Partial<AbortSignal>;
  return typeof aborted === "boolean" && typeof addEventListener === "function" && typeof removeEventListener === "function";
}
