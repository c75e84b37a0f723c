/**
 * File access for checkpoints. A missing file is not an error (undefined), all other failures have error codes, and only regular files are
 * opened.
 */

import type { Stats } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";

import { isMissing, isSystemError } from "../core/error-code";
import { permissionError } from "../core/permission";
import { openRegularFile } from "../core/regular-file";
import type { RegularFile } from "../core/regular-file";
import { SparseRerankError } from "../errors";

export interface OpenFile {
  readonly path: string;
  readonly handle: FileHandle;
  readonly size: number;
}

/**
 * Opens a file, runs `use` and closes the file.
 * @returns undefined if the file does not exist
 */
export async function withFile<T>(path: string, use: (file: OpenFile) => Promise<T>): Promise<T | undefined> {
  let file: RegularFile | undefined;
  try {
    file = await openRegularFile(path);
    return await use({ path, ...file });
  } catch (error) {
    if (file === undefined && isMissing(error)) return undefined;
    throw permissionError(error) ?? (isSystemError(error) ? unreadable(path, error) : error);
  } finally {
    await file?.handle.close();
  }
}

/** Reads `length` bytes. Callers keep the range inside the file, so that its size bounds the allocation. */
export async function readExactly(file: OpenFile, position: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.handle.read(bytes, done, length - done, position + done);
    if (bytesRead === 0) {
      throw new SparseRerankError(
        "ERR_FILE_UNREADABLE",
        `${file.path} ended after ${position + done} of ${file.size} bytes: it changed while it was being read. Load the model again.`,
      );
    }
    done += bytesRead;
  }
  return bytes;
}

/** The names in a folder; none if it does not exist. */
export async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isMissing(error)) return [];
    throw permissionError(error) ?? (isSystemError(error) ? unreadable(folder, error) : error);
  }
}

/** @returns undefined if `path` does not exist */
export async function status(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (isMissing(error)) {
      return undefined;
    }
    throw permissionError(error) ?? (isSystemError(error) ? unreadable(path, error) : error);
  }
}

/**
 * Resolves a path from a file of the checkpoint, relative to `folder` and with "/" as separator. It must stay inside the folder, since
 * checkpoints are untrusted. Symbolic links are followed when the file is opened, because the hub cache consists of them.
 * @param source the file and field that contain the path, for the error message
 */
export function resolveInside(folder: string, relative: string, source: string): string {
  const climbs = relative.split("/").some((part) => /^\.\.[. ]*$/.test(part));
  if (climbs || relative.startsWith("/") || /[\\:\0]/.test(relative)) {
    throw new SparseRerankError(
      "ERR_INVALID_CONFIG",
      `${source} is ${JSON.stringify(relative.slice(0, 200))}; expected a relative path inside the model's folder, with "/" as separator.`,
    );
  }
  return join(folder, relative);
}

function unreadable(path: string, cause: NodeJS.ErrnoException): SparseRerankError {
  const hint = cause.code === "EACCES" || cause.code === "EPERM" ? "Give this user permission to read it." : "Check the disk and the path.";
  return new SparseRerankError("ERR_FILE_UNREADABLE", `${path} cannot be read (${cause.code ?? cause.message}). ${hint}`, { cause });
}
