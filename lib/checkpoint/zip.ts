/**
 * Reads the zip archives that torch.save writes (PKWARE's APPNOTE.TXT, including zip64). All entries are stored uncompressed, so a tensor
 * is a range of the file that native code can map. Only the central directory and the headers of the entries in use are read.
 *
 * Stricter than the format: no archive comment, no compression, no encryption, no duplicate names, and a directory of at most
 * MAX_DIRECTORY_BYTES.
 */

import { SparseRerankError } from "../errors";
import { readExactly } from "./checkpoint-files";
import type { OpenFile } from "./checkpoint-files";
import { describe } from "./json-fields";

/** Enough for 80,000 tensors at about 100 bytes each. */
const MAX_DIRECTORY_BYTES = 8 * 1024 * 1024;

const END = { signature: 0x06054b50, bytes: 22 };
const LOCATOR = { signature: 0x07064b50, bytes: 20 };
const END64 = { signature: 0x06064b50, bytes: 56 };
const ENTRY = { signature: 0x02014b50, bytes: 46 };
const LOCAL = { signature: 0x04034b50, bytes: 30 };

/** Means that the value is in the zip64 record. */
const IN_ZIP64 = 0xffffffff;
const COUNT_IN_ZIP64 = 0xffff;
const ZIP64_FIELD = 1;
const ENCRYPTED = 1;
const STORED = 0;

export interface ZipEntry {
  readonly name: string;
  /** Size of the contents in bytes. */
  readonly size: number;
  readonly compressedSize: number;
  readonly method: number;
  readonly flags: number;
  /** Offset of the entry's local header. */
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
   * The offset of an entry's contents from the beginning of the file. All contents are before the directory.
   * Errors: ERR_INVALID_WEIGHTS, ERR_UNSUPPORTED_MODEL (compressed or encrypted).
   */
  async offsetOf(entry: ZipEntry): Promise<number> {
    const where = `${this.#file.path}: the entry ${describe(entry.name)}`;
    if (entry.method !== STORED || (entry.flags & ENCRYPTED) !== 0 || entry.compressedSize !== entry.size) {
      throw new SparseRerankError(
        "ERR_UNSUPPORTED_MODEL",
        `${where} is compressed or encrypted, which is not supported. Save the weights again with torch.save or as safetensors.`,
      );
    }
    if (entry.headerOffset + LOCAL.bytes > this.#directoryOffset) throw invalid(where, "begins after the entries of the archive");
    const header = Buffer.from(await readExactly(this.#file, entry.headerOffset, LOCAL.bytes));
    if (header.readUInt32LE(0) !== LOCAL.signature) throw invalid(where, "has no header at the offset in the directory");
    const begin = entry.headerOffset + LOCAL.bytes + header.readUInt16LE(26) + header.readUInt16LE(28);
    if (begin + entry.size > this.#directoryOffset)
      throw invalid(where, `has ${entry.size} bytes according to the directory, which extend past the entries`);
    return begin;
  }
}

async function findDirectory(file: OpenFile): Promise<Directory> {
  const endOffset = file.size - END.bytes;
  const end = endOffset < 0 ? undefined : Buffer.from(await readExactly(file, endOffset, END.bytes));
  if (end?.readUInt32LE(0) !== END.signature || end.readUInt16LE(20) !== 0) {
    throw invalid(file.path, "begins like a zip archive but does not end with a zip directory: it is truncated or bytes were appended");
  }
  const small = { count: end.readUInt16LE(10), offset: end.readUInt32LE(16), size: end.readUInt32LE(12) };
  const isZip64 = small.count === COUNT_IN_ZIP64 || small.offset === IN_ZIP64 || small.size === IN_ZIP64;
  const { limit, ...directory } = isZip64 ? await findDirectory64(file, endOffset) : { ...small, limit: endOffset };
  // Numbers above 2^53 are not exact, but exceed the size of any file.
  if (directory.offset + directory.size > limit || directory.count * ENTRY.bytes > directory.size) {
    throw invalid(
      file.path,
      `has a zip directory of ${directory.count} entries in ${directory.size} bytes at ${directory.offset}, which is impossible`,
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
  if (end?.readUInt32LE(0) !== END64.signature) throw invalid(file.path, "lacks the zip64 directory that its end record refers to");
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

/** Reads three sizes. Those that do not fit in 32 bits are in the zip64 extra field, in this order. */
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
