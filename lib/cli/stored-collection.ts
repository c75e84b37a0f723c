/** Folders of durable indexes: those of `sparse-rerank index`, whose payloads are passages, and those of other programs. */

import { existsSync } from "node:fs";
import { readdir, rm, rmdir, stat } from "node:fs/promises";
import path from "node:path";

import type { Passage } from "../corpus/passages";
import { SparseIndex, SparseRerankError } from "../index";
import type { SparseEncoder } from "../index";

/** Whether a folder contains an index or the record of its model. */
export function isStoredIndex(folder: string): boolean {
  return ["manifest", "model.json"].some((file) => existsSync(path.join(folder, file)));
}

/**
 * Opens the index in a folder for writing, and creates both if necessary.
 *
 * Errors: ERR_INVALID_ARGUMENT (a file), ERR_MODEL_MISMATCH (built with another model), and those of SparseIndex.open.
 */
export async function openToWrite(folder: string, encoder: SparseEncoder, model: string): Promise<SparseIndex> {
  const status = await stat(folder).catch(() => undefined);
  if (status?.isDirectory() === false) {
    throw new SparseRerankError(
      "ERR_INVALID_ARGUMENT",
      `${folder} is a file; pass the folder of the index, which is created if it does not exist.`,
    );
  }
  const index = await SparseIndex.open(folder, { encoder });
  const made = index.model;
  // Version 0.1 stored only the name of the model.
  if (made === undefined || made.fingerprint !== undefined || made.name === model) return index;
  await index.close();
  throw new SparseRerankError(
    "ERR_MODEL_MISMATCH",
    `${folder} was built with the model ${made.name}, not ${model}; use --model ${made.name}.`,
  );
}

/** Removes the empty index that openToWrite() created. */
export async function removeEmpty(folder: string, existed: boolean): Promise<void> {
  const own = (await readdir(folder)).filter((name) => ["manifest", "lock", "model.json"].includes(name));
  await Promise.all(own.map((name) => rm(path.join(folder, name), { force: true })));
  if (!existed) await rmdir(folder).catch(() => undefined);
}

/** Converts a payload to a passage. Other programs may have stored any payload, or none. */
export function passageOf(payload: unknown, id: string): Passage {
  const { headings, title, text, path: file } = Object(payload) as Readonly<Record<string, unknown>>;
  const trail: readonly unknown[] = Array.isArray(headings) ? headings : title === undefined ? [] : [title];
  return {
    id,
    headings: trail.filter((heading) => typeof heading === "string"),
    text: typeof text === "string" ? text : typeof payload === "string" ? payload : "",
    ...(typeof file === "string" ? { path: file } : {}),
  };
}
