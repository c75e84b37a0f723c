/** Typed reading of a transformer's config.json: every error names the file, the field, what is there and what was expected. */

import { describe, field, invalidField, optionalBoolean, optionalInteger, optionalString } from "../checkpoint/json";
import type { ModelConfig } from "../checkpoint/types";
import { SparseRerankError } from "../errors";

/** A field that is absent or null has the fallback, which is the default of transformers; without one it is an error. */
export class ConfigReader {
  constructor(private readonly config: ModelConfig) {}

  positiveInteger(name: string, fallback?: number): number {
    const value = optionalInteger(this.config, name, 1) ?? fallback;
    if (value !== undefined) return value;
    throw invalidField(this.config, name, "a positive integer");
  }

  nonNegativeInteger(name: string, fallback: number): number {
    return optionalInteger(this.config, name, 0) ?? fallback;
  }

  positiveNumber(name: string, fallback: number): number {
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

  /** Number of heads, which must divide the hidden size. */
  heads(name: string, hidden: number): number {
    const heads = this.positiveInteger(name);
    if (hidden % heads === 0) return heads;
    throw invalidField(this.config, name, `a divisor of the hidden size ${String(hidden)}`);
  }

  /** Throws ERR_UNSUPPORTED_MODEL unless the field is absent or has the value that is implemented. */
  requireOnly(name: string, supported: string | boolean): void {
    const value = field(this.config, name);
    if (value !== undefined && value !== supported) throw this.unsupported(name, `only ${describe(supported)} is supported`);
  }

  unsupported(name: string, remark: string): SparseRerankError {
    const found = describe(field(this.config, name));
    return new SparseRerankError("ERR_UNSUPPORTED_MODEL", `${this.config.file}: "${name}" is ${found}; ${remark}.`);
  }
}
