/** Tables whose first line names the columns. */

import { badLine, MAX_NAMED_FIELDS } from "./text-record";
import type { RecordOptions, TextRecord } from "./text-record";

export interface Columns {
  readonly count: number;
  readonly id: number | undefined;
  readonly title: number | undefined;
  readonly text: number;
  /** The named columns that become metadata. */
  readonly others: readonly { readonly name: string; readonly at: number }[];
}

/**
 * Finds the columns _id or id, title and text in any case; textField is found as it is written.
 *
 * @returns undefined if there is no column with the text
 * Errors: ERR_INVALID_ARGUMENT (two columns of one name).
 */
export function columnsOf(header: readonly string[], line: number, options: RecordOptions): Columns | undefined {
  const names = header.map((name) => name.trim());
  const seen = new Set<string>();
  for (const name of names) {
    if (name !== "" && seen.has(name)) throw badLine(options, line, `two columns have the name ${JSON.stringify(name.slice(0, 200))}`);
    seen.add(name);
  }
  const find = (wanted: string): number | undefined => {
    const at = names.findIndex((name) => name.toLowerCase() === wanted);
    return at < 0 ? undefined : at;
  };
  const { textField } = options;
  const text = textField === undefined ? find("text") : names.indexOf(textField);
  if (text === undefined || text < 0) return undefined;
  const [first, second, title] = [find("_id"), find("id"), find("title")];
  const others = names.flatMap((name, at) => (name === "" || [first, second, title, text].includes(at) ? [] : [{ name, at }]));
  return { count: names.length, id: first ?? second, title: title === text ? undefined : title, text, others };
}

/**
 * Empty cells are absent fields.
 *
 * @param number the row's number, which is its id if there is no column with ids
 * @param line where the row begins, for messages
 * Errors: ERR_INVALID_ARGUMENT (another number of cells than columns, an empty id).
 */
export function recordOfRow(cells: readonly string[], columns: Columns, number: number, line: number, options: RecordOptions): TextRecord {
  if (cells.length !== columns.count) {
    throw badLine(
      options,
      line,
      `${cells.length} ${cells.length === 1 ? "field" : "fields"}; the first line names ${columns.count} columns`,
    );
  }
  const cell = (at: number | undefined): string => (at === undefined ? "" : (cells[at] ?? ""));
  const id = columns.id === undefined ? String(number) : cell(columns.id);
  if (id === "") throw badLine(options, line, "the id is empty");
  const title = cell(columns.title);
  const record = { id, ...(title === "" ? {} : { title }), text: cell(columns.text) };
  if (options.withMetadata !== true) return record;
  const metadata = columns.others.flatMap(({ name, at }) => (cell(at) === "" ? [] : [[name, cell(at)] as const]));
  return metadata.length === 0 ? record : { ...record, metadata: Object.fromEntries(metadata) };
}

/** The columns of a header, for messages. */
export function columnNames(header: readonly string[]): string {
  const shown = header.slice(0, MAX_NAMED_FIELDS).map((name) => JSON.stringify(name.slice(0, 200)));
  return [...shown, ...(header.length > MAX_NAMED_FIELDS ? ["…"] : [])].join(", ");
}
