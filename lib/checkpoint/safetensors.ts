/**
 * Reads the safetensors format: a little-endian 8-byte header length, a JSON header (name -> dtype, shape, byte range), and the bytes of
 * the tensors. Only the header is read; native code memory-maps the weights later and relies on the ranges validated here.
 *
 * As the format requires, ranges must be inside the file, match dtype and shape, not overlap and leave no holes. Stricter than the format,
 * a header has at most MAX_JSON_BYTES (the format allows 100 MB). If a name occurs twice, JSON.parse keeps the last entry; the other one
 * leaves a hole and is rejected, unless the tensor is empty. Offsets need not be multiples of the element size: the format does not
 * guarantee it.
 */

import { realpath } from "node:fs/promises";

import { MAX_JSON_BYTES } from "../core/regular-file";
import { SparseRerankError } from "../errors";
import { readExactly, withFile } from "./checkpoint-files";
import type { OpenFile } from "./checkpoint-files";
import { ELEMENT_BYTES } from "./dtype";
import { describe, isRecord, parseJson } from "./json-fields";
import type { TensorDtype, TensorInfo, TensorTable } from "./types";

const LENGTH_BYTES = 8;
const OPENING_BRACE = 0x7b;
const REMEDY = "Download it again.";

/** Element types of the format that occur only in quantized checkpoints. */
const OTHER_DTYPES = /^(?:[UI]\d+|[FC]\d+(?:_E\d+M\d\w*)?)$/;

/**
 * Reads the table of tensors of a safetensors file, in order of offset.
 * @returns undefined if the file does not exist
 * @throws ERR_INVALID_WEIGHTS (the file is truncated or does not match its header), ERR_UNSUPPORTED_MODEL (an unsupported element type),
 * ERR_FILE_UNREADABLE
 */
export async function readSafetensors(path: string): Promise<TensorTable | undefined> {
  return withFile(path, async (file) => {
    const header = await readHeader(file);
    const bodyStart = LENGTH_BYTES + header.length;
    // The real path, because snapshot folders of the hub cache contain symbolic links.
    const target = await realpath(path);
    const tensors: TensorInfo[] = [];
    for (const [name, entry] of Object.entries(parseHeader(header, path))) {
      if (name === "__metadata__") {
        checkMetadata(entry, path);
      } else {
        tensors.push(locate(entry, { name, where: tensorIn(path, name), target, bodyStart, bodyLength: file.size - bodyStart }));
      }
    }
    tensors.sort((a, b) => a.offset - b.offset || a.byteLength - b.byteLength);
    checkCoverage(tensors, path, bodyStart, file.size);
    return new Map(tensors.map((tensor) => [tensor.name, tensor]));
  });
}

async function readHeader(file: OpenFile): Promise<Uint8Array> {
  if (file.size < LENGTH_BYTES) {
    throw invalid(file.path, `has ${file.size} bytes; a safetensors file begins with an ${LENGTH_BYTES}-byte length. ${REMEDY}`);
  }
  const prefix = Buffer.from(await readExactly(file, 0, LENGTH_BYTES));
  if (prefix.toString("latin1") === "version ") {
    throw invalid(file.path, "looks like a Git LFS pointer instead of the weights. Fetch the weights with `git lfs pull`.");
  }
  const length = prefix.readBigUInt64LE();
  if (length > file.size - LENGTH_BYTES) {
    throw invalid(
      file.path,
      `states a header of ${length} bytes, but only ${file.size - LENGTH_BYTES} bytes follow: it is truncated or not safetensors. ${REMEDY}`,
    );
  }
  if (length > MAX_JSON_BYTES) {
    throw invalid(file.path, `states a header of ${length} bytes; at most ${MAX_JSON_BYTES} are accepted.`);
  }
  return readExactly(file, LENGTH_BYTES, Number(length));
}

function parseHeader(header: Uint8Array, path: string): Readonly<Record<string, unknown>> {
  const json = header[0] === OPENING_BRACE ? parseJson(header, `${path}: the header`, "ERR_INVALID_WEIGHTS") : undefined;
  if (!isRecord(json)) {
    throw invalid(path, "has a header that does not begin with {: it is not a safetensors file, or it was overwritten.");
  }
  return json;
}

function checkMetadata(metadata: unknown, path: string): void {
  if (!isRecord(metadata) || !Object.values(metadata).every((value) => typeof value === "string")) {
    throw invalid(path, `has a __metadata__ that is ${describe(metadata)}; expected an object of strings.`);
  }
}

interface Place {
  readonly name: string;
  /** File and tensor, for error messages. */
  readonly where: string;
  readonly target: string;
  readonly bodyStart: number;
  readonly bodyLength: number;
}

function locate(entry: unknown, place: Place): TensorInfo {
  if (!isRecord(entry)) {
    throw invalid(place.where, `is ${describe(entry)}; expected an object with dtype, shape and data_offsets.`);
  }
  const { dtype, shape, data_offsets: range } = entry;
  if (!isDtype(dtype)) {
    const known = Object.keys(ELEMENT_BYTES).join(", ");
    if (typeof dtype === "string" && OTHER_DTYPES.test(dtype)) {
      throw new SparseRerankError("ERR_UNSUPPORTED_MODEL", `${place.where} has elements of type ${dtype}; this package reads ${known}.`);
    }
    throw invalid(place.where, `has dtype ${describe(dtype)}; expected one of ${known}.`);
  }
  if (!isSizes(shape)) {
    throw invalid(place.where, `has the shape ${describe(shape)}; expected an array of integers >= 0.`);
  }
  if (!isSizes(range) || range.length !== 2) {
    throw invalid(place.where, `has the data_offsets ${describe(range)}; expected two integers >= 0.`);
  }
  const [begin = 0, end = 0] = range;
  if (begin > end || end > place.bodyLength) {
    throw invalid(
      place.where,
      `has data_offsets ${begin} to ${end}, but the file has ${place.bodyLength} bytes of tensors: it is truncated or its header is wrong. ${REMEDY}`,
    );
  }
  // A product too large to be exact exceeds the size of any file, so it cannot match a byte length.
  const needed = shape.reduce((product, size) => product * size, ELEMENT_BYTES[dtype]);
  if (needed !== end - begin) {
    throw invalid(
      place.where,
      `is ${dtype} with the shape [${shape.slice(0, 16).join(", ")}] and needs ${needed} bytes, but its data_offsets span ${end - begin}.`,
    );
  }
  return { name: place.name, dtype, shape, file: place.target, offset: place.bodyStart + begin, byteLength: end - begin };
}

function checkCoverage(tensors: readonly TensorInfo[], path: string, bodyStart: number, fileSize: number): void {
  let covered = bodyStart;
  for (const { name, offset, byteLength } of tensors) {
    if (offset !== covered) {
      const problem = offset < covered ? "overlaps the tensor before it" : `leaves a hole of ${offset - covered} bytes before it`;
      throw invalid(tensorIn(path, name), `at byte ${offset - bodyStart} ${problem}: the header is wrong.`);
    }
    covered += byteLength;
  }
  if (covered !== fileSize) {
    throw invalid(path, `has ${fileSize - covered} bytes after its last tensor: the header is wrong or bytes were appended.`);
  }
}

function isDtype(value: unknown): value is TensorDtype {
  return typeof value === "string" && Object.hasOwn(ELEMENT_BYTES, value);
}

function isSizes(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && (size as number) >= 0);
}

function tensorIn(path: string, name: string): string {
  return `${path}: tensor ${describe(name)}`;
}

function invalid(where: string, problem: string): SparseRerankError {
  return new SparseRerankError("ERR_INVALID_WEIGHTS", `${where} ${problem}`);
}
