/** pytorch_model.bin: reading both formats, and the coded error for everything else that such a file can contain. */

import assert from "node:assert/strict";
import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

import fc from "fast-check";

import { readPytorch } from "../../../dist/checkpoint/pytorch";
import type { TensorTable } from "../../../dist/checkpoint/types";
import type { ErrorCode } from "../../../dist/errors";
import { SparseRerankError } from "../../../dist/errors";
import { fails } from "../../support/checkpoint-folder";
import * as torch from "../../support/torch-file";
import type { Tensor } from "../../support/torch-file";

const { pickle } = torch;

const A = torch.floats("0", 1, 2, 3, 4, 5, 6);
const TENSORS: Readonly<Record<string, Tensor>> = {
  matrix: { storage: A, shape: [2, 3] },
  // Another name for the same tensor, and a part of it.
  tied: { storage: A, shape: [2, 3] },
  row: { storage: A, offset: 3, shape: [3] },
  scalar: { storage: torch.floats("1", 7), shape: [] },
  empty: { storage: torch.floats("2"), shape: [0, 4] },
  halves: { storage: { key: "3", type: "HalfStorage", length: 3, bytes: Buffer.from("003c00400042", "hex") }, shape: [3] },
  // Strides of dimensions of size 1 do not matter.
  column: { storage: torch.floats("4", 8, 9), shape: [2, 1], strides: [1, 5] },
};
/** The product has 279 digits. */
const HUGE = Array.from({ length: 30 }, () => 2_000_000_000);
const FORMATS: readonly (readonly [string, () => Buffer])[] = [
  ["zip", () => torch.torchZip(TENSORS)],
  ["zip64", () => torch.torchZip(TENSORS, { zip64: true })],
  ["legacy", () => torch.torchLegacy(TENSORS)],
];

describe("pytorch_model.bin", () => {
  let folder: string;
  let file: string;

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "sparse-rerank-"));
    file = path.join(folder, "pytorch_model.bin");
  });
  after(() => rm(folder, { recursive: true }));

  const read = async (bytes: Uint8Array): Promise<TensorTable> => {
    writeFileSync(file, bytes);
    const table = await readPytorch(file);
    assert.ok(table !== undefined);
    return table;
  };

  it("is undefined if there is no file", async () => {
    assert.equal(await readPytorch(path.join(folder, "none.bin")), undefined);
  });

  for (const [name, make] of FORMATS) {
    it(`${name}: locates the bytes of each tensor`, async () => {
      const bytes = make();
      const table = await read(bytes);
      assert.deepEqual([...table.keys()], Object.keys(TENSORS));
      for (const [tensor, { storage, offset = 0, shape }] of Object.entries(TENSORS)) {
        const found = table.get(tensor);
        const width = storage.type === "HalfStorage" ? 2 : 4;
        const length = shape.reduce((a, b) => a * b, 1) * width;
        assert.ok(found !== undefined);
        assert.deepEqual(found.shape, shape);
        assert.equal(found.dtype, width === 2 ? "F16" : "F32");
        assert.equal(found.byteLength, length);
        assert.deepEqual(
          bytes.subarray(found.offset, found.offset + length),
          Buffer.from(storage.bytes.subarray(offset * width, offset * width + length)),
        );
      }
    });

    it(`${name}: rejects every truncation`, async () => {
      const bytes = make();
      writeFileSync(file, bytes);
      for (let length = bytes.length - 1; length >= 0; length--) {
        truncateSync(file, length);
        await assert.rejects(readPytorch(file), (error: unknown) => isCoded(error));
      }
    });
  }

  it("supports every element type of checkpoints", async () => {
    const types: readonly (readonly [type: string, dtype: string, width: number])[] = [
      ...([
        ["DoubleStorage", "F64", 8],
        ["FloatStorage", "F32", 4],
        ["HalfStorage", "F16", 2],
        ["BFloat16Storage", "BF16", 2],
      ] as const),
      ...([
        ["LongStorage", "I64", 8],
        ["IntStorage", "I32", 4],
        ["ShortStorage", "I16", 2],
        ["CharStorage", "I8", 1],
      ] as const),
      ...([
        ["ByteStorage", "U8", 1],
        ["BoolStorage", "BOOL", 1],
      ] as const),
    ];
    for (const [type, dtype, width] of types) {
      const storage = { key: "0", type, length: 2, bytes: new Uint8Array(2 * width) };
      const tensor = (await read(torch.torchZip({ w: { storage, shape: [2] } }))).get("w");
      assert.deepEqual([tensor?.dtype, tensor?.byteLength], [dtype, 2 * width]);
    }
  });

  it("accepts parameters as tensors, and plain dictionaries", async () => {
    const parameter = pickle.call(
      pickle.global("torch._utils", "_rebuild_parameter"),
      torch.tensorCall({ storage: A, shape: [6] }),
      pickle.true,
      pickle.call(pickle.global("collections", "OrderedDict")),
    );
    const table = await read(torch.torchArchive(pickle.dictionary([pickle.text("p"), parameter]), [A]));
    assert.deepEqual(table.get("p")?.shape, [6]);
  });

  it("reads files written by torch", async () => {
    const fixture = path.join(__dirname, "../../data/checkpoints/splade-bin-fp16/pytorch_model.bin");
    const table = await readPytorch(fixture);
    const words = table?.get("bert.embeddings.word_embeddings.weight");
    assert.ok(words !== undefined);
    assert.equal(words.dtype, "F16");
    assert.equal(words.byteLength, (words.shape[0] ?? 0) * (words.shape[1] ?? 0) * 2);
  });

  type Case = readonly [what: string, bytes: Uint8Array, code: ErrorCode, message: RegExp];
  const archive = (value: Uint8Array): Buffer => torch.torchArchive(value, [A]);
  const entry = (value: Uint8Array): Buffer => archive(pickle.dictionary([pickle.text("w"), value]));
  const tensor = (changes: Partial<Tensor>): Buffer => entry(torch.tensorCall({ storage: A, shape: [2, 3], ...changes }));
  const op = (...bytes: readonly number[]): Buffer => archive(Buffer.of(...bytes));
  const storageOf = (...id: readonly Uint8Array[]): Buffer => entry(pickle.persistent(pickle.tuple(...id)));
  const float = pickle.global("torch", "FloatStorage");
  const evil = pickle.call(pickle.global("os", "system"), pickle.text("touch pwned"));
  const badKey = { ...A, key: "other" };
  const cases: readonly Case[] = [
    ["an empty file", Buffer.alloc(0), "ERR_INVALID_WEIGHTS", /neither a zip archive nor the legacy format/],
    ["something else", Buffer.from("hello, world"), "ERR_INVALID_WEIGHTS", /neither a zip archive/],
    ["a Git LFS pointer", Buffer.from("version https://git-lfs.github.com/spec/v1\n"), "ERR_INVALID_WEIGHTS", /git lfs pull/],
    ["a zip archive of something else", torch.zip([["a/b.txt", Buffer.from("x")]]), "ERR_UNSUPPORTED_MODEL", /0 entries <name>\/data\.pkl/],
    [
      "two pickles",
      torch.zip([
        ["a/data.pkl", pickle.of(pickle.none)],
        ["b/data.pkl", pickle.of(pickle.none)],
      ]),
      "ERR_UNSUPPORTED_MODEL",
      /2 entries/,
    ],
    [
      "an entry twice",
      torch.zip([
        ["a/data.pkl", Buffer.alloc(1)],
        ["a/data.pkl", Buffer.alloc(1)],
      ]),
      "ERR_INVALID_WEIGHTS",
      /broken zip directory at entry 1/,
    ],
    ["compressed entries", torch.torchZip(TENSORS, { method: 8 }), "ERR_UNSUPPORTED_MODEL", /compressed or encrypted/],
    ["encrypted entries", torch.torchZip(TENSORS, { flags: 1 }), "ERR_UNSUPPORTED_MODEL", /compressed or encrypted/],
    [
      "bytes after the end",
      Buffer.concat([torch.torchZip(TENSORS), Buffer.of(0)]),
      "ERR_INVALID_WEIGHTS",
      /does not end with a zip directory/,
    ],
    [
      "the other byte order",
      torch.torchArchive(torch.stateDict(TENSORS), [], { byteOrder: "big" }),
      "ERR_UNSUPPORTED_MODEL",
      /little-endian/,
    ],
    [
      "the other byte order, legacy",
      torch.torchStream(torch.stateDict(TENSORS, true), [], false),
      "ERR_UNSUPPORTED_MODEL",
      /little-endian/,
    ],
    ["a call of anything", entry(evil), "ERR_UNSUPPORTED_MODEL", /"os\.system".*The file was not executed/],
    ["a call of anything, legacy", torch.torchStream(evil, []), "ERR_UNSUPPORTED_MODEL", /"os\.system"/],
    [
      "a global that is almost known",
      entry(pickle.global("torch._utils", "_rebuild_tensor_v3")),
      "ERR_UNSUPPORTED_MODEL",
      /_rebuild_tensor_v3/,
    ],
    ["a global named like a property", entry(pickle.global("torch", "toString")), "ERR_UNSUPPORTED_MODEL", /"torch\.toString"/],
    ["the opcode INST", op(0x69), "ERR_UNSUPPORTED_MODEL", /opcode 0x69 at byte 2/],
    ["the opcode NEWOBJ", op(0x7d, 0x29, 0x81), "ERR_UNSUPPORTED_MODEL", /opcode 0x81/],
    ["pickle protocol 4", op(0x80, 4), "ERR_UNSUPPORTED_MODEL", /protocol 4/],
    [
      "a dictionary of Python 2",
      entry(pickle.call(pickle.global("collections", "OrderedDict"), pickle.list())),
      "ERR_UNSUPPORTED_MODEL",
      /Python 2/,
    ],
    ["a call of a dictionary", op(0x7d, 0x29, 0x52), "ERR_INVALID_WEIGHTS", /calls a value that is not a function/],
    [
      "a call with no tuple",
      entry(Buffer.concat([float, Buffer.of(0x4e, 0x52)])),
      "ERR_INVALID_WEIGHTS",
      /calls a value that is not a function/,
    ],
    ["the state of a list", op(0x5d, 0x4e, 0x62), "ERR_INVALID_WEIGHTS", /sets the state of a value that is not a dictionary/],
    ["an empty stack", op(), "ERR_INVALID_WEIGHTS", /reads a value from an empty stack/],
    ["a tuple of what is not there", op(0x87), "ERR_INVALID_WEIGHTS", /reads a value from an empty stack/],
    ["no mark", op(0x4e, 0x74), "ERR_INVALID_WEIGHTS", /lacks a mark/],
    ["a value that was never stored", op(0x68, 3), "ERR_INVALID_WEIGHTS", /refers to value 3/],
    ["items of a list", op(0x5d, 0x28, 0x75), "ERR_INVALID_WEIGHTS", /sets items of a value that is not a dictionary/],
    ["a key without value", op(0x7d, 0x28, 0x4e, 0x75), "ERR_INVALID_WEIGHTS", /sets items/],
    ["items appended to a dictionary", op(0x7d, 0x28, 0x65), "ERR_INVALID_WEIGHTS", /appends to a value that is not a list/],
    ["a text longer than the file", op(0x58, 0xff, 0xff, 0xff, 0xff), "ERR_INVALID_WEIGHTS", /ends too early/],
    ["a name without end", entry(Buffer.from(`c${"x".repeat(1000)}`)), "ERR_INVALID_WEIGHTS", /has an unterminated name/],
    ["endless operations", archive(Buffer.alloc(600_000, 0x4e)), "ERR_INVALID_WEIGHTS", /more than 500000 operations/],
    ["a list instead of a dictionary", archive(pickle.list()), "ERR_UNSUPPORTED_MODEL", /does not contain a state dict/],
    ["what is not a tensor", entry(pickle.dictionary()), "ERR_UNSUPPORTED_MODEL", /entry "w", which is not a tensor/],
    [
      "a tensor without a name",
      archive(pickle.dictionary([pickle.int(1), torch.tensorCall({ storage: A, shape: [1] })])),
      "ERR_UNSUPPORTED_MODEL",
      /without a name/,
    ],
    ["an object that is not a storage", storageOf(pickle.text("module")), "ERR_UNSUPPORTED_MODEL", /not a storage of numbers/],
    [
      "a storage of no type",
      storageOf(pickle.text("storage"), pickle.none, pickle.text("0"), pickle.none, pickle.int(1)),
      "ERR_UNSUPPORTED_MODEL",
      /not a storage/,
    ],
    [
      "a storage of negative length",
      storageOf(pickle.text("storage"), float, pickle.text("0"), pickle.none, pickle.int(-1)),
      "ERR_UNSUPPORTED_MODEL",
      /not a storage/,
    ],
    [
      "a part of a storage",
      storageOf(pickle.text("storage"), float, pickle.text("0"), pickle.none, pickle.int(1), pickle.emptyTuple),
      "ERR_UNSUPPORTED_MODEL",
      /part of another/,
    ],
    [
      "one storage with two lengths",
      entry(pickle.list(torch.storageId(A), torch.storageId({ ...A, length: 5 }))),
      "ERR_INVALID_WEIGHTS",
      /two types or lengths/,
    ],
    [
      "a storage that is not there",
      torch.torchArchive(torch.stateDict({ w: { storage: badKey, shape: [1] } }), [A]),
      "ERR_INVALID_WEIGHTS",
      /no entry for the storage "other"/,
    ],
    [
      "a storage that is too short",
      torch.torchZip({ w: { storage: { ...A, length: 7 }, shape: [1] } }),
      "ERR_INVALID_WEIGHTS",
      /24 bytes for the storage "0"/,
    ],
    [
      "a storage that is too short, legacy",
      torch.torchLegacy({ w: { storage: { ...A, length: 7 }, shape: [1] } }),
      "ERR_INVALID_WEIGHTS",
      /truncated/,
    ],
    [
      "a storage that is not there, legacy",
      torch.torchStream(torch.stateDict(TENSORS, true), [A]),
      "ERR_INVALID_WEIGHTS",
      /does not contain the storage "1"/,
    ],
    ["a storage twice, legacy", torch.torchStream(torch.stateDict(TENSORS, true), [A, A]), "ERR_INVALID_WEIGHTS", /or one twice/],
    [
      "a storage of no tensor, legacy",
      torch.torchStream(torch.stateDict(TENSORS, true), [badKey]),
      "ERR_INVALID_WEIGHTS",
      /storage that no tensor uses/,
    ],
    ["a tensor beyond its storage", tensor({ offset: 1 }), "ERR_INVALID_WEIGHTS", /6 elements at 1 in a storage of 6/],
    ["sizes whose product is astronomical", tensor({ shape: HUGE, strides: HUGE }), "ERR_INVALID_WEIGHTS", /in a storage of 6/],
    [
      "too many dimensions",
      tensor({ shape: Array.from({ length: 65 }, () => 1) }),
      "ERR_INVALID_WEIGHTS",
      /without storage, offset, sizes and strides/,
    ],
    ["a negative size", tensor({ shape: [-1, -6] }), "ERR_INVALID_WEIGHTS", /without storage/],
    ["strides for other dimensions", tensor({ strides: [1] }), "ERR_INVALID_WEIGHTS", /without storage/],
    ["a transposed tensor", tensor({ strides: [1, 2] }), "ERR_UNSUPPORTED_MODEL", /shape \[2, 3\] that is not contiguous/],
    [
      "a tensor of nothing",
      entry(pickle.call(pickle.global("torch._utils", "_rebuild_tensor_v2"))),
      "ERR_INVALID_WEIGHTS",
      /without storage/,
    ],
  ];
  for (const [what, bytes, code, message] of cases) {
    it(`rejects ${what}`, () => fails(read(bytes), code, /pytorch_model\.bin/, message));
  }

  it("ignores changes that a pickle makes to a shape after its check", async () => {
    // The list of sizes is stored, used, and then appended to.
    const sizes = Buffer.concat([pickle.list(pickle.int(2)), Buffer.of(0x71, 9)]);
    const made = pickle.call(
      pickle.global("torch._utils", "_rebuild_tensor_v2"),
      torch.storageId(A),
      pickle.int(0),
      sizes,
      pickle.list(pickle.int(1)),
    );
    // The list is the state of the dictionary, which is ignored.
    const later = Buffer.concat([Buffer.of(0x68, 9), pickle.int(1000), Buffer.of(0x61, 0x62)]);
    const table = await read(torch.torchArchive(Buffer.concat([pickle.dictionary([pickle.text("w"), made]), later]), [A]));
    assert.deepEqual(table.get("w")?.shape, [2]);
  });

  it("reads any modified file as a coded error, or as tensors within the file", async function () {
    this.timeout(120_000);
    const originals = [
      ...FORMATS.map(([, make]) => make()),
      readFileSync(path.join(__dirname, "../../data/checkpoints/ce-bert-old-key/pytorch_model.bin")),
    ];
    const edit = fc.record({ at: fc.nat(), bytes: fc.uint8Array({ minLength: 1, maxLength: 8 }), insert: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...originals),
        fc.array(edit, { minLength: 1, maxLength: 6 }),
        fc.boolean(),
        async (original, edits, head) => {
          let bytes = Buffer.from(original);
          for (const { at, bytes: change, insert } of edits) {
            // Changes target the pickle and the directory; most would otherwise hit the weights.
            const span = Math.min(bytes.length, 1500);
            const position = head ? at % span : bytes.length - 1 - (at % span);
            if (insert) bytes = Buffer.concat([bytes.subarray(0, position), change, bytes.subarray(position)]);
            else bytes.set(change.subarray(0, bytes.length - position), position);
          }
          await staysInside(bytes);
        },
      ),
      { numRuns: 1500 },
    );
  });

  it("reads any bytes as a coded error", async function () {
    this.timeout(120_000);
    const start = fc.constantFrom(
      Buffer.alloc(0),
      Buffer.from("PK\u0003\u0004"),
      Buffer.of(0x80, 2),
      torch.torchStream(pickle.none, []).subarray(0, 16),
    );
    await fc.assert(
      fc.asyncProperty(start, fc.uint8Array({ maxLength: 400 }), (head, tail) => staysInside(Buffer.concat([head, tail]))),
      { numRuns: 500 },
    );
  });

  it("reads any pickle as a coded error, or as tensors within the file", async function () {
    this.timeout(120_000);
    const pieces = [
      ...[
        pickle.none,
        pickle.true,
        pickle.int(1),
        pickle.int(6),
        pickle.int(-1),
        pickle.text("w"),
        pickle.emptyTuple,
        pickle.list(),
        pickle.tuple(),
      ],
      ...[torch.storageId(A), torch.tensorCall({ storage: A, shape: [2, 3] }), pickle.global("torch._utils", "_rebuild_tensor_v2"), float],
      ...["28", "74", "75", "65", "61", "73", "7d", "5d", "52", "51", "62", "85", "86", "87", "7101", "6801", "8a01ff", "47", "2e"].map(
        (hex) => Buffer.from(hex, "hex"),
      ),
    ];
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(...pieces), { maxLength: 40 }), (parts) => staysInside(archive(Buffer.concat(parts)))),
      { numRuns: 1500 },
    );
  });

  async function staysInside(bytes: Uint8Array): Promise<void> {
    try {
      for (const { offset, byteLength } of (await read(bytes)).values()) {
        assert.ok(Number.isSafeInteger(offset) && offset >= 0 && byteLength >= 0 && offset + byteLength <= bytes.length);
      }
    } catch (error) {
      assert.ok(isCoded(error), String(error));
    }
  }
});

function isCoded(error: unknown): boolean {
  return (
    error instanceof SparseRerankError &&
    ["ERR_INVALID_WEIGHTS", "ERR_UNSUPPORTED_MODEL"].includes(error.code) &&
    error.message.length < 2000
  );
}
