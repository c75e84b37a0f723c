/** Collections in one file, one record per line: JSON (the layout of BEIR's corpus.jsonl), id<TAB>text, or plain text. */

import { messageOf } from "../core/error-code";
import { IdSet } from "../core/id-set";
import { SparseRerankError } from "../errors";
import type { Line } from "./lines";

export type RecordFormat = "jsonl" | "tsv" | "lines";

export interface TextRecord {
  /** The record's own id, else its line number. */
  readonly id: string;
  readonly title?: string;
  readonly text: string;
}

export interface RecordOptions {
  /** The source's name in messages. */
  readonly name: string;
  /** The field of a JSON record that holds its text; default "text". */
  readonly textField?: string;
}

const ID_FIELDS = ["_id", "id"];
const TSV_HEADER = /^_?id\ttext$/i;
/** The most fields that a message lists. */
const MAX_NAMED_FIELDS = 12;

/**
 * Blank lines are skipped, and so is a TSV header "id<TAB>text".
 *
 * Errors: ERR_INVALID_ARGUMENT and ERR_DUPLICATE_ID, with the line number.
 */
export async function* parseRecords(lines: AsyncIterable<Line>, format: RecordFormat, options: RecordOptions): AsyncGenerator<TextRecord> {
  const parse = { jsonl: parseJsonLine, tsv: parseTsvLine, lines: parseBareLine }[format];
  const ids = new IdSet();
  let first = true;
  for await (const line of lines) {
    if (line.text.trim() === "") continue;
    const isHeader = first && format === "tsv" && TSV_HEADER.test(line.text);
    first = false;
    if (isHeader) continue;
    const record = parse(line, options);
    if (!ids.add(record.id)) {
      const id = JSON.stringify(record.id.slice(0, 200));
      throw new SparseRerankError(
        "ERR_DUPLICATE_ID",
        `${options.name}, line ${line.number}: the id ${id} occurs on an earlier line; make ids distinct.`,
      );
    }
    yield record;
  }
}

function parseBareLine({ text, number }: Line): TextRecord {
  return { id: String(number), text };
}

/** Everything after the first tab is the text. */
function parseTsvLine({ text, number }: Line, options: RecordOptions): TextRecord {
  const tab = text.indexOf("\t");
  if (tab < 0) throw badLine(options, number, "no tab; expected an id, a tab and the text");
  if (tab === 0) throw badLine(options, number, "no id before the tab");
  return { id: text.slice(0, tab), text: text.slice(tab + 1) };
}

function parseJsonLine({ text, number }: Line, options: RecordOptions): TextRecord {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw badLine(options, number, `not JSON (${messageOf(cause)})`, cause);
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw badLine(options, number, `${kindOf(json)}; expected a JSON object with the fields "_id" and "text"`);
  }
  const fields = new Map<string, unknown>(Object.entries(json));
  const textField = options.textField ?? "text";
  const body = fields.get(textField);
  if (typeof body !== "string") {
    const found = Array.from(fields, ([name, value]) => `${name} (${kindOf(value)})`);
    if (found.length > MAX_NAMED_FIELDS) found.splice(MAX_NAMED_FIELDS, Infinity, "…");
    throw badLine(options, number, `no string in the field "${textField}"; the record has ${found.join(", ") || "no fields"}`);
  }
  const id = ID_FIELDS.map((name) => fields.get(name)).find((value) => value !== undefined && value !== null) ?? number;
  if (typeof id !== "string" && typeof id !== "number")
    throw badLine(options, number, `the id is ${kindOf(id)}; expected a string or a number`);
  const title = fields.get("title") ?? "";
  if (typeof title !== "string") throw badLine(options, number, `the field "title" is ${kindOf(title)}; expected a string`);
  return { id: String(id), ...(title === "" || textField === "title" ? {} : { title }), text: body };
}

function badLine(options: RecordOptions, number: number, problem: string, cause?: unknown): SparseRerankError {
  return new SparseRerankError(
    "ERR_INVALID_ARGUMENT",
    `${options.name}, line ${number}: ${problem}.`,
    cause === undefined ? {} : { cause },
  );
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}
