import { SparseRerankError } from "../errors";
import { invalid } from "../internal/validate";
import type { Payload } from "./json";

export type FilterValue = string | number | boolean;

/**
 * Which documents a search may return, by the fields of their payloads. A dot in `field` goes into an object: "author.name". A field that
 * holds an array of values matches when one of them does (what arrays of objects do is each engine's own). A document without the field
 * matches nothing but `not`.
 */
export type Filter =
  | { readonly field: string; readonly equals: FilterValue }
  | { readonly field: string; readonly in: readonly FilterValue[] }
  | ({ readonly field: string } & NumberRange)
  | { readonly and: readonly Filter[] }
  | { readonly or: readonly Filter[] }
  | { readonly not: Filter };

/** At least one bound. */
export interface NumberRange {
  readonly gt?: number;
  readonly gte?: number;
  readonly lt?: number;
  readonly lte?: number;
}

/** A filter after checkFilter: every kind has its name, and a number of cases that adapters map. */
export type CheckedFilter =
  | { readonly kind: "in"; readonly field: readonly string[]; readonly values: readonly FilterValue[] }
  | { readonly kind: "range"; readonly field: readonly string[]; readonly range: NumberRange }
  | { readonly kind: "and" | "or"; readonly filters: readonly CheckedFilter[] }
  | { readonly kind: "not"; readonly filter: CheckedFilter };

const BOUNDS = ["gt", "gte", "lt", "lte"] as const;
/** Deeper ones are a mistake, or an attack on the stack. */
const MAX_DEPTH = 32;

/** Errors: ERR_INVALID_ARGUMENT. */
export function checkFilter(filter: unknown, name = "filter", depth = 0): CheckedFilter {
  if (depth > MAX_DEPTH) throw new SparseRerankError("ERR_INVALID_ARGUMENT", `${name} is nested more than ${MAX_DEPTH} deep.`);
  if (typeof filter !== "object" || filter === null || Array.isArray(filter)) throw invalid(name, filter, "a filter object");
  const parts = new Map<string, unknown>(Object.entries(filter));
  const field = parts.get("field");
  if (field !== undefined) {
    parts.delete("field");
    return checkField(field, parts, name);
  }
  const [entry] = parts;
  if (entry === undefined || parts.size !== 1) throw badShape(name);
  const [kind, value] = entry;
  if (kind === "not") return { kind, filter: checkFilter(value, `${name}.not`, depth + 1) };
  if (kind !== "and" && kind !== "or") throw badShape(name);
  if (!Array.isArray(value) || value.length === 0) throw invalid(`${name}.${kind}`, value, "an array of at least one filter");
  return { kind, filters: value.map((one: unknown, i) => checkFilter(one, `${name}.${kind}[${i}]`, depth + 1)) };
}

function checkField(field: unknown, parts: ReadonlyMap<string, unknown>, name: string): CheckedFilter {
  const path = typeof field === "string" ? field.split(".") : [];
  if (path.length === 0 || path.includes("")) throw invalid(`${name}.field`, field, "the name of a payload field, without empty parts");
  const keys = [...parts.keys()];
  if (keys.length === 1 && parts.has("equals")) {
    return { kind: "in", field: path, values: [checkValue(parts.get("equals"), `${name}.equals`)] };
  }
  const list = parts.get("in");
  if (keys.length === 1 && list !== undefined) {
    if (!Array.isArray(list) || list.length === 0) throw invalid(`${name}.in`, list, "an array of at least one value");
    return { kind: "in", field: path, values: list.map((value: unknown, i) => checkValue(value, `${name}.in[${i}]`)) };
  }
  if (keys.length === 0 || keys.some((key) => !(BOUNDS as readonly string[]).includes(key))) throw badShape(name);
  for (const [key, bound] of parts) {
    if (typeof bound !== "number" || !Number.isFinite(bound)) throw invalid(`${name}.${key}`, bound, "a finite number");
  }
  return { kind: "range", field: path, range: Object.fromEntries(parts) };
}

function checkValue(value: unknown, name: string): FilterValue {
  if (typeof value === "string" || typeof value === "boolean" || (typeof value === "number" && Number.isFinite(value))) return value;
  throw invalid(name, value, "a string, a finite number or a boolean");
}

function badShape(name: string): SparseRerankError {
  return new SparseRerankError(
    "ERR_INVALID_ARGUMENT",
    `${name} must be { field, equals }, { field, in }, { field, gt, gte, lt, lte }, { and }, { or } or { not }, and nothing else.`,
  );
}

/** Whether a payload passes: the meaning that the engines' own filters have as well. */
export function matches(filter: CheckedFilter, payload: Payload | undefined): boolean {
  switch (filter.kind) {
    case "and":
      return filter.filters.every((one) => matches(one, payload));
    case "or":
      return filter.filters.some((one) => matches(one, payload));
    case "not":
      return !matches(filter.filter, payload);
    case "in":
      return valuesAt(payload, filter.field).some((value) => filter.values.includes(value as FilterValue));
    case "range":
      return valuesAt(payload, filter.field).some((value) => typeof value === "number" && inRange(value, filter.range));
  }
}

/** What a field holds: the elements of an array, or one value, or none. */
function valuesAt(payload: Payload | undefined, path: readonly string[]): unknown[] {
  let at: unknown = payload;
  for (const key of path) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, key)) return [];
    at = (at as Record<string, unknown>)[key];
  }
  return Array.isArray(at) ? at : [at];
}

function inRange(value: number, { gt = -Infinity, gte = -Infinity, lt = Infinity, lte = Infinity }: NumberRange): boolean {
  return value > gt && value >= gte && value < lt && value <= lte;
}
