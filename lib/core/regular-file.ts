/** Opens files named from outside: a name may denote a FIFO, which would wait for a writer, or an endless device. */

import { constants } from "node:fs";
import { open, stat } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";

import { SparseRerankError } from "../errors";
import { isMissing } from "./error-code";

/**
 * Largest JSON text of a checkpoint or of the hub that is parsed. Real files are far smaller (a thousand tensors need about 100 KB of
 * header), and JSON.parse runs on the JS thread: 8 MiB of hostile text block it for about a second, 100 MB for minutes and with gigabytes
 * of memory.
 */
export const MAX_JSON_BYTES = 8 * 1024 * 1024;

/** Windows has neither this flag nor FIFOs in its folders. */
const NONBLOCKING = (constants.O_NONBLOCK as number | undefined) ?? 0;

export interface RegularFile {
  readonly handle: FileHandle;
  /** In bytes. */
  readonly size: number;
}

/**
 * Opens a file for reading.
 *
 * Errors: ERR_FILE_UNREADABLE (not a regular file); errors of the system are passed on.
 */
export async function openRegularFile(path: string): Promise<RegularFile> {
  // Checked before opening, since opening alone affects some devices and the writer of a FIFO.
  requireRegular(path, await stat(path));
  // The name may denote something else by now: O_NONBLOCK keeps open() from waiting, and the open file is checked again.
  const handle = await open(path, constants.O_RDONLY | NONBLOCKING);
  try {
    const info = await handle.stat();
    requireRegular(path, info);
    return { handle, size: info.size };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/**
 * Reads the text of a small file.
 *
 * @returns undefined if the file does not exist
 * Errors: ERR_FILE_UNREADABLE (not a regular file, or more than `maxBytes`); errors of the system are passed on.
 */
export async function readSmallFile(path: string, maxBytes = MAX_JSON_BYTES): Promise<string | undefined> {
  let file;
  try {
    file = await openRegularFile(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  try {
    if (file.size > maxBytes) {
      const found = `${path} has ${file.size} bytes; the limit is ${maxBytes}. Check that it is the right file.`;
      throw new SparseRerankError("ERR_FILE_UNREADABLE", found);
    }
    return await file.handle.readFile("utf8");
  } finally {
    await file.handle.close();
  }
}

function requireRegular(path: string, info: { isFile(): boolean; isDirectory(): boolean }): void {
  if (info.isFile()) return;
  const found = info.isDirectory() ? "a folder" : "not a regular file";
  throw new SparseRerankError("ERR_FILE_UNREADABLE", `${path} is ${found}; expected a file.`);
}
