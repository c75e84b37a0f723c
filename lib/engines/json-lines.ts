import type { SparseVector } from "../sparse-matrix";

/** One line of JSON Lines, without the line break: { id, indices, values } and the fields of `more`. */
export function vectorLine(id: string, vector: SparseVector, more: Readonly<Record<string, unknown>> = {}): string {
  const entries = [...nonZeros(vector)];
  return JSON.stringify({ id, indices: entries.map(([dimension]) => dimension), values: entries.map(([, weight]) => weight), ...more });
}

/** The nonzero weights: a zero does not change scores, and some engines reject it. */
export function* nonZeros({ indices, values }: SparseVector): Generator<[dimension: number, weight: number]> {
  for (let i = 0; i < indices.length; i++) {
    const weight = values[i] ?? 0;
    if (weight !== 0) yield [indices[i] ?? 0, shortest(weight)];
  }
}

/** The number with the fewest digits that rounds to the same float32. It makes JSON half as long as with all digits of a float64. */
export function shortest(value: number): number {
  for (let digits = 6; digits < 9; digits++) {
    const candidate = Number(value.toPrecision(digits));
    if (Math.fround(candidate) === value) return candidate;
  }
  return Number(value.toPrecision(9));
}
