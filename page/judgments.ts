/** Judgments that are pasted, and how well two rankings answer them: the measures are those of evaluate(). */

import { measureTies, tiesOf } from "../lib/evaluation/ties";

/** Query -> document id -> grade. */
export type Judgments = ReadonlyMap<string, ReadonlyMap<string, number>>;

export interface Scored {
  readonly id: string;
  readonly score: number;
}

export const CUTOFF = 10;

/** Errors: Error that names the line. @param text lines of query, document id and grade (default 1), with tabs between */
export function readJudgments(text: string): Judgments {
  const judgments = new Map<string, Map<string, number>>();
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === "") continue;
    const [query = "", id = "", grade = "1"] = line.split("\t").map((part) => part.trim());
    const value = Number(grade);
    if (query === "" || id === "" || grade === "" || !Number.isFinite(value)) {
      throw new Error(`Line ${i + 1} is not a query, a document id and a number, with tabs between them.`);
    }
    const grades = judgments.get(query) ?? new Map<string, number>();
    judgments.set(query, grades.set(id, value));
  }
  return judgments;
}

/** The queries that count, as in measureRankings(): those with a relevant document. */
export function judgedQueries(judgments: Judgments): string[] {
  return [...judgments].filter(([, grades]) => [...grades.values()].some((grade) => grade > 0)).map(([query]) => query);
}

/** nDCG@10 of one query. @param ranking best first; documents with equal scores share their ranks */
export function ndcg(grades: ReadonlyMap<string, number>, ranking: readonly Scored[]): number {
  const gained = ranking.map(({ id, score }) => ({ score, gain: Math.max(0, grades.get(id) ?? 0) }));
  const ideal = [...grades.values()].filter((grade) => grade > 0).sort((a, b) => b - a);
  return measureTies(tiesOf(gained), ideal, CUTOFF).ndcg;
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
