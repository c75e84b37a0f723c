/** Collections in the layout of BEIR (Thakur et al., 2021, arXiv 2104.08663): corpus.jsonl, queries.jsonl and qrels/<split>.tsv in one folder. */

import path from "node:path";

import { SparseRerankError } from "../errors";
import { passageText, readCollection } from "./collection";
import { readBytes } from "./files";
import { readRecordLines } from "./lines";
import type { Judgments } from "./metrics";

/** A document or query as models read it. */
export interface TextWithId {
  readonly id: string;
  /** Title and text of a document, joined by a space. */
  readonly text: string;
}

/** query-id<TAB>corpus-id<TAB>score, as BEIR's files begin. */
const HEADER = /^query-?_?id\t/i;

/** The documents of a folder, as they are read. Errors: those of readCollection. */
export async function* readCorpus(
  folder: string,
  options: { readonly onRead?: (bytes: number, fileBytes: number) => void } = {},
): AsyncGenerator<TextWithId> {
  const { onRead } = options;
  for await (const passage of readCollection(path.join(folder, "corpus.jsonl"), {
    format: "jsonl",
    ...(onRead === undefined ? {} : { onRead }),
  })) {
    yield { id: passage.id, text: passageText(passage) };
  }
}

export async function readQueries(folder: string): Promise<TextWithId[]> {
  const queries: TextWithId[] = [];
  for await (const passage of readCollection(path.join(folder, "queries.jsonl"), { format: "jsonl" })) {
    queries.push({ id: passage.id, text: passageText(passage) });
  }
  return queries;
}

/**
 * Grades of a split: three columns with a header, or the four of TREC (query, 0, document, grade).
 *
 * Errors: ERR_FILE_NOT_FOUND, ERR_FILE_UNREADABLE, ERR_INVALID_ARGUMENT (a malformed line, with its number; two grades for one pair).
 */
export async function readJudgments(folder: string, split: string): Promise<Judgments> {
  const file = path.join(folder, "qrels", `${split}.tsv`);
  const judgments = new Map<string, Map<string, number>>();
  for await (const { text, number } of readRecordLines(readBytes(file), file)) {
    if (text.trim() === "" || (number === 1 && HEADER.test(text))) continue;
    const fields = text.split(/[\t ]+/);
    const [query, document, grade] =
      fields.length === 4 ? [fields[0], fields[2], Number(fields[3])] : [fields[0], fields[1], Number(fields[2])];
    if (fields.length < 3 || fields.length > 4 || query === undefined || document === undefined || !Number.isInteger(grade)) {
      throw badLine(file, number, "expected query, document and an integer grade, separated by tabs");
    }
    const grades = judgments.get(query) ?? new Map<string, number>();
    if (grades.has(document)) throw badLine(file, number, `document ${JSON.stringify(document)} has two grades for one query`);
    grades.set(document, grade);
    judgments.set(query, grades);
  }
  if (judgments.size === 0) throw new SparseRerankError("ERR_INVALID_ARGUMENT", `${file} has no grades.`);
  return judgments;
}

function badLine(file: string, number: number, problem: string): SparseRerankError {
  return new SparseRerankError("ERR_INVALID_ARGUMENT", `${file}, line ${number}: ${problem}.`);
}
