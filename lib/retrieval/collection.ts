/** Collections of documents on disk: a folder of text files, or a JSONL or TSV file. */

import { createReadStream } from "node:fs";
import { open, readdir, realpath, stat } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline";

import { SparseRerankError } from "../errors";
import { cutPassages } from "./passages";

export interface CollectionDocument {
  readonly id: string;
  readonly title: string | undefined;
  readonly text: string;
}

export interface CollectionOptions {
  /** Files of a folder to read, by extension; default: .md, .markdown, .txt, .rst, .adoc. */
  readonly extensions?: readonly string[];
  /** Also go into folders named node_modules and into those whose names begin with a dot. */
  readonly everything?: boolean;
}

const TEXT_EXTENSIONS = [".md", ".markdown", ".txt", ".rst", ".adoc"];
/** Larger files in a folder are data rather than documentation. */
const MAX_FILE_BYTES = 4 * 2 ** 20;
/** The same few texts in every package of a node_modules folder. */
const LICENCE_NAME = /^(?:licen[cs]e|copying|notice)\b/i;

/**
 * Documents in a stable order. A folder's files, licences left out, are cut into passages with ids path#number; lines of JSONL need "_id" or "id" and "text" (BEIR
 * layout, "title" optional), lines of TSV are id, tab, text.
 *
 * Errors: ERR_FILE_NOT_FOUND, ERR_FILE_UNREADABLE, ERR_INVALID_ARGUMENT with file and line.
 */
export async function* readCollection(location: string, options: CollectionOptions = {}): AsyncGenerator<CollectionDocument> {
  const status = await stat(location).catch((cause: unknown) => {
    throw new SparseRerankError("ERR_FILE_NOT_FOUND", `There is no file or folder ${location}.`, { cause });
  });
  if (status.isDirectory()) {
    yield* readFolder(location, options);
  } else {
    yield* readLines(location, parserFor(location));
  }
}

type LineParser = (line: string, number: number, fail: (what: string) => SparseRerankError) => CollectionDocument;

function parserFor(file: string): LineParser {
  const extension = path.extname(file).toLowerCase();
  if (extension === ".jsonl" || extension === ".ndjson") return parseJsonLine;
  if (extension === ".tsv") return parseTsvLine;
  if (TEXT_EXTENSIONS.includes(extension)) return parseTextLine;
  throw new SparseRerankError("ERR_INVALID_ARGUMENT", `${file}: expected a folder or a file that ends in .jsonl, .tsv or .txt.`);
}

/** Every line of a text file is a document. */
function parseTextLine(line: string, number: number): CollectionDocument {
  return { id: String(number), title: undefined, text: line };
}

function parseTsvLine(line: string, _number: number, fail: (what: string) => SparseRerankError): CollectionDocument {
  const tab = line.indexOf("\t");
  if (tab < 1) throw fail("expected an id, a tab and a text");
  return { id: line.slice(0, tab), title: undefined, text: line.slice(tab + 1) };
}

function parseJsonLine(line: string, _number: number, fail: (what: string) => SparseRerankError): CollectionDocument {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw fail("not JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw fail("expected a JSON object");
  const { _id, id = _id, title, text } = value as Record<string, unknown>;
  if (typeof text !== "string") throw fail(`no string "text"; the fields are: ${Object.keys(value).join(", ") || "none"}`);
  if (typeof id !== "string" && typeof id !== "number") throw fail(`no "_id" or "id"; the fields are: ${Object.keys(value).join(", ")}`);
  return { id: String(id), title: typeof title === "string" && title !== "" ? title : undefined, text };
}

/** Documents of a file's lines; empty lines are skipped. */
async function* readLines(file: string, parse: LineParser): AsyncGenerator<CollectionDocument> {
  let number = 0;
  const stream = createReadStream(file, { encoding: "utf8" });
  const unreadable = new Promise<never>((_, reject) => {
    stream.once("error", (cause) => {
      reject(new SparseRerankError("ERR_FILE_UNREADABLE", `Cannot read ${file}: ${cause.message}`, { cause }));
    });
  });
  unreadable.catch(() => undefined);
  const lines = createInterface({ input: stream, crlfDelay: Infinity })[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await Promise.race([lines.next(), unreadable]);
      if (next.done === true) break;
      number += 1;
      if (next.value.trim() === "") continue;
      yield parse(next.value, number, (what) => new SparseRerankError("ERR_INVALID_ARGUMENT", `${file}, line ${String(number)}: ${what}.`));
    }
  } finally {
    stream.destroy();
  }
}

async function* readFolder(folder: string, options: CollectionOptions): AsyncGenerator<CollectionDocument> {
  const extensions = options.extensions ?? TEXT_EXTENSIONS;
  for await (const file of walk(folder, options.everything ?? false, new Set())) {
    if (!extensions.includes(path.extname(file).toLowerCase()) || LICENCE_NAME.test(path.basename(file))) continue;
    const text = await readText(file);
    if (text === undefined) continue;
    const name = path.relative(folder, file).split(path.sep).join("/");
    let number = 0;
    for (const passage of cutPassages(text)) {
      number += 1;
      yield { id: `${name}#${String(number)}`, title: passage.title, text: passage.text };
    }
  }
}

/** Files below a folder by name. `seen` holds the real paths of folders, so that links in a circle end. */
async function* walk(folder: string, everything: boolean, seen: Set<string>): AsyncGenerator<string> {
  const real = await realpath(folder).catch(() => undefined);
  if (real === undefined || seen.has(real)) return;
  seen.add(real);
  const entries = await readdir(folder, { withFileTypes: true }).catch((cause: unknown) => {
    throw new SparseRerankError("ERR_FILE_UNREADABLE", `Cannot read the folder ${folder}.`, { cause });
  });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const full = path.join(folder, entry.name);
    const status = entry.isSymbolicLink() ? await stat(full).catch(() => undefined) : entry;
    if (status?.isDirectory() === true) {
      if (everything || !(entry.name.startsWith(".") || entry.name === "node_modules")) yield* walk(full, everything, seen);
    } else if (status?.isFile() === true) {
      yield full;
    }
  }
}

/** A file's text, or undefined when it is too large, unreadable or binary. */
async function readText(file: string): Promise<string | undefined> {
  const handle = await open(file).catch(() => undefined);
  if (handle === undefined) return undefined;
  try {
    if ((await handle.stat()).size > MAX_FILE_BYTES) return undefined;
    const bytes = await handle.readFile();
    return bytes.includes(0) ? undefined : bytes.toString("utf8");
  } finally {
    await handle.close();
  }
}
