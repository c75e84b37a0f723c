/** Builds the files of torch.save, with any changes that a test makes. */

import { crc32 } from "node:zlib";

export interface Storage {
  readonly key: string;
  /** torch's class, such as "FloatStorage". */
  readonly type: string;
  /** In elements; default: as many as there are 4-byte numbers. */
  readonly length?: number;
  readonly bytes: Uint8Array;
}

export interface Tensor {
  readonly storage: Storage;
  readonly offset?: number;
  readonly shape: readonly number[];
  /** Default: row-major. */
  readonly strides?: readonly number[];
}

const text = (value: string): Buffer => Buffer.concat([Buffer.of(0x58), uint32(Buffer.byteLength(value)), Buffer.from(value)]);
const int = (value: number): Buffer => Buffer.concat([Buffer.of(0x4a), int32(value)]);
const tuple = (...items: readonly Uint8Array[]): Buffer => Buffer.concat([Buffer.of(0x28), ...items, Buffer.of(0x74)]);
const call = (callee: Uint8Array, ...args: readonly Uint8Array[]): Buffer => Buffer.concat([callee, tuple(...args), Buffer.of(0x52)]);

/** Parts of pickles. */
export const pickle = {
  text,
  int,
  tuple,
  call,
  none: Buffer.of(0x4e),
  false: Buffer.of(0x89),
  true: Buffer.of(0x88),
  emptyTuple: Buffer.of(0x29),
  global: (module: string, name: string): Buffer => Buffer.from(`c${module}\n${name}\n`),
  persistent: (id: Uint8Array): Buffer => Buffer.concat([id, Buffer.of(0x51)]),
  dictionary: (...entries: readonly (readonly [key: Uint8Array, value: Uint8Array])[]): Buffer =>
    Buffer.concat([Buffer.of(0x7d, 0x28), ...entries.flat(), Buffer.of(0x75)]),
  list: (...items: readonly Uint8Array[]): Buffer => Buffer.concat([Buffer.of(0x5d, 0x28), ...items, Buffer.of(0x65)]),
  /** A complete pickle of protocol 2. */
  of: (value: Uint8Array): Buffer => Buffer.concat([Buffer.of(0x80, 2), value, Buffer.of(0x2e)]),
} as const;

export function float32(...values: readonly number[]): Uint8Array {
  return new Uint8Array(Float32Array.from(values).buffer);
}

export function floats(key: string, ...values: readonly number[]): Storage {
  return { key, type: "FloatStorage", bytes: float32(...values) };
}

const lengthOf = ({ length, bytes }: Storage): number => length ?? bytes.length / 4;

/** @param legacy the legacy format has one more item */
export function storageId({ key, type, ...rest }: Storage, legacy = false): Buffer {
  const items = [text("storage"), pickle.global("torch", type), text(key), text("cpu"), int(lengthOf({ key, type, ...rest }))];
  return pickle.persistent(tuple(...items, ...(legacy ? [pickle.none] : [])));
}

export function tensorCall({ storage, offset = 0, shape, strides }: Tensor, legacy = false): Buffer {
  const steps = strides ?? shape.map((_, i) => shape.slice(i + 1).reduce((a, b) => a * b, 1));
  return call(
    pickle.global("torch._utils", "_rebuild_tensor_v2"),
    storageId(storage, legacy),
    int(offset),
    tuple(...shape.map(int)),
    tuple(...steps.map(int)),
    pickle.false,
    call(pickle.global("collections", "OrderedDict")),
  );
}

/** An OrderedDict of tensors with the attribute _metadata, as state_dict() creates it. */
export function stateDict(tensors: Readonly<Record<string, Tensor>>, legacy = false): Buffer {
  const items = Object.entries(tensors).flatMap(([name, tensor]) => [text(name), tensorCall(tensor, legacy)]);
  const state = pickle.dictionary([text("_metadata"), call(pickle.global("collections", "OrderedDict"))]);
  return Buffer.concat([
    call(pickle.global("collections", "OrderedDict")),
    Buffer.of(0x28),
    ...items,
    Buffer.of(0x75),
    state,
    Buffer.of(0x62),
  ]);
}

function storagesOf(tensors: Readonly<Record<string, Tensor>>): Storage[] {
  return [...new Map(Object.values(tensors).map(({ storage }) => [storage.key, storage])).values()];
}

export interface ZipOptions {
  /** Sizes and offsets in zip64 fields, although they would fit. */
  readonly zip64?: boolean;
  readonly method?: number;
  readonly flags?: number;
}

/** Entries in order, each starting at a multiple of 64 bytes, like torch's. */
export function zip(entries: readonly (readonly [name: string, contents: Uint8Array])[], options: ZipOptions = {}): Buffer {
  const { zip64 = false, method = 0, flags = 0 } = options;
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, contents] of entries) {
    const padding = Buffer.alloc(4 + ((64 - ((offset + 30 + name.length + 4) % 64)) % 64));
    padding.write("FB");
    padding.writeUInt16LE(padding.length - 4, 2);
    const sizes = [uint32(crc32(contents)), uint32(contents.length), uint32(contents.length)];
    const fixed = [uint16(20), uint16(flags), uint16(method), uint32(0)];
    const header = [uint32(0x04034b50), ...fixed, ...sizes, uint16(name.length), uint16(padding.length), Buffer.from(name), padding];
    const all = uint32(0xffffffff);
    const extra = zip64
      ? Buffer.concat([uint16(1), uint16(24), uint64(contents.length), uint64(contents.length), uint64(offset)])
      : Buffer.alloc(0);
    const [crc = all] = sizes;
    const own = zip64 ? [crc, all, all] : sizes;
    const at = zip64 ? all : uint32(offset);
    directory.push(
      Buffer.concat([uint32(0x02014b50), uint16(20), ...fixed, ...own, uint16(name.length), uint16(extra.length), Buffer.alloc(10), at]),
      Buffer.from(name),
      extra,
    );
    const entry = Buffer.concat([...header, contents]);
    parts.push(entry);
    offset += entry.length;
  }
  const listed = Buffer.concat(directory);
  const count = entries.length;
  const end64 = [uint32(0x06064b50), uint64(44), uint16(45), uint16(45), uint32(0), uint32(0)];
  const size64 = [uint64(count), uint64(count), uint64(listed.length), uint64(offset)];
  const locator = [uint32(0x07064b50), uint32(0), uint64(offset + listed.length), uint32(1)];
  const small = zip64
    ? [uint16(0xffff), uint16(0xffff), uint32(0xffffffff), uint32(0xffffffff)]
    : [uint16(count), uint16(count), uint32(listed.length), uint32(offset)];
  return Buffer.concat([
    ...parts,
    listed,
    ...(zip64 ? [...end64, ...size64, ...locator] : []),
    uint32(0x06054b50),
    uint32(0),
    ...small,
    uint16(0),
  ]);
}

/** The zip format of torch.save around a pickle. */
export function torchArchive(
  value: Uint8Array,
  storages: readonly Storage[],
  options: ZipOptions & { readonly byteOrder?: string } = {},
): Buffer {
  const data = storages.map(({ key, bytes }): [string, Uint8Array] => [`archive/data/${key}`, bytes]);
  const order: [string, Uint8Array] = ["archive/byteorder", Buffer.from(options.byteOrder ?? "little")];
  return zip([["archive/data.pkl", pickle.of(value)], order, ...data, ["archive/version", Buffer.from("3\n")]], options);
}

export function torchZip(tensors: Readonly<Record<string, Tensor>>, options: ZipOptions = {}): Buffer {
  return torchArchive(stateDict(tensors), storagesOf(tensors), options);
}

/** 0x1950a86a20f9469cfc6c as LONG1. */
const MAGIC = Buffer.from("8a0a6cfc9c46f9206aa85019", "hex");

/** The legacy format of torch.save around a pickle. */
export function torchStream(value: Uint8Array, storages: readonly Storage[], littleEndian = true): Buffer {
  const system = pickle.dictionary(
    [text("protocol_version"), int(1001)],
    [text("little_endian"), littleEndian ? pickle.true : pickle.false],
    [text("type_sizes"), pickle.dictionary([text("int"), int(4)])],
  );
  const heads = [MAGIC, int(1001), system, value, pickle.list(...storages.map(({ key }) => text(key)))].map(pickle.of);
  return Buffer.concat([...heads, ...storages.flatMap((storage) => [uint64(lengthOf(storage)), storage.bytes])]);
}

export function torchLegacy(tensors: Readonly<Record<string, Tensor>>): Buffer {
  return torchStream(stateDict(tensors, true), storagesOf(tensors));
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}

function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}
