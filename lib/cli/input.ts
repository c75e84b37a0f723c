/** Where texts come from: arguments, a file, or standard input. */

import { createInterface } from "node:readline";

import { SparseRerankError } from "../index";
import { readCollection } from "../retrieval/collection";
import type { CollectionDocument } from "../retrieval/collection";

/** Documents of --file, or the arguments, or the lines of standard input when it is no terminal. */
export async function* inputDocuments(texts: readonly string[], file: string | undefined): AsyncGenerator<CollectionDocument> {
  if (file !== undefined && texts.length > 0) {
    throw new SparseRerankError("ERR_INVALID_ARGUMENT", "Give texts as arguments or --file, not both.");
  }
  if (file !== undefined) {
    yield* readCollection(file);
  } else if (texts.length > 0) {
    for (const [i, text] of texts.entries()) yield { id: String(i + 1), title: undefined, text };
  } else {
    let number = 0;
    for await (const text of inputLines()) yield { id: String(++number), title: undefined, text };
  }
}

/** Lines of standard input that are not empty. */
export async function* inputLines(): AsyncGenerator<string> {
  if (process.stdin.isTTY) {
    throw new SparseRerankError("ERR_INVALID_ARGUMENT", "No text was given: name it as argument, with --file, or on standard input.");
  }
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    if (line.trim() !== "") yield line;
  }
}

/** What the encoder reads of a document: its title, a blank and its text, as BEIR's evaluation does. */
export function fullText({ title, text }: CollectionDocument): string {
  return title === undefined ? text : `${title} ${text}`;
}
