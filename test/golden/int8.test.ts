import assert from "node:assert/strict";
import fs from "node:fs";
import { chmod, mkdtemp, readdir, rm, stat, truncate, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";

import { CrossEncoder, SparseEncoder } from "sparse-rerank";
import type { SparseMatrix, SparseVector } from "sparse-rerank";

import { native } from "../../dist/native/load";
import { runProgram } from "../lifecycle/children";

import { folderOf, goldens } from "./golden";
import type { CrossGolden, SparseGolden } from "./golden";

const all = goldens();
const sparse = all.filter((golden): golden is SparseGolden => golden.kind === "sparse");
const cross = all.filter((golden): golden is CrossGolden => golden.kind === "cross");
const TEXTS = ["what is a sparse encoder", "The quick brown fox jumps over the lazy dog.", "zebra", "learned sparse retrieval ".repeat(40)];

function dot(a: SparseVector, b: SparseVector): number {
  const values = new Map(Array.from(b.indices, (index, i) => [index, b.values[i] ?? 0]));
  return Array.from(a.indices, (index, i) => (a.values[i] ?? 0) * (values.get(index) ?? 0)).reduce((sum, value) => sum + value, 0);
}

/** The mean cosine over rows that are not empty on either side. */
function meanCosine(a: SparseMatrix, b: SparseMatrix): number {
  const cosines = Array.from(a, (row, i) => [row, b.row(i)] as const)
    .filter(([x, y]) => x.indices.length > 0 || y.indices.length > 0)
    .map(([x, y]) => dot(x, y) / (Math.sqrt(dot(x, x) * dot(y, y)) || 1));
  return cosines.reduce((sum, value) => sum + value, 0) / Math.max(cosines.length, 1);
}

describe("dtype int8", function () {
  this.timeout(120_000);
  let cache: string;
  let former: string | undefined;

  before(async () => {
    cache = await mkdtemp(path.join(os.tmpdir(), "sparse-rerank-int8-"));
    former = process.env["SPARSE_RERANK_CACHE"];
    process.env["SPARSE_RERANK_CACHE"] = cache;
  });
  after(async () => {
    if (former === undefined) delete process.env["SPARSE_RERANK_CACHE"];
    else process.env["SPARSE_RERANK_CACHE"] = former;
    await rm(cache, { recursive: true });
  });

  async function encodeWith(options: Parameters<typeof SparseEncoder.load>[1]): Promise<SparseMatrix> {
    const encoder = await SparseEncoder.load("splade-tiny", options);
    try {
      return await encoder.encodeDocument(TEXTS);
    } finally {
      await encoder.close();
    }
  }

  it("is close to fp32 with trained weights", async () => {
    const [exact, quantised] = [await encodeWith({}), await encodeWith({ dtype: "int8" })];
    assert.ok(meanCosine(exact, quantised) > 0.999);
    assert.notDeepEqual(quantised.values, exact.values);
  });

  // Random weights amplify rounding differences.
  for (const golden of sparse) {
    it(`is close to fp32: ${golden.name}`, async () => {
      const matrices: SparseMatrix[] = [];
      for (const dtype of ["fp32", "int8"] as const) {
        const encoder = await SparseEncoder.load(folderOf(golden.name), { dtype });
        matrices.push(await encoder.encodeDocument(golden.texts));
        await encoder.close();
      }
      const [exact, quantised] = matrices;
      assert.ok(exact !== undefined && quantised !== undefined);
      const found = meanCosine(exact, quantised);
      assert.ok(found > 0.96, `mean cosine ${String(found)}`);
    });
  }

  for (const golden of cross) {
    it(`is close to fp32: ${golden.name}`, async () => {
      const logits: Float32Array[] = [];
      for (const dtype of ["fp32", "int8"] as const) {
        const encoder = await CrossEncoder.load(folderOf(golden.name), { dtype });
        logits.push((await encoder.predict(golden.pairs, { activation: "identity" })).data);
        await encoder.close();
      }
      const [exact, quantised] = logits;
      assert.ok(exact !== undefined && quantised !== undefined);
      const differences = Array.from(exact, (value, i) => Math.abs(value - (quantised[i] ?? NaN)));
      const mean = differences.reduce((sum, value) => sum + value, 0) / differences.length;
      const range = Math.max(...exact) - Math.min(...exact);
      assert.ok(mean < 0.04 * range, `mean difference ${String(mean)} of a range of ${String(range)}`);
      assert.ok(Math.max(...differences) > 0);
    });
  }

  it("computes the same bits for a text alone and in any batch", async () => {
    const encoder = await SparseEncoder.load("splade-tiny", { dtype: "int8" });
    const together = await encoder.encodeDocument(TEXTS);
    for (const [i, text] of TEXTS.entries()) assert.deepEqual(await encoder.encodeDocument(text), together.row(i));
    assert.deepEqual(await encoder.encodeDocument(TEXTS, { batchSize: 3 }), together);
    await encoder.close();
    const reranker = await CrossEncoder.load(folderOf("ce-bert-minilm"), { dtype: "int8" });
    const pairs = TEXTS.map((text) => ["query", text] as const);
    const scores = await reranker.predict(pairs);
    for (const [i, pair] of pairs.entries()) assert.equal((await reranker.predict([pair])).data[0], scores.data[i]);
    await reranker.close();
  });

  // int8 layers are equal bit for bit (native/test/int8_linear_test.cc). Attention and activations differ by rounding, which may move a
  // value that lies between two steps of a layer's input to the other one.
  it("computes the same scores with every kernel set, but for rounding", async () => {
    const { available, active } = native().kernels();
    const results: Float32Array[] = [];
    try {
      for (const name of available) {
        native().useKernels(name);
        const encoder = await CrossEncoder.load(folderOf("ce-bert-minilm"), { dtype: "int8" });
        results.push((await encoder.predict(TEXTS.map((text) => ["query", text] as const))).data);
        await encoder.close();
      }
    } finally {
      native().useKernels(active);
    }
    const [first] = results;
    assert.ok(first !== undefined);
    for (const result of results) {
      for (const [i, score] of result.entries())
        assert.ok(Math.abs(score - (first[i] ?? NaN)) < 1e-3, `${String(score)}, not ${String(first[i])}`);
    }
  });

  it("caches its weights, and rebuilds them if the file is damaged", async () => {
    const folder = path.join(cache, "own");
    process.env["SPARSE_RERANK_CACHE"] = folder;
    try {
      const first = await encodeWith({ dtype: "int8" });
      const [name, ...others] = await readdir(path.join(folder, "int8"));
      assert.ok(name !== undefined && others.length === 0);
      const file = path.join(folder, "int8", name);
      const { size, mtimeMs } = await stat(file);
      assert.deepEqual(await encodeWith({ dtype: "int8" }), first);
      assert.equal((await stat(file)).mtimeMs, mtimeMs);
      await truncate(file, size - 1);
      assert.deepEqual(await encodeWith({ dtype: "int8" }), first);
      assert.equal((await stat(file)).size, size);
      const bytes = fs.readFileSync(file);
      bytes[1000] = (bytes[1000] ?? 0) ^ 1;
      await writeFile(file, bytes);
      assert.deepEqual(await encodeWith({ dtype: "int8" }), first);
      assert.notDeepEqual(fs.readFileSync(file), bytes);
    } finally {
      process.env["SPARSE_RERANK_CACHE"] = cache;
    }
  });

  it("works without a cache: disabled, blocked by a file, in a read-only folder", async () => {
    const expected = await encodeWith({ dtype: "int8" });
    const file = path.join(cache, "file");
    const locked = await mkdtemp(path.join(cache, "locked-"));
    await writeFile(file, "");
    await chmod(locked, 0o500);
    try {
      for (const value of ["off", file, locked]) {
        process.env["SPARSE_RERANK_CACHE"] = value;
        assert.deepEqual(await encodeWith({ dtype: "int8" }), expected);
      }
    } finally {
      process.env["SPARSE_RERANK_CACHE"] = cache;
      await chmod(locked, 0o700);
    }
    assert.ok(!fs.existsSync("off"));
  });

  it("may be loaded for the first time by several processes at once", async () => {
    const folder = path.join(cache, "shared");
    const program = `
      process.env.SPARSE_RERANK_CACHE = ${JSON.stringify(folder)};
      const { SparseEncoder } = require("sparse-rerank");
      (async () => {
        const encoder = await SparseEncoder.load("splade-tiny", { dtype: "int8" });
        console.log(JSON.stringify([...(await encoder.encodeDocument("several processes")).values]));
      })();`;
    const ended = await Promise.all(Array.from({ length: 3 }, () => runProgram(program, {})));
    assert.deepEqual(
      ended.map(({ code, stderr }) => [code, stderr]),
      ended.map(() => [0, ""]),
    );
    assert.equal(new Set(ended.map(({ stdout }) => stdout)).size, 1);
    assert.equal((await readdir(path.join(folder, "int8"))).length, 1);
  });

  it("is rejected for a repository's own ONNX file", async () => {
    await assert.rejects(SparseEncoder.load("splade-tiny", { dtype: "int8", modelFile: "model.onnx" }), { code: "ERR_NOT_SUPPORTED" });
  });
});
