/**
 * The cache of one repository, in the layout of huggingface_hub, so that both share downloads:
 *
 *     models--org--name/refs/<revision>                 the commit of a branch or tag
 *     models--org--name/blobs/<etag>                    file contents, by hash
 *     models--org--name/snapshots/<commit>/<path>       links to blobs, or the files themselves if links are not possible
 *     models--org--name/trees/<commit>.json             the list of files of a commit
 *
 * Every file is renamed into place, so readers and other processes see either the old contents or the new ones.
 */

import { copyFile, mkdir, readdir, rename, stat, symlink, writeFile } from "node:fs/promises";
import path from "node:path";

import { codeOf, isSystemError } from "../core/error-code";
import { permissionError } from "../core/permission";
import { readSmallFile } from "../core/regular-file";
import { replaceFile } from "../core/replace-file";
import { SparseRerankError } from "../errors";
import { isCommit, isSafePath } from "./names";
import { remoteFile } from "./repository";
import type { Listing, RemoteFile } from "./repository";

/** Format version of trees/<commit>.json. */
const TREE_VERSION = 1;

export class RepositoryCache {
  readonly #folder: string;
  readonly #noSymlinks: boolean;

  constructor(cacheDir: string, repository: string, noSymlinks: boolean) {
    this.#folder = path.join(cacheDir, `models--${repository.replace("/", "--")}`);
    this.#noSymlinks = noSymlinks;
  }

  snapshot(commit: string): string {
    return path.join(this.#folder, "snapshots", commit);
  }

  blob(file: RemoteFile): string {
    return path.join(this.#folder, "blobs", file.etag);
  }

  /** The path of a file in the snapshot. Errors: ERR_HUB_RESPONSE (a name that would lead out of the cache). */
  pointer(commit: string, file: string): string {
    if (!isSafePath(file)) {
      throw new SparseRerankError(
        "ERR_HUB_RESPONSE",
        `The repository names a file ${JSON.stringify(file.slice(0, 200))}, which could be written outside the cache: it was not downloaded.`,
      );
    }
    return path.join(this.snapshot(commit), ...file.split("/"));
  }

  /** The commit of a revision when it was last downloaded. */
  async commitOf(revision: string): Promise<string | undefined> {
    if (isCommit(revision)) return revision;
    const commit = (await readSmallFile(this.#ref(revision)).catch(() => undefined))?.trim() ?? "";
    return isCommit(commit) ? commit : undefined;
  }

  async setCommit(revision: string, commit: string): Promise<void> {
    if (revision === commit || (await this.commitOf(revision)) === commit) return;
    await replaceFile(this.#ref(revision), (temporary) => writeFile(temporary, commit, { flush: true }));
  }

  /** The stored listing of a commit; undefined if it is missing, damaged or of an unknown format version. */
  async listing(commit: string): Promise<Listing | undefined> {
    try {
      const text = await readSmallFile(this.#tree(commit));
      return text === undefined ? undefined : parseTree(JSON.parse(text));
    } catch {
      // The listing can be downloaded again, so an unreadable one counts as missing.
      return undefined;
    }
  }

  async setListing(commit: string, listing: Listing): Promise<void> {
    const files = Object.fromEntries(
      Array.from(listing.values(), ({ path: name, size, blobId, etag, xetHash }) => [
        name,
        {
          size,
          blob_id: blobId,
          ...(etag === blobId ? {} : { lfs_sha256: etag, lfs_size: size }),
          ...(xetHash === undefined ? {} : { xet_hash: xetHash }),
        },
      ]),
    );
    const text = JSON.stringify({ format_version: TREE_VERSION, files });
    await replaceFile(this.#tree(commit), (temporary) => writeFile(temporary, text, { flush: true }));
  }

  /** The files of a snapshot, for snapshots that another program created without a listing. */
  async filesOf(commit: string): Promise<ReadonlySet<string>> {
    const folder = this.snapshot(commit);
    const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
    const files = entries.filter((entry) => !entry.isDirectory());
    return new Set(files.map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)).replaceAll(path.sep, "/")));
  }

  /** Whether the snapshot contains the complete file. A dangling link does not count. */
  async has(commit: string, file: RemoteFile): Promise<boolean> {
    return (await sizeOf(this.pointer(commit, file.path))) === file.size;
  }

  async hasBlob(file: RemoteFile): Promise<boolean> {
    return (await sizeOf(this.blob(file))) === file.size;
  }

  /**
   * Adds a complete blob to the snapshot: as a link, otherwise by moving it, or by copying it if other snapshots may use it.
   * @param fresh whether this download created the blob
   */
  async place(commit: string, file: RemoteFile, fresh: boolean): Promise<void> {
    const [blob, pointer] = [this.blob(file), this.pointer(commit, file.path)];
    await mkdir(path.dirname(pointer), { recursive: true });
    if (!this.#noSymlinks) {
      const target = path.relative(path.dirname(pointer), blob);
      try {
        await replaceFile(pointer, (temporary) => symlink(target, temporary, "file"));
        return;
      } catch (error) {
        // Windows without the privilege to create links, and file systems without links.
        if (!["EPERM", "ENOSYS", "ENOTSUP", "EINVAL", "UNKNOWN"].includes(codeOf(error))) throw error;
      }
    }
    try {
      if (fresh) await rename(blob, pointer);
      else await replaceFile(pointer, (temporary) => copyFile(blob, temporary));
    } catch (error) {
      // The process that downloaded the blob has just moved it here.
      if (codeOf(error) !== "ENOENT" || !(await this.has(commit, file))) throw error;
    }
  }

  #ref(revision: string): string {
    return path.join(this.#folder, "refs", ...revision.split("/"));
  }

  #tree(commit: string): string {
    return path.join(this.#folder, "trees", `${commit}.json`);
  }
}

/** Runs work that writes to the cache and converts file system errors to ERR_HUB_CACHE. */
export async function writingTo<T>(cacheDir: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const forbidden = permissionError(error);
    if (forbidden !== undefined) throw forbidden;
    if (!isSystemError(error)) throw error;
    const code = codeOf(error);
    const hint = code === "ENOSPC" || code === "EDQUOT" ? "Free space on that disk" : "Give this user write permission";
    throw new SparseRerankError(
      "ERR_HUB_CACHE",
      `The hub cache ${cacheDir} cannot be written (${code}). ${hint}, or choose another folder with the option cacheDir or HF_HUB_CACHE.`,
      { cause: error },
    );
  }
}

export async function sizeOf(file: string): Promise<number | undefined> {
  const info = await stat(file).catch(() => undefined);
  return info?.isFile() === true ? info.size : undefined;
}

function parseTree(tree: unknown): Listing | undefined {
  if (!isRecord(tree) || tree["format_version"] !== TREE_VERSION || !isRecord(tree["files"])) return undefined;
  const files = new Map<string, RemoteFile>();
  for (const [name, entry] of Object.entries(tree["files"])) {
    if (!isRecord(entry)) return undefined;
    const file = remoteFile(name, entry["lfs_size"] ?? entry["size"], entry["blob_id"], entry["lfs_sha256"], entry["xet_hash"]);
    if (file === undefined) return undefined;
    files.set(name, file);
  }
  return files;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
