/** SparseMatrix: what it rejects, and that views, copies and round trips keep every weight. */

import assert from "node:assert/strict";

import fc from "fast-check";

import type { ErrorCode } from "../../dist/errors";
import { SparseRerankError } from "../../dist/errors";
import { MAX_DENSE_ELEMENTS, SparseMatrix, asMatrix, isVector } from "../../dist/sparse-matrix";
import type { SparseParts, SparseVector } from "../../dist/sparse-matrix";

type Row = readonly (readonly [index: number, value: number])[];

function matrix(rows: readonly Row[], cols: number, truncated: readonly number[] = []): SparseMatrix {
  const { indptr, indices, values } = SparseMatrix.fromRows(
    rows.map((row) => ({ indices: row.map(([index]) => index), values: row.map(([, value]) => value) })),
    cols,
  );
  return new SparseMatrix({ rows: rows.length, cols, indptr, indices, values }, { truncated: Uint32Array.from(truncated) });
}

function rowsOf(m: Iterable<SparseVector>): Row[] {
  return Array.from(m, (row) => Array.from(row.indices, (index, i) => [index, row.values[i]!] as const));
}

function refuses(run: () => unknown, code: ErrorCode, message: RegExp): void {
  assert.throws(run, (error: unknown) => {
    assert.ok(error instanceof SparseRerankError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  });
}

const EXAMPLE: readonly Row[] = [
  [
    [0, 1.5],
    [3, 0.25],
  ],
  [],
  [[9, -2]],
  [
    [1, 0],
    [2, 3],
    [9, 1],
  ],
];

/** Matrices of up to 8 rows and 12 columns, with float32 values, and some truncated rows. */
const anyMatrix = fc
  .array(fc.uniqueArray(fc.tuple(fc.nat(11), fc.float({ noNaN: true, noDefaultInfinity: true })), { selector: ([index]) => index }), {
    maxLength: 8,
  })
  .chain((rows) =>
    fc.subarray(rows.map((_, i) => i)).map((truncated) =>
      matrix(
        rows.map((row) => row.toSorted(([a], [b]) => a - b)),
        12,
        truncated,
      ),
    ),
  );

describe("SparseMatrix", () => {
  describe("constructor", () => {
    const good = (): SparseParts => ({
      rows: 2,
      cols: 4,
      indptr: Uint32Array.of(0, 2, 3),
      indices: Uint32Array.of(0, 3, 1),
      values: Float32Array.of(1, 2, 3),
    });

    it("uses the arrays without copying them", () => {
      const parts = good();
      const m = new SparseMatrix(parts);
      assert.equal(m.indptr, parts.indptr);
      assert.equal(m.indices, parts.indices);
      assert.equal(m.values, parts.values);
      assert.deepEqual([m.rows, m.cols, m.truncated.length], [2, 4, 0]);
    });

    it("accepts truncated as a part or as an option, which takes precedence", () => {
      assert.deepEqual(new SparseMatrix({ ...good(), truncated: Uint32Array.of(1) }).truncated, Uint32Array.of(1));
      assert.deepEqual(new SparseMatrix(good(), { truncated: Uint32Array.of(0) }).truncated, Uint32Array.of(0));
      const both = new SparseMatrix({ ...good(), truncated: Uint32Array.of(1) }, { truncated: Uint32Array.of(0) });
      assert.deepEqual(both.truncated, Uint32Array.of(0));
    });

    const cases: [string, object, ErrorCode, RegExp][] = [
      ["rows that is no count", { rows: 1.5 }, "ERR_INVALID_ARGUMENT", /rows must be a non-negative integer, not 1.5/],
      ["negative rows", { rows: -1 }, "ERR_INVALID_ARGUMENT", /rows must be/],
      ["no columns", { cols: 0 }, "ERR_INVALID_ARGUMENT", /cols must be/],
      ["more columns than indices can name", { cols: 2 ** 32 + 1 }, "ERR_INVALID_ARGUMENT", /cols must be/],
      ["indptr of the wrong type", { indptr: [0, 2, 3] }, "ERR_INVALID_ARGUMENT", /indptr must be a Uint32Array, not an array/],
      ["indices of the wrong type", { indices: Int32Array.of(0, 3, 1) }, "ERR_INVALID_ARGUMENT", /indices must be a Uint32Array/],
      ["values of the wrong type", { values: Float64Array.of(1, 2, 3) }, "ERR_INVALID_ARGUMENT", /values must be a Float32Array/],
      ["truncated of the wrong type", { truncated: [0] }, "ERR_INVALID_ARGUMENT", /truncated must be a Uint32Array/],
      ["indptr of the wrong length", { rows: 3 }, "ERR_INVALID_ARGUMENT", /indptr has 3 entries; 3 rows need 4/],
      ["rows beyond all memory", { rows: 2 ** 53 }, "ERR_INVALID_ARGUMENT", /indptr has 3 entries/],
      ["values of another length", { values: Float32Array.of(1) }, "ERR_INVALID_ARGUMENT", /3 indices and 1 values/],
      ["indptr that starts late", { indptr: Uint32Array.of(1, 2, 3) }, "ERR_INVALID_ARGUMENT", /indptr\[0\] is 1/],
      ["indptr that descends", { indptr: Uint32Array.of(0, 2, 1) }, "ERR_INVALID_ARGUMENT", /row 1 would be \[2, 1\)/],
      [
        "indptr that goes beyond",
        { indptr: Uint32Array.of(0, 4_000_000_000, 3) },
        "ERR_INVALID_ARGUMENT",
        /row 0 would be \[0, 4000000000\)/,
      ],
      ["indptr that ends early", { indptr: Uint32Array.of(0, 1, 2) }, "ERR_INVALID_ARGUMENT", /indptr ends at 2, but there are 3/],
      ["a repeated index", { indices: Uint32Array.of(3, 3, 1) }, "ERR_INVALID_ARGUMENT", /row 0, position 1: index 3 follows 3/],
      ["a falling index", { indices: Uint32Array.of(3, 0, 1) }, "ERR_INVALID_ARGUMENT", /row 0, position 1: index 0 follows 3/],
      ["an index beyond cols", { indices: Uint32Array.of(0, 3, 4) }, "ERR_DIMENSION_MISMATCH", /row 1, position 0: index 4 .* cols = 4/],
      ["NaN", { values: Float32Array.of(1, NaN, 3) }, "ERR_INVALID_ARGUMENT", /row 0, position 1: the value of index 3 is NaN/],
      [
        "infinity",
        { values: Float32Array.of(1, 2, -Infinity) },
        "ERR_INVALID_ARGUMENT",
        /row 1, position 0: the value of index 1 is -Infinity/,
      ],
      ["a truncated row that is not there", { truncated: Uint32Array.of(2) }, "ERR_INVALID_ARGUMENT", /truncated\[0\] is 2/],
      ["a truncated row twice", { truncated: Uint32Array.of(1, 1) }, "ERR_INVALID_ARGUMENT", /truncated\[1\] is 1/],
    ];
    for (const [name, change, code, message] of cases) {
      it(`rejects ${name}`, () => {
        refuses(() => new SparseMatrix({ ...good(), ...change }), code, message);
      });
    }

    it("rejects a value that is not an object", () => {
      for (const value of [undefined, null, 3, "x"]) {
        refuses(() => new SparseMatrix(value as unknown as SparseParts), "ERR_INVALID_ARGUMENT", /parts must be an object/);
      }
    });

    it("never throws anything but a coded error, whatever the arrays contain", () => {
      const words = fc.array(fc.oneof(fc.nat(6), fc.constant(2 ** 32 - 1)), { maxLength: 6 });
      fc.assert(
        fc.property(fc.nat(4), fc.nat(7), words, words, words, words, (rows, cols, indptr, indices, values, truncated) => {
          const parts = {
            rows,
            cols,
            indptr: Uint32Array.from(indptr),
            indices: Uint32Array.from(indices),
            values: Float32Array.from(values),
            truncated: Uint32Array.from(truncated),
          };
          try {
            const m = new SparseMatrix(parts);
            assert.equal(rowsOf(m).flat().length, values.length);
          } catch (error) {
            assert.ok(error instanceof SparseRerankError, String(error));
          }
        }),
        { numRuns: 3000 },
      );
    });
  });

  it("returns rows as views", () => {
    const m = matrix(EXAMPLE, 10);
    assert.deepEqual(rowsOf(m), EXAMPLE);
    assert.deepEqual(m.row(2), { indices: Uint32Array.of(9), values: Float32Array.of(-2), size: 10 });
    assert.equal(m.row(3).values.buffer, m.values.buffer);
    for (const i of [-1, 4, 0.5, NaN, "0"]) refuses(() => m.row(i as number), "ERR_INVALID_ARGUMENT", /row must be an integer from 0 to 3/);
  });

  it("slices by copy and keeps truncated rows", () => {
    const m = matrix(EXAMPLE, 10, [0, 2, 3]);
    const middle = m.slice(1, 3);
    assert.deepEqual(rowsOf(middle), EXAMPLE.slice(1, 3));
    assert.deepEqual(middle.truncated, Uint32Array.of(1));
    assert.notEqual(middle.values.buffer, m.values.buffer);
    assert.equal(middle.values.buffer.byteLength, 4);
    assert.deepEqual(rowsOf(m.slice(-1)), EXAMPLE.slice(-1));
    assert.deepEqual(m.slice(-1).truncated, Uint32Array.of(0));
    assert.equal(m.slice(3, 1).rows, 0);
    assert.equal(m.slice(9).rows, 0);
    refuses(() => m.slice(0.5), "ERR_INVALID_ARGUMENT", /start must be an integer/);
    refuses(() => m.slice(0, NaN), "ERR_INVALID_ARGUMENT", /end must be an integer/);
  });

  it("equals the concatenation of its slices, for any division", () => {
    fc.assert(
      fc.property(anyMatrix, fc.integer({ min: -10, max: 10 }), (m, cut) => {
        const position = cut < 0 ? Math.max(0, m.rows + cut) : Math.min(m.rows, cut);
        assert.deepEqual(rowsOf(m.slice(cut)), rowsOf(m).slice(cut));
        assert.deepEqual(SparseMatrix.concat([m.slice(0, position), m.slice(position)]), m);
      }),
    );
  });

  it("concatenates and shifts truncated rows", () => {
    const m = SparseMatrix.concat([matrix(EXAMPLE, 10, [1]), matrix([], 10), matrix(EXAMPLE.slice(2), 10, [0, 1])]);
    assert.deepEqual(rowsOf(m), [...EXAMPLE, ...EXAMPLE.slice(2)]);
    assert.deepEqual(m.truncated, Uint32Array.of(1, 4, 5));
    refuses(
      () => SparseMatrix.concat([]),
      "ERR_INVALID_ARGUMENT",
      /parts must be an array of at least one SparseMatrix, not an empty array/,
    );
    refuses(
      () => SparseMatrix.concat([matrix([], 10), matrix([], 9)]),
      "ERR_DIMENSION_MISMATCH",
      /parts\[1\] has 9 columns, parts\[0\] has 10/,
    );
    refuses(() => SparseMatrix.concat([matrix([], 10), 3 as unknown as SparseMatrix]), "ERR_INVALID_ARGUMENT", /parts\[1\] must be/);
  });

  it("rejects more weights than 32 bits count, before it allocates", () => {
    const length = 2 ** 20;
    const large = new SparseMatrix({
      rows: 1,
      cols: length,
      indptr: Uint32Array.of(0, length),
      indices: Uint32Array.from({ length }, (_, i) => i),
      values: new Float32Array(length).fill(1),
    });
    const before = process.memoryUsage().arrayBuffers;
    refuses(() => SparseMatrix.concat(new Array<SparseMatrix>(4096).fill(large)), "ERR_TOO_LARGE", /at most 4294967295 weights/);
    assert.ok(process.memoryUsage().arrayBuffers - before < 2 ** 24);
  });

  it("converts to dense, up to a limit", () => {
    assert.deepEqual(matrix(EXAMPLE.slice(0, 2), 4).toDense(), Float32Array.of(1.5, 0, 0, 0.25, 0, 0, 0, 0));
    assert.equal(matrix([], 4).toDense().length, 0);
    const wide = matrix([[], []], MAX_DENSE_ELEMENTS / 2 + 1);
    refuses(() => wide.toDense(), "ERR_TOO_LARGE", /2 x 134217729 numbers is above the limit of 268435456/);
  });

  describe("fromRows", () => {
    it("copies rows from any iterable", () => {
      const source = { indices: Uint32Array.of(1, 2), values: Float32Array.of(1, 2) };
      const rows = function* (): Generator<{ indices: ArrayLike<number>; values: ArrayLike<number> }> {
        yield source;
        yield { indices: [0], values: [0.1] };
      };
      const m = SparseMatrix.fromRows(rows(), 3);
      source.values[0] = 9;
      assert.deepEqual(rowsOf(m), [
        [
          [1, 1],
          [2, 2],
        ],
        [[0, Math.fround(0.1)]],
      ]);
      assert.equal(SparseMatrix.fromRows([], 5).rows, 0);
      assert.deepEqual(rowsOf(SparseMatrix.fromRows(m, 3)), rowsOf(m));
    });

    const cases: [string, unknown, ErrorCode, RegExp][] = [
      ["no iterable", 3, "ERR_INVALID_ARGUMENT", /rows must be an iterable/],
      ["no row", [{ indices: [], values: [] }, null], "ERR_INVALID_ARGUMENT", /rows\[1\] must be an object/],
      ["a row without values", [{ indices: [1] }], "ERR_INVALID_ARGUMENT", /rows\[0\] must be an object/],
      ["unequal lengths", [{ indices: [1], values: [] }], "ERR_INVALID_ARGUMENT", /rows\[0\] has 1 indices and 0 values/],
      [
        "a fraction as index",
        [{ indices: [0.5], values: [1] }],
        "ERR_INVALID_ARGUMENT",
        /rows\[0\].indices\[0\] must be an integer .*, not 0.5/,
      ],
      [
        "a negative index",
        [{ indices: [-1], values: [1] }],
        "ERR_INVALID_ARGUMENT",
        /rows\[0\].indices\[0\] must be an integer .*, not -1/,
      ],
      ["an index that would wrap", [{ indices: [2 ** 32], values: [1] }], "ERR_INVALID_ARGUMENT", /rows\[0\].indices\[0\]/],
      ["unsorted indices", [{ indices: [2, 1], values: [1, 1] }], "ERR_INVALID_ARGUMENT", /row 0, position 1: index 1 follows 2/],
      ["an index beyond", [{ indices: [3], values: [1] }], "ERR_DIMENSION_MISMATCH", /row 0, position 0/],
      [
        "a value that is no number",
        [{ indices: [1], values: ["1"] }],
        "ERR_INVALID_ARGUMENT",
        /rows\[0\].values\[0\] must be a number, not a string/,
      ],
      ["a value beyond float32", [{ indices: [1], values: [1e39] }], "ERR_INVALID_ARGUMENT", /row 0, position 0: .* Infinity/],
    ];
    for (const [name, rows, code, message] of cases) {
      it(`rejects ${name}`, () => {
        refuses(() => SparseMatrix.fromRows(rows as Row[] as never, 3), code, message);
      });
    }
  });

  describe("round trips", () => {
    it("survives structuredClone as parts", () => {
      fc.assert(
        fc.property(anyMatrix, (m) => {
          const parts = structuredClone(m) as SparseParts;
          assert.equal(Object.getPrototypeOf(parts), Object.prototype);
          assert.deepEqual(new SparseMatrix(parts), m);
        }),
      );
    });

    it("moves its buffers", () => {
      const m = matrix(EXAMPLE, 10, [1]);
      const copy = structuredClone(m);
      const transfer = [m.indptr, m.indices, m.values, m.truncated].map(({ buffer }) => buffer as ArrayBuffer);
      const moved = structuredClone(m as SparseParts, { transfer });
      assert.equal(m.values.length, 0);
      assert.deepEqual(new SparseMatrix(moved), new SparseMatrix(copy));
    });

    it("does not share the default of truncated", () => {
      const a = matrix(EXAMPLE, 10);
      const parts = { rows: 4, cols: 10, indptr: a.indptr, indices: a.indices, values: a.values };
      const b = new SparseMatrix(parts);
      const c = new SparseMatrix(parts);
      structuredClone(b.truncated, { transfer: [b.truncated.buffer as ArrayBuffer] });
      assert.deepEqual(structuredClone(c.truncated), new Uint32Array(0));
    });

    it("survives JSON", () => {
      const example = matrix(EXAMPLE, 10, [0, 3]);
      assert.deepEqual(SparseMatrix.fromJSON(JSON.parse(JSON.stringify(example)) as never), example);
      fc.assert(
        fc.property(anyMatrix, (m) => {
          const back = SparseMatrix.fromJSON(JSON.parse(JSON.stringify(m)) as never);
          assert.equal(JSON.stringify(back), JSON.stringify(m));
        }),
      );
    });

    it("rejects other JSON", () => {
      const json = JSON.parse(JSON.stringify(matrix(EXAMPLE, 10))) as Record<string, unknown>;
      refuses(() => SparseMatrix.fromJSON(null as never), "ERR_INVALID_ARGUMENT", /json must be an object/);
      refuses(() => SparseMatrix.fromJSON({} as never), "ERR_INVALID_ARGUMENT", /indptr must be an array of integers/);
      refuses(() => SparseMatrix.fromJSON({ ...json, indices: [1.5] } as never), "ERR_INVALID_ARGUMENT", /indices\[0\]/);
      refuses(
        () => SparseMatrix.fromJSON({ ...json, values: null } as never),
        "ERR_INVALID_ARGUMENT",
        /values must be an array of numbers/,
      );
      refuses(() => SparseMatrix.fromJSON({ ...json, values: [null] } as never), "ERR_INVALID_ARGUMENT", /values\[0\] must be a number/);
    });
  });

  describe("asMatrix", () => {
    it("passes matrices through and converts vectors and parts to matrices", () => {
      const m = matrix(EXAMPLE, 10);
      assert.equal(asMatrix(m, "m"), m);
      assert.deepEqual(rowsOf(asMatrix(m.row(3), "v")), [EXAMPLE[3]]);
      assert.deepEqual(asMatrix(structuredClone(m) as SparseParts, "p"), m);
      assert.deepEqual([isVector(m), isVector(m.row(0)), isVector(structuredClone(m))], [false, true, false]);
    });

    it("validates vectors", () => {
      const vector = { indices: Uint32Array.of(1), values: Float32Array.of(1), size: 2 };
      refuses(() => asMatrix({ ...vector, size: 1 }, "v"), "ERR_DIMENSION_MISMATCH", /index 1/);
      refuses(() => asMatrix({ ...vector, values: Float32Array.of(NaN) }, "v"), "ERR_INVALID_ARGUMENT", /NaN/);
      refuses(() => asMatrix({ ...vector, indices: [1] } as never, "v"), "ERR_INVALID_ARGUMENT", /indices must be a Uint32Array/);
      for (const value of [undefined, null, 1, "x"]) {
        refuses(() => asMatrix(value as never, "query"), "ERR_INVALID_ARGUMENT", /query must be a SparseMatrix or a SparseVector/);
      }
    });
  });
});
