/**
 * Writes answers. Scores and weights always print as floating-point numbers (1.0, never 1): some clients read JSON numbers by their form
 * and cast them, such as OpenSearch's connectors, which need a Double.
 */

import { setImmediate } from "node:timers/promises";

import type { SparseMatrix } from "../sparse-matrix";

/** Weights that are written before other work of the event loop gets its turn: about 3 ms. */
const TURN = 16_384;

/** A number in JSON that reads as a floating-point number. */
export function float(value: number): string {
  // A bare integer has neither a point nor an exponent.
  return Number.isInteger(value) && Math.abs(value) < 1e21 ? `${String(value)}.0` : String(value);
}

/** JSON in which the numbers of these fields, and those below them, are floating-point numbers. Undefined fields are left out. */
export function jsonWithFloats(value: unknown, fields: ReadonlySet<string>, isFloat = false): string {
  if (typeof value === "number") return isFloat && Number.isFinite(value) ? float(value) : JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((item: unknown) => jsonWithFloats(item ?? null, fields, isFloat)).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .map(([name, member]) => `${JSON.stringify(name)}:${jsonWithFloats(member, fields, isFloat || fields.has(name))}`);
  return `{${members.join(",")}}`;
}

/** [[{"index": 1996, "value": 0.5}, …], …] */
export function sparseJson(matrix: SparseMatrix): Promise<string> {
  return rowsJson(matrix, "[", "]", (index, weight) => (weight === 0 ? undefined : `{"index":${String(index)},"value":${float(weight)}}`));
}

/**
 * [{"token": 0.5, …}, …]: only positive weights, as search engines refuse others.
 *
 * @param token of a column
 */
export function tokensJson(matrix: SparseMatrix, token: (index: number) => string): Promise<string> {
  return rowsJson(matrix, "{", "}", (index, weight) => (weight > 0 ? `${JSON.stringify(token(index))}:${float(weight)}` : undefined));
}

async function rowsJson(
  { rows, indptr, indices, values }: SparseMatrix,
  open: string,
  close: string,
  write: (index: number, weight: number) => string | undefined,
): Promise<string> {
  const parts: string[] = [];
  let written = 0;
  for (let row = 0; row < rows; row++) {
    const members: string[] = [];
    for (let i = indptr[row] ?? 0; i < (indptr[row + 1] ?? 0); i++) {
      const member = write(indices[i] ?? 0, values[i] ?? 0);
      if (member !== undefined) members.push(member);
    }
    parts.push(open + members.join(",") + close);
    written += members.length;
    if (written >= TURN) {
      written = 0;
      await setImmediate();
    }
  }
  return `[${parts.join(",")}]`;
}
