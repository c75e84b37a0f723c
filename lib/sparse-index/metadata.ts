/**
 * Encodes metadata and filters for native code. Each pair of a field and a value is an attribute: the dotted field path in UTF-8, the byte
 * 0xff (which never occurs in UTF-8), a letter for the type, and the value in bytes that sort like the values. A filter therefore becomes a
 * set of attribute ranges, and native code needs no knowledge of types (docs/sparse-index-format.md).
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
 * Fields of a document that searches can filter by. A field that is null or undefined counts as absent. Objects and arrays nested in an
 * array are ignored. Values that JSON cannot represent are rejected: a Map, an instance of a class, NaN. A Date is stored as its toJSON()
 * string.
 */
export interface Metadata {
  readonly [field: string]: MetadataValue;
}

export type MetadataValue = FilterValue | null | undefined | Metadata | readonly MetadataValue[];

/** Opcodes; must match native/index/filter.h. */
const IDS = 0;
const RANGES = 1;
const AND = 2;
const OR = 3;
const NOT = 4;

/** Limits recursion: deeper metadata is a mistake or a cycle. */
const MAX_DEPTH = 32;
/** Longer strings are stored as a hash, since filters compare strings only for equality. */
const MAX_STRING_BYTES = 256;
const MAX_FIELD_BYTES = 1024;
/** Documents processed before yielding to the event loop: about a millisecond of work. */
const DOCUMENTS_PER_TURN = 500;

const SEPARATOR = 0xff;
const NUMBER = "n".charCodeAt(0);
const NO_BYTES = Buffer.alloc(0);
/** Suffix that turns a name into its immediate successor in byte order. */
const ABOVE = Buffer.of(0);

/**
 * Collects the attributes of documents. Yields to the event loop in between.
 *
 * Errors: ERR_INVALID_ARGUMENT (the message names the field).
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

/** Compiles a filter to postfix order. */
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

/** Compiles a filter that matches only the documents with these ids. */
export function compileIds(ids: readonly string[]): NativeFilter {
  return { steps: Uint32Array.of(IDS, ids.length), strings: packStrings(ids) };
}

/** The half-open range of attribute names [first, end) of all numbers within the bounds. */
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
  // 0 and -0 must have the same name.
  bytes.writeDoubleBE(value === 0 ? 0 : value);
  // Makes the byte order equal the numeric order: flips the sign bit of positive numbers and all bits of negative ones.
  const negative = ((bytes[0] ?? 0) & 0x80) !== 0;
  return ["n", bytes.map((byte, i) => (negative ? ~byte : i === 0 ? byte | 0x80 : byte)) as Buffer];
}

/** Yields each pair of a field and a value. @param fields a value that JSON can represent */
function* valuesOf(fields: unknown, name: string, path = "", depth = 0): Generator<[field: string, value: FilterValue]> {
  if (fields === undefined || fields === null) return;
  if (depth > MAX_DEPTH) throw new SparseRerankError("ERR_INVALID_ARGUMENT", `${name} is nested more than ${MAX_DEPTH} levels deep.`);
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
