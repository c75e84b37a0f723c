/** Shared by the tests of retrieval: models, small collections, and a folder in BEIR's layout. */

import fs from "node:fs";
import os from "node:os";
import path from "node:path";

import { CrossEncoder } from "../../dist";
import type { Retriever } from "../../dist";

export const FIXTURES = path.join(__dirname, "..", "data", "checkpoints");
export const COLLECTIONS = path.join(__dirname, "..", "..", "..", "shared", "data", "collections");

export const DOCUMENTS = new Map([
  ["shark", "Sharks are fish that live in the sea."],
  ["heart", "The heart pumps blood through the body."],
  ["sport", "Exercise lowers blood pressure and strengthens the heart."],
  ["sugar", "Sugar feeds bacteria that damage teeth."],
  ["bread", "Bread is baked from flour, water and yeast."],
]);

export function loadReranker(): Promise<CrossEncoder> {
  return CrossEncoder.load(path.join(FIXTURES, "ce-bert-minilm"));
}

/** Returns the same documents for every query, with descending scores. */
export function fixedRetriever(name: string, ids: readonly string[], options: { readonly texts?: boolean } = {}): Retriever {
  const hits = ids.map((id, i) => ({ id, score: ids.length - i, ...(options.texts === false ? {} : { text: DOCUMENTS.get(id) ?? id }) }));
  return { name, retrieve: (queries, { topK }) => Promise.resolve(queries.map(() => hits.slice(0, topK))) };
}

/** A temporary folder with the files; the caller removes it. */
export function writeFolder(files: Readonly<Record<string, string>>): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "sparse-rerank-"));
  for (const [name, text] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    fs.writeFileSync(path.join(folder, name), text);
  }
  return folder;
}

export function jsonLines(records: readonly unknown[]): string {
  return records.map((record) => `${JSON.stringify(record)}\n`).join("");
}
