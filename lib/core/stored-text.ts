/** Small text files of a durable folder. */

import { writeFile } from "node:fs/promises";

import { SparseRerankError } from "../errors";
import { readSmallFile } from "./regular-file";
import { replaceFile } from "./replace-file";
import { reasonOf } from "./system-reason";

const MAX_BYTES = 65_536;

/** @returns undefined if the file does not exist. Errors: ERR_FILE_UNREADABLE. */
export async function readStoredText(file: string): Promise<string | undefined> {
  try {
    return await readSmallFile(file, MAX_BYTES);
  } catch (cause) {
    if (cause instanceof SparseRerankError) throw cause;
    // What should be the folder is a file.
    if ((cause as NodeJS.ErrnoException).code === "ENOTDIR") return undefined;
    throw new SparseRerankError("ERR_FILE_UNREADABLE", `Cannot read ${file}: ${reasonOf(cause)}.`, { cause });
  }
}

/** Replaces the file, on disk when the promise settles. Errors: ERR_FILE_UNWRITABLE. */
export async function writeStoredText(file: string, text: string): Promise<void> {
  try {
    await replaceFile(file, (temporary) => writeFile(temporary, text, { flush: true }));
  } catch (cause) {
    throw new SparseRerankError("ERR_FILE_UNWRITABLE", `Cannot write ${file}: ${reasonOf(cause)}.`, { cause });
  }
}
