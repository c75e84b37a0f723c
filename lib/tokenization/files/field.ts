import { SparseRerankError } from "../../errors";
import { codePointAt, unitsOf } from "../steps/unicode";

/** An error about a tokenizer file. */
export function invalidTokenizer(file: string, problem: string, cause?: unknown): SparseRerankError {
  return new SparseRerankError("ERR_INVALID_TOKENIZER", `${file}: ${problem}`, { cause });
}

/** A value inside a JSON file, with the path to it. Every failed check names the file, the field, what was found and what was expected. */
export class Field {
  readonly file: string;
  readonly path: string;
  readonly value: unknown;

  constructor(file: string, path: string, value: unknown) {
    this.file = file;
    this.path = path;
    this.value = value;
  }

  fail(problem: string, cause?: unknown): never {
    throw invalidTokenizer(this.file, `${this.path === "" ? "the file" : this.path} ${problem}`, cause);
  }

  #expected(what: string): never {
    return this.fail(`is ${describe(this.value)}, expected ${what}`);
  }

  /** A member of an object; undefined if the key is absent or null. */
  optional(key: string): Field | undefined {
    const object = this.object();
    const value = Object.hasOwn(object, key) ? object[key] : undefined;
    return value === undefined || value === null ? undefined : new Field(this.file, this.path === "" ? key : `${this.path}.${key}`, value);
  }

  /** Whether an object has the key, even if it is null. */
  has(key: string): boolean {
    return Object.hasOwn(this.object(), key);
  }

  required(key: string): Field {
    return this.optional(key) ?? this.fail(`has no "${key}"`);
  }

  object(): Readonly<Record<string, unknown>> {
    return isObject(this.value) ? this.value : this.#expected("an object");
  }

  isObject(): boolean {
    return isObject(this.value);
  }

  /** The number of elements of an array or members of an object. */
  size(): number {
    return this.isObject() ? this.entries().length : this.items().length;
  }

  entries(): (readonly [key: string, field: Field])[] {
    return Object.entries(this.object()).map(([key, value]) => [key, new Field(this.file, `${this.path}[${JSON.stringify(key)}]`, value)]);
  }

  items(): Field[] {
    if (!Array.isArray(this.value)) return this.#expected("an array");
    return this.value.map((value: unknown, i) => new Field(this.file, `${this.path}[${String(i)}]`, value));
  }

  string(): string {
    return typeof this.value === "string" ? this.value : this.#expected("a string");
  }

  /** One character. */
  character(): string {
    const text = this.string();
    return text !== "" && text.length === unitsOf(codePointAt(text, 0)) ? text : this.#expected("one character");
  }

  boolean(): boolean {
    return typeof this.value === "boolean" ? this.value : this.#expected("true or false");
  }

  number(): number {
    return typeof this.value === "number" && Number.isFinite(this.value) ? this.value : this.#expected("a number");
  }

  /** At least 0, below `end`. */
  integer(end = Number.MAX_SAFE_INTEGER): number {
    const value = this.number();
    return Number.isInteger(value) && value >= 0 && value < end ? value : this.#expected(`an integer from 0 to ${String(end - 1)}`);
  }

  oneOf<T extends string>(values: readonly T[]): T {
    const found = values.find((value) => value === this.value);
    return found ?? this.#expected(`one of ${values.join(", ")}`);
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const MAX_SHOWN = 60;

function describe(value: unknown): string {
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object") return value === null ? "null" : "an object";
  const text = typeof value === "number" ? String(value) : JSON.stringify(value);
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}
