/** Judgments that are pasted, and how well two rankings answer them: the measures are those of evaluate(). */

import { measureTies, tiesOf } from "../lib/evaluation/ties";

/** Query -> document id -> grade. */
export type Judgments = ReadonlyMap<string, ReadonlyMap<string, number>>;

export interface Scored {
  readonly id: string;
  readonly score: number;
}

export const CUTOFF = 10;

/** As of files: see lib/evaluation/qrels.ts. */
const GRADE = /^[+-]?\d{1,15}(?:\.0{0,15})?$/;

/**
 * Errors: Error that names the line.
 *
 * @param text lines of query, document id and grade (default 1) with tabs between; without tabs, which nobody can type into a form, the last
 * two words are an id and a grade
 */
export function readJudgments(text: string): Judgments {
  const judgments = new Map<string, Map<string, number>>();
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === "") continue;
    const parts = line.includes("\t") ? line.split("\t") : (/^(.*\S)\s+(\S+)\s+(\S+)\s*$/.exec(line)?.slice(1) ?? []);
    const [query = "", id = "", grade = "1"] = parts.map((part) => part.trim());
    if (query === "" || id === "" || parts.length > 3 || !GRADE.test(grade)) {
      throw new Error(`Line ${i + 1} is not a query, a document id and a whole number, with tabs between them.`);
    }
    const grades = judgments.get(query) ?? new Map<string, number>();
    const known = grades.get(id);
    if (known !== undefined && known !== Number(grade)) {
      throw new Error(`Line ${i + 1} gives "${id}" another grade than an earlier line: ${grade} instead of ${known}.`);
    }
    judgments.set(query, grades.set(id, Number(grade)));
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
