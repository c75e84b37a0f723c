/** Collections in CSV: RFC 4180 with a header line, with the optional package csv-parse. */

import { isUtf8 } from "node:buffer";

import type * as CsvParse from "csv-parse";

import { IdSet } from "../core/id-set";
import { notInstalled } from "../core/optional-package";
import { SparseRerankError } from "../errors";
import { columnNames, columnsOf, recordOfRow } from "./columns";
import type { Columns } from "./columns";
import { lastCharacterStart } from "./lines";
import { badLine, refuseRepeated } from "./text-record";
import type { RecordOptions, TextRecord } from "./text-record";

/** Limits on a record, between two of its line's ends: csv-parse itself bounds neither its bytes nor its fields. */
const MAX_RECORD_BYTES = 2 ** 26;
const MAX_RECORD_COMMAS = 2 ** 22;
const MAX_CHARACTER_BYTES = 4;
const LINE_FEED = 0x0a;
const COMMA = 0x2c;

/** csv-parse's messages quote fields of any length, so its codes get messages of ours. */
const PROBLEMS: Readonly<Partial<Record<string, string>>> = {
  CSV_QUOTE_NOT_CLOSED: "a quoted field does not end",
  CSV_INVALID_CLOSING_QUOTE: 'a quoted field continues after its closing quote; double the quotes inside of it ("")',
  INVALID_OPENING_QUOTE: "a quote inside of a field without quotes; quote the whole field and double the quotes inside of it",
};

/**
 * Reads the columns id or _id, title, and text or textField; named other columns become metadata. Fields are between commas; a quoted field
 * may have commas, line breaks and doubled quotes. Blank lines are skipped. Ids default to the number of the row below the header.
 *
 * Errors: ERR_INVALID_ARGUMENT, ERR_DUPLICATE_ID and ERR_TOO_LARGE, with the line number; ERR_CLIENT_NOT_FOUND.
 */
export async function* parseCsv(bytes: AsyncIterable<Uint8Array>, options: RecordOptions): AsyncGenerator<TextRecord> {
  const ids = new IdSet();
  let columns: Columns | undefined;
  let rows = 0;
  for await (const { cells, line } of readRows(bytes, options)) {
    if (columns === undefined) {
      columns = columnsOf(cells, line, options);
      if (columns === undefined) throw noText(cells, line, options);
      continue;
    }
    const record = recordOfRow(cells, columns, ++rows, line, options);
    refuseRepeated(ids, record.id, line, options);
    yield record;
  }
}

function noText(header: readonly string[], line: number, options: RecordOptions): SparseRerankError {
  const names = columnNames(header);
  const delimiter = header.some((name) => name.includes(";")) ? '; fields must be separated by ",", not ";"' : "";
  return badLine(options, line, `no column ${JSON.stringify(options.textField ?? "text")}; the columns are ${names}${delimiter}`);
}

interface Row {
  readonly cells: readonly string[];
  /** Where the row begins, from 1. */
  readonly line: number;
}

/** Rows before an error are yielded. */
async function* readRows(bytes: AsyncIterable<Uint8Array>, options: RecordOptions): AsyncGenerator<Row> {
  const rows: string[][] = [];
  const parser = csvParse().parse({
    bom: true,
    record_delimiter: ["\r\n", "\n"],
    relax_column_count: true,
    // Not through the stream's own queue, which an error empties.
    on_record: (cells: string[]) => {
      rows.push(cells);
      return null;
    },
  });
  // Errors arrive at the callbacks of write() and end() too.
  parser.on("error", () => undefined);
  let line = 1;
  const taken = function* (error: Error | null | undefined): Generator<Row> {
    for (const cells of rows.splice(0)) {
      if (cells.length > 1 || cells[0] !== "") yield { cells, line };
      line += 1 + cells.reduce((sum, cell) => sum + lineFeeds(cell), 0);
    }
    if (error !== null && error !== undefined) throw problemOf(error, line, options);
  };
  try {
    for await (const chunk of checkBytes(bytes, () => ({ line, records: parser.info.records }), options)) {
      yield* taken(await new Promise<Error | null | undefined>((resolve) => parser.write(chunk, resolve)));
    }
    yield* taken(await new Promise<Error | null | undefined>((resolve) => parser.end(resolve)));
  } finally {
    parser.destroy();
  }
}

function problemOf(error: Error, line: number, options: RecordOptions): Error {
  const problem = PROBLEMS[String((error as { code?: unknown }).code)];
  return problem === undefined ? error : badLine(options, line, problem);
}

interface Progress {
  /** Where the record that is being read begins. */
  readonly line: number;
  /** How many were read before it. */
  readonly records: number;
}

/** Rejects bytes that are not UTF-8, which csv-parse would replace, and records without an end. */
async function* checkBytes(bytes: AsyncIterable<Uint8Array>, progress: () => Progress, options: RecordOptions): AsyncGenerator<Uint8Array> {
  let line = 1;
  let records = 0;
  let held = 0;
  let commas = 0;
  /** The last character, which may be incomplete. */
  let last: Uint8Array = new Uint8Array(0);
  for await (const chunk of bytes) {
    const now = progress();
    if (now.records !== records) {
      records = now.records;
      held = commas = 0;
    }
    held += chunk.length;
    const text = last.length === 0 ? chunk : Buffer.concat([last, chunk]);
    last = text.subarray(lastCharacterStart(text));
    if (last.length > MAX_CHARACTER_BYTES) last = new Uint8Array(0);
    const checked = text.subarray(0, text.length - last.length);
    requireUtf8(checked, line, options);
    for (const byte of checked) {
      if (byte === COMMA) commas++;
      else if (byte === LINE_FEED) line++;
    }
    const tooLarge = (problem: string): SparseRerankError =>
      new SparseRerankError("ERR_TOO_LARGE", `${options.name}, line ${now.line}: the record ${problem}.`);
    if (held > MAX_RECORD_BYTES) throw tooLarge(`is longer than ${MAX_RECORD_BYTES / 2 ** 20} MiB; look for a missing quote`);
    if (commas > MAX_RECORD_COMMAS) throw tooLarge(`has more than ${MAX_RECORD_COMMAS} commas`);
    yield chunk;
  }
  requireUtf8(last, line, options);
}

/** @param first the number of the line where the bytes begin */
function requireUtf8(bytes: Uint8Array, first: number, options: RecordOptions): void {
  if (isUtf8(bytes)) return;
  let line = first;
  let start = 0;
  for (let end = bytes.indexOf(LINE_FEED); end >= 0; end = bytes.indexOf(LINE_FEED, start)) {
    if (!isUtf8(bytes.subarray(start, end))) break;
    line++;
    start = end + 1;
  }
  throw badLine(options, line, "not UTF-8 text; convert the file to UTF-8");
}

function lineFeeds(text: string): number {
  let count = 0;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) count++;
  return count;
}

/** In a try block, so that bundlers treat the package as optional. */
function csvParse(): typeof CsvParse {
  try {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- webpack reports a missing import() as an error
    return require("csv-parse") as typeof CsvParse;
  } catch (cause) {
    throw notInstalled("csv-parse", cause);
  }
}
