import { existsSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import path from "node:path";

import { SparseRerankError } from "../errors";

const MANIFEST = "manifest";
/** Written by Collection, whose documents must not be changed without it. */
export const COLLECTION_FILE = "collection.json";
/** Files that belong to an index's folder, even before its first manifest, and those that file systems create in every volume. */
const INDEX_FILE = /^(lock|manifest\..*|model\.json.*|collection\.json.*|segment-.*|lost\+found)$/;

/** Whether a folder contains an index or a collection, or the record of its model. */
export function isStored(folder: string): boolean {
  return [MANIFEST, "model.json", COLLECTION_FILE].some((file) => existsSync(path.join(folder, file)));
}

export async function isFolder(folder: string): Promise<boolean> {
  return (await stat(folder).catch(() => undefined))?.isDirectory() === true;
}

/** A new index needs an empty folder: among other documents, its files could not be told apart from them. */
export async function requireIndexFolder(folder: string): Promise<void> {
  const entries = await readdir(folder).catch((): string[] => []);
  if (entries.includes(MANIFEST)) return;
  const others = entries.filter((name) => !name.startsWith(".") && !INDEX_FILE.test(name));
  if (others.length === 0) return;
  throw new SparseRerankError(
    "ERR_INVALID_ARGUMENT",
    `${folder} has no index but contains other files, such as ${others[0] ?? ""}; choose a new or empty folder.`,
  );
}

/** Errors: ERR_NOT_SUPPORTED. */
export async function requireNoCollection(folder: string): Promise<void> {
  const file = path.join(folder, COLLECTION_FILE);
  if ((await stat(file).catch(() => undefined)) === undefined) return;
  throw new SparseRerankError(
    "ERR_NOT_SUPPORTED",
    `${folder} holds a collection; open it with Collection.open(), or with readOnly to search its vectors.`,
  );
}
