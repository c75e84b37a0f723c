/**
 * The values of templates, with Python's semantics: text, int (a number), bool, None (null) and Jinja's Undefined (undefined) are
 * JavaScript's values; the others are classes. Lengths and indices of texts count code points.
 */

import type { Budget } from "./budget";
import { failed, unsupported } from "./failure";

/** Python's float, since 1.0 is printed differently from 1. */
export class Float {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

export class Tuple {
  readonly items: readonly Value[];

  constructor(items: readonly Value[]) {
    this.items = items;
  }
}

/** A generator, which gives each item once. It is always true. */
export class Lazy {
  readonly #items: readonly Value[];
  #next = 0;

  constructor(items: readonly Value[]) {
    this.#items = items;
  }

  /** The next item; undefined at the end. */
  first(): Value {
    return this.#items[this.#next++];
  }

  rest(): readonly Value[] {
    const rest = this.#items.slice(this.#next);
    this.#next = this.#items.length;
    return rest;
  }
}

/** A bool would be the same key as 0 or 1. */
export type Key = string | number | null;

export class Dict {
  readonly entries: Map<Key, Value>;

  constructor(entries: Iterable<readonly [Key, Value]> = []) {
    this.entries = new Map(entries);
  }
}

/** What the function namespace() makes: the only value whose attributes can be set. */
export class Namespace {
  readonly attributes: Map<string, Value>;

  constructor(attributes: Iterable<readonly [string, Value]>) {
    this.attributes = new Map(attributes);
  }
}

/** Attributes that are read alone: the variable `loop`. */
export class Attributes {
  readonly get: (name: string) => Value;

  constructor(get: (name: string) => Value) {
    this.get = get;
  }
}

export interface Arguments {
  readonly positional: readonly Value[];
  readonly named: ReadonlyMap<string, Value>;
}

export class Callable {
  readonly name: string;
  readonly call: (budget: Budget, args: Arguments) => Value;

  constructor(name: string, call: (budget: Budget, args: Arguments) => Value) {
    this.name = name;
    this.call = call;
  }
}

export type Value =
  string | number | boolean | null | undefined | Float | Tuple | Lazy | Dict | Namespace | Attributes | Callable | readonly Value[];

export function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

/** The name of the type, for messages. */
export function typeOf(value: Value): string {
  if (value === undefined) return "an undefined value";
  if (value === null) return "None";
  if (typeof value === "string") return "a text";
  if (typeof value === "boolean") return "a bool";
  if (typeof value === "number") return "an int";
  if (isList(value)) return "a list";
  return `a ${value.constructor.name.toLowerCase()}`;
}

/** A JSON value of the checkpoint's files, or of a call. */
export function fromJson(json: unknown): Value {
  if (json === null || typeof json === "string" || typeof json === "boolean") return json;
  if (typeof json === "number") return Number.isInteger(json) ? integer(json) : new Float(json);
  if (Array.isArray(json)) return json.map(fromJson);
  return new Dict(Object.entries(json as object).map(([key, value]) => [key, fromJson(value)]));
}

/** Python's integers have any size; larger ones than JavaScript's are refused. */
export function integer(value: number): number {
  if (!Number.isSafeInteger(value)) throw unsupported(`the integer ${String(value)}`);
  return value;
}

export function isTrue(value: Value): boolean {
  if (value === undefined || value === null || value === false || value === 0 || value === "") return false;
  if (isList(value)) return value.length > 0;
  if (value instanceof Tuple) return value.items.length > 0;
  if (value instanceof Dict) return value.entries.size > 0;
  return !(value instanceof Float) || value.value !== 0;
}

const SURROGATE = /[\uD800-\uDFFF]/;

export function characters(text: string): readonly string[] {
  return SURROGATE.test(text) ? Array.from(text) : text.split("");
}

export function lengthOf(value: Value, budget: Budget): number {
  if (value === undefined) return 0;
  if (typeof value === "string") {
    budget.read(value.length);
    if (!SURROGATE.test(value)) return value.length;
    let count = 0;
    for (let at = 0; at < value.length; at += (value.codePointAt(at) ?? 0) > 0xffff ? 2 : 1) count++;
    return count;
  }
  if (isList(value)) return value.length;
  if (value instanceof Tuple) return value.items.length;
  if (value instanceof Dict) return value.entries.size;
  throw failed(`${typeOf(value)} has no length`);
}

/** The items that a loop or filter reads: an Undefined has none. */
export function itemsOf(value: Value, budget: Budget): readonly Value[] {
  const items = iterate(value, budget);
  budget.step(items.length);
  return items;
}

function iterate(value: Value, budget: Budget): readonly Value[] {
  if (isList(value)) return value;
  if (value === undefined) return [];
  if (value instanceof Tuple) return value.items;
  if (value instanceof Lazy) return value.rest();
  if (value instanceof Dict) return [...value.entries.keys()];
  if (typeof value === "string") {
    budget.step(value.length);
    return characters(value);
  }
  throw failed(`${typeOf(value)} cannot be iterated over`);
}

export function numberOf(value: Value): number | undefined {
  if (typeof value === "number") return value;
  if (typeof value === "boolean") return Number(value);
  return value instanceof Float ? value.value : undefined;
}

/** Python's ==. */
export function equals(a: Value, b: Value, budget: Budget): boolean {
  budget.step();
  if (typeof a === "string") {
    if (typeof b !== "string" || a.length !== b.length) return false;
    budget.read(a.length);
    return a === b;
  }
  const first = numberOf(a);
  if (first !== undefined) return first === numberOf(b);
  if (isList(a)) return isList(b) && sameItems(a, b, budget);
  if (a instanceof Tuple) return b instanceof Tuple && sameItems(a.items, b.items, budget);
  if (a instanceof Dict && b instanceof Dict) {
    const others = b.entries;
    return (
      a.entries.size === others.size && [...a.entries].every(([key, value]) => others.has(key) && equals(value, others.get(key), budget))
    );
  }
  return a === b;
}

function sameItems(a: readonly Value[], b: readonly Value[], budget: Budget): boolean {
  return a.length === b.length && a.every((item, i) => equals(item, b[i], budget));
}

/**
 * Python's order of numbers, texts, lists and tuples: negative, 0 or positive; NaN for a NaN.
 *
 * @throws TemplateFailure for values without an order
 */
export function compare(a: Value, b: Value, budget: Budget): number {
  budget.step();
  const [x, y] = [numberOf(a), numberOf(b)];
  if (x !== undefined && y !== undefined) return x - y;
  if (typeof a === "string" && typeof b === "string") {
    budget.read(Math.min(a.length, b.length));
    return compareTexts(a, b);
  }
  const [first, second] = isList(a) && isList(b) ? [a, b] : a instanceof Tuple && b instanceof Tuple ? [a.items, b.items] : [];
  if (first === undefined || second === undefined) throw failed(`${typeOf(a)} and ${typeOf(b)} cannot be compared`);
  for (let i = 0; i < Math.min(first.length, second.length); i++) {
    if (!equals(first[i], second[i], budget)) return compare(first[i], second[i], budget);
  }
  return first.length - second.length;
}

/** By code points: UTF-16 orders those above U+FFFF before U+E000. */
function compareTexts(a: string, b: string): number {
  if (a === b) return 0;
  let at = 0;
  while (at < a.length && at < b.length && a.charCodeAt(at) === b.charCodeAt(at)) at++;
  const inPair = at > 0 && (a.charCodeAt(at - 1) & 0xfc00) === 0xd800;
  return (a.codePointAt(inPair ? at - 1 : at) ?? -1) - (b.codePointAt(inPair ? at - 1 : at) ?? -1);
}

export function keyOf(value: Value): Key {
  if (typeof value === "string" || typeof value === "number" || value === null) return value;
  throw unsupported(`${typeOf(value)} as a key`);
}
