/** Typed reading of a transformer's config.json: every error names the file, the field, what is there and what was expected. */

import type { ModelConfig } from "../checkpoint/types";
import { SparseRerankError } from "../errors";
import { describe } from "../internal/validate";

export class ConfigReader {
  constructor(private readonly config: ModelConfig) {}

  positiveInteger(field: string, fallback?: number): number {
    const value = this.config.json[field] ?? fallback;
    if (typeof value === "number" && Number.isSafeInteger(value) && value > 0) return value;
    throw this.wrong(field, "a positive integer");
  }

  positiveNumber(field: string, fallback?: number): number {
    const value = this.config.json[field] ?? fallback;
    if (typeof value === "number" && Number.isFinite(value) && value > 0) return value;
    throw this.wrong(field, "a positive number");
  }

  string(field: string, fallback?: string): string {
    const value = this.config.json[field] ?? fallback;
    if (typeof value === "string") return value;
    throw this.wrong(field, "a string");
  }

  nonNegativeInteger(field: string, fallback: number): number {
    const value = this.config.json[field] ?? fallback;
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
    throw this.wrong(field, "a non-negative integer");
  }

  /** Number of heads, which must divide the hidden size. */
  heads(field: string, hidden: number): number {
    const heads = this.positiveInteger(field);
    if (hidden % heads === 0) return heads;
    throw new SparseRerankError(
      "ERR_INVALID_CONFIG",
      `${this.config.file}: ${field} is ${String(heads)}, which does not divide the hidden size ${String(hidden)}.`,
    );
  }

  /** ERR_UNSUPPORTED_MODEL unless the field is absent or has the value that is implemented. */
  requireOnly(field: string, supported: unknown): void {
    const value = this.config.json[field];
    if (value === undefined || value === null || value === supported) return;
    throw this.unsupported(field, `only ${JSON.stringify(supported)} is supported`);
  }

  unsupported(field: string, remark: string): SparseRerankError {
    return new SparseRerankError(
      "ERR_UNSUPPORTED_MODEL",
      `${this.config.file}: ${field} is ${JSON.stringify(this.config.json[field])}; ${remark}.`,
    );
  }

  private wrong(field: string, expected: string): SparseRerankError {
    const value = this.config.json[field];
    const found = value === undefined ? "is missing" : `is ${describe(value)}`;
    return new SparseRerankError("ERR_INVALID_CONFIG", `${this.config.file}: ${field} ${found}; expected ${expected}.`);
  }
}
