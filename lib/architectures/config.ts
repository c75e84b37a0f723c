/** Typed access to a transformer's config.json. Every error names the file, the field, its value and what was expected. */

import {
  describe,
  field,
  invalidField,
  optionalBoolean,
  optionalInteger,
  optionalObject,
  optionalString,
  optionalStrings,
} from "../checkpoint/json-fields";
import type { JsonObject } from "../checkpoint/json-fields";
import { SparseRerankError } from "../errors";

/** A field that is missing or null has the fallback, which is the default of transformers. Without a fallback it is an error. */
export class ConfigReader {
  constructor(private readonly config: JsonObject) {}

  positiveInteger(name: string, fallback?: number): number {
    const value = optionalInteger(this.config, name, 1) ?? fallback;
    if (value !== undefined) return value;
    throw invalidField(this.config, name, "a positive integer");
  }

  nonNegativeInteger(name: string, fallback: number): number {
    return optionalInteger(this.config, name, 0) ?? fallback;
  }

  integer(name: string, fallback: number): number {
    return optionalInteger(this.config, name, Number.MIN_SAFE_INTEGER) ?? fallback;
  }

  positiveNumber(name: string, fallback?: number): number {
    const value = field(this.config, name) ?? fallback;
    if (typeof value === "number" && Number.isFinite(value) && value > 0) return value;
    throw invalidField(this.config, name, "a positive number");
  }

  string(name: string, fallback: string): string {
    return optionalString(this.config, name) ?? fallback;
  }

  boolean(name: string, fallback: boolean): boolean {
    return optionalBoolean(this.config, name) ?? fallback;
  }

  strings(name: string): readonly string[] | undefined {
    return optionalStrings(this.config, name);
  }

  /** An array of strings, or, in older files, a single string with "|" as separator. */
  names(name: string): readonly string[] {
    const value = field(this.config, name);
    return typeof value === "string" ? value.split("|").map((item) => item.trim().toLowerCase()) : (this.strings(name) ?? []);
  }

  /** A nested object. */
  section(name: string): ConfigReader | undefined {
    const section = optionalObject(this.config, name);
    return section === undefined ? undefined : new ConfigReader(section);
  }

  /** Whether it has no fields. */
  get isEmpty(): boolean {
    return Object.keys(this.config.json).length === 0;
  }

  has(name: string): boolean {
    return field(this.config, name) !== undefined;
  }

  /** Number of heads, which must divide the hidden size. */
  heads(name: string, hidden: number): number {
    const heads = this.positiveInteger(name);
    if (hidden % heads === 0) return heads;
    throw invalidField(this.config, name, `a divisor of the hidden size ${String(hidden)}`);
  }

  /** Throws ERR_UNSUPPORTED_MODEL if the field is present. */
  requireAbsent(name: string): void {
    if (this.has(name)) throw this.unsupported(name, "this is not supported");
  }

  /** Throws ERR_UNSUPPORTED_MODEL unless the field is missing or has the supported value. */
  requireOnly(name: string, supported: string | boolean | number): void {
    const value = field(this.config, name);
    if (value !== undefined && value !== supported) throw this.unsupported(name, `only ${describe(supported)} is supported`);
  }

  invalid(name: string, expected: string): SparseRerankError {
    return invalidField(this.config, name, expected);
  }

  unsupported(name: string, remark: string): SparseRerankError {
    const { file, parent } = this.config;
    const path = parent === undefined ? name : `${parent}.${name}`;
    return new SparseRerankError("ERR_UNSUPPORTED_MODEL", `${file}: "${path}" is ${describe(field(this.config, name))}; ${remark}.`);
  }
}
