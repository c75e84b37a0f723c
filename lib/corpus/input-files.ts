/** Files that users name, with errors that say which file and what is wrong with it. */

import { createReadStream } from "node:fs";

import { isMissing } from "../core/error-code";
import { permissionError } from "../core/permission";
import { openRegularFile } from "../core/regular-file";
import { reasonOf } from "../core/system-reason";
import { SparseRerankError } from "../errors";

/** Names of what the shell has opened already, such as the pipe of a process substitution: <(zcat corpus.jsonl.gz). */
const DESCRIPTOR = /^\/(dev\/(stdin|fd\/\d+)|proc\/self\/fd\/\d+)$/;

/**
 * The bytes of a file, as they are asked for. FIFOs and devices are refused, since they may never answer or never end; pipes come as "-" or as a
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

/** Why a file or folder cannot be read: ERR_FILE_NOT_FOUND, ERR_FILE_UNREADABLE. */
export function fileError(path: string, cause: unknown): SparseRerankError {
  if (cause instanceof SparseRerankError) return cause;
  const forbidden = permissionError(cause);
  if (forbidden !== undefined) return forbidden;
  if (isMissing(cause)) {
    return new SparseRerankError("ERR_FILE_NOT_FOUND", `There is no file or folder ${path}.`, { cause });
  }
  return new SparseRerankError("ERR_FILE_UNREADABLE", `Cannot read ${path}: ${reasonOf(cause)}.`, { cause });
}

/** Why a file or folder cannot be written: ERR_FILE_UNWRITABLE. */
export function writeError(path: string, cause: unknown): SparseRerankError {
  return new SparseRerankError("ERR_FILE_UNWRITABLE", `Cannot write ${path}: ${reasonOf(cause)}.`, { cause });
}
