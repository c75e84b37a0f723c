/** The language of filters, of SparseIndex and of all search engines. */

import { invalid } from "../core/validate";
import { SparseRerankError } from "../errors";

export type FilterValue = string | number | boolean;

/**
 * Which documents a search may return, by the fields of their metadata, or of their payloads in a search engine. A dot in `field` goes into
 * an object: "author.name". A field that holds an array of values matches when one of them does (what arrays of objects do is each engine's
 * own; SparseIndex passes over them). A document without the field matches nothing but `not`.
 *
 * The last form is short for an `and` of its fields: { lang: "en", year: { gte: 2020 } }. Fields named "field", "and", "or" and "not" need
 * the long form.
 */
export type Filter =
  | ({ readonly field: string } & FieldCondition)
  | { readonly and: readonly Filter[] }
  | { readonly or: readonly Filter[] }
  | { readonly not: Filter }
  | Readonly<Record<string, FilterValue | FieldCondition>>;

/** At least one; all of them must hold. */
export interface FieldCondition extends NumberRange {
  readonly equals?: FilterValue;
  readonly in?: readonly FilterValue[];
}

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
