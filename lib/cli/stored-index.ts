/** Folders of durable indexes: those of `sparse-rerank index`, whose payloads are passages, and those that programs made. */

import { existsSync } from "node:fs";
import { readdir, rm, rmdir, stat } from "node:fs/promises";
import path from "node:path";

import type { Passage } from "../corpus/passages";
import { SparseIndex, SparseRerankError } from "../index";
import type { SparseEncoder } from "../index";

/** Whether a folder has an index, or the name of its model. */
export function isStoredIndex(folder: string): boolean {
  return ["manifest", "model.json"].some((file) => existsSync(path.join(folder, file)));
}

/**
 * Opens the folder to write, or makes it.
 *
 * Errors: ERR_MODEL_MISMATCH when another model made it, and those of SparseIndex.open.
 */
export async function openToWrite(folder: string, encoder: SparseEncoder, model: string): Promise<SparseIndex> {
  const status = await stat(folder).catch(() => undefined);
  if (status?.isDirectory() === false) {
    throw new SparseRerankError(
      "ERR_INVALID_ARGUMENT",
      `${folder} is a file; name the folder of the index, which is made if it is not there.`,
    );
  }
  const index = await SparseIndex.open(folder, { encoder });
  const made = index.model;
  // Folders of version 0.1 have the name of the model alone.
  if (made === undefined || made.fingerprint !== undefined || made.name === model) return index;
  await index.close();
  throw new SparseRerankError(
    "ERR_MODEL_MISMATCH",
    `${folder} was made with the model ${made.name}, not ${model}; use --model ${made.name}.`,
  );
}

/** Removes what openToWrite() made, where nothing came into it. */
export async function removeEmpty(folder: string, existed: boolean): Promise<void> {
  const own = (await readdir(folder)).filter((name) => ["manifest", "lock", "model.json"].includes(name));
  await Promise.all(own.map((name) => rm(path.join(folder, name), { force: true })));
  if (!existed) await rmdir(folder).catch(() => undefined);
}

/** A payload as a passage again; programs may have stored anything, or nothing. */
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
