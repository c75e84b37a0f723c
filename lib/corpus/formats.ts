/** The formats of collections, and the options of those who read them. */

import path from "node:path";

import { SparseRerankError } from "../errors";
import type { Markup } from "./markup";
import type { RecordFormat } from "./records";

/** How a file is read: "text" and "html" are documents, of the other formats each record is one; "lines" has one text per line. */
export type CollectionFormat = RecordFormat | "csv" | "text" | "html";

export const COLLECTION_FORMATS: readonly CollectionFormat[] = ["jsonl", "tsv", "csv", "lines", "text", "html"];

/** Why a file of a folder was skipped; "empty" and "too large" are reported for whole documents alone, except that HTML is always whole. */
export type SkipReason =
  "binary" | "empty" | "excluded" | "needs htmlparser2" | "symbolic link" | "too large" | "unknown character encoding" | "unreadable";

export interface CollectionOptions {
  /** Default: by the file's extension; for standard input, jsonl if it starts with "{", else lines; a folder allows only "text". */
  readonly format?: CollectionFormat;
  /** How .txt files are read; default "text". */
  readonly plainText?: "text" | "lines";
  /** The field of a JSON record, or the column of a CSV file, that holds the text; default "text". */
  readonly textField?: string;
  /** Skips files of a folder whose relative path (with "/") matches. */
  readonly exclude?: RegExp;
  readonly onSkip?: (path: string, reason: SkipReason) => void;
  /** Called for each line of a text that is not valid UTF-8; invalid bytes become U+FFFD. Records that are not UTF-8 are rejected. */
  readonly onInvalid?: (path: string, line: number) => void;
  /** Called for each chunk read from a single file, with the chunk's size and the file's size in bytes. */
  readonly onRead?: (bytes: number, fileBytes: number) => void;
}

/** How the text of a document file is found. */
export type TextFormat = Markup | "html";

const TEXTS: Readonly<Partial<Record<string, TextFormat>>> = {
  ".md": "markdown",
  ".markdown": "markdown",
  ".rst": "restructuredtext",
  ".adoc": "asciidoc",
  ".txt": "plain",
  ".html": "html",
  ".htm": "html",
};
const RECORDS: Readonly<Partial<Record<string, RecordFormat | "csv">>> = {
  ".jsonl": "jsonl",
  ".ndjson": "jsonl",
  ".tsv": "tsv",
  ".csv": "csv",
};
export const TEXT_EXTENSIONS = Object.keys(TEXTS);
const RECORD_EXTENSIONS = Object.keys(RECORDS);

export function extensionOf(file: string): string {
  return path.extname(file).toLowerCase();
}

/** Undefined if the extension names no format of documents. */
export function textFormatOf(file: string): TextFormat | undefined {
  return TEXTS[extensionOf(file)];
}

/** The format that the options give a file, else that of its extension. Errors: ERR_INVALID_ARGUMENT (an unknown extension). */
export function formatOf(file: string, options: CollectionOptions): CollectionFormat {
  if (options.format !== undefined) return options.format;
  const extension = extensionOf(file);
  if (extension === ".txt" && options.plainText !== undefined) return options.plainText;
  const text = TEXTS[extension];
  const format = RECORDS[extension] ?? (text === undefined || text === "html" ? text : "text");
  if (format !== undefined) return format;
  throw new SparseRerankError(
    "ERR_INVALID_ARGUMENT",
    `The extension of ${file} names no known format (${[...RECORD_EXTENSIONS, ...TEXT_EXTENSIONS].join(", ")}); ` +
      `choose ${COLLECTION_FORMATS.join(", ")} with the option format (on the command line, --format).`,
  );
}

/** Passing an option that has no effect is an error. */
export function badOption(option: string, why: string): SparseRerankError {
  return new SparseRerankError("ERR_INVALID_ARGUMENT", `The option ${option} has no effect: ${why}.`);
}
