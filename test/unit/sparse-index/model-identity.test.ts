/** Vectors record their model, and an index rejects those of another one. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";

import { SparseEncoder, SparseIndex, SparseMatrix } from "sparse-rerank";
import type { SparseVector } from "sparse-rerank";
import { LocalEngine } from "sparse-rerank/engines";

const mismatch = { code: "ERR_MODEL_MISMATCH" };
const tiny = path.join(__dirname, "..", "..", "..", "models", "splade-tiny");

describe("the model of an index", function () {
  this.timeout(120_000);
  let folder: string;
  let encoder: SparseEncoder;
  let other: SparseEncoder;

  before(async () => {
    folder = mkdtempSync(path.join(os.tmpdir(), "sparse-rerank-model-"));
    const changed = path.join(folder, "changed");
    cpSync(tiny, changed, { recursive: true });
    const weights = path.join(changed, "model.safetensors");
    const bytes = readFileSync(weights);
    bytes.fill(0, bytes.length - 1_000_000);
    writeFileSync(weights, bytes);
    encoder = await SparseEncoder.load("splade-tiny");
    other = await SparseEncoder.load(changed);
  });
  after(async () => {
    await encoder.close();
    await other.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it("has one fingerprint for the same weights, wherever they are stored", async () => {
    const copy = path.join(folder, "copy");
    cpSync(tiny, copy, { recursive: true });
    await using same = await SparseEncoder.load(copy);
    assert.deepEqual(encoder.model, { name: "splade-tiny", fingerprint: same.model.fingerprint });
    assert.equal(same.model.name, copy);
    assert.notEqual(other.model.fingerprint, encoder.model.fingerprint);
    assert.equal(encoder.dtype, "fp32");
  });

  it("is set by the first vectors, in memory and in a folder", async () => {
    const home = path.join(folder, "index");
    const texts = ["sharks are fish", "the heart pumps blood"];
    for (const open of [
      () => SparseIndex.create({ dimension: encoder.embeddingDimension }),
      () => SparseIndex.create({ encoder }),
      () => SparseIndex.open(home, { dimension: encoder.embeddingDimension }),
    ]) {
      await using index = await open();
      await index.add(["a", "b"], await encoder.encodeDocument(texts));
      assert.deepEqual(index.model, encoder.model);
      const vectors = await other.encodeDocument(texts);
      await assert.rejects(index.add(["a", "c"], vectors), mismatch);
      await assert.rejects(index.add(["a"], vectors.slice(0, 1)), mismatch);
      await assert.rejects(index.search(await other.encodeQuery("sharks")), mismatch);
      await assert.rejects(index.search(vectors.row(0)), mismatch);
      await assert.rejects(index.search([...vectors][0]!), mismatch);
      const engine = new LocalEngine({ index });
      await assert.rejects(engine.upsert(["c"], vectors.slice(0, 1)), mismatch);
      await assert.rejects(engine.search(vectors.row(0), { topK: 1 }), mismatch);
      assert.equal(index.size, 2);
      assert.equal((await index.search(await encoder.encodeQuery("sharks")))[0]?.id, "a");
    }
    await assert.rejects(SparseIndex.open(home, { encoder: other }), mismatch);
    await assert.rejects(SparseIndex.open(home, { encoder: other, readOnly: true }), mismatch);
    await using again = await SparseIndex.open(home, { encoder });
    assert.deepEqual(again.model, encoder.model);
    await assert.rejects(again.add(["c"], (await other.encodeDocument(["x"])).slice(0)), mismatch);
  });

  it("is recorded in streams and traces, but not in copies and plain vectors", async () => {
    await using index = SparseIndex.create({ encoder });
    for await (const block of other.encodeDocumentStream(["a text"])) await assert.rejects(index.add(["s"], block), mismatch);
    await assert.rejects(index.search((await other.trace("a text")).vector), mismatch);
    const { indices, values, size } = await other.encodeQuery("a text");
    const plain: SparseVector = { indices, values, size };
    assert.deepEqual(await index.search(plain), []);
    const matrix = await other.encodeDocument(["a text"]);
    assert.deepEqual(Object.keys(matrix), ["rows", "cols", "indptr", "indices", "values", "truncated"]);
    await index.add(["c"], new SparseMatrix(structuredClone(matrix)));
    await assert.rejects(index.add(["d"], SparseMatrix.concat([matrix, matrix])), mismatch);
    await index.add(["d", "e"], SparseMatrix.concat([matrix, await encoder.encodeDocument(["x"])]));
  });

  it("is unknown for a folder that does not record it", async () => {
    const home = path.join(folder, "old");
    {
      await using index = await SparseIndex.open(home, { dimension: encoder.embeddingDimension });
      await index.add(["a"], SparseMatrix.fromRows([{ indices: [1], values: [1] }], encoder.embeddingDimension));
      assert.equal(index.model, undefined);
    }
    assert.ok(!existsSync(path.join(home, "model.json")));
    await using index = await SparseIndex.open(home, { encoder });
    assert.equal(index.model, undefined);
    await index.add(["b"], await encoder.encodeDocument(["x"]));
    await index.add(["c"], await other.encodeDocument(["x"]));
    writeFileSync(path.join(home, "model.json"), '{"model":"by-name"}\n');
    await index.close();
    await using named = await SparseIndex.open(home, { encoder, readOnly: true });
    assert.deepEqual(named.model, { name: "by-name" });
    for (const text of ["", "{", "[]", "null", '{"model":""}', '{"model":1}', '{"model":"a","fingerprint":1}']) {
      writeFileSync(path.join(home, "model.json"), text);
      await assert.rejects(SparseIndex.open(home), { code: "ERR_INDEX_CORRUPT" }, text);
    }
    if (process.platform === "win32") return;
    rmSync(path.join(home, "model.json"));
    execFileSync("mkfifo", [path.join(home, "model.json")]);
    await assert.rejects(SparseIndex.open(home), { code: "ERR_FILE_UNREADABLE", message: /not a regular file/ });
  });

  it("rejects a value that is not an encoder, and two dimensions", async () => {
    for (const bad of [null, {}, "splade-tiny", { embeddingDimension: 3 }, { embeddingDimension: 3, model: { name: "x" } }]) {
      assert.throws(() => SparseIndex.create({ encoder: bad as never }), { code: "ERR_INVALID_ARGUMENT" });
      await assert.rejects(SparseIndex.open(path.join(folder, "none"), { encoder: bad as never }), { code: "ERR_INVALID_ARGUMENT" });
    }
    assert.throws(() => SparseIndex.create({ encoder, dimension: 7 }), { code: "ERR_DIMENSION_MISMATCH" });
    assert.throws(() => SparseIndex.create({} as never), { code: "ERR_INVALID_ARGUMENT" });
    assert.ok(!existsSync(path.join(folder, "none")));
  });

  it("rejects creating an index among other files", async () => {
    const documents = path.join(folder, "documents");
    cpSync(path.join(tiny, "config.json"), path.join(documents, "config.json"));
    await assert.rejects(SparseIndex.open(documents, { dimension: 4 }), { code: "ERR_INVALID_ARGUMENT", message: /config\.json/ });
    await assert.rejects(SparseIndex.open(documents), { code: "ERR_FILE_NOT_FOUND" });
  });
});

describe("private constructors", () => {
  it("name the function to call", async () => {
    const { CrossEncoder } = await import("sparse-rerank");
    const { EncodeQueue } = await import("sparse-rerank/queue");
    for (const [construct, instead] of [
      [SparseEncoder, /SparseEncoder\.load\(/],
      [CrossEncoder, /CrossEncoder\.load\(/],
      [SparseIndex, /SparseIndex\.create\(.*SparseIndex\.open\(/],
      [EncodeQueue, /EncodeQueue\.open\(/],
    ] as const) {
      for (const args of [[], ["splade-tiny"], [{ dimension: 3 }]]) {
        assert.throws(() => Reflect.construct(construct as never, args), { code: "ERR_INVALID_ARGUMENT", message: instead });
      }
    }
  });
});
