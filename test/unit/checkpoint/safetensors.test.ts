/** The reader of safetensors headers: what the format allows, what it forbids, and arbitrary bytes. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdir, open, realpath, symlink, truncate, writeFile } from "node:fs/promises";
import path from "node:path";

import fc from "fast-check";

import { readSafetensors } from "../../../dist/checkpoint/safetensors";
import type { TensorTable } from "../../../dist/checkpoint/types";
import { SparseRerankError } from "../../../dist/errors";
import { fails, safetensors, withFolder } from "../../support/checkpoint-folder";
import { skip } from "../../support/skip";

const FILE = "model.safetensors";

async function read(bytes: Uint8Array): Promise<TensorTable> {
  return withFolder({ [FILE]: bytes }, async (folder) => {
    const table = await readSafetensors(path.join(folder, FILE));
    assert.ok(table !== undefined);
    return table;
  });
}

const f32 = (shape: readonly number[], begin: number, end: number): object => ({ dtype: "F32", shape, data_offsets: [begin, end] });

describe("checkpoint: safetensors", () => {
  it("locates the bytes of tensors for any header order", async () => {
    const values = Float32Array.of(1.5, -2, 3.25, 4);
    const header = { __metadata__: { format: "pt" }, b: f32([3], 4, 16), a: f32([1, 1], 0, 4) };
    const bytes = safetensors(header, new Uint8Array(values.buffer));
    await withFolder({ [FILE]: bytes }, async (folder) => {
      const table = await readSafetensors(path.join(folder, FILE));
      assert.deepEqual([...(table?.keys() ?? [])], ["a", "b"]);
      const b = table?.get("b");
      assert.ok(b !== undefined);
      assert.equal(b.file, await realpath(path.join(folder, FILE)));
      assert.equal(b.dtype, "F32");
      assert.deepEqual(b.shape, [3]);
      const stored = readFileSync(b.file).subarray(b.offset, b.offset + b.byteLength);
      assert.deepEqual(
        [0, 4, 8].map((at) => stored.readFloatLE(at)),
        [-2, 3.25, 4],
      );
    });
  });

  it("knows the size of every element type", async () => {
    const sizes = { F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, I16: 2, I8: 1, U8: 1, BOOL: 1 };
    for (const [dtype, size] of Object.entries(sizes)) {
      const table = await read(safetensors({ t: { dtype, shape: [3], data_offsets: [0, 3 * size] } }, new Uint8Array(3 * size)));
      assert.equal(table.get("t")?.byteLength, 3 * size, dtype);
    }
  });

  it("accepts scalars, empty tensors, padding after the header and a file without tensors", async () => {
    const padded = Buffer.from(`${JSON.stringify({ none: f32([0, 5], 0, 0), one: f32([], 0, 4), last: f32([2, 0], 4, 4) })}     `);
    const table = await read(safetensors(padded, new Uint8Array(4)));
    assert.deepEqual(table.get("one")?.shape, []);
    assert.equal(table.get("one")?.byteLength, 4);
    assert.equal(table.get("none")?.byteLength, 0);
    assert.equal(table.get("last")?.byteLength, 0);
    assert.equal((await read(safetensors({}))).size, 0);
  });

  it("keeps names with a special meaning in JavaScript objects", async () => {
    const header = Buffer.from(
      '{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"constructor":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}',
    );
    const table = await read(safetensors(header, new Uint8Array(2)));
    assert.deepEqual([...table.keys()], ["__proto__", "constructor"]);
    assert.equal(({} as Record<string, unknown>)["dtype"], undefined);
  });

  it("follows the hub cache's symbolic links to the real file", async function () {
    if (process.platform === "win32") skip(this, "links need a privilege on Windows");
    await withFolder({ "blobs/abc": safetensors({ t: f32([1], 0, 4) }, new Uint8Array(4)) }, async (folder) => {
      await mkdir(path.join(folder, "snapshots/rev"), { recursive: true });
      await symlink("../../blobs/abc", path.join(folder, "snapshots/rev", FILE));
      const table = await readSafetensors(path.join(folder, "snapshots/rev", FILE));
      assert.equal(table?.get("t")?.file, await realpath(path.join(folder, "blobs/abc")));
    });
  });

  it("is undefined for an absent file", async () => {
    assert.equal(await withFolder({}, (folder) => readSafetensors(path.join(folder, FILE))), undefined);
  });

  const tensor = (fields: object): unknown => ({ w: { dtype: "F32", shape: [2], data_offsets: [0, 8], ...fields } });
  const wrong: readonly (readonly [string, unknown, RegExp])[] = [
    ["an entry that is no object", { w: 5 }, /"w" is 5/],
    ["an unknown dtype", tensor({ dtype: "F33x" }), /dtype "F33x"/],
    ["a dtype that is a property of every object", tensor({ dtype: "toString" }), /dtype "toString"/],
    ["a missing dtype", tensor({ dtype: null }), /dtype null/],
    ["a negative size", tensor({ shape: [-2] }), /shape/],
    ["a fractional size", tensor({ shape: [2.5] }), /shape/],
    ["a size beyond the safe integers", tensor({ shape: [2 ** 53] }), /shape/],
    ["a shape that is no array", tensor({ shape: { length: 1 } }), /shape an object/],
    ["one offset", tensor({ data_offsets: [0] }), /data_offsets/],
    ["three offsets", tensor({ data_offsets: [0, 8, 8] }), /data_offsets/],
    ["offsets in the wrong order", tensor({ data_offsets: [8, 0] }), /data_offsets 8 to 0/],
    ["offsets after the end", tensor({ data_offsets: [0, 9], shape: [] }), /0 to 9.*has 8 bytes/],
    ["a shape larger than its bytes", tensor({ shape: [3] }), /\[3\] and needs 12 bytes.*span 8/],
    ["a shape whose product overflows", tensor({ shape: [2 ** 52, 2 ** 52, 2 ** 52] }), /needs/],
    ["a shape whose product is infinite", tensor({ shape: Array(80).fill(2 ** 52) }), /needs Infinity/],
    ["an overlap", { a: f32([2], 0, 8), b: f32([1], 4, 8) }, /"b" at byte 4 overlaps/],
    ["the same bytes twice", { a: f32([2], 0, 8), b: f32([2], 0, 8) }, /overlaps/],
    ["a hole", { a: f32([1], 0, 4), b: f32([0], 8, 8) }, /"b" at byte 8 leaves a hole of 4/],
    ["a hole at the beginning", { b: f32([1], 4, 8) }, /leaves a hole of 4/],
    ["bytes after the last tensor", { a: f32([1], 0, 4) }, /4 bytes after its last tensor/],
    ["metadata that is no object", { __metadata__: [], w: f32([2], 0, 8) }, /__metadata__/],
    ["metadata that is not all strings", { __metadata__: { n: 1 }, w: f32([2], 0, 8) }, /__metadata__/],
    ["an array as header", [], /does not begin with \{/],
    [
      "a name that occurs twice",
      Buffer.from('{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"a":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}}'),
      /leaves a hole of 4/,
    ],
    ["a header that is not JSON", Buffer.from("{oops"), /not valid JSON/],
    ["a header that is not UTF-8", Buffer.from([0x7b, 0xff, 0x7d]), /not valid JSON/],
    ["space before the header", Buffer.from(" {}"), /does not begin with \{/],
  ];
  for (const [what, header, message] of wrong) {
    it(`rejects ${what}`, () => fails(read(safetensors(header, new Uint8Array(8))), "ERR_INVALID_WEIGHTS", /model\.safetensors/, message));
  }

  it("rejects types of quantized checkpoints as unsupported", async () => {
    for (const dtype of ["F8_E4M3", "F8_E5M2FNUZ", "U32", "C64", "F4"]) {
      await fails(read(safetensors(tensor({ dtype }), new Uint8Array(8))), "ERR_UNSUPPORTED_MODEL", new RegExp(`type ${dtype}`));
    }
  });

  it("rejects a Git LFS pointer and says how to fix it", () =>
    fails(read(Buffer.from("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")), "ERR_INVALID_WEIGHTS", /git lfs pull/));

  it("rejects false header lengths without allocating them", async () => {
    for (const length of [2n ** 64n - 1n, 2n ** 63n, 2n ** 40n, 3n]) {
      const bytes = Buffer.concat([Buffer.alloc(8), Buffer.from("{}")]);
      bytes.writeBigUInt64LE(length);
      await fails(read(bytes), "ERR_INVALID_WEIGHTS", new RegExp(`header of ${length} bytes, but only 2`));
    }
  });

  it("rejects a header above the limit even if the file is large enough", () =>
    withFolder({ [FILE]: Buffer.from([0, 0, 0, 1, 0, 0, 0, 0]) }, async (folder) => {
      // A sparse file: 16 MiB that occupy no disk space.
      await truncate(path.join(folder, FILE), 2 ** 24 + 8);
      await fails(readSafetensors(path.join(folder, FILE)), "ERR_INVALID_WEIGHTS", /header of 16777216 bytes; at most 8388608/);
    }));

  it("locates tensors beyond 4 GiB", async function () {
    const size = 5 * 2 ** 30;
    const header = Buffer.from(
      JSON.stringify({ big: { dtype: "U8", shape: [size], data_offsets: [0, size] }, end: f32([1], size, size + 4) }),
    );
    await withFolder({ [FILE]: safetensors(header) }, async (folder) => {
      const handle = await open(path.join(folder, FILE), "r+");
      try {
        await handle.truncate(8 + header.length + size + 4);
      } catch {
        skip(this, "the disk has no sparse files of that size");
      } finally {
        await handle.close();
      }
      const table = await readSafetensors(path.join(folder, FILE));
      assert.equal(table?.get("end")?.offset, 8 + header.length + size);
    });
  });
});

describe("checkpoint: safetensors from hostile bytes", function () {
  this.timeout(120_000);

  const valid = safetensors(
    { __metadata__: { format: "pt" }, a: f32([2, 2], 0, 16), b: { dtype: "I64", shape: [], data_offsets: [16, 24] }, c: f32([0], 24, 24) },
    new Uint8Array(24),
  );

  /** Returns a table whose tensors all lie within the file, or one of the two coded errors. */
  async function survives(file: string, bytes: Uint8Array): Promise<"table" | "error"> {
    await writeFile(file, bytes);
    let table: TensorTable | undefined;
    try {
      table = await readSafetensors(file);
    } catch (error) {
      assert.ok(error instanceof SparseRerankError, String(error));
      assert.ok(error.code === "ERR_INVALID_WEIGHTS" || error.code === "ERR_UNSUPPORTED_MODEL", error.message);
      assert.ok(error.message.length < 2000, "the message repeats the file");
      return "error";
    }
    assert.ok(table !== undefined);
    for (const { offset, byteLength, shape } of table.values()) {
      assert.ok(Number.isSafeInteger(offset) && Number.isSafeInteger(byteLength));
      assert.ok(offset >= 8 && byteLength >= 0 && offset + byteLength <= bytes.length);
      assert.ok(shape.every((size) => Number.isSafeInteger(size) && size >= 0));
    }
    return "table";
  }

  const withFile = (use: (file: string) => Promise<void>) => (): Promise<void> => withFolder({}, (folder) => use(path.join(folder, FILE)));

  it(
    "rejects every truncation",
    withFile(async (file) => {
      assert.equal(await survives(file, valid), "table");
      for (let length = 0; length < valid.length; length++) {
        assert.equal(await survives(file, valid.subarray(0, length)), "error", `${length} bytes`);
      }
    }),
  );

  it(
    "rejects random bytes or reads valid tensors",
    withFile((file) =>
      fc.assert(
        fc.asyncProperty(fc.uint8Array({ maxLength: 64 }), fc.option(fc.nat(64)), async (bytes, length) => {
          const content = Buffer.from(bytes);
          // Half of the runs start with a plausible header length, to reach the parser.
          if (length !== null && content.length >= 8) content.writeBigUInt64LE(BigInt(length));
          await survives(file, content);
        }),
        { numRuns: 500 },
      ),
    ),
  );

  it(
    "rejects changed bytes in a valid file or reads valid tensors",
    withFile((file) =>
      fc.assert(
        fc.asyncProperty(fc.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }), async (changes) => {
          const content = Buffer.from(valid);
          for (const [at, byte] of changes) content[at] = byte;
          await survives(file, content);
        }),
        { numRuns: 1000 },
      ),
    ),
  );

  it(
    "rejects header fields replaced by other JSON or reads valid tensors",
    withFile((file) => {
      const number = fc.oneof(fc.nat(40), fc.integer(), fc.constantFrom(2 ** 31, 2 ** 32, 2 ** 53 - 1, 2 ** 53, -0, 1e308, 0.5));
      const value = fc.oneof(number, fc.array(number, { maxLength: 4 }), fc.constantFrom("F32", "U8", "I64", "F8_E4M3"), fc.jsonValue());
      const entry = fc.record({ dtype: value, shape: value, data_offsets: value }, { requiredKeys: [] });
      const name = fc.oneof(fc.constantFrom("a", "b", "__metadata__", "__proto__", "toString"), fc.string());
      return fc.assert(
        fc.asyncProperty(fc.dictionary(name, fc.oneof(entry, value), { maxKeys: 4 }), fc.nat(32), async (header, body) => {
          await survives(file, safetensors(header, new Uint8Array(body)));
        }),
        { numRuns: 1000 },
      );
    }),
  );

  it(
    "reads back any layout without gaps",
    withFile((file) => {
      const shapes = fc.array(fc.array(fc.nat(3), { maxLength: 3 }), { maxLength: 6 });
      return fc.assert(
        fc.asyncProperty(shapes, fc.nat(7), async (list, padding) => {
          let end = 0;
          const header: Record<string, unknown> = {};
          list.forEach((shape, i) => {
            const begin = end;
            end += 2 * shape.reduce((product, size) => product * size, 1);
            header[`t${i}`] = { dtype: "F16", shape, data_offsets: [begin, end] };
          });
          const json = Buffer.from(JSON.stringify(header) + " ".repeat(padding));
          await writeFile(file, safetensors(json, new Uint8Array(end)));
          const table = await readSafetensors(file);
          assert.deepEqual(
            list.map((_, i) => table?.get(`t${i}`)?.shape),
            list,
          );
        }),
        { numRuns: 300 },
      );
    }),
  );

  it(
    "rejects a header of nothing but brackets quickly",
    withFile(async (file) => {
      assert.equal(await survives(file, safetensors(Buffer.from(`{"a":${"[".repeat(1_000_000)}`))), "error");
      assert.equal(await survives(file, safetensors(Buffer.from(`{"a":${"[".repeat(500_000)}${"]".repeat(500_000)}}`))), "error");
    }),
  );
});
