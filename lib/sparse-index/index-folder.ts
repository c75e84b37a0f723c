import { readdir, stat } from "node:fs/promises";

import { SparseRerankError } from "../errors";

const MANIFEST = "manifest";
/** What an index's folder has of its own, also before its first manifest, and what a file system puts into each of its own. */
const INDEX_FILE = /^(lock|manifest\..*|model\.json.*|segment-.*|lost\+found)$/;

export async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() === true;
}

/** A folder without an index gets one when it has no files: among documents, nobody could tell an index's files from them. */
export async function requireIndexFolder(path: string): Promise<void> {
  const entries = await readdir(path).catch((): string[] => []);
  if (entries.includes(MANIFEST)) return;
  const others = entries.filter((name) => !name.startsWith(".") && !INDEX_FILE.test(name));
  if (others.length === 0) return;
  throw new SparseRerankError(
    "ERR_INVALID_ARGUMENT",
    `${path} has no index and holds other files, such as ${others[0] ?? ""}; name a new or an empty folder.`,
  );
}
