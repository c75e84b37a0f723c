/**
 * Relevance judgments in the two common layouts: BEIR's, with a header, tabs and three columns, and TREC's, with four columns and any white
 * space. A line with tabs is split at its tabs, so that ids may contain spaces, and its fields may be quoted, both as Python's csv module
 * reads BEIR's files; any other line is split at white space, as trec_eval does.
 */

import path from "node:path";

import { readBytes } from "../corpus/input-files";
import { readRecordLines } from "../corpus/lines";
import { SparseRerankError } from "../errors";
import type { Judgments } from "./metrics";

/** As accepted by Python's int() and found in TREC's files; spreadsheets write 1 as "1.0". */
const GRADE = /^\s*[+-]?\d{1,15}(\.0{0,15})?\s*$/;
const LETTER = /\p{L}/u;
const DIGIT = /\p{Nd}/u;

/**
 * The judgments of a split. Blank lines are skipped, and so is a first line whose grade is a word: BEIR's header. A judgment may be
 * repeated. Negative grades are kept: they count as not relevant.
 *
 * Errors: ERR_FILE_NOT_FOUND, ERR_FILE_UNREADABLE, ERR_INVALID_ARGUMENT (a malformed line, with its number; two different grades for one pair).
 */
export async function readJudgments(folder: string, split: string): Promise<Judgments> {
  const file = path.join(folder, "qrels", `${split}.tsv`);
  const judgments = new Map<string, Map<string, number>>();
  let first = true;
  for await (const { text, number } of readRecordLines(readBytes(file), file)) {
    if (text.trim() === "") continue;
    const [query, document, grade] = parseLine(text, file, number);
    const isHeader = first && LETTER.test(grade) && !DIGIT.test(grade);
    first = false;
    if (isHeader) continue;
    if (query === "" || document === "" || !GRADE.test(grade)) throw badLine(file, number);
    const grades = judgments.get(query) ?? new Map<string, number>();
    const known = grades.get(document);
    if (known !== undefined && known !== Number(grade)) {
      throw new SparseRerankError(
        "ERR_INVALID_ARGUMENT",
        `${file}, line ${number}: document ${JSON.stringify(document)} has the grade ${Number(grade)} here and ${known} on an earlier line for the same query; remove one.`,
      );
    }
    judgments.set(query, grades.set(document, Number(grade)));
  }
  if (judgments.size === 0) throw new SparseRerankError("ERR_INVALID_ARGUMENT", `${file} has no grades.`);
  return judgments;
}

function parseLine(line: string, file: string, number: number): readonly [query: string, document: string, grade: string] {
  const fields = line.includes("\t") ? splitAtTabs(line) : line.trim().split(/\s+/);
  if (fields?.length === 3) return [fields[0] ?? "", fields[1] ?? "", fields[2] ?? ""];
  if (fields?.length === 4) return [fields[0] ?? "", fields[2] ?? "", fields[3] ?? ""];
  throw badLine(file, number);
}

/** Splits a tab-separated line as Python's csv module does; undefined if a quote does not end on its line. */
export function splitAtTabs(line: string): string[] | undefined {
  const fields: string[] = [];
  for (let at = 0; at <= line.length;) {
    let field = "";
    if (line[at] === '"') {
      at++;
      for (;;) {
        const end = line.indexOf('"', at);
        if (end < 0) return undefined;
        field += line.slice(at, end);
        at = end + 1;
        // Two quotes stand for a literal one.
        if (line[at] !== '"') break;
        field += '"';
        at++;
      }
    }
    const tab = line.indexOf("\t", at);
    const end = tab < 0 ? line.length : tab;
    fields.push(field + line.slice(at, end));
    at = end + 1;
  }
  return fields;
}

function badLine(file: string, number: number): SparseRerankError {
  return new SparseRerankError(
    "ERR_INVALID_ARGUMENT",
    `${file}, line ${number}: expected query, document and an integer grade, separated by tabs, or the four columns of TREC (query, 0, document, grade).`,
  );
}
