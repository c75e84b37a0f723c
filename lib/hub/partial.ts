/**
 * A partially downloaded blob: <etag>.<owner>.incomplete next to the finished blobs. It has one owner at a time. Other downloads of the
 * blob wait while the owner is active, and resume the download if it died. Should two owners ever write one file (the first was only
 * suspended), both write the same bytes at the same offsets, and the hash of the received bytes is verified.
 */

import { createHash, randomBytes } from "node:crypto";
import type { Hash } from "node:crypto";
import { mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { hostname } from "node:os";
import path from "node:path";

import { codeOf } from "../core/error-code";
import { pause } from "./http";
import type { RemoteFile } from "./repository";

/** A hanging owner, or one on another machine, counts as dead if its file has not grown for this long. Longer than any retry delay. */
const ABANDONED_MS = 150_000;
const POLL_MS = 200;

const HOST = createHash("sha256").update(hostname()).digest("hex").slice(0, 8);
/** Identifies the instance of this module; every thread has its own. */
const INSTANCE = randomBytes(4).toString("hex");
/** The files that this instance is writing. */
const active = new Set<string>();
let count = 0;

export class PartialBlob {
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #file: RemoteFile;
  #hash: Hash;
  #size = 0;

  private constructor(name: string, handle: FileHandle, file: RemoteFile) {
    this.#path = name;
    this.#handle = handle;
    this.#file = file;
    this.#hash = startHash(file);
  }

  /**
   * Waits to become the only writer of the blob.
   * @param isComplete checked before each attempt, since another writer may have finished
   * @param onWait called with the number of bytes that the current writer has
   * @returns undefined if the blob is complete
   */
  static async claim(
    blob: string,
    file: RemoteFile,
    isComplete: () => Promise<boolean>,
    onWait: (bytes: number) => void,
    signal: AbortSignal | undefined,
  ): Promise<PartialBlob | undefined> {
    const folder = path.dirname(blob);
    await mkdir(folder, { recursive: true });
    for (;;) {
      if (await isComplete()) return undefined;
      const others = await partialsOf(blob);
      const busy = others.find((other) => !other.abandoned);
      if (busy === undefined) {
        const mine = await takeOver(blob, others);
        if (mine !== undefined) {
          const partial = await PartialBlob.#open(mine, file);
          // If two claim the blob at the same time, at least one sees the other here and backs off. One that left no file has finished.
          const alone = (await partialsOf(blob)).every((other) => other.path === mine || other.abandoned);
          if (alone && !(await isComplete())) return partial;
          await partial.release();
        }
      } else {
        onWait(busy.size);
      }
      await pause(POLL_MS * (0.5 + Math.random()), signal);
    }
  }

  static async #open(name: string, file: RemoteFile): Promise<PartialBlob> {
    active.add(name);
    let handle: FileHandle | undefined;
    try {
      handle = await openForUpdate(name);
      const partial = new PartialBlob(name, handle, file);
      await partial.#readBack();
      return partial;
    } catch (error) {
      active.delete(name);
      await handle?.close();
      throw error;
    }
  }

  /** Number of bytes present. */
  get size(): number {
    return this.#size;
  }

  async append(bytes: Uint8Array): Promise<void> {
    let written = 0;
    while (written < bytes.length) {
      written += (await this.#handle.write(bytes, written, bytes.length - written, this.#size + written)).bytesWritten;
    }
    this.#hash.update(bytes);
    this.#size += bytes.length;
  }

  /** Discards all bytes. */
  async restart(): Promise<void> {
    await this.#handle.truncate(0);
    this.#hash = startHash(this.#file);
    this.#size = 0;
  }

  isIntact(): boolean {
    return this.#size === this.#file.size && this.#hash.copy().digest("hex") === this.#file.etag;
  }

  /** Turns the file into the finished blob. It is synced to disk before it is renamed. */
  async finish(blob: string): Promise<void> {
    await this.#handle.sync();
    await this.#handle.close();
    await rename(this.#path, blob);
    active.delete(this.#path);
  }

  /** Keeps the file for the next download unless it is empty. Has no effect after finish(). */
  async release(): Promise<void> {
    if (!active.delete(this.#path)) return;
    await this.#handle.close();
    if (this.#size === 0) await rm(this.#path, { force: true });
  }

  /** Hashes the bytes of an earlier download. */
  async #readBack(): Promise<void> {
    const buffer = new Uint8Array(1 << 20);
    for (;;) {
      const { bytesRead } = await this.#handle.read(buffer, 0, buffer.length, this.#size);
      if (bytesRead === 0) break;
      this.#hash.update(buffer.subarray(0, bytesRead));
      this.#size += bytesRead;
    }
    if (this.#size > this.#file.size) await this.restart();
  }
}

interface Other {
  readonly path: string;
  readonly size: number;
  readonly abandoned: boolean;
}

async function partialsOf(blob: string): Promise<Other[]> {
  const [folder, prefix] = [path.dirname(blob), `${path.basename(blob)}.`];
  const others: Other[] = [];
  for (const name of await readdir(folder)) {
    // Files of huggingface_hub are left alone: their names do not identify an owner.
    const owner = name.startsWith(prefix) ? /^([0-9a-f]{8})-(\d+)-([0-9a-f]{8})-\d+\.incomplete$/.exec(name.slice(prefix.length)) : null;
    if (owner === null) continue;
    const file = path.join(folder, name);
    const info = await stat(file).catch(() => undefined);
    // undefined: its owner has just finished. Entries other than files are not ours.
    if (info?.isFile() !== true) continue;
    const [, host = "", pid = "", instance = ""] = owner;
    others.push({ path: file, size: info.size, abandoned: isAbandoned(file, host, Number(pid), instance, info.mtimeMs) });
  }
  return others;
}

function isAbandoned(file: string, host: string, pid: number, instance: string, modified: number): boolean {
  if (host === HOST && pid === process.pid && instance === INSTANCE) return !active.has(file);
  if (host === HOST && !isRunning(pid)) return true;
  return Date.now() - modified > ABANDONED_MS;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) !== "ESRCH";
  }
}

/** Takes over the largest abandoned file by renaming it, and removes the others. Returns undefined if another process was faster. */
async function takeOver(blob: string, abandoned: readonly Other[]): Promise<string | undefined> {
  const mine = `${blob}.${HOST}-${process.pid}-${INSTANCE}-${count++}.incomplete`;
  const [largest, ...rest] = abandoned.toSorted((a, b) => b.size - a.size);
  if (largest === undefined) return mine;
  try {
    await rename(largest.path, mine);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    // It belongs to another user, or (on Windows) it is open: it stays, and the download starts over.
    if (["EACCES", "EBUSY", "EPERM"].includes(codeOf(error))) return mine;
    throw error;
  }
  await Promise.allSettled(rest.map((other) => rm(other.path, { force: true })));
  return mine;
}

/** Opens the file that takeOver() renamed, or creates it. */
async function openForUpdate(name: string): Promise<FileHandle> {
  try {
    return await open(name, "r+");
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
    return open(name, "wx+");
  }
}

function startHash(file: RemoteFile): Hash {
  return file.etag.length === 64 ? createHash("sha256") : createHash("sha1").update(`blob ${file.size}\0`);
}
