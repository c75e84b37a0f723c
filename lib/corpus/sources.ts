/** Opens a collection: a folder of documents, a document, a data file of records, or standard input. */

import { fstatSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import path from "node:path";

import { SparseRerankError } from "../errors";
import { counted, isBinary, peek, readWhole, refuseBinary } from "./byte-streams";
import { parseCsv } from "./csv";
import { badOption, extensionOf, formatOf, TEXT_EXTENSIONS, textFormatOf } from "./formats";
import type { CollectionFormat, CollectionOptions, SkipReason, TextFormat } from "./formats";
import { canReadHtml, decodeHtml, readHtml } from "./html";
import { fileError, readBytes } from "./input-files";
import { readProseLines, readRecordLines } from "./lines";
import { readMarkup } from "./markup";
import type { MarkupEvent } from "./markup";
import { parseRecords } from "./records";
import type { TextRecord } from "./text-record";

/** Limit on a document that must be in memory as a whole, in bytes of its file: 16 MiB. */
export const MAX_DOCUMENT_BYTES = 2 ** 24;

export interface DocumentFile {
  readonly kind: "document";
  /** Relative to the folder that is read; of a single file, its name. */
  readonly path: string;
  readonly format: TextFormat;
  readonly events: AsyncIterable<MarkupEvent> | Iterable<MarkupEvent>;
}

export interface RecordFile {
  readonly kind: "records";
  readonly records: AsyncIterable<TextRecord>;
}

export interface SourceOptions extends CollectionOptions {
  /** Whether documents are read as a whole, so that longer ones than MAX_DOCUMENT_BYTES are left out, and records with their metadata. */
  readonly whole: boolean;
}

/**
 * The files of a collection, to be read one after another, in a fixed order: within a folder by path (in code units). Folders are searched
 * for text files recursively, skipping hidden ones and node_modules; symbolic links are not followed.
 *
 * @param source a path, or "-" for standard input
 * Errors: ERR_FILE_NOT_FOUND, ERR_FILE_UNREADABLE, ERR_INVALID_ARGUMENT (a malformed record, with its line; an unknown format; a
 * folder without text files; a binary file), ERR_DUPLICATE_ID (two records with the same id), ERR_TOO_LARGE, ERR_CLIENT_NOT_FOUND (a file
 * in CSV or HTML without the optional package that reads it).
 */
export async function* openSource(source: string, options: SourceOptions): AsyncGenerator<DocumentFile | RecordFile> {
  if (source === "-") {
    yield await openStandardInput(options);
    return;
  }
  const status = await stat(source).catch((cause: unknown) => {
    throw fileError(source, cause);
  });
  if (status.isDirectory()) {
    if ((options.format ?? "text") !== "text") throw badOption("format", `${source} is a folder, whose files are read as text`);
    if (options.textField !== undefined) throw badOption("textField", `${source} is a folder of texts, which have no fields`);
    yield* openFolder(source, options);
  } else {
    if (options.exclude !== undefined) throw badOption("exclude", `${source} is not a folder`);
    const bytes = counted(readBytes(source), (read) => options.onRead?.(read, status.size));
    yield await openFile(bytes, source, source, formatOf(source, options), options);
  }
}

/** @param name the file's name in messages */
async function openFile(
  bytes: AsyncIterable<Uint8Array>,
  file: string,
  name: string,
  format: CollectionFormat,
  options: SourceOptions,
): Promise<DocumentFile | RecordFile> {
  const { textField, whole: withMetadata } = options;
  if (textField !== undefined && format !== "jsonl" && format !== "csv") {
    throw badOption("textField", `${name} is read as ${format}, not as jsonl or csv`);
  }
  if (format === "text" || format === "html") {
    const known = textFormatOf(file);
    const textFormat = format === "html" ? format : known === undefined || known === "html" ? "plain" : known;
    const opened = await openDocument(refuseBinary(bytes, name), path.basename(file), textFormat, options, name);
    if (typeof opened !== "string") return opened;
    if (opened === "too large") {
      throw new SparseRerankError("ERR_TOO_LARGE", `${name} is longer than ${MAX_DOCUMENT_BYTES / 2 ** 20} MiB; split it.`);
    }
    throw new SparseRerankError("ERR_INVALID_ARGUMENT", `${name} declares an ${opened}; convert it to UTF-8.`);
  }
  const recordOptions = { name, withMetadata, ...(textField === undefined ? {} : { textField }) };
  const records = format === "csv" ? parseCsv(bytes, recordOptions) : parseRecords(readRecordLines(bytes, name), format, recordOptions);
  return { kind: "records", records };
}

/** Errors: ERR_CLIENT_NOT_FOUND, at the first event. @param name the file's name for onInvalid */
async function openDocument(
  bytes: AsyncIterable<Uint8Array>,
  file: string,
  format: TextFormat,
  options: SourceOptions,
  name: string,
): Promise<DocumentFile | "too large" | "unknown character encoding"> {
  const onInvalid = (line: number): void => options.onInvalid?.(name, line);
  const document = { kind: "document", path: file, format } as const;
  if (format !== "html" && !options.whole) return { ...document, events: readMarkup(readProseLines(bytes, onInvalid), format) };
  const all = await readWhole(bytes, MAX_DOCUMENT_BYTES);
  if (all === undefined) return "too large";
  if (format !== "html") return { ...document, events: readMarkup(readProseLines(once(all), onInvalid), format) };
  const html = decodeHtml(all, onInvalid);
  return html === undefined ? "unknown character encoding" : { ...document, events: readHtml(html) };
}

// eslint-disable-next-line @typescript-eslint/require-await -- readers take asynchronous chunks
async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function openStandardInput(options: SourceOptions): Promise<DocumentFile | RecordFile> {
  if (fstatSync(0).isDirectory()) {
    throw new SparseRerankError("ERR_FILE_UNREADABLE", "Cannot read standard input: it is a folder.");
  }
  const { first, bytes } = await peek(process.stdin);
  const begins = Buffer.from(first).toString("utf8").trimStart();
  const guessed = begins.startsWith("{") ? "jsonl" : "lines";
  const format = options.format ?? guessed;
  const name =
    options.format === undefined && guessed === "jsonl" ? 'standard input (read as jsonl because it starts with "{")' : "standard input";
  return openFile(bytes, "stdin", name, format, options);
}

async function* openFolder(folder: string, options: SourceOptions): AsyncGenerator<DocumentFile> {
  const others = new Map<string, number>();
  let found = false;
  for await (const { file, format } of textFiles(folder, "", options, others)) {
    found = true;
    const opened = await openFolderFile(path.join(folder, file), file, format, options);
    if (typeof opened === "string") options.onSkip?.(file, opened);
    else yield opened;
  }
  if (found) return;
  const counts = Array.from(others, ([extension, count]) => `${count} ${extension === "" ? "without extension" : extension}`).slice(0, 10);
  throw new SparseRerankError(
    "ERR_INVALID_ARGUMENT",
    `There are no text files (${TEXT_EXTENSIONS.join(", ")}) in ${folder}; other files there: ${counts.join(", ") || "none"}. ` +
      "To search a data file, name the file itself.",
  );
}

/** A document, or why it is skipped: one bad file in a folder does not end the run. */
async function openFolderFile(full: string, file: string, format: TextFormat, options: SourceOptions): Promise<DocumentFile | SkipReason> {
  if (format === "html" && !canReadHtml()) return "needs htmlparser2";
  const source = readBytes(full);
  try {
    const { first, bytes, close } = await peek(source);
    if (!isBinary(first)) return await openDocument(bytes, file, format, options, file);
    await close();
    return "binary";
  } catch {
    return "unreadable";
  }
}

interface FolderFile {
  /** Relative to the folder, with "/". */
  readonly file: string;
  readonly format: TextFormat;
}

/** The text files below a folder, in order. @param others counts the files with other extensions */
async function* textFiles(
  root: string,
  folder: string,
  options: CollectionOptions,
  others: Map<string, number>,
): AsyncGenerator<FolderFile> {
  const entries = await readdir(path.join(root, folder), { withFileTypes: true }).catch((cause: unknown) => {
    if (folder === "") throw fileError(root, cause);
    options.onSkip?.(folder, "unreadable");
    return [];
  });
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    if (entry.name.startsWith(".") || entry.name === "node_modules") continue;
    const file = folder === "" ? entry.name : `${folder}/${entry.name}`;
    const extension = extensionOf(file);
    const format = textFormatOf(file);
    if (entry.isDirectory()) yield* textFiles(root, file, options, others);
    else if (format === undefined) others.set(extension, (others.get(extension) ?? 0) + 1);
    else if (options.exclude?.test(file) === true) options.onSkip?.(file, "excluded");
    else if (entry.isSymbolicLink()) options.onSkip?.(file, "symbolic link");
    else if (entry.isFile()) yield { file, format };
  }
}
