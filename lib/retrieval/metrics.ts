/**
 * Measures of rankings, with the definitions of trec_eval (and ranx): gains are the grades themselves, discounts log2(rank + 1), precision is divided
 * by k and average precision by the number of relevant documents, whatever k is. A query without any hit counts as 0.
 */

import { SparseRerankError } from "../errors";
import { invalid, requirePositiveInteger } from "../internal/validate";

/** Query id -> document id -> grade. A document is relevant when its grade is above 0; one without a grade is not. */
export type Judgments = ReadonlyMap<string, ReadonlyMap<string, number>>;

/** Query id -> document ids, best first. */
export type Rankings = ReadonlyMap<string, readonly string[]>;

/** Means over queries at one cutoff, from 0 to 1. */
export interface RankingMeasures {
  readonly ndcg: number;
  readonly mrr: number;
  readonly map: number;
  readonly recall: number;
  readonly precision: number;
}

export type MeasuresAtCutoffs = Readonly<Record<number, RankingMeasures>>;

/**
 * Measures at each cutoff, averaged over the queries of `judgments` that have a relevant document.
 *
 * Errors: ERR_INVALID_ARGUMENT (no query with a relevant document, a ranking with a document twice, a cutoff that is no positive integer).
 */
export function measureRankings(judgments: Judgments, rankings: Rankings, cutoffs: readonly number[]): MeasuresAtCutoffs {
  requireCutoffs(cutoffs);
  const queries = [...judgments].filter(([, grades]) => [...grades.values()].some((grade) => grade > 0));
  if (queries.length === 0) throw new SparseRerankError("ERR_INVALID_ARGUMENT", "judgments has no query with a relevant document.");
  const perQuery = queries.map(([query, grades]) => {
    const ranking = rankings.get(query) ?? [];
    requireDistinct(ranking, query);
    return cutoffs.map((k) => measure(ranking, grades, k));
  });
  return Object.fromEntries(cutoffs.map((k, i) => [k, meanOf(perQuery.flatMap((measures) => measures[i] ?? []))]));
}

export function requireCutoffs(cutoffs: unknown): asserts cutoffs is readonly number[] {
  if (!Array.isArray(cutoffs) || cutoffs.length === 0) throw invalid("at", cutoffs, "an array of at least one cutoff");
  cutoffs.forEach((k: unknown, i) => {
    requirePositiveInteger(k, `at[${i}]`);
  });
}

function measure(ranking: readonly string[], grades: ReadonlyMap<string, number>, k: number): RankingMeasures {
  const gains = ranking.slice(0, k).map((id) => Math.max(0, grades.get(id) ?? 0));
  const ideal = [...grades.values()].filter((grade) => grade > 0).sort((a, b) => b - a);
  let found = 0;
  let precisions = 0;
  gains.forEach((gain, i) => {
    if (gain > 0) precisions += ++found / (i + 1);
  });
  const first = gains.findIndex((gain) => gain > 0);
  return {
    ndcg: discounted(gains) / discounted(ideal.slice(0, k)),
    mrr: first < 0 ? 0 : 1 / (first + 1),
    map: precisions / ideal.length,
    recall: found / ideal.length,
    precision: found / k,
  };
}

function discounted(gains: readonly number[]): number {
  return gains.reduce((sum, gain, i) => sum + gain / Math.log2(i + 2), 0);
}

function meanOf(measures: readonly RankingMeasures[]): RankingMeasures {
  const mean = (name: keyof RankingMeasures): number => measures.reduce((sum, each) => sum + each[name], 0) / measures.length;
  return { ndcg: mean("ndcg"), mrr: mean("mrr"), map: mean("map"), recall: mean("recall"), precision: mean("precision") };
}

function requireDistinct(ranking: readonly string[], query: string): void {
  if (new Set(ranking).size === ranking.length) return;
  throw new SparseRerankError("ERR_INVALID_ARGUMENT", `The ranking of query ${JSON.stringify(query)} has a document twice.`);
}
