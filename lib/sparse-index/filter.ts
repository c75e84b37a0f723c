/** The filter language that SparseIndex and all search engine adapters share. */

import { invalid } from "../core/validate";
import { SparseRerankError } from "../errors";

export type FilterValue = string | number | boolean;

/**
 * Restricts a search to matching documents, by the fields of their metadata (in a search engine, of their payload). A dot in `field`
 * addresses a nested object: "author.name". A field that holds an array matches if any of its elements matches. Arrays of objects are
 * ignored by SparseIndex; in a search engine their behavior is the engine's. A document without the field matches only `not`.
 *
 * The last form is shorthand for an `and` of its fields: { lang: "en", year: { gte: 2020 } }. Fields named "field", "and", "or" or "not"
 * require the long form.
 */
export type Filter =
  | ({ readonly field: string } & FieldCondition)
  | { readonly and: readonly Filter[] }
  | { readonly or: readonly Filter[] }
  | { readonly not: Filter }
  | Readonly<Record<string, FilterValue | FieldCondition>>;

/** One or more conditions, all of which must hold. */
export interface FieldCondition extends NumberRange {
  readonly equals?: FilterValue;
  readonly in?: readonly FilterValue[];
}

/** One or more bounds. */
export interface NumberRange {
  readonly gt?: number;
  readonly gte?: number;
  readonly lt?: number;
  readonly lte?: number;
}

/** A filter validated by checkFilter, as a discriminated union that engine adapters translate. */
export type CheckedFilter =
  | { readonly kind: "in"; readonly field: readonly string[]; readonly values: readonly FilterValue[] }
  | { readonly kind: "range"; readonly field: readonly string[]; readonly range: NumberRange }
  | { readonly kind: "and" | "or"; readonly filters: readonly CheckedFilter[] }
  | { readonly kind: "not"; readonly filter: CheckedFilter };

const BOUNDS = ["gt", "gte", "lt", "lte"] as const;
/** Limits recursion: a deeper filter is a mistake, or an attempt to overflow the stack. */
const MAX_DEPTH = 32;

/** Validates and normalizes a filter. Errors: ERR_INVALID_ARGUMENT. */
export function checkFilter(filter: unknown, name = "filter", depth = 0): CheckedFilter {
  if (depth > MAX_DEPTH) throw new SparseRerankError("ERR_INVALID_ARGUMENT", `${name} is nested more than ${MAX_DEPTH} levels deep.`);
  if (typeof filter !== "object" || filter === null || Array.isArray(filter)) throw invalid(name, filter, "a filter object");
  const parts = new Map<string, unknown>(Object.entries(filter));
  const field = parts.get("field");
  if (field !== undefined) {
    parts.delete("field");
    return checkField(field, parts, name);
  }
  const [entry] = parts;
  if (entry === undefined) throw badShape(name);
  const [kind, value] = entry;
  if (parts.size === 1 && kind === "not") return { kind, filter: checkFilter(value, `${name}.not`, depth + 1) };
  if (parts.size === 1 && (kind === "and" || kind === "or")) {
    if (!Array.isArray(value) || value.length === 0) throw invalid(`${name}.${kind}`, value, "an array of at least one filter");
    return { kind, filters: value.map((one: unknown, i) => checkFilter(one, `${name}.${kind}[${i}]`, depth + 1)) };
  }
  if (["and", "or", "not"].some((operator) => parts.has(operator))) throw badShape(name);
  return all([...parts].map(([key, condition]) => checkShort(key, condition, `${name}.${key}`)));
}

function checkShort(field: string, condition: unknown, name: string): CheckedFilter {
  if (typeof condition !== "object" || condition === null) return checkField(field, new Map([["equals", condition]]), name);
  if (Array.isArray(condition)) throw invalid(name, condition, "a value, or an object of equals, in, gt, gte, lt, lte");
  return checkField(field, new Map<string, unknown>(Object.entries(condition)), name);
}

function checkField(field: unknown, conditions: ReadonlyMap<string, unknown>, name: string): CheckedFilter {
  const path = typeof field === "string" ? field.split(".") : [];
  if (path.length === 0 || path.includes("")) throw invalid(`${name}.field`, field, "the name of a field, without empty parts");
  if (conditions.size === 0) throw badShape(name);
  const filters: CheckedFilter[] = [];
  const range = new Map<string, number>();
  for (const [key, value] of conditions) {
    if (key === "equals") {
      filters.push({ kind: "in", field: path, values: [checkValue(value, `${name}.equals`)] });
    } else if (key === "in") {
      if (!Array.isArray(value) || value.length === 0) throw invalid(`${name}.in`, value, "an array of at least one value");
      filters.push({ kind: "in", field: path, values: value.map((one: unknown, i) => checkValue(one, `${name}.in[${i}]`)) });
    } else if ((BOUNDS as readonly string[]).includes(key)) {
      if (typeof value !== "number" || !Number.isFinite(value)) throw invalid(`${name}.${key}`, value, "a finite number");
      range.set(key, value);
    } else {
      throw badShape(name);
    }
  }
  if (range.size > 0) filters.push({ kind: "range", field: path, range: Object.fromEntries(range) });
  return all(filters);
}

function all(filters: readonly CheckedFilter[]): CheckedFilter {
  const [first] = filters;
  return filters.length === 1 && first !== undefined ? first : { kind: "and", filters };
}

function checkValue(value: unknown, name: string): FilterValue {
  if (isFilterValue(value)) return value;
  throw invalid(name, value, "a string, a finite number or a boolean");
}

export function isFilterValue(value: unknown): value is FilterValue {
  return typeof value === "string" || typeof value === "boolean" || (typeof value === "number" && Number.isFinite(value));
}

function badShape(name: string): SparseRerankError {
  return new SparseRerankError(
    "ERR_INVALID_ARGUMENT",
    `${name} must be { field, equals }, { field, in }, { field, gt, gte, lt, lte }, { and }, { or }, { not }, or fields with their values or conditions.`,
  );
}
