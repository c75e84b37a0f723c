/** Reading files that users name, with errors that say which file and what is wrong with it. */

import { createReadStream } from "node:fs";

import { SparseRerankError } from "../errors";
import { codeOf, messageOf } from "../internal/error-code";
import { openRegularFile } from "../internal/regular-file";

/** Names of what the shell has opened already, such as the pipe of a process substitution: <(zcat corpus.jsonl.gz). */
const DESCRIPTOR = /^\/(dev\/(stdin|fd\/\d+)|proc\/self\/fd\/\d+)$/;

/**
 * The bytes of a file, as they are asked for. FIFOs and devices are refused, since they may never answer or never end; pipes come as "-" or as a
 * descriptor. Errors: ERR_FILE_NOT_FOUND, ERR_FILE_UNREADABLE.
 */
export async function* readBytes(path: string): AsyncGenerator<Uint8Array> {
  try {
    const stream = DESCRIPTOR.test(path) ? createReadStream(path) : (await openRegularFile(path)).handle.createReadStream();
    for await (const chunk of stream) yield chunk as Uint8Array;
  } catch (cause) {
    throw fileError(path, cause);
  }
}

/** What the file system refused, as an error of this package. */
export function fileError(path: string, cause: unknown): SparseRerankError {
  if (cause instanceof SparseRerankError) return cause;
  const code = codeOf(cause);
  if (code === "ENOENT" || code === "ENOTDIR") {
    return new SparseRerankError("ERR_FILE_NOT_FOUND", `There is no file or folder ${path}.`, { cause });
  }
  const reasons: Readonly<Record<string, string>> = { EACCES: "permission denied", EPERM: "permission denied", EISDIR: "it is a folder" };
  const reason = reasons[code] ?? messageOf(cause);
  return new SparseRerankError("ERR_FILE_UNREADABLE", `Cannot read ${path}: ${reason}.`, { cause });
}
