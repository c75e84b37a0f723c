/**
 * The zip archives that torch.save writes (PKWARE's APPNOTE.TXT, zip64 included): every entry is stored as it is, so that a tensor is a range of
 * the file that native code can map. Only the directory at the archive's end and the headers of the entries in use are read.
 *
 * Stricter than the format: no comment after the directory, no compression, no encryption, no name twice, no more than MAX_DIRECTORY_BYTES.
 */

import { SparseRerankError } from "../errors";
import { readExactly } from "./checkpoint-files";
import type { OpenFile } from "./checkpoint-files";
import { describe } from "./json-fields";

/** About a hundred bytes for each tensor: 80,000 of them. */
const MAX_DIRECTORY_BYTES = 8 * 1024 * 1024;

const END = { signature: 0x06054b50, bytes: 22 };
const LOCATOR = { signature: 0x07064b50, bytes: 20 };
const END64 = { signature: 0x06064b50, bytes: 56 };
const ENTRY = { signature: 0x02014b50, bytes: 46 };
const LOCAL = { signature: 0x04034b50, bytes: 30 };

/** Stands for "see the zip64 record". */
const IN_ZIP64 = 0xffffffff;
const COUNT_IN_ZIP64 = 0xffff;
const ZIP64_FIELD = 1;
const ENCRYPTED = 1;
const STORED = 0;

export interface ZipEntry {
  readonly name: string;
  /** Bytes of the contents. */
  readonly size: number;
  readonly compressedSize: number;
  readonly method: number;
  readonly flags: number;
  /** Where the entry's own header begins. */
  readonly headerOffset: number;
}

interface Directory {
  readonly count: number;
  readonly offset: number;
  readonly size: number;
}

export class ZipArchive {
  readonly #file: OpenFile;
  readonly #directoryOffset: number;
  readonly entries: ReadonlyMap<string, ZipEntry>;

  private constructor(file: OpenFile, directoryOffset: number, entries: ReadonlyMap<string, ZipEntry>) {
    this.#file = file;
    this.#directoryOffset = directoryOffset;
    this.entries = entries;
  }

  /** Errors: ERR_INVALID_WEIGHTS. */
  static async open(file: OpenFile): Promise<ZipArchive> {
    const directory = await findDirectory(file);
    const bytes = Buffer.from(await readExactly(file, directory.offset, directory.size));
    return new ZipArchive(file, directory.offset, readEntries(bytes, directory.count, file));
  }

  /**
   * Where the contents of an entry begin, in bytes from the file's beginning; all of them lie before the directory.
   * Errors: ERR_INVALID_WEIGHTS, ERR_UNSUPPORTED_MODEL (compressed or encrypted).
   */
  async offsetOf(entry: ZipEntry): Promise<number> {
    const where = `${this.#file.path}: the entry ${describe(entry.name)}`;
    if (entry.method !== STORED || (entry.flags & ENCRYPTED) !== 0 || entry.compressedSize !== entry.size) {
      throw new SparseRerankError(
        "ERR_UNSUPPORTED_MODEL",
        `${where} is compressed or encrypted; torch.save does neither. Save the weights again with torch.save or as safetensors.`,
      );
    }
    if (entry.headerOffset + LOCAL.bytes > this.#directoryOffset) throw invalid(where, "begins behind the entries of the archive");
    const header = Buffer.from(await readExactly(this.#file, entry.headerOffset, LOCAL.bytes));
    if (header.readUInt32LE(0) !== LOCAL.signature) throw invalid(where, "has no header where the directory says");
    const begin = entry.headerOffset + LOCAL.bytes + header.readUInt16LE(26) + header.readUInt16LE(28);
    if (begin + entry.size > this.#directoryOffset)
      throw invalid(where, `has ${entry.size} bytes by the directory, which reach beyond the entries`);
    return begin;
  }
}

async function findDirectory(file: OpenFile): Promise<Directory> {
  const endOffset = file.size - END.bytes;
  const end = endOffset < 0 ? undefined : Buffer.from(await readExactly(file, endOffset, END.bytes));
  if (end?.readUInt32LE(0) !== END.signature || end.readUInt16LE(20) !== 0) {
    throw invalid(file.path, "begins as a zip archive, but does not end with the directory of one: it is truncated or bytes were appended");
  }
  const small = { count: end.readUInt16LE(10), offset: end.readUInt32LE(16), size: end.readUInt32LE(12) };
  const isZip64 = small.count === COUNT_IN_ZIP64 || small.offset === IN_ZIP64 || small.size === IN_ZIP64;
  const { limit, ...directory } = isZip64 ? await findDirectory64(file, endOffset) : { ...small, limit: endOffset };
  // Numbers above 2^53 are no longer exact, but above every file's size.
  if (directory.offset + directory.size > limit || directory.count * ENTRY.bytes > directory.size) {
    throw invalid(
      file.path,
      `has a zip directory of ${directory.count} entries in ${directory.size} bytes at ${directory.offset}, which cannot be`,
    );
  }
  if (directory.size > MAX_DIRECTORY_BYTES) {
    throw invalid(file.path, `has a zip directory of ${directory.size} bytes; at most ${MAX_DIRECTORY_BYTES} are accepted`);
  }
  return directory;
}

async function findDirectory64(file: OpenFile, endOffset: number): Promise<Directory & { readonly limit: number }> {
  const locatorOffset = endOffset - LOCATOR.bytes;
  const locator = locatorOffset < 0 ? undefined : Buffer.from(await readExactly(file, locatorOffset, LOCATOR.bytes));
  const limit = locator?.readUInt32LE(0) === LOCATOR.signature ? readSize(locator, 8) : Infinity;
  const end = limit + END64.bytes > locatorOffset ? undefined : Buffer.from(await readExactly(file, limit, END64.bytes));
  if (end?.readUInt32LE(0) !== END64.signature) throw invalid(file.path, "lacks the zip64 directory that its end refers to");
  return { count: readSize(end, 32), size: readSize(end, 40), offset: readSize(end, 48), limit };
}

function readEntries(bytes: Buffer, count: number, file: OpenFile): ReadonlyMap<string, ZipEntry> {
  const entries = new Map<string, ZipEntry>();
  const broken = (): SparseRerankError => invalid(file.path, `has a broken zip directory at entry ${entries.size}`);
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + ENTRY.bytes > bytes.length || bytes.readUInt32LE(at) !== ENTRY.signature) throw broken();
    const nameEnd = at + ENTRY.bytes + bytes.readUInt16LE(at + 28);
    const extraEnd = nameEnd + bytes.readUInt16LE(at + 30);
    const next = extraEnd + bytes.readUInt16LE(at + 32);
    if (next > bytes.length) throw broken();
    const name = bytes.toString("utf8", at + ENTRY.bytes, nameEnd);
    const sizes = readSizes(bytes, at, bytes.subarray(nameEnd, extraEnd));
    if (sizes === undefined || entries.has(name)) throw broken();
    entries.set(name, { name, ...sizes, method: bytes.readUInt16LE(at + 10), flags: bytes.readUInt16LE(at + 8) });
    at = next;
  }
  return entries;
}

/** Those of three numbers that do not fit 32 bits stand in a zip64 field, in this order. */
function readSizes(bytes: Buffer, at: number, extra: Buffer): Pick<ZipEntry, "size" | "compressedSize" | "headerOffset"> | undefined {
  const small = {
    size: bytes.readUInt32LE(at + 24),
    compressedSize: bytes.readUInt32LE(at + 20),
    headerOffset: bytes.readUInt32LE(at + 42),
  };
  const large = Object.values(small).includes(IN_ZIP64) ? findExtra(extra, ZIP64_FIELD) : undefined;
  let used = 0;
  const widen = (value: number): number => {
    if (value !== IN_ZIP64) return value;
    used += 8;
    return large === undefined || used > large.length ? NaN : readSize(large, used - 8);
  };
  const sizes = { size: widen(small.size), compressedSize: widen(small.compressedSize), headerOffset: widen(small.headerOffset) };
  return Object.values(sizes).some(Number.isNaN) ? undefined : sizes;
}

function findExtra(extra: Buffer, id: number): Buffer | undefined {
  for (let at = 0; at + 4 <= extra.length; at += 4 + extra.readUInt16LE(at + 2)) {
    const end = at + 4 + extra.readUInt16LE(at + 2);
    if (extra.readUInt16LE(at) === id) return end > extra.length ? undefined : extra.subarray(at + 4, end);
  }
  return undefined;
}

function readSize(bytes: Buffer, at: number): number {
  return Number(bytes.readBigUInt64LE(at));
}

function invalid(where: string, problem: string): SparseRerankError {
  return new SparseRerankError("ERR_INVALID_WEIGHTS", `${where} ${problem}. Download it again.`);
}
