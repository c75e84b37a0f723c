/** The filter language that SparseIndex and all search engine adapters share. */

import { instantOf } from "../core/instant";
import { invalid, kindOf } from "../core/validate";
import { SparseRerankError } from "../errors";

export type FilterValue = string | number | boolean;

/**
 * Restricts a search to matching documents, by the fields of their metadata (in a search engine, of their payload). A dot in `field`
 * addresses a nested object: "author.name". A field that holds an array matches if any of its elements matches. Arrays of objects are
 * ignored by SparseIndex; in a search engine their behavior is the engine's. A document without the field matches only `not` and
 * `exists: false`.
 *
 * Numbers compare with numbers and dates with dates; a value of another type never matches. A date is a Date, or an ISO 8601 string with a
 * full date and optionally a time (UTC unless it has an offset). In `equals`, `in` and `all` a string is compared as a string, and a Date
 * matches every date of the same time.
 *
 * The last form is shorthand for an `and` of its fields: { lang: "en", year: { gte: 2020 } }. Fields named "field", "and", "or" or "not"
 * require the long form.
 */
export type Filter =
  | ({ readonly field: string } & FieldCondition)
  | { readonly and: readonly Filter[] }
  | { readonly or: readonly Filter[] }
  | { readonly not: Filter }
  | Readonly<Record<string, FilterValue | Date | FieldCondition>>;

/** One or more conditions, all of which must hold. */
export interface FieldCondition {
  readonly equals?: FilterValue | Date;
  /** One of these; of an array, any of its values. */
  readonly in?: readonly (FilterValue | Date)[];
  /** Each of these is a value of the array. */
  readonly all?: readonly (FilterValue | Date)[];
  /** Whether the field has a value other than null: true for arrays and objects that contain one, false for empty ones. */
  readonly exists?: boolean;
  /** The beginning of a string, case-sensitive; from 1 to 256 bytes in UTF-8. */
  readonly prefix?: string;
  /** The bounds of a condition are all numbers or all dates: Date objects, or ISO 8601 strings. */
  readonly gt?: number | Date | string;
  readonly gte?: number | Date | string;
  readonly lt?: number | Date | string;
  readonly lte?: number | Date | string;
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
  /** Of dates, in milliseconds since 1970. */
  | { readonly kind: "dates"; readonly field: readonly string[]; readonly range: NumberRange }
  | { readonly kind: "exists"; readonly field: readonly string[] }
  | { readonly kind: "prefix"; readonly field: readonly string[]; readonly prefix: string }
  | { readonly kind: "and" | "or"; readonly filters: readonly CheckedFilter[] }
  | { readonly kind: "not"; readonly filter: CheckedFilter };

const CONDITIONS = "equals, in, all, exists, prefix, gt, gte, lt, lte";
const BOUNDS = ["gt", "gte", "lt", "lte"] as const;
/** Of a longer string, an index stores only the beginning. */
export const MAX_PREFIX_BYTES = 256;
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
  if (typeof condition !== "object" || condition === null || kindOf(condition) === "Date") {
    return checkField(field, new Map([["equals", condition]]), name);
  }
  if (Array.isArray(condition)) throw invalid(name, condition, `a value, or an object of ${CONDITIONS}`);
  return checkField(field, new Map<string, unknown>(Object.entries(condition)), name);
}

function checkField(field: unknown, conditions: ReadonlyMap<string, unknown>, name: string): CheckedFilter {
  const path = typeof field === "string" ? field.split(".") : [];
  if (path.length === 0 || path.includes("")) throw invalid(`${name}.field`, field, "the name of a field, without empty parts");
  if (conditions.size === 0) throw badShape(name);
  const filters: CheckedFilter[] = [];
  const bounds = new Map<string, unknown>();
  for (const [key, value] of conditions) {
    const of = `${name}.${key}`;
    if (key === "equals") {
      filters.push(anyOf(path, [value], () => of));
    } else if (key === "in" || key === "all") {
      if (!Array.isArray(value) || value.length === 0) throw invalid(of, value, "an array of at least one value");
      if (key === "in") filters.push(anyOf(path, value, (i) => `${of}[${i}]`));
      else value.forEach((one: unknown, i) => filters.push(anyOf(path, [one], () => `${of}[${i}]`)));
    } else if (key === "exists") {
      if (typeof value !== "boolean") throw invalid(of, value, "a boolean");
      const exists: CheckedFilter = { kind: "exists", field: path };
      filters.push(value ? exists : { kind: "not", filter: exists });
    } else if (key === "prefix") {
      if (typeof value !== "string" || value === "" || Buffer.byteLength(value) > MAX_PREFIX_BYTES) {
        throw invalid(of, value, `a string of 1 to ${MAX_PREFIX_BYTES} bytes in UTF-8`);
      }
      filters.push({ kind: "prefix", field: path, prefix: value });
    } else if ((BOUNDS as readonly string[]).includes(key)) {
      bounds.set(key, value);
    } else {
      throw badShape(name);
    }
  }
  if (bounds.size > 0) filters.push(checkBounds(path, bounds, name));
  return all(filters);
}

function checkBounds(field: readonly string[], bounds: ReadonlyMap<string, unknown>, name: string): CheckedFilter {
  const range = new Map<string, number>();
  let kind: "range" | "dates" | undefined;
  for (const [key, value] of bounds) {
    const number = typeof value === "number" && Number.isFinite(value) ? value : undefined;
    const bound = number ?? instantOf(value);
    if (bound === undefined) {
      throw invalid(
        `${name}.${key}`,
        value,
        'a finite number, a Date, or a date in ISO 8601 such as "2024-03-01" or "2024-03-01T10:30:00Z"',
      );
    }
    const kindOfBound = number === undefined ? "dates" : "range";
    if (kind !== undefined && kind !== kindOfBound) {
      throw new SparseRerankError("ERR_INVALID_ARGUMENT", `${name} has a number and a date for bounds; give two numbers or two dates.`);
    }
    kind = kindOfBound;
    range.set(key, bound);
  }
  return { kind: kind ?? "range", field, range: Object.fromEntries(range) };
}

/** @param nameOf what to call the value at a place */
function anyOf(field: readonly string[], given: readonly unknown[], nameOf: (i: number) => string): CheckedFilter {
  const values: FilterValue[] = [];
  const filters: CheckedFilter[] = [];
  for (const [i, value] of given.entries()) {
    const instant = typeof value === "string" ? undefined : instantOf(value);
    if (instant !== undefined) filters.push({ kind: "dates", field, range: { gte: instant, lte: instant } });
    else if (isFilterValue(value)) values.push(value);
    else
      throw invalid(
        nameOf(i),
        value,
        `a string, a finite number, a boolean or a valid Date${value === null ? " (exists: false finds fields without a value)" : ""}`,
      );
  }
  if (values.length > 0) filters.unshift({ kind: "in", field, values });
  const [first] = filters;
  return filters.length === 1 && first !== undefined ? first : { kind: "or", filters };
}

function all(filters: readonly CheckedFilter[]): CheckedFilter {
  const [first] = filters;
  return filters.length === 1 && first !== undefined ? first : { kind: "and", filters };
}

export function isFilterValue(value: unknown): value is FilterValue {
  return typeof value === "string" || typeof value === "boolean" || (typeof value === "number" && Number.isFinite(value));
}

function badShape(name: string): SparseRerankError {
  return new SparseRerankError(
    "ERR_INVALID_ARGUMENT",
    `${name} must be { field } with conditions (${CONDITIONS}), { and }, { or }, { not }, or fields with their values or conditions.`,
  );
}
