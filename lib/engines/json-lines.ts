import type { SparseVector } from "../sparse-matrix";
import { nonZeros } from "./documents";

/** One line of JSON Lines: { id, indices, values }, with what `more` adds. Without a line break. */
export function vectorLine(id: string, vector: SparseVector, more: Readonly<Record<string, unknown>> = {}): string {
  const entries = [...nonZeros(vector)];
  return JSON.stringify({ id, indices: entries.map(([dimension]) => dimension), values: entries.map(([, weight]) => weight), ...more });
}
