/** Reads files that users name; errors say which file and what is wrong with it. */

import { createReadStream } from "node:fs";

import { isMissing } from "../core/error-code";
import { permissionError } from "../core/permission";
import { openRegularFile } from "../core/regular-file";
import { reasonOf } from "../core/system-reason";
import { SparseRerankError } from "../errors";

/** Names of descriptors that the shell has already opened, such as the pipe of a process substitution: <(zcat corpus.jsonl.gz). */
const DESCRIPTOR = /^\/(dev\/(stdin|fd\/\d+)|proc\/self\/fd\/\d+)$/;

/**
 * Streams the bytes of a file. FIFOs and devices are rejected, since they may block or never end; pass a pipe as "-" or as a
 * descriptor. Errors: ERR_FILE_NOT_FOUND, ERR_FILE_UNREADABLE.
 */
export async function* readBytes(path: string): AsyncGenerator<Uint8Array> {
  try {
    if (DESCRIPTOR.test(path)) {
      yield* createReadStream(path) as AsyncIterable<Uint8Array>;
      return;
    }
    const { handle } = await openRegularFile(path);
    try {
      yield* handle.createReadStream({ autoClose: false }) as AsyncIterable<Uint8Array>;
    } finally {
      await handle.close();
    }
  } catch (cause) {
    throw fileError(path, cause);
  }
}

/** An error for a file or folder that cannot be read: ERR_FILE_NOT_FOUND, ERR_FILE_UNREADABLE. */
export function fileError(path: string, cause: unknown): SparseRerankError {
  if (cause instanceof SparseRerankError) return cause;
  const forbidden = permissionError(cause);
  if (forbidden !== undefined) return forbidden;
  if (isMissing(cause)) {
    return new SparseRerankError("ERR_FILE_NOT_FOUND", `There is no file or folder ${path}.`, { cause });
  }
  return new SparseRerankError("ERR_FILE_UNREADABLE", `Cannot read ${path}: ${reasonOf(cause)}.`, { cause });
}

/** An error for a file or folder that cannot be written: ERR_FILE_UNWRITABLE. */
export function writeError(path: string, cause: unknown): SparseRerankError {
  return new SparseRerankError("ERR_FILE_UNWRITABLE", `Cannot write ${path}: ${reasonOf(cause)}.`, { cause });
}
