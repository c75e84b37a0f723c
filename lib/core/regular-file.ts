/** Opening files that are named from outside: a name may stand for a FIFO, which would wait for a writer, or for a device without an end. */

import { constants } from "node:fs";
import { open, stat } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";

import { SparseRerankError } from "../errors";
import { isMissing } from "./error-code";

/**
 * Largest JSON text of a checkpoint or of the hub that is parsed. Their files are far below it (a thousand tensors need about 100 KB of header),
 * and JSON.parse runs on the JS thread: 8 MiB of hostile text hold it for about a second, 100 MB for minutes and with gigabytes of memory.
 */
export const MAX_JSON_BYTES = 8 * 1024 * 1024;

/** Windows has no such flag, and no FIFOs in its folders. */
const NONBLOCKING = (constants.O_NONBLOCK as number | undefined) ?? 0;

export interface RegularFile {
  readonly handle: FileHandle;
  /** Bytes. */
  readonly size: number;
}

/**
 * Opens a file to read.
 *
 * Errors: ERR_FILE_UNREADABLE for what is no regular file; those of the system as they are.
 */
export async function openRegularFile(path: string): Promise<RegularFile> {
  // Asked before opening, which alone has an effect on some devices and on the writer of a FIFO.
  requireRegular(path, await stat(path));
  // The name may stand for something else by now: opened so, nothing waits, and the open file itself is asked.
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
 * The text of a small file.
 *
 * @returns undefined when there is no such file
 * Errors: ERR_FILE_UNREADABLE for what is no regular file or has more than `maxBytes`; those of the system as they are.
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
      const found = `${path} has ${file.size} bytes; at most ${maxBytes} are read. Check that it is the right file.`;
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
