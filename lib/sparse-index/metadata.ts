/**
 * Metadata and filters as native code takes them. Each field of a document with each of its values is an attribute: the field's path with
 * dots in UTF-8, the byte 0xff, which UTF-8 does not have, a letter for the type, and the value in bytes that sort as the values do. So a
 * filter is made of ranges of attributes, and native code needs to know no types (docs/sparse-index-format.md).
 */

import { createHash } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";

import { requireJsonValue, withToJson } from "../core/json-value";
import { invalid } from "../core/validate";
import { SparseRerankError } from "../errors";
import type { NativeAttributes, NativeFilter } from "../native/contract";
import { packBytes, packStrings } from "../native/strings";
import { isFilterValue } from "./filter";
import type { CheckedFilter, FilterValue, NumberRange } from "./filter";

/**
 * Fields of a document that searches can be filtered by. Null and undefined are as no field, objects and arrays in arrays are passed over. What
 * JSON does not keep is refused: a Map, an instance of a class, NaN. A Date counts as the string that its toJSON() makes.
 */
export interface Metadata {
  readonly [field: string]: MetadataValue;
}

export type MetadataValue = FilterValue | null | undefined | Metadata | readonly MetadataValue[];

/** The numbers of native/index/filter.h. */
const IDS = 0;
const RANGES = 1;
const AND = 2;
const OR = 3;
const NOT = 4;

/** Deeper metadata is a mistake, or a cycle. */
const MAX_DEPTH = 32;
/** Longer strings are kept as their hash: filters compare strings for equality only. */
const MAX_STRING_BYTES = 256;
const MAX_FIELD_BYTES = 1024;
/** Documents whose metadata is read before other events get their turn: about a millisecond. */
const DOCUMENTS_PER_TURN = 500;

const SEPARATOR = 0xff;
const NUMBER = "n".charCodeAt(0);
const NO_BYTES = Buffer.alloc(0);
/** The bytes that follow a name in the least name above it. */
const ABOVE = Buffer.of(0);

/**
 * The attributes of some documents. Lets other events through while it works.
 *
 * Errors: ERR_INVALID_ARGUMENT, which names the field.
 */
export async function attributesOf(metadata: readonly (Metadata | undefined)[]): Promise<NativeAttributes> {
  const lists = new Map<string, { readonly name: Buffer; readonly documents: number[] }>();
  for (const [document, fields] of metadata.entries()) {
    if (document % DOCUMENTS_PER_TURN === DOCUMENTS_PER_TURN - 1) await nextTurn();
    const name = `metadata[${document}]`;
    if (fields !== undefined) requireJsonValue(fields, name);
    for (const [field, value] of valuesOf(withToJson(fields), name)) {
      const key = `${typeof value}:${field.length}:${field}${value}`;
      const list = lists.get(key);
      if (list === undefined) lists.set(key, { name: attributeName(field, value), documents: [document] });
      else if (list.documents.at(-1) !== document) list.documents.push(document);
    }
  }
  const offsets = new Uint32Array(lists.size + 1);
  let end = 0;
  let i = 0;
  for (const { documents } of lists.values()) offsets[++i] = end += documents.length;
  const all = new Uint32Array(end);
  i = 0;
  for (const { documents } of lists.values()) all.set(documents, offsets[i++]);
  return { names: packBytes(Array.from(lists.values(), ({ name }) => name)), offsets, documents: all };
}

/** The filter in postfix order. */
export function compileFilter(filter: CheckedFilter): NativeFilter {
  const steps: number[] = [];
  const bounds: Buffer[] = [];
  const compile = (one: CheckedFilter): void => {
    switch (one.kind) {
      case "and":
      case "or":
        one.filters.forEach(compile);
        steps.push(one.kind === "and" ? AND : OR, one.filters.length);
        break;
      case "not":
        compile(one.filter);
        steps.push(NOT, 1);
        break;
      case "in":
        for (const value of one.values) {
          const name = attributeName(one.field.join("."), value);
          bounds.push(name, Buffer.concat([name, ABOVE]));
        }
        steps.push(RANGES, one.values.length);
        break;
      case "range":
        bounds.push(...boundsOf(one.field.join("."), one.range));
        steps.push(RANGES, 1);
    }
  };
  compile(filter);
  return { steps: Uint32Array.from(steps), strings: packBytes(bounds) };
}

/** A filter that only these documents pass. */
export function compileIds(ids: readonly string[]): NativeFilter {
  return { steps: Uint32Array.of(IDS, ids.length), strings: packStrings(ids) };
}

/** The names of all numbers in the range: from the first on, below the second. */
function boundsOf(field: string, { gt, gte, lt, lte }: NumberRange): [Buffer, Buffer] {
  const firsts = [numberPrefix(field, NUMBER)];
  if (gte !== undefined) firsts.push(attributeName(field, gte));
  if (gt !== undefined) firsts.push(Buffer.concat([attributeName(field, gt), ABOVE]));
  const ends = [numberPrefix(field, NUMBER + 1)];
  if (lt !== undefined) ends.push(attributeName(field, lt));
  if (lte !== undefined) ends.push(Buffer.concat([attributeName(field, lte), ABOVE]));
  const ascending = (a: Buffer, b: Buffer): number => a.compare(b);
  return [firsts.sort(ascending).at(-1) ?? NO_BYTES, ends.sort(ascending)[0] ?? NO_BYTES];
}

function numberPrefix(field: string, type: number): Buffer {
  return Buffer.concat([Buffer.from(field), Buffer.of(SEPARATOR, type)]);
}

function attributeName(field: string, value: FilterValue): Buffer {
  const [type, bytes] = valueBytes(value);
  return Buffer.concat([Buffer.from(field), Buffer.of(SEPARATOR), Buffer.from(type), bytes]);
}

function valueBytes(value: FilterValue): [type: string, bytes: Buffer] {
  if (typeof value === "boolean") return ["b", Buffer.of(value ? 1 : 0)];
  if (typeof value === "string") {
    const bytes = Buffer.from(value);
    return bytes.length <= MAX_STRING_BYTES ? ["s", bytes] : ["h", createHash("sha256").update(bytes).digest()];
  }
  const bytes = Buffer.alloc(8);
  // 0 and -0 are equal.
  bytes.writeDoubleBE(value === 0 ? 0 : value);
  // In the order of numbers: positive ones above negative ones, and negative ones the other way round.
  const negative = ((bytes[0] ?? 0) & 0x80) !== 0;
  return ["n", bytes.map((byte, i) => (negative ? ~byte : i === 0 ? byte | 0x80 : byte)) as Buffer];
}

/** Each field with each of its values. @param fields what JSON keeps */
function* valuesOf(fields: unknown, name: string, path = "", depth = 0): Generator<[field: string, value: FilterValue]> {
  if (fields === undefined || fields === null) return;
  if (depth > MAX_DEPTH) throw new SparseRerankError("ERR_INVALID_ARGUMENT", `${name} is nested more than ${MAX_DEPTH} deep.`);
  if (typeof fields !== "object" || Array.isArray(fields)) throw invalid(name, fields, "an object or undefined");
  for (const [key, given] of Object.entries(fields)) {
    const field = path + key;
    const of = `${name}.${key}`;
    if (field.length * 3 > MAX_FIELD_BYTES && Buffer.byteLength(field) > MAX_FIELD_BYTES) {
      throw new SparseRerankError("ERR_INVALID_ARGUMENT", `${of.slice(0, 200)}… has a name of more than ${MAX_FIELD_BYTES} bytes.`);
    }
    const value = withToJson(given);
    if (Array.isArray(value)) {
      for (const element of value.map(withToJson)) if (isFilterValue(element)) yield [field, element];
    } else if (isFilterValue(value)) {
      yield [field, value];
    } else {
      yield* valuesOf(value, of, `${field}.`, depth + 1);
    }
  }
}
