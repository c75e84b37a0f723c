/** Operations on sparse vectors, against the reference's definitions. */

import assert from "node:assert/strict";

import type { ErrorCode } from "../../dist/errors";
import { SparseMatrix } from "../../dist/sparse-matrix";
import type { SparseVector } from "../../dist/sparse-matrix";
import { MAX_DIMENSION, intersection, similarity, similarityPairwise, sparsity, strongest } from "../../dist/sparse-ops";

function vector(weights: Record<number, number>, size = 10): SparseVector {
  return SparseMatrix.fromRows([{ indices: Object.keys(weights).map(Number), values: Object.values(weights) }], size).row(0);
}

function matrix(rows: readonly Record<number, number>[], cols = 10): SparseMatrix {
  return SparseMatrix.fromRows(
    rows.map((row) => vector(row, cols)),
    cols,
  );
}

const coded = (code: ErrorCode): { code: string } => ({ code });

describe("sparse operations", () => {
  it("intersection keeps shared dimensions with a positive product", () => {
    const shared = intersection(vector({ 0: 1, 2: 0.1, 5: -2, 7: 3, 8: 1 }), vector({ 1: 1, 2: 0.3, 5: -1, 7: -1, 8: 0 }));
    assert.deepEqual(shared.indices, Uint32Array.of(2, 5));
    assert.deepEqual(shared.values, Float32Array.of(Math.fround(0.1) * Math.fround(0.3), 2));
    assert.equal(shared.size, 10);
    assert.equal(intersection(vector({}), vector({ 1: 1 })).indices.length, 0);
    assert.throws(() => intersection(vector({}, 9), vector({}, 10)), coded("ERR_DIMENSION_MISMATCH"));
    assert.throws(() => intersection(vector({}), 1 as never), coded("ERR_INVALID_ARGUMENT"));
  });

  it("sparsity averages over rows and does not count zeros as active", () => {
    assert.deepEqual(sparsity(matrix([{ 1: 1, 2: 2, 3: 3 }, { 1: 0 }])), { activeDims: 1.5, sparsityRatio: 0.85 });
    assert.deepEqual(sparsity(vector({ 1: 1, 2: 2 })), { activeDims: 2, sparsityRatio: 0.8 });
    assert.deepEqual(sparsity(matrix([])), { activeDims: 0, sparsityRatio: 1 });
  });

  it("strongest orders by weight, then by index", () => {
    const row = vector({ 1: 0.5, 4: 2, 6: 0.5, 9: 1 });
    assert.deepEqual(
      strongest(row).map(({ index }) => index),
      [4, 9, 1, 6],
    );
    assert.deepEqual(strongest(row, 2), [
      { index: 4, weight: 2 },
      { index: 9, weight: 1 },
    ]);
    assert.equal(strongest(row, 99).length, 4);
  });

  const a = matrix([{ 0: 3, 1: 4 }, { 2: 1 }, {}]);
  const b = matrix([
    { 0: 3, 1: 4 },
    { 0: 1, 2: 2 },
  ]);
  const expected = {
    dot: [25, 3, 0, 2, 0, 0],
    cosine: [1, 3 / 5 / Math.sqrt(5), 0, 2 / Math.sqrt(5), 0, 0],
    euclidean: [0, -Math.sqrt(4 + 16 + 4), -Math.sqrt(26), -Math.sqrt(2), -5, -Math.sqrt(5)],
    manhattan: [0, -8, -8, -2, -7, -3],
  } as const;
  for (const name of ["dot", "cosine", "euclidean", "manhattan"] as const) {
    it(`similarity by ${name}`, async () => {
      const result = await similarity(a, b, name);
      assert.deepEqual([result.rows, result.cols], [3, 2]);
      assert.deepEqual(
        Array.from(result.data, (x) => x + 0),
        Array.from(expected[name], Math.fround),
      );
      const pairs = await similarityPairwise(a.slice(0, 2), b, name);
      assert.deepEqual(
        Array.from(pairs, (x) => x + 0),
        [Math.fround(expected[name][0]), Math.fround(expected[name][3])],
      );
    });
  }

  it("similarity accepts vectors and empty matrices", async () => {
    assert.deepEqual((await similarity(a.row(0), b.row(1), "dot")).data, Float32Array.of(3));
    assert.deepEqual(await similarity(matrix([]), b, "cosine"), { rows: 0, cols: 2, data: new Float32Array(0) });
    assert.deepEqual(await similarityPairwise(matrix([]), matrix([]), "dot"), new Float32Array(0));
  });

  it("similarity rejects mismatched inputs, and results that would be too large", async () => {
    await assert.rejects(similarity(a, matrix([{}], 9), "dot"), coded("ERR_DIMENSION_MISMATCH"));
    await assert.rejects(similarityPairwise(a, matrix([{}, {}, {}], 9), "dot"), coded("ERR_DIMENSION_MISMATCH"));
    await assert.rejects(similarityPairwise(a, b, "dot"), coded("ERR_INVALID_ARGUMENT"));
    const tall = new SparseMatrix({
      rows: 2 ** 15,
      cols: 10,
      indptr: new Uint32Array(2 ** 15 + 1),
      indices: new Uint32Array(0),
      values: new Float32Array(0),
    });
    await assert.rejects(similarity(tall, tall, "dot"), coded("ERR_TOO_LARGE"));
    const wide = matrix([{}], MAX_DIMENSION + 1);
    await assert.rejects(similarity(wide, wide, "dot"), coded("ERR_TOO_LARGE"));
    await assert.rejects(similarityPairwise(wide, wide, "dot"), coded("ERR_TOO_LARGE"));
  });
});
