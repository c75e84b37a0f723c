/** Reads the passages of a collection: a folder of texts, a text file, or a data file of records. */

import { fstatSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import path from "node:path";

import { SparseRerankError } from "../errors";
import { fileError, readBytes } from "./input-files";
import { readProseLines, readRecordLines } from "./lines";
import type { Markup } from "./markup";
import { cutPassages } from "./passages";
import type { Passage } from "./passages";
import { parseRecords } from "./records";
import type { RecordFormat, TextRecord } from "./records";

/** How a file is read; "text" is cut into passages, "lines" has one text per line. */
export type CollectionFormat = RecordFormat | "text";

export const COLLECTION_FORMATS: readonly CollectionFormat[] = ["jsonl", "tsv", "lines", "text"];

/** Why a text file of a folder was skipped. */
export type SkipReason = "binary" | "excluded" | "symbolic link" | "unreadable";

export interface CollectionOptions {
  /** Default: by the file's extension; for standard input, jsonl if it starts with "{", else lines; a folder allows only "text". */
  readonly format?: CollectionFormat;
  /** How .txt files are read; default "text". */
  readonly plainText?: "text" | "lines";
  /** The field of a JSON record that holds its text; default "text". */
  readonly textField?: string;
  /** Skips files of a folder whose relative path (with "/") matches. */
  readonly exclude?: RegExp;
  readonly onSkip?: (path: string, reason: SkipReason) => void;
  /** Called for each line of a text that is not valid UTF-8; invalid bytes become U+FFFD. Records that are not UTF-8 are rejected. */
  readonly onInvalid?: (path: string, line: number) => void;
  /** Called for each chunk read from a single file, with the chunk's size and the file's size in bytes. */
  readonly onRead?: (bytes: number, fileBytes: number) => void;
}

const MARKUP: Readonly<Partial<Record<string, Markup>>> = {
  ".md": "markdown",
  ".markdown": "markdown",
  ".rst": "restructuredtext",
  ".adoc": "asciidoc",
  ".txt": "plain",
};
const RECORDS: Readonly<Partial<Record<string, RecordFormat>>> = { ".jsonl": "jsonl", ".ndjson": "jsonl", ".tsv": "tsv" };
export const TEXT_EXTENSIONS = Object.keys(MARKUP);
export const RECORD_EXTENSIONS = Object.keys(RECORDS);

/** Like git and grep, treats a file as binary if a NUL byte is among its first bytes. */
const SNIFFED_BYTES = 8192;

/**
 * Streams passages in a fixed order: by line within a file, by path (in code units) within a folder. Folders are searched for text files
 * recursively, skipping hidden ones and node_modules; symbolic links are not followed.
 *
 * @param source a path, or "-" for standard input
 * Errors: ERR_FILE_NOT_FOUND, ERR_FILE_UNREADABLE, ERR_INVALID_ARGUMENT (a malformed record, with its line; an unknown format; a
 * folder without text files; a binary file), ERR_DUPLICATE_ID (two records with the same id), ERR_TOO_LARGE.
 */
export async function* readCollection(source: string, options: CollectionOptions = {}): AsyncGenerator<Passage> {
  if (source === "-") {
    yield* readStandardInput(options);
    return;
  }
  const status = await stat(source).catch((cause: unknown) => {
    throw fileError(source, cause);
  });
  if (status.isDirectory()) {
    if ((options.format ?? "text") !== "text") throw badOption("format", `${source} is a folder, whose files are read as text`);
    if (options.textField !== undefined) throw badOption("textField", `${source} is a folder of texts, which have no fields`);
    yield* readFolder(source, options);
  } else {
    if (options.exclude !== undefined) throw badOption("exclude", `${source} is not a folder`);
    const bytes = counted(readBytes(source), (read) => options.onRead?.(read, status.size));
    yield* readFile(bytes, source, source, options.format ?? formatOf(source, options), options);
  }
}

/** Passing an option that has no effect is an error. */
function badOption(option: string, why: string): SparseRerankError {
  return new SparseRerankError("ERR_INVALID_ARGUMENT", `The option ${option} has no effect: ${why}.`);
}

/** The text of a passage for models: headings, then the text, as BEIR joins a document's title and text. */
export function passageText(passage: Passage): string {
  return [...passage.headings, passage.text].join(" ");
}

/** A title for display; undefined if there are no headings. */
export function passageTitle({ headings }: Passage): string | undefined {
  return headings.length === 0 ? undefined : headings.join(" › ");
}

function passageOf({ id, title, text }: TextRecord): Passage {
  return { id, headings: title === undefined ? [] : [title], text };
}

function formatOf(file: string, options: CollectionOptions): CollectionFormat {
  const extension = extensionOf(file);
  const format = extension === ".txt" ? (options.plainText ?? "text") : (RECORDS[extension] ?? (extension in MARKUP ? "text" : undefined));
  if (format !== undefined) return format;
  throw new SparseRerankError(
    "ERR_INVALID_ARGUMENT",
    `The extension of ${file} names no known format (${[...RECORD_EXTENSIONS, ...TEXT_EXTENSIONS].join(", ")}); ` +
      `choose ${COLLECTION_FORMATS.join(", ")} with the option format (on the command line, --format).` +
      (extension === ".csv" ? " CSV is not supported: convert it to JSONL or to id<TAB>text." : ""),
  );
}

/** @param name the file's name in messages */
async function* readFile(
  bytes: AsyncIterable<Uint8Array>,
  file: string,
  name: string,
  format: CollectionFormat,
  { textField, onInvalid }: CollectionOptions,
): AsyncGenerator<Passage> {
  if (textField !== undefined && format !== "jsonl") throw badOption("textField", `${name} is read as ${format}, not as jsonl`);
  if (format === "text") {
    const lines = readProseLines(refuseBinary(bytes, name), (line) => onInvalid?.(name, line));
    yield* cutPassages(lines, MARKUP[extensionOf(file)] ?? "plain", path.basename(file));
    return;
  }
  const records = parseRecords(readRecordLines(bytes, name), format, { name, ...(textField === undefined ? {} : { textField }) });
  for await (const record of records) yield passageOf(record);
}

async function* readStandardInput(options: CollectionOptions): AsyncGenerator<Passage> {
  if (fstatSync(0).isDirectory()) {
    throw new SparseRerankError("ERR_FILE_UNREADABLE", "Cannot read standard input: it is a folder.");
  }
  const { first, bytes } = await peek(process.stdin);
  const begins = Buffer.from(first).toString("utf8").trimStart();
  const guessed = begins.startsWith("{") ? "jsonl" : "lines";
  const format = options.format ?? guessed;
  const name =
    options.format === undefined && guessed === "jsonl" ? 'standard input (read as jsonl because it starts with "{")' : "standard input";
  yield* readFile(bytes, "stdin", name, format, options);
}

async function* readFolder(folder: string, options: CollectionOptions): AsyncGenerator<Passage> {
  const others = new Map<string, number>();
  let found = false;
  for await (const file of textFiles(folder, "", options, others)) {
    found = true;
    const bytes = await openText(path.join(folder, file));
    if (typeof bytes === "string") options.onSkip?.(file, bytes);
    else
      yield* cutPassages(
        readProseLines(bytes, (line) => options.onInvalid?.(file, line)),
        MARKUP[extensionOf(file)] ?? "plain",
        file,
      );
  }
  if (found) return;
  const counts = Array.from(others, ([extension, count]) => `${count} ${extension === "" ? "without extension" : extension}`).slice(0, 10);
  throw new SparseRerankError(
    "ERR_INVALID_ARGUMENT",
    `There are no text files (${TEXT_EXTENSIONS.join(", ")}) in ${folder}; other files there: ${counts.join(", ") || "none"}. ` +
      "To search a data file, name the file itself.",
  );
}

/** Paths relative to `root`, with "/", in order. @param others counts the files with other extensions */
async function* textFiles(root: string, folder: string, options: CollectionOptions, others: Map<string, number>): AsyncGenerator<string> {
  const entries = await readdir(path.join(root, folder), { withFileTypes: true }).catch((cause: unknown) => {
    if (folder === "") throw fileError(root, cause);
    options.onSkip?.(folder, "unreadable");
    return [];
  });
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    if (entry.name.startsWith(".") || entry.name === "node_modules") continue;
    const name = folder === "" ? entry.name : `${folder}/${entry.name}`;
    const extension = extensionOf(name);
    if (entry.isDirectory()) yield* textFiles(root, name, options, others);
    else if (!(extension in MARKUP)) others.set(extension, (others.get(extension) ?? 0) + 1);
    else if (options.exclude?.test(name) === true) options.onSkip?.(name, "excluded");
    else if (entry.isSymbolicLink()) options.onSkip?.(name, "symbolic link");
    else if (entry.isFile()) yield name;
  }
}

/** The bytes of a text file, or why it is skipped: one bad file in a folder does not end the run. */
async function openText(file: string): Promise<AsyncIterable<Uint8Array> | SkipReason> {
  const source = readBytes(file);
  try {
    const { first, bytes, close } = await peek(source);
    if (!isBinary(first)) return bytes;
    await close();
    return "binary";
  } catch {
    return "unreadable";
  }
}

interface Peeked {
  /** Empty at the end of the source. */
  readonly first: Uint8Array;
  /** All chunks, including the first. */
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Closes the source if `bytes` is not read. */
  readonly close: () => Promise<void>;
}

/** Reads the first chunk ahead. */
async function peek(source: AsyncIterable<Uint8Array>): Promise<Peeked> {
  const rest = source[Symbol.asyncIterator]();
  const close = async (): Promise<void> => {
    await rest.return?.();
  };
  const next = await rest.next();
  const first = next.done === true ? new Uint8Array(0) : next.value;
  const bytes = (async function* () {
    try {
      if (next.done === true) return;
      yield first;
      yield* { [Symbol.asyncIterator]: () => rest };
    } finally {
      await close();
    }
  })();
  return { first, bytes, close };
}

async function* refuseBinary(bytes: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<Uint8Array> {
  const peeked = await peek(bytes);
  if (isBinary(peeked.first)) {
    await peeked.close();
    throw new SparseRerankError("ERR_INVALID_ARGUMENT", `${name} is a binary file; expected UTF-8 text.`);
  }
  yield* peeked.bytes;
}

async function* counted(bytes: AsyncIterable<Uint8Array>, onRead: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  for await (const chunk of bytes) {
    onRead(chunk.length);
    yield chunk;
  }
}

function isBinary(chunk: Uint8Array): boolean {
  return chunk.subarray(0, SNIFFED_BYTES).includes(0);
}

function extensionOf(file: string): string {
  return path.extname(file).toLowerCase();
}
