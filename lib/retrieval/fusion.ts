/**
 * Fuses rankings of the same documents. The methods are defined as in ranx (Bassani and Romelli, CIKM 2022).
 *
 * Reciprocal rank fusion follows Cormack, Clarke and Büttcher (SIGIR 2009); the weighted sum of normalized scores is CombSUM (Fox and Shaw,
 * 1994) with weights.
 */

import { invalid, requireRecord } from "../core/validate";
import { SparseRerankError } from "../errors";

export interface Scored {
  readonly id: string;
  readonly score: number;
}

/**
 * How the scores of a list are made comparable: scaled to [0, 1] by the smallest and largest (min-max), divided by the largest (max),
 * divided by their sum after subtracting the smallest (sum), or standardized to mean 0 and variance 1 (z-score).
 */
export type Normalization = "min-max" | "max" | "sum" | "z-score" | "none";

export type FusionOptions =
  | { readonly method: "rrf"; /** Default 60, the paper's. */ readonly k?: number; readonly weights?: readonly number[] }
  | {
      readonly method: "weighted-sum";
      /** Default "min-max". */ readonly normalization?: Normalization;
      readonly weights?: readonly number[];
    };

const NORMALIZATIONS: readonly Normalization[] = ["min-max", "max", "sum", "z-score", "none"];
const DEFAULT_RRF_K = 60;

/**
 * Fuses several lists into one, best first; ties keep the order in which the ids first appear, starting with the first list.
 *
 * @param lists each best first, with distinct ids. A list adds nothing for a document that it does not contain.
 * Errors: ERR_INVALID_ARGUMENT.
 */
export function fuse(lists: readonly (readonly Scored[])[], options: FusionOptions = { method: "rrf" }): Scored[] {
  checkFusion(options, lists.length);
  const scored =
    options.method === "rrf"
      ? lists.map((list) => list.map((_, i) => 1 / ((options.k ?? DEFAULT_RRF_K) + i + 1)))
      : lists.map((list) =>
          normalizeScores(
            list.map(({ score }) => score),
            options.normalization ?? "min-max",
          ),
        );
  const sums = new Map<string, number>();
  lists.forEach((list, l) => {
    const weight = options.weights?.[l] ?? 1;
    list.forEach(({ id }, i) => sums.set(id, (sums.get(id) ?? 0) + weight * (scored[l]?.[i] ?? 0)));
  });
  requireFinite([...sums.values()], (i) => `sum of ${JSON.stringify([...sums.keys()][i])}`);
  return Array.from(sums, ([id, score]) => ({ id, score })).sort((a, b) => b.score - a.score);
}

/**
 * If all scores of a list are equal (or there is only one), min-max, max and sum all return 1, and z-score returns 0.
 *
 * Errors: ERR_INVALID_ARGUMENT (a score that is not a finite number).
 */
export function normalizeScores(given: readonly number[], normalization: Normalization): number[] {
  requireNormalization(normalization, "normalization");
  requireFinite(given, (i) => `score at position ${i}`);
  if (given.length === 0 || normalization === "none") return [...given];
  const scores = inSquareRange(given);
  const least = scores.reduce((a, b) => Math.min(a, b), Infinity);
  const most = scores.reduce((a, b) => Math.max(a, b), -Infinity);
  const total = scores.reduce((sum, score) => sum + score, 0);
  switch (normalization) {
    case "min-max":
      return scores.map((score) => (most === least ? 1 : (score - least) / (most - least)));
    case "max":
      return scores.map((score) => (most === 0 ? 0 : score / most));
    case "sum": {
      const rest = total - least * scores.length;
      return scores.map((score) => (rest === 0 ? 1 / scores.length : (score - least) / rest));
    }
    case "z-score": {
      const mean = total / scores.length;
      const deviation = Math.sqrt(scores.reduce((sum, score) => sum + (score - mean) ** 2, 0) / scores.length);
      return scores.map((score) => (deviation === 0 ? 0 : (score - mean) / deviation));
    }
  }
}

function requireNormalization(value: Normalization, name: string): void {
  if (!NORMALIZATIONS.includes(value)) throw invalid(name, value, `one of ${NORMALIZATIONS.join(", ")}`);
}

/** Scales scores so that squares and sums neither overflow nor underflow: no normalization depends on a common factor. */
function inSquareRange(scores: readonly number[]): readonly number[] {
  const largest = scores.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  return largest === 0 || (largest > 1e-100 && largest < 1e100) ? scores : scores.map((score) => score / largest);
}

function requireFinite(numbers: readonly number[], name: (i: number) => string): void {
  const i = numbers.findIndex((number) => !Number.isFinite(number));
  if (i < 0) return;
  throw new SparseRerankError(
    "ERR_INVALID_ARGUMENT",
    `The ${name(i)} is ${String(numbers[i])}; fusion needs finite numbers. Reciprocal rank fusion ("rrf") uses only ranks.`,
  );
}

/** @param count number of lists to fuse */
export function checkFusion(options: FusionOptions, count: number): void {
  requireRecord(options, "fusion", ["method", "k", "weights", "normalization"]);
  const { method, weights } = options;
  if (method === "rrf") {
    if ("normalization" in options) throw invalid("fusion.normalization", options.normalization, 'absent with the method "rrf"');
    if (options.k !== undefined && (typeof options.k !== "number" || !(options.k >= 0)))
      throw invalid("fusion.k", options.k, "a number of at least 0");
  } else if ((method as unknown) === "weighted-sum") {
    const { normalization } = options;
    if ("k" in options) throw invalid("fusion.k", options.k, 'absent with the method "weighted-sum"');
    if (normalization !== undefined) requireNormalization(normalization, "fusion.normalization");
  } else {
    throw invalid("fusion.method", method, '"rrf" or "weighted-sum"');
  }
  if (weights === undefined) return;
  if (!Array.isArray(weights) || weights.some((weight) => !Number.isFinite(weight)))
    throw invalid("fusion.weights", weights, "an array of numbers");
  if (weights.length !== count) {
    throw new SparseRerankError(
      "ERR_INVALID_ARGUMENT",
      `fusion.weights has ${weights.length} numbers for ${count} lists; pass one per list.`,
    );
  }
}
