/**
 * Locates the tensors in pytorch_model.bin and other files written by torch.save. Since PyTorch 1.6 these are zip archives with a pickle,
 * data.pkl, and one entry data/<key> for the bytes of each storage. The legacy format is a sequence of pickles followed by the storages.
 * Nothing in the file is executed (see pickle.ts); TorchHost lists the names that a pickle may refer to.
 */

import { realpath } from "node:fs/promises";
import { types } from "node:util";

import { SparseRerankError } from "../errors";
import { readExactly, withFile } from "./checkpoint-files";
import type { OpenFile } from "./checkpoint-files";
import { ELEMENT_BYTES } from "./dtype";
import { describe } from "./json-fields";
import { PickleFunction, unpickle } from "./pickle";
import type { PickleHost } from "./pickle";
import type { TensorDtype, TensorInfo, TensorTable } from "./types";
import { ZipArchive } from "./zip";

/** 10,000 tensors need 2 MB. */
const MAX_PICKLE_BYTES = 8 * 1024 * 1024;
/** PyTorch's limit. */
const MAX_DIMENSIONS = 64;
const ZIP_MAGIC = "504b0304";
const PICKLE_START = 0x80;
/** The first value of a legacy file. */
const LEGACY_MAGIC = 0x1950a86a20f9469cfc6cn;
const LEGACY_PROTOCOL = 1001;
const REMEDY = "Use a revision that has model.safetensors, or convert the weights with save_pretrained(folder) of transformers.";

/** The bytes of one or several tensors. */
class StorageRef {
  constructor(
    readonly key: string,
    readonly dtype: TensorDtype,
    /** In elements. */
    readonly length: number,
  ) {}
}

class StorageType {
  constructor(readonly dtype: TensorDtype) {}
}

/** A contiguous tensor in a storage. */
class TensorView {
  constructor(
    readonly storage: StorageRef,
    /** In elements. */
    readonly offset: number,
    readonly shape: readonly number[],
  ) {}
}

const STORAGE_TYPES: Readonly<Record<string, TensorDtype>> = {
  DoubleStorage: "F64",
  FloatStorage: "F32",
  HalfStorage: "F16",
  BFloat16Storage: "BF16",
  LongStorage: "I64",
  IntStorage: "I32",
  ShortStorage: "I16",
  CharStorage: "I8",
  ByteStorage: "U8",
  BoolStorage: "BOOL",
};

/**
 * Reads the table of tensors of a state dict that torch.save wrote.
 * @returns undefined if the file does not exist
 * @throws ERR_INVALID_WEIGHTS (the file is truncated or inconsistent), ERR_UNSUPPORTED_MODEL (torch.save wrote something else),
 * ERR_FILE_UNREADABLE
 */
export async function readPytorch(path: string): Promise<TensorTable | undefined> {
  return withFile(path, async (file) => {
    const magic = Buffer.from(await readExactly(file, 0, Math.min(8, file.size)));
    if (magic.toString("latin1") === "version ") {
      throw invalid(path, "looks like a Git LFS pointer instead of the weights. Fetch the weights with `git lfs pull`.");
    }
    const isZip = magic.toString("hex", 0, 4) === ZIP_MAGIC;
    const { views, offsets } = isZip ? await readArchive(file) : await readLegacy(file);
    // The real path, because snapshot folders of the hub cache contain symbolic links.
    const target = await realpath(path);
    return new Map(Array.from(views, ([name, view]) => [name, locate(name, view, offsets, target)]));
  });
}

interface Contents {
  readonly views: ReadonlyMap<string, TensorView>;
  /** Byte offset of each storage, by key. */
  readonly offsets: ReadonlyMap<string, number>;
}

async function readArchive(file: OpenFile): Promise<Contents> {
  const archive = await ZipArchive.open(file);
  const pickles = [...archive.entries.keys()].filter((name) => /^[^/]+\/data\.pkl$/.test(name));
  const [name = ""] = pickles;
  const entry = archive.entries.get(name);
  if (entry === undefined || pickles.length > 1) {
    throw unsupported(file.path, `is a zip archive with ${pickles.length} entries <name>/data.pkl; expected one`);
  }
  const where = `${file.path}: ${name}`;
  if (entry.size > MAX_PICKLE_BYTES) throw invalid(where, `has ${entry.size} bytes; at most ${MAX_PICKLE_BYTES} are accepted.`);
  const folder = name.slice(0, -"data.pkl".length);
  const byteOrder = archive.entries.get(`${folder}byteorder`);
  if (byteOrder !== undefined) {
    const order = await readExactly(file, await archive.offsetOf(byteOrder), Math.min(byteOrder.size, 16));
    if (Buffer.from(order).toString("latin1") !== "little") throw unsupported(file.path, "was not written on a little-endian system");
  }
  const pickle = await readExactly(file, await archive.offsetOf(entry), entry.size);
  const host = new TorchHost(where);
  const views = readStateDict(unpickle(pickle, 0, host, where).value, where);
  const offsets = new Map<string, number>();
  for (const storage of host.storages.values()) {
    const data = archive.entries.get(`${folder}data/${storage.key}`);
    if (data === undefined) throw invalid(file.path, `has no entry for the storage ${describe(storage.key)}, which its tensors need.`);
    requireLength(storage, data.size, file.path);
    offsets.set(storage.key, await archive.offsetOf(data));
  }
  return { views, offsets };
}

/**
 * Reads the legacy format: pickles of the magic number, protocol, system information, state dict and order of the storages; then the
 * storages.
 */
async function readLegacy(file: OpenFile): Promise<Contents> {
  const bytes = await readExactly(file, 0, Math.min(file.size, MAX_PICKLE_BYTES));
  const host = new TorchHost(file.path);
  let position = 0;
  const next = (): unknown => {
    const { value, end } = unpickle(bytes, position, host, file.path);
    position = end;
    return value;
  };
  // The check of the first byte gives a file that is not a pickle this message, not one about an unknown opcode.
  if (bytes[0] !== PICKLE_START || next() !== LEGACY_MAGIC) {
    throw invalid(file.path, "is neither a zip archive nor the legacy format of torch.save. Download it again.");
  }
  if (next() !== LEGACY_PROTOCOL) throw unsupported(file.path, `is not in version ${LEGACY_PROTOCOL} of the legacy format of torch.save`);
  const system = next();
  if (!types.isMap(system) || system.get("little_endian") !== true) {
    throw unsupported(file.path, "was not written on a little-endian system");
  }
  const views = readStateDict(next(), file.path);
  const keys = next();
  if (!Array.isArray(keys)) throw invalid(file.path, "does not list its storages.");
  return { views, offsets: await placeStorages(keys, host.storages, position, file) };
}

/** Locates the storages of the legacy format: each is a 64-bit length followed by the elements. */
async function placeStorages(
  keys: readonly unknown[],
  storages: ReadonlyMap<string, StorageRef>,
  start: number,
  file: OpenFile,
): Promise<ReadonlyMap<string, number>> {
  const offsets = new Map<string, number>();
  let position = start;
  for (const key of keys) {
    const storage = typeof key === "string" ? storages.get(key) : undefined;
    if (storage === undefined || offsets.has(storage.key)) throw invalid(file.path, "lists a storage that no tensor uses, or one twice.");
    if (position + 8 > file.size) throw truncated(file.path);
    const length = Number(Buffer.from(await readExactly(file, position, 8)).readBigUInt64LE());
    position += 8;
    requireLength(storage, length * ELEMENT_BYTES[storage.dtype], file.path);
    offsets.set(storage.key, position);
    position += length * ELEMENT_BYTES[storage.dtype];
    if (position > file.size) throw truncated(file.path);
  }
  const missing = [...storages.keys()].find((key) => !offsets.has(key));
  if (missing !== undefined) throw invalid(file.path, `does not contain the storage ${describe(missing)}, which its tensors need.`);
  return offsets;
}

function readStateDict(value: unknown, where: string): ReadonlyMap<string, TensorView> {
  if (!types.isMap(value)) throw unsupported(where, "does not contain a state dict (a dictionary of tensors)");
  for (const [name, tensor] of value) {
    if (typeof name !== "string" || !(tensor instanceof TensorView)) {
      throw unsupported(where, `has the entry ${typeof name === "string" ? describe(name) : "without a name"}, which is not a tensor`);
    }
  }
  return value as ReadonlyMap<string, TensorView>;
}

function locate(name: string, { storage, offset, shape }: TensorView, offsets: ReadonlyMap<string, number>, file: string): TensorInfo {
  const bytes = ELEMENT_BYTES[storage.dtype];
  const count = shape.reduce((product, size) => product * size, 1);
  const base = offsets.get(storage.key) ?? NaN;
  return { name, dtype: storage.dtype, shape, file, offset: base + offset * bytes, byteLength: count * bytes };
}

/** Resolves the names that the pickles of torch.save may refer to. */
class TorchHost implements PickleHost {
  readonly #where: string;
  /** All storages that the pickle refers to, by key. */
  readonly storages = new Map<string, StorageRef>();
  readonly #globals: ReadonlyMap<string, unknown>;

  constructor(where: string) {
    this.#where = where;
    const tensor = new PickleFunction((args) => this.#tensor(args));
    this.#globals = new Map<string, unknown>([
      ["collections.OrderedDict", new PickleFunction((args) => this.#dictionary(args))],
      ["torch._utils._rebuild_tensor", tensor],
      ["torch._utils._rebuild_tensor_v2", tensor],
      ["torch._utils._rebuild_parameter", new PickleFunction(([data]) => data)],
      ...Object.entries(STORAGE_TYPES).map(([name, dtype]): [string, unknown] => [`torch.${name}`, new StorageType(dtype)]),
    ]);
  }

  global(module: string, name: string): unknown {
    const found = this.#globals.get(`${module}.${name}`);
    if (found !== undefined) return found;
    throw new SparseRerankError(
      "ERR_UNSUPPORTED_MODEL",
      `${this.#where} refers to ${describe(`${module}.${name}`)}, which plain weights do not need. The file was not executed. ${REMEDY}`,
    );
  }

  /** @param id ("storage", type, key, device, length), followed in the legacy format by a view of the storage or None */
  persistent(id: unknown): StorageRef {
    const [kind, type, key, , length, part] = Array.isArray(id) ? (id as readonly unknown[]) : [];
    if (kind !== "storage" || !(type instanceof StorageType) || typeof key !== "string" || !isSize(length)) {
      throw unsupported(this.#where, "refers to an object that is not a storage of numbers");
    }
    if (part !== undefined && part !== null) throw unsupported(this.#where, "has a storage that is part of another one");
    const known = this.storages.get(key);
    if (known === undefined) {
      const storage = new StorageRef(key, type.dtype, length);
      this.storages.set(key, storage);
      return storage;
    }
    if (known.dtype !== type.dtype || known.length !== length)
      throw invalid(this.#where, `declares the storage ${describe(key)} with two types or lengths.`);
    return known;
  }

  /** @param args (storage, offset, sizes, strides, …), with offset and strides in elements */
  #tensor([storage, offset, shape, strides]: readonly unknown[]): TensorView {
    if (!(storage instanceof StorageRef) || !isSize(offset) || !isSizes(shape) || !isSizes(strides) || shape.length !== strides.length) {
      throw invalid(this.#where, "has a tensor without storage, offset, sizes and strides.");
    }
    const count = shape.reduce((product, size) => product * size, 1);
    // A product too large to be exact is larger than every storage.
    if (offset + count > storage.length) {
      throw invalid(this.#where, `has a tensor of ${count} elements at ${offset} in a storage of ${storage.length}.`);
    }
    if (!isContiguous(shape, strides, count)) {
      throw unsupported(this.#where, `has a tensor of shape [${shape.slice(0, 16).join(", ")}] that is not contiguous (row-major)`);
    }
    // Copied, since the pickle may change its list afterwards.
    return new TensorView(storage, offset, [...shape]);
  }

  #dictionary(args: readonly unknown[]): Map<unknown, unknown> {
    if (args.length > 0) throw unsupported(this.#where, "creates a dictionary in the way of Python 2");
    return new Map();
  }
}

/** Whether a tensor is row-major without gaps. Strides of dimensions of size 1 and of empty tensors are irrelevant. */
function isContiguous(shape: readonly number[], strides: readonly number[], count: number): boolean {
  let expected = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    const size = shape[i] ?? 0;
    if (count > 0 && size !== 1 && strides[i] !== expected) return false;
    expected *= size;
  }
  return true;
}

function requireLength(storage: StorageRef, bytes: number, path: string): void {
  if (storage.length * ELEMENT_BYTES[storage.dtype] === bytes) return;
  throw invalid(
    path,
    `has ${bytes} bytes for the storage ${describe(storage.key)}, which should have ${storage.length} elements of ${storage.dtype}.`,
  );
}

function isSize(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function isSizes(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.length <= MAX_DIMENSIONS && value.every(isSize);
}

function truncated(path: string): SparseRerankError {
  return invalid(path, "ends before its last storage: it is truncated. Download it again.");
}

function invalid(where: string, problem: string): SparseRerankError {
  return new SparseRerankError("ERR_INVALID_WEIGHTS", `${where} ${problem}`);
}

function unsupported(where: string, problem: string): SparseRerankError {
  return new SparseRerankError("ERR_UNSUPPORTED_MODEL", `${where} ${problem}. ${REMEDY}`);
}
