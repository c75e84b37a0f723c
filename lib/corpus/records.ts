/**
 * Collections in one file, one record per line: JSON (the layout of BEIR's corpus.jsonl), id<TAB>text, a table with named columns between
 * tabs, or plain text.
 */

import { messageOf } from "../core/error-code";
import { IdSet } from "../core/id-set";
import { requireJsonValue } from "../core/json-value";
import { columnsOf, recordOfRow } from "./columns";
import type { Columns } from "./columns";
import type { Line } from "./lines";
import { badLine, MAX_NAMED_FIELDS, refuseRepeated } from "./text-record";
import type { RecordOptions, TextRecord } from "./text-record";

export type RecordFormat = "jsonl" | "tsv" | "lines";

/** A first line with more columns is no header. */
const MAX_TSV_COLUMNS = 10_000;
const ID_FIELDS = ["_id", "id"];
const TSV_HEADER = /^_?id\ttext$/i;

/**
 * Blank lines are skipped, and so is a TSV header "id<TAB>text". If the first line of a TSV file has more columns, with an id and a text
 * among them, it names the columns of the table.
 *
 * The metadata of a JSON record are its fields other than id, title and text, side by side. If the only other field is "metadata" and holds
 * an object, as in BEIR's layout, that object is the metadata.
 *
 * Errors: ERR_INVALID_ARGUMENT and ERR_DUPLICATE_ID, with the line number.
 */
export async function* parseRecords(lines: AsyncIterable<Line>, format: RecordFormat, options: RecordOptions): AsyncGenerator<TextRecord> {
  const parse = { jsonl: parseJsonLine, tsv: parseTsvLine, lines: parseBareLine }[format];
  const ids = new IdSet();
  let first = true;
  let columns: Columns | undefined;
  for await (const line of lines) {
    if (line.text.trim() === "") continue;
    if (first && format === "tsv") {
      first = false;
      if (TSV_HEADER.test(line.text)) continue;
      columns = tableColumns(line, options);
      if (columns !== undefined) continue;
    }
    const record =
      columns === undefined ? parse(line, options) : recordOfRow(line.text.split("\t"), columns, line.number, line.number, options);
    refuseRepeated(ids, record.id, line.number, options);
    yield record;
  }
}

/** Undefined if the line is not the header of a table. A record of three columns with just these contents would be strange. */
function tableColumns({ text, number }: Line, options: RecordOptions): Columns | undefined {
  const header = text.split("\t", MAX_TSV_COLUMNS);
  const names = header.map((name) => name.trim().toLowerCase());
  const isHeader = header.length > 2 && names.includes("text") && ID_FIELDS.some((id) => names.includes(id));
  return isHeader ? columnsOf(text.split("\t"), number, options) : undefined;
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
  const record = { id: String(id), ...(title === "" || textField === "title" ? {} : { title }), text: body };
  if (options.withMetadata !== true) return record;
  const metadata = metadataOf(fields, textField, number, options);
  return metadata === undefined ? record : { ...record, metadata };
}

function metadataOf(
  fields: ReadonlyMap<string, unknown>,
  textField: string,
  number: number,
  options: RecordOptions,
): Record<string, unknown> | undefined {
  const others = Array.from(fields).filter(([name]) => !ID_FIELDS.includes(name) && name !== "title" && name !== textField);
  for (const [name, value] of others)
    requireJsonValue(value, `${options.name}, line ${number}: the field ${JSON.stringify(name.slice(0, 200))}`);
  const [only] = others;
  if (only === undefined) return undefined;
  const [name, value] = only;
  if (others.length === 1 && name === "metadata" && typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  return Object.fromEntries(others);
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}
