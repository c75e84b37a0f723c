/**
 * Measures of rankings, as defined by trec_eval (and ranx): gains are the grades themselves, discounts log2(rank + 1), precision is divided
 * by k and average precision by the number of relevant documents, for every k. A query without hits counts as 0. Unlike trec_eval, which
 * orders tied documents by id, tied documents share their ranks (ties.ts).
 */

import { types } from "node:util";

import { describe, invalid, requirePositiveInteger, requireRecord } from "../core/validate";
import { SparseRerankError } from "../errors";
import type { Scored } from "../retrieval/fusion";
import { measureTies, tiesOf } from "./ties";
import type { RankingMeasures } from "./ties";

export type { RankingMeasures } from "./ties";

/** Query id -> document id -> grade. A document is relevant if its grade is above 0; a document without a grade is not relevant. */
export type Judgments = ReadonlyMap<string, ReadonlyMap<string, number>>;

/** Query id -> document ids, best first. */
export type Rankings = ReadonlyMap<string, readonly string[]>;

/** Query id -> documents with their scores, best first: adjacent documents with equal scores share their ranks. */
export type ScoredRankings = ReadonlyMap<string, readonly Scored[]>;

export type MeasuresAtCutoffs = Readonly<Record<number, RankingMeasures>>;

export interface MeasureOptions {
  /**
   * Leaves out of each ranking the document whose id is the query's: in ArguAna and Quora, queries are documents of the collection. BEIR
   * does so by default; trec_eval and sentence-transformers do not. Judgments are unchanged. Default false.
   */
  readonly ignoreIdenticalIds?: boolean;
}

/**
 * Measures at each cutoff, averaged over the queries of `judgments` that have a relevant document. Rankings of ids have no ties. If
 * documents have scores, tied ones share their ranks: each measure is its mean over all their orders.
 *
 * Errors: ERR_INVALID_ARGUMENT (no query with a relevant document, a grade that is not a finite number, a document twice in a ranking, a
 * score that is not a number, a cutoff that is not a positive integer).
 */
export function measureRankings(
  judgments: Judgments,
  rankings: Rankings | ScoredRankings,
  cutoffs: readonly number[],
  options: MeasureOptions = {},
): MeasuresAtCutoffs {
  requireRecord(options, "options", ["ignoreIdenticalIds"]);
  const { ignoreIdenticalIds = false } = options;
  requireIgnoreIdenticalIds(ignoreIdenticalIds);
  requireCutoffs(cutoffs);
  requireJudgments(judgments);
  if (!isMap(rankings)) throw invalid("rankings", rankings, "a Map of query ids to rankings");
  const queries = judgedQueries(judgments);
  if (queries.length === 0) throw new SparseRerankError("ERR_INVALID_ARGUMENT", "judgments has no query with a relevant document.");
  const perQuery = queries.map(([query, grades]) => {
    const ranking = scoredRanking(rankings.get(query) ?? [], query).filter(({ id }) => !ignoreIdenticalIds || id !== query);
    const gained = ranking.map(({ id, score }) => ({ score, gain: Math.max(0, grades.get(id) ?? 0) }));
    const ties = tiesOf(gained);
    const ideal = [...grades.values()].filter((grade) => grade > 0).sort((a, b) => b - a);
    return cutoffs.map((k) => measureTies(ties, ideal, k));
  });
  return Object.fromEntries(cutoffs.map((k, i) => [k, meanOf(perQuery.flatMap((measures) => measures[i] ?? []))]));
}

/** The queries that count: those with a relevant document. */
export function judgedQueries(judgments: Judgments): [query: string, grades: ReadonlyMap<string, number>][] {
  return [...judgments].filter(([, grades]) => [...grades.values()].some((grade) => grade > 0));
}

export function requireCutoffs(cutoffs: unknown): asserts cutoffs is readonly number[] {
  if (!Array.isArray(cutoffs) || cutoffs.length === 0) throw invalid("at", cutoffs, "an array of at least one cutoff");
  cutoffs.forEach((k: unknown, i) => {
    requirePositiveInteger(k, `at[${i}]`);
  });
}

export function requireIgnoreIdenticalIds(value: unknown): void {
  if (value !== undefined && typeof value !== "boolean") throw invalid("ignoreIdenticalIds", value, "a boolean");
}

function requireJudgments(judgments: unknown): void {
  if (!isMap(judgments)) throw invalid("judgments", judgments, "a Map of query ids to Maps of document ids to grades");
  for (const [query, grades] of judgments) {
    const name = `judgments of query ${JSON.stringify(query)}`;
    if (!isMap(grades)) throw invalid(name, grades, "a Map of document ids to grades");
    for (const [document, grade] of grades) {
      // Sums of larger grades would overflow.
      if (typeof grade === "number" && Math.abs(grade) <= Number.MAX_SAFE_INTEGER) continue;
      throw invalid(`${name}: the grade of ${JSON.stringify(document)}`, grade, "a finite number of at most 2^53");
    }
  }
}

/** Accepts a Map of any realm. */
function isMap(value: unknown): value is ReadonlyMap<unknown, unknown> {
  return types.isMap(value);
}

/** Validates a ranking. Plain ids are scored by rank. */
function scoredRanking(ranking: readonly string[] | readonly Scored[], query: string): readonly Scored[] {
  const name = `The ranking of query ${JSON.stringify(query)}`;
  if (!Array.isArray(ranking)) throw badRanking(`${name} is ${describe(ranking)}; it must be an array.`);
  const seen = new Set<string>();
  return ranking.map((given: unknown, i): Scored => {
    const { id, score } = typeof given === "string" ? { id: given, score: -i } : ((given ?? {}) as Partial<Scored>);
    if (typeof given !== typeof ranking[0]) throw badRanking(`${name} mixes ids and scored documents; use one of the two.`);
    if (typeof id !== "string" || typeof score !== "number" || Number.isNaN(score)) {
      throw badRanking(`${name} has at index ${i} neither an id nor a document { id, score } with a numeric score.`);
    }
    if (seen.has(id)) throw badRanking(`${name} contains a document twice: ${JSON.stringify(id)}.`);
    seen.add(id);
    return { id, score };
  });
}

function badRanking(problem: string): SparseRerankError {
  return new SparseRerankError("ERR_INVALID_ARGUMENT", problem);
}

function meanOf(measures: readonly RankingMeasures[]): RankingMeasures {
  const mean = (name: keyof RankingMeasures): number => measures.reduce((sum, each) => sum + each[name], 0) / measures.length;
  return { ndcg: mean("ndcg"), mrr: mean("mrr"), map: mean("map"), recall: mean("recall"), precision: mean("precision") };
}
