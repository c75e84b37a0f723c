import { readdir, stat } from "node:fs/promises";

import { SparseRerankError } from "../errors";

const MANIFEST = "manifest";
/** Files that belong to an index's folder, even before its first manifest, and those that file systems create in every volume. */
const INDEX_FILE = /^(lock|manifest\..*|model\.json.*|segment-.*|lost\+found)$/;

export async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() === true;
}

/** A new index needs an empty folder: among other documents, its files could not be told apart from them. */
export async function requireIndexFolder(path: string): Promise<void> {
  const entries = await readdir(path).catch((): string[] => []);
  if (entries.includes(MANIFEST)) return;
  const others = entries.filter((name) => !name.startsWith(".") && !INDEX_FILE.test(name));
  if (others.length === 0) return;
  throw new SparseRerankError(
    "ERR_INVALID_ARGUMENT",
    `${path} has no index but contains other files, such as ${others[0] ?? ""}; choose a new or empty folder.`,
  );
}
