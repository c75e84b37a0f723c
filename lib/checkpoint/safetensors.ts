/**
 * The safetensors format: 8 bytes little-endian header length, a JSON header (name -> dtype, shape, byte range), then the tensors' bytes.
 * Only the header is read; the weights are memory-mapped later by native code, which relies on the ranges checked here.
 *
 * Checked as the format demands: ranges lie in the file, match dtype and shape, do not overlap and leave no hole. Stricter than the format:
 * a header has at most MAX_JSON_BYTES (there 100 MB). Of a name that occurs twice JSON.parse keeps the last entry; unless the tensor is
 * empty, the lost one leaves a hole and is refused by it. Offsets need not be multiples of the element size: the format does not promise it.
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

/** Element types of the format that occur in quantised checkpoints only. */
const OTHER_DTYPES = /^(?:[UI]\d+|[FC]\d+(?:_E\d+M\d\w*)?)$/;

/**
 * The tensors of a safetensors file in the order of their bytes.
 * @returns undefined when there is no such file.
 * @throws ERR_INVALID_WEIGHTS when the file is truncated or its header contradicts it, ERR_UNSUPPORTED_MODEL for an element type that this
 * package does not read, ERR_FILE_UNREADABLE.
 */
export async function readSafetensors(path: string): Promise<TensorTable | undefined> {
  return withFile(path, async (file) => {
    const header = await readHeader(file);
    const bodyStart = LENGTH_BYTES + header.length;
    // The real path, because the hub cache's snapshot folders hold symbolic links.
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
    throw invalid(path, "has a header that does not begin with {: it is not safetensors, or it was overwritten.");
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
  /** The file and the tensor, for errors. */
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
      `has data_offsets ${begin} to ${end}, but the file holds ${place.bodyLength} bytes of tensors: it is truncated or its header is wrong. ${REMEDY}`,
    );
  }
  // A product too large to be exact is larger than every file, so it cannot pass for a byte length.
  const needed = shape.reduce((product, size) => product * size, ELEMENT_BYTES[dtype]);
  if (needed !== end - begin) {
    throw invalid(
      place.where,
      `is ${dtype} with the shape [${shape.slice(0, 16).join(", ")}] and needs ${needed} bytes, but its data_offsets give it ${end - begin}.`,
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
