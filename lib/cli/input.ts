/** Reads the texts of a command: from arguments, a file or standard input. */

import type { Command } from "commander";

import { readCollection } from "../corpus/beir-corpus";
import { readDocuments } from "../corpus/documents";
import type { SourceDocument } from "../corpus/documents";
import type { CollectionOptions, SkipReason } from "../corpus/formats";
import type { Passage } from "../corpus/passages";
import { INPUT_OPTIONS, refuseOptions } from "./options";
import type { InputOptions } from "./options";
import { writeNote } from "./progress";
import { counted } from "./terminal";

export interface FileOptions extends InputOptions {
  readonly file?: string;
}

/** The texts that a command processes, as a stream. */
export class TextInput implements AsyncIterable<Passage> {
  readonly #texts: Iterable<Passage> | AsyncIterable<Passage>;
  #count = 0;
  #bytes = 0;
  #fileBytes = 0;

  /**
   * Uses the arguments if there are any, then --file, then standard input.
   *
   * @param command exits with a usage error if there is no input, or more than one
   */
  constructor(command: Command, texts: readonly string[], options: FileOptions) {
    if (options.file !== undefined && texts.length > 0) command.error("error: pass texts as arguments or with --file, not both");
    if (texts.length > 0) {
      refuseOptions(command, INPUT_OPTIONS, "applies only to files and standard input, not to texts passed as arguments");
      this.#texts = texts.map((text, i) => ({ id: String(i + 1), headings: [], text }));
      return;
    }
    const source = options.file ?? "-";
    if (source === "-" && process.stdin.isTTY) command.error("error: no text: pass it as an argument, with --file, or on standard input");
    this.#texts = readPassages(source, {
      ...options,
      plainText: "lines",
      onRead: (bytes, fileBytes) => {
        this.#bytes += bytes;
        this.#fileBytes = fileBytes;
      },
    });
  }

  /** Estimated number of texts in the file, extrapolated from the part that was read; undefined if it cannot be estimated. */
  get estimatedCount(): number | undefined {
    return this.#bytes === 0 || this.#fileBytes === 0 ? undefined : (this.#count * this.#fileBytes) / this.#bytes;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Passage> {
    for await (const text of this.#texts) {
      this.#count++;
      yield text;
    }
  }
}

/** The passages of a source, followed by notes on stderr about skipped files and invalid text. */
export function readPassages(source: string, options: CollectionOptions): AsyncGenerator<Passage> {
  return withNotes(options, (noting) => readCollection(source, noting));
}

/**
 * The whole documents of a source, followed by notes on stderr about skipped files, records without text, and invalid text.
 *
 * @param onSkip called for each of these files and records, except for files that the user excluded
 */
export function readWholeDocuments(source: string, options: CollectionOptions, onSkip: () => void): AsyncGenerator<SourceDocument, void> {
  return withNotes(options, (noting) => documentsWithText(readDocuments(source, noting), onSkip), onSkip);
}

/** Data files have records without a text, which no search could find. */
async function* documentsWithText(documents: AsyncIterable<SourceDocument>, onSkip: () => void): AsyncGenerator<SourceDocument> {
  let count = 0;
  let first = "";
  for await (const document of documents) {
    if (document.text.trim() !== "" || (document.title ?? "").trim() !== "") {
      yield document;
      continue;
    }
    if (count++ === 0) first = document.id;
    onSkip();
  }
  if (count > 0) writeNote(`skipped ${counted(count, "record")} (no text), the first: ${first}`);
}

/** @param read reads a source with options that count what the notes report */
async function* withNotes<T>(
  options: CollectionOptions,
  read: (noting: CollectionOptions) => AsyncIterable<T>,
  onSkipped?: () => void,
): AsyncGenerator<T, void> {
  const skipped = new Map<SkipReason, { count: number; readonly first: string }>();
  const invalid = { count: 0, first: "" };
  const onSkip = (path: string, reason: SkipReason): void => {
    const files = skipped.get(reason) ?? { count: 0, first: path };
    files.count++;
    skipped.set(reason, files);
    if (reason !== "excluded") onSkipped?.();
  };
  const onInvalid = (path: string, line: number): void => {
    if (invalid.count++ === 0) invalid.first = `${path}, line ${line}`;
  };
  try {
    yield* read({ ...options, onSkip, onInvalid });
  } finally {
    for (const [reason, { count, first }] of skipped) {
      const remedy = reason === "needs htmlparser2" ? "; run: npm install htmlparser2" : "";
      if (reason !== "excluded") writeNote(`skipped ${counted(count, "file")} (${reason}${remedy}), the first: ${first}`);
    }
    if (invalid.count > 0) {
      writeNote(`${counted(invalid.count, "line")} not in UTF-8: invalid bytes were replaced by U+FFFD, first in ${invalid.first}`);
    }
  }
}

/** Yields arrays of `size` texts; the last one may be shorter. */
export async function* blocksOf<T>(texts: AsyncIterable<T>, size: number): AsyncGenerator<T[]> {
  let block: T[] = [];
  for await (const text of texts) {
    if (block.push(text) < size) continue;
    yield block;
    block = [];
  }
  if (block.length > 0) yield block;
}
