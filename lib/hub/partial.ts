/**
 * A blob in the making: <etag>.<owner>.incomplete beside the finished blobs. Each has one owner at a time; who comes while the owner is at work
 * waits, who comes after it died goes on where it stopped. Should two ever write one file (an owner that was only asleep), both write the same
 * bytes to the same places, and the hash over what was received decides.
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

/** An owner on another machine, or one that hangs, is given up when its file did not grow for so long. More than any pause of a download. */
const ABANDONED_MS = 150_000;
const POLL_MS = 200;

const HOST = createHash("sha256").update(hostname()).digest("hex").slice(0, 8);
/** Every thread has its own instance of this module. */
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
   * Becomes the one writer of the blob.
   * @param isComplete asked before each look: another writer may have finished
   * @param onWait the bytes that the writer which is waited for has
   * @returns undefined when the blob is complete
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
          // Of two that came at the same moment at least one sees the other here, and steps back. One that left no trace has finished.
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

  /** Bytes that are there. */
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

  /** Forgets what is there. */
  async restart(): Promise<void> {
    await this.#handle.truncate(0);
    this.#hash = startHash(this.#file);
    this.#size = 0;
  }

  isIntact(): boolean {
    return this.#size === this.#file.size && this.#hash.copy().digest("hex") === this.#file.etag;
  }

  /** Makes it the blob. It is on the disk before it has the name. */
  async finish(blob: string): Promise<void> {
    await this.#handle.sync();
    await this.#handle.close();
    await rename(this.#path, blob);
    active.delete(this.#path);
  }

  /** Leaves it for the next download, unless it is empty. After finish() nothing is left to do. */
  async release(): Promise<void> {
    if (!active.delete(this.#path)) return;
    await this.#handle.close();
    if (this.#size === 0) await rm(this.#path, { force: true });
  }

  /** Hashes what an earlier download left. */
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
    // huggingface_hub's own are left alone: their names say nothing about their owner.
    const owner = name.startsWith(prefix) ? /^([0-9a-f]{8})-(\d+)-([0-9a-f]{8})-\d+\.incomplete$/.exec(name.slice(prefix.length)) : null;
    if (owner === null) continue;
    const file = path.join(folder, name);
    const info = await stat(file).catch(() => undefined);
    // undefined: its owner has just finished. What is no file is none of ours.
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

/** Renames the largest of the abandoned files to a name of ours, and removes the others. undefined when another process was faster. */
async function takeOver(blob: string, abandoned: readonly Other[]): Promise<string | undefined> {
  const mine = `${blob}.${HOST}-${process.pid}-${INSTANCE}-${count++}.incomplete`;
  const [largest, ...rest] = abandoned.toSorted((a, b) => b.size - a.size);
  if (largest === undefined) return mine;
  try {
    await rename(largest.path, mine);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    // It belongs to another user, or (on Windows) somebody has it open: it stays, and the download starts from nothing.
    if (["EACCES", "EBUSY", "EPERM"].includes(codeOf(error))) return mine;
    throw error;
  }
  await Promise.allSettled(rest.map((other) => rm(other.path, { force: true })));
  return mine;
}

/** Opens what takeOver() renamed, or makes the file. */
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
