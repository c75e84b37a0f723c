import type { SparseVector } from "../sparse-matrix";

/** One line of JSON Lines: { id, indices, values }, with what `more` adds. Without a line break. */
export function vectorLine(id: string, vector: SparseVector, more: Readonly<Record<string, unknown>> = {}): string {
  const entries = [...nonZeros(vector)];
  return JSON.stringify({ id, indices: entries.map(([dimension]) => dimension), values: entries.map(([, weight]) => weight), ...more });
}

/** The dimensions and weights that are not zero: a zero adds nothing to a score, and some engines refuse it. */
export function* nonZeros({ indices, values }: SparseVector): Generator<[dimension: number, weight: number]> {
  for (let i = 0; i < indices.length; i++) {
    const weight = values[i] ?? 0;
    if (weight !== 0) yield [indices[i] ?? 0, shortest(weight)];
  }
}

/** The number of fewest digits that is the same float32, so that JSON is half as long as with float64's digits. */
export function shortest(value: number): number {
  for (let digits = 6; digits < 9; digits++) {
    const candidate = Number(value.toPrecision(digits));
    if (Math.fround(candidate) === value) return candidate;
  }
  return Number(value.toPrecision(9));
}
