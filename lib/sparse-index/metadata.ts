/**
 * Encodes metadata and filters for native code. Each pair of a field and a value is an attribute: the dotted field path in UTF-8, the byte
 * 0xff (which never occurs in UTF-8), a letter for the type, and the value in bytes that sort like the values. A filter therefore becomes a
 * set of attribute ranges, and native code needs no knowledge of types (docs/sparse-index-format.md).
 *
 * Some strings have a second attribute, with the byte 0xfe instead of 0xff: a date its point in time, a long string its beginning. Documents
 * that version 0.1 added do not have these.
 */

import { createHash } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";

import { instantOf } from "../core/instant";
import { requireJsonValue, withToJson } from "../core/json-value";
import { invalid } from "../core/validate";
import { SparseRerankError } from "../errors";
import type { NativeAttributes, NativeFilter } from "../native/contract";
import { packBytes, packStrings } from "../native/strings";
import { isFilterValue, MAX_PREFIX_BYTES } from "./filter";
import type { CheckedFilter, FilterValue, NumberRange } from "./filter";

/**
 * Fields of a document that searches can filter by. A field that is null or undefined counts as absent. Objects and arrays nested in an
 * array are ignored. Values that JSON cannot represent are rejected: a Map, an instance of a class, NaN. A Date is stored as its toJSON()
 * string, which filters compare as a date.
 */
export interface Metadata {
  readonly [field: string]: MetadataValue;
}

export type MetadataValue = FilterValue | Date | null | undefined | Metadata | readonly MetadataValue[];

/** Opcodes; must match native/index/filter.h. */
const IDS = 0;
const RANGES = 1;
const AND = 2;
const OR = 3;
const NOT = 4;

/** Limits recursion: deeper metadata is a mistake or a cycle. */
const MAX_DEPTH = 32;
/** Longer strings are stored as a hash and their beginning. */
const MAX_STRING_BYTES = MAX_PREFIX_BYTES;
const MAX_FIELD_BYTES = 1024;
/** Documents processed before yielding to the event loop: about a millisecond of work. */
const DOCUMENTS_PER_TURN = 500;

const SEPARATOR = 0xff;
/** Of what is derived from a value. */
const DERIVED = 0xfe;
const DOT = ".".charCodeAt(0);
const NO_BYTES = Buffer.alloc(0);
/** Suffix that turns a name into its immediate successor in byte order. */
const ABOVE = Buffer.of(0);
/** The bytes that follow a string in what is above all strings that begin with it. */
const ABOVE_ALL = Buffer.of(0xff);

/** An attribute and the documents that have it, ascending. */
export interface Attribute {
  readonly name: Buffer;
  readonly documents: readonly number[];
}

interface AttributeOptions {
  readonly others?: readonly Attribute[];
  readonly nameOf?: (document: number) => string;
}

/**
 * Collects the attributes of documents. Yields to the event loop in between.
 *
 * Errors: ERR_INVALID_ARGUMENT (the message names the field).
 *
 * @param options.others attributes that no field has: their names begin with a byte that is neither UTF-8 nor a separator
 * @param options.nameOf what messages call the metadata of a document
 */
export async function attributesOf(
  metadata: readonly (Metadata | undefined)[],
  { others = [], nameOf = (document) => `metadata[${document}]` }: AttributeOptions = {},
): Promise<NativeAttributes> {
  const lists = new Map<string, { readonly name: Buffer; readonly documents: number[] }>();
  const add = (key: string, name: () => Buffer, document: number): void => {
    const list = lists.get(key);
    if (list === undefined) lists.set(key, { name: name(), documents: [document] });
    else if (list.documents.at(-1) !== document) list.documents.push(document);
  };
  for (const [document, fields] of metadata.entries()) {
    if (document % DOCUMENTS_PER_TURN === DOCUMENTS_PER_TURN - 1) await nextTurn();
    if (fields === undefined) continue;
    const name = nameOf(document);
    requireJsonValue(fields, name);
    for (const [field, value] of valuesOf(withToJson(fields), name)) {
      add(`${typeof value}:${field.length}:${field}${value}`, () => attributeName(field, value), document);
      if (typeof value !== "string") continue;
      const instant = instantOf(value);
      if (instant !== undefined) add(`date:${field.length}:${field}${instant}`, () => dateName(field, instant), document);
      if (value.length * 3 <= MAX_STRING_BYTES || Buffer.byteLength(value) <= MAX_STRING_BYTES) continue;
      // As a string of one character for each byte, since a character may be cut.
      const beginning = Buffer.from(value.slice(0, MAX_STRING_BYTES + 1))
        .subarray(0, MAX_STRING_BYTES)
        .toString("latin1");
      add(`beginning:${field.length}:${field}${beginning}`, () => beginningName(field, Buffer.from(beginning, "latin1")), document);
    }
  }
  const attributes: readonly Attribute[] = [...lists.values(), ...others];
  const offsets = new Uint32Array(attributes.length + 1);
  let end = 0;
  for (const [i, { documents }] of attributes.entries()) offsets[i + 1] = end += documents.length;
  const all = new Uint32Array(end);
  for (const [i, { documents }] of attributes.entries()) all.set(documents, offsets[i]);
  return { names: packBytes(attributes.map(({ name }) => name)), offsets, documents: all };
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
        bounds.push(...boundsOf(typePrefix(one.field.join("."), SEPARATOR, "n"), one.range));
        steps.push(RANGES, 1);
        break;
      case "dates":
        bounds.push(...boundsOf(typePrefix(one.field.join("."), DERIVED, "d"), one.range));
        steps.push(RANGES, 1);
        break;
      case "prefix": {
        const prefix = Buffer.from(one.prefix);
        for (const name of [attributeName(one.field.join("."), one.prefix), beginningName(one.field.join("."), prefix)]) {
          bounds.push(name, Buffer.concat([name, ABOVE_ALL]));
        }
        steps.push(RANGES, 2);
        break;
      }
      case "exists": {
        const field = Buffer.from(one.field.join("."));
        // Of the field itself, and of those of an object in it.
        bounds.push(Buffer.concat([field, Buffer.of(SEPARATOR)]), Buffer.concat([field, ABOVE_ALL, ABOVE_ALL]));
        bounds.push(Buffer.concat([field, Buffer.of(DOT)]), Buffer.concat([field, Buffer.of(DOT + 1)]));
        steps.push(RANGES, 2);
      }
    }
  };
  compile(filter);
  return { steps: Uint32Array.from(steps), strings: packBytes(bounds) };
}

/** Compiles a filter that matches only the documents with these ids. */
export function compileIds(ids: readonly string[]): NativeFilter {
  return { steps: Uint32Array.of(IDS, ids.length), strings: packStrings(ids) };
}

/** Compiles a filter that matches the documents with one attribute. */
export function compileAttribute(name: Buffer): NativeFilter {
  return { steps: Uint32Array.of(RANGES, 1), strings: packBytes([name, Buffer.concat([name, ABOVE])]) };
}

/** The filter that all of these make together; undefined for none. */
export function bothFilters(first: NativeFilter | undefined, second: NativeFilter | undefined): NativeFilter | undefined {
  if (first === undefined || second === undefined) return first ?? second;
  const strings = [first, second].flatMap(({ strings: { offsets, bytes } }) =>
    Array.from({ length: offsets.length - 1 }, (_, i) => bytes.subarray(offsets[i], offsets[i + 1])),
  );
  return { steps: Uint32Array.of(...first.steps, ...second.steps, AND, 2), strings: packBytes(strings) };
}

/** What the names of all attributes of a field begin with that have a value of the field: for facets. */
export function facetPrefix(field: string): Buffer {
  return Buffer.concat([Buffer.from(field), Buffer.of(SEPARATOR)]);
}

/**
 * The value of an attribute whose name begins with facetPrefix(); undefined for a string of more than 256 bytes in UTF-8, of which the name has a hash, and
 * for what is no such name.
 */
export function facetValue(attributeName: Uint8Array): FilterValue | undefined {
  const name = Buffer.from(attributeName.buffer, attributeName.byteOffset, attributeName.byteLength);
  const separator = name.indexOf(SEPARATOR);
  if (separator < 0) return undefined;
  const type = name.toString("latin1", separator + 1, separator + 2);
  const bytes = name.subarray(separator + 2);
  if (type === "s") return bytes.toString();
  if (type === "b" && bytes.length === 1) return bytes[0] === 1;
  return type === "n" && bytes.length === 8 ? numberOf(bytes) : undefined;
}

/** The names of all numbers in the range: from the first on, below the second. @param prefix what comes before the number */
function boundsOf(prefix: Buffer, { gt, gte, lt, lte }: NumberRange): [Buffer, Buffer] {
  const nameOf = (bound: number): Buffer => Buffer.concat([prefix, numberBytes(bound)]);
  const firsts = [prefix];
  if (gte !== undefined) firsts.push(nameOf(gte));
  if (gt !== undefined) firsts.push(Buffer.concat([nameOf(gt), ABOVE]));
  // The numbers of a type end where the next type begins: infinity, whose bytes are the highest, is none.
  const ends: Buffer[] = [Buffer.concat([prefix, ABOVE_ALL, ABOVE_ALL])];
  if (lt !== undefined) ends.push(nameOf(lt));
  if (lte !== undefined) ends.push(Buffer.concat([nameOf(lte), ABOVE]));
  const ascending = (a: Buffer, b: Buffer): number => a.compare(b);
  return [firsts.sort(ascending).at(-1) ?? NO_BYTES, ends.sort(ascending)[0] ?? NO_BYTES];
}

function typePrefix(field: string, separator: number, type: string): Buffer {
  return Buffer.concat([Buffer.from(field), Buffer.of(separator), Buffer.from(type)]);
}

function dateName(field: string, instant: number): Buffer {
  return Buffer.concat([typePrefix(field, DERIVED, "d"), numberBytes(instant)]);
}

function beginningName(field: string, bytes: Buffer): Buffer {
  return Buffer.concat([typePrefix(field, DERIVED, "p"), bytes]);
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
  return ["n", numberBytes(value)];
}

/** 8 bytes in the order of numbers: positive ones above negative ones, and negative ones the other way round. */
function numberBytes(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  // 0 and -0 must have the same name.
  bytes.writeDoubleBE(value === 0 ? 0 : value);
  const negative = ((bytes[0] ?? 0) & 0x80) !== 0;
  return bytes.map((byte, i) => (negative ? ~byte : i === 0 ? byte | 0x80 : byte)) as Buffer;
}

function numberOf(bytes: Uint8Array): number {
  const negative = ((bytes[0] ?? 0) & 0x80) === 0;
  return Buffer.from(bytes.map((byte, i) => (negative ? ~byte : i === 0 ? byte & 0x7f : byte))).readDoubleBE();
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
