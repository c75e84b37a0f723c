/** Vectors whose fields contradict their class: rejected with a code, never read out of bounds. */

import assert from "node:assert/strict";

import { LocalEngine } from "../../../dist/engines";
import { native } from "../../../dist/native/load";
import { SparseIndex } from "../../../dist/sparse-index/sparse-index";
import { SparseMatrix } from "../../../dist/sparse-matrix";
import type { SparseParts } from "../../../dist/sparse-matrix";
import { intersection, similarity, similarityPairwise, sparsity } from "../../../dist/sparse-ops";

const u = (...numbers: number[]): Uint32Array => Uint32Array.from(numbers);
const f = (...numbers: number[]): Float32Array => Float32Array.from(numbers);
const good = { rows: 2, cols: 4, indptr: u(0, 1, 2), indices: u(0, 1), values: f(1, 2) };

/** Parts of two rows over four columns. */
const FORGED: Readonly<Record<string, unknown>> = {
  "indptr descends": { ...good, indptr: u(0, 2, 1) },
  "indptr goes beyond the weights": { ...good, indptr: u(0, 1, 0xffffffff) },
  "indptr ends before the weights": { ...good, indptr: u(0, 1, 1) },
  "indptr does not begin at 0": { ...good, indptr: u(1, 1, 2) },
  "indptr is empty": { ...good, indptr: u() },
  "indptr has too few entries": { ...good, indptr: u(0, 2) },
  "an index is not below cols": { ...good, indices: u(0, 0xffffffff) },
  "indices of a row repeat": { ...good, indptr: u(0, 2, 2), indices: u(1, 1) },
  "indices of a row descend": { ...good, indptr: u(0, 2, 2), indices: u(3, 1) },
  "more values than indices": { ...good, values: f(1, 2, 3) },
  "more indices than values": { ...good, indices: u(0, 1, 2) },
  "a value is NaN": { ...good, values: f(1, NaN) },
  "a value is infinite": { ...good, values: f(-Infinity, 1) },
  "signed indices": { ...good, indices: Int32Array.of(0, -1) },
  "double values": { ...good, values: Float64Array.of(1, 2) },
  "a DataView": { ...good, indices: new DataView(new ArrayBuffer(8)) },
  "an object that looks like an array": { ...good, indices: { length: 2, 0: 0, 1: 1 } },
  "a typed array's prototype without a typed array": { ...good, indices: Object.create(Uint32Array.prototype) as unknown },
  "no values": { ...good, values: undefined },
};

/** Newer than the library in the type declarations. */
interface ResizableBuffer extends ArrayBuffer {
  resize(length: number): void;
}
const newBuffer = (length: number, kind: unknown = ArrayBuffer): ResizableBuffer =>
  new (kind as new (length: number, options: object) => ResizableBuffer)(length, { maxByteLength: 64 });

const refused = (error: { name: string; code: string }): boolean => {
  assert.equal(error.name, "SparseRerankError");
  assert.match(error.code, /^ERR_(INVALID_ARGUMENT|DIMENSION_MISMATCH|INTERNAL)$/);
  return true;
};

async function assertRefused(matrix: SparseMatrix): Promise<void> {
  await using index = SparseIndex.create({ dimension: 4 });
  const calls: (() => unknown)[] = [
    () => index.add(["a", "b"], matrix),
    () => index.search(matrix),
    () => new LocalEngine({ index }).upsert(["a", "b"], matrix),
    () => similarity(matrix, matrix, "dot"),
    () => similarityPairwise(matrix, matrix, "cosine"),
    () => intersection(matrix as never, matrix as never),
    () => sparsity(matrix),
    () => SparseMatrix.concat([matrix, matrix]),
  ];
  for (const call of calls) await assert.rejects(() => Promise.resolve().then(call), refused, String(call));
  assert.equal(index.size, 0);
}

describe("forged vectors", () => {
  for (const [name, parts] of Object.entries(FORGED)) {
    it(`${name}: rejected as parts, as an object of the class, and by native code`, async () => {
      assert.throws(() => new SparseMatrix(parts as SparseParts), refused);
      const forged = Object.assign(Object.create(SparseMatrix.prototype) as object, parts, { truncated: u() });
      await assertRefused(forged as never);
      const addon = native();
      const index = new addon.Index(4);
      const ids = { offsets: u(0, 1, 2), bytes: Uint8Array.of(97, 98) };
      // Native code may accept the parts of fewer rows: what it reads must be consistent, not what TypeScript meant.
      const calls = [
        () => index.apply({ add: { ids, vectors: parts as never } }),
        () => index.snapshot().search(parts as never, 1, {}),
        () => index.snapshot().facets({ offsets: u(0, 0), bytes: new Uint8Array() }, 1, { query: parts as never }),
        () => addon.similarity(parts as never, parts as never, 4, "dot"),
        () => addon.similarityPairwise(parts as never, parts as never, 4, "dot"),
      ];
      for (const call of calls) {
        const outcome = Promise.resolve().then((): Promise<unknown> => call());
        if (name === "indptr has too few entries") await outcome.catch(refused);
        else await assert.rejects(outcome, refused, String(call));
      }
    });
  }

  it("fields cannot be replaced", () => {
    const matrix = new SparseMatrix(good);
    assert.equal(Reflect.set(matrix, "indptr", u(0, 9, 9)), false);
    assert.throws(() => Object.defineProperty(matrix, "rows", { value: 9 }), TypeError);
  });

  it("arrays that change after the check are rejected by native code", async () => {
    for (const change of [
      ({ indices }: SparseMatrix) => (indices[1] = 0xffffffff),
      ({ indptr }: SparseMatrix) => (indptr[1] = 0xffffffff),
      ({ values }: SparseMatrix) => (values[0] = NaN),
    ]) {
      const matrix = new SparseMatrix({ ...good, indptr: good.indptr.slice(), indices: good.indices.slice(), values: good.values.slice() });
      change(matrix);
      await using index = SparseIndex.create({ dimension: 4 });
      await assert.rejects(index.add(["a", "b"], matrix), refused);
      await assert.rejects(index.search(matrix), refused);
      await assert.rejects(similarity(matrix, matrix, "dot"), refused);
      assert.equal(index.size, 0);
    }
  });

  it("getters that return something else each time yield the value that was checked", () => {
    let reads = 0;
    const parts = { ...good };
    Object.defineProperty(parts, "indices", { get: () => (reads++ === 0 ? u(0, 1) : u(0, 0xffffffff)) });
    assert.deepEqual(new SparseMatrix(parts).indices, u(0, 1));
    assert.equal(reads, 1);
  });

  it("a matrix that was transferred to a worker is rejected", async () => {
    for (const field of ["indptr", "indices", "values"] as const) {
      const matrix = new SparseMatrix({ ...good, indptr: good.indptr.slice(), indices: good.indices.slice(), values: good.values.slice() });
      structuredClone(matrix[field], { transfer: [matrix[field].buffer as ArrayBuffer] });
      await assertRefused(matrix);
    }
  });

  it("shared and resizable memory is copied: later changes have no effect", async () => {
    const memories: Readonly<Record<string, () => ArrayBufferLike>> = {
      shared: () => new SharedArrayBuffer(8),
      resizable: () => newBuffer(8),
      growable: () => newBuffer(8, SharedArrayBuffer),
    };
    for (const [name, make] of Object.entries(memories)) {
      const memory = make();
      const indices = new Uint32Array(memory as ArrayBuffer);
      indices.set([0, 1]);
      const matrix = new SparseMatrix({ ...good, indices });
      indices.fill(0xffffffff);
      if (name === "resizable") (memory as ResizableBuffer).resize(0);
      assert.deepEqual(matrix.indices, u(0, 1), name);
      await using index = SparseIndex.create({ dimension: 4 });
      await index.add(["a", "b"], matrix);
      assert.equal((await index.search(matrix.row(1)))[0]?.id, "b");
    }
  });

  it("native code reads the current contents of a shrunk or shared array", async () => {
    const memory = newBuffer(8);
    const indices = new Uint32Array(memory, 0, 2);
    indices.set([0, 1]);
    memory.resize(4);
    const index = new (native().Index)(4);
    await assert.rejects(() => Promise.resolve().then(() => index.snapshot().search({ ...good, indices }, 1, {})), refused);
    const shared = new Uint32Array(new SharedArrayBuffer(8) as never);
    shared.set([0, 1]);
    await index.apply({ add: { ids: { offsets: u(0, 1, 2), bytes: Uint8Array.of(97, 98) }, vectors: { ...good, indices: shared } } });
    assert.equal(index.stats().postings, 2);
  });

  it("add() copies: the caller may reuse the arrays while it waits", async () => {
    await using index = SparseIndex.create({ dimension: 4 });
    const matrix = new SparseMatrix({ ...good, indptr: good.indptr.slice(), indices: good.indices.slice(), values: good.values.slice() });
    const before = index.add(["x", "y"], new SparseMatrix(good));
    const added = index.add(["a", "b"], matrix, { payloads: ["first", "second"] });
    matrix.values.fill(9);
    structuredClone(matrix.indices, { transfer: [matrix.indices.buffer as ArrayBuffer] });
    await Promise.all([before, added]);
    const hits = await index.search({ indices: u(1), values: f(1), size: 4 }, { withPayload: true });
    assert.deepEqual(hits, [
      { id: "y", score: 2 },
      { id: "b", score: 2, payload: "second" },
    ]);
  });
});
