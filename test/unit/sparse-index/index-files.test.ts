/** SparseIndex in files and folders: round trips, payloads, filters, writers and readers, and damage. */

import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

import { SparseIndex } from "../../../dist/sparse-index/sparse-index";
import { SparseMatrix } from "../../../dist/sparse-matrix";
import type { SparseVector } from "../../../dist/sparse-matrix";

const DIMENSION = 20;

function matrix(rows: readonly Record<number, number>[]): SparseMatrix {
  return SparseMatrix.fromRows(
    rows.map((row) => ({ indices: Object.keys(row).map(Number), values: Object.values(row) })),
    DIMENSION,
  );
}

function vector(weights: Record<number, number>): SparseVector {
  return matrix([weights]).row(0);
}

const PAYLOADS = [{ text: "a".repeat(5000) }, "short", 7, null, undefined, ["é", "😀"], "x".repeat(63)];

describe("SparseIndex in files", () => {
  let folder = "";
  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), "sparse-rerank-files-"));
  });
  afterEach(() => {
    fs.rmSync(folder, { recursive: true, force: true });
  });

  /** Documents "0" to "6" with descending scores for term 1. */
  async function addSample(index: SparseIndex): Promise<void> {
    await index.add(
      PAYLOADS.map((_, i) => String(i)),
      matrix(PAYLOADS.map((_, i) => ({ 1: 10 - i, [2 + i]: 1 }))),
      { payloads: PAYLOADS },
    );
  }

  async function checkSample(index: SparseIndex): Promise<void> {
    const hits = await index.search(vector({ 1: 1 }), { withPayload: true });
    assert.deepEqual(
      hits,
      PAYLOADS.map((payload, i) => ({ id: String(i), score: 10 - i, ...(payload === undefined ? {} : { payload }) })),
    );
    assert.ok(!("payload" in ((await index.search(vector({ 1: 1 })))[0] ?? {})));
  }

  it("keeps documents and payloads in memory, through compact() and save()", async () => {
    await using index = SparseIndex.create({ dimension: DIMENSION });
    await addSample(index);
    await checkSample(index);
    await index.add(["other"], matrix([{ 9: 1 }]));
    await index.compact();
    await checkSample(index);
    const file = path.join(folder, "index.sparse");
    await index.save(file);
    await using opened = await SparseIndex.open(file);
    assert.equal(opened.dimension, DIMENSION);
    assert.equal(opened.size, 8);
    await checkSample(opened);
    // Changes to an opened file stay in memory.
    assert.equal(await opened.remove(["other"]), 1);
    await using again = await SparseIndex.open(file, { readOnly: true });
    assert.equal(again.size, 8);
    await assert.rejects(again.add(["x"], matrix([{}])), { code: "ERR_READ_ONLY" });
    await assert.rejects(again.remove(["0"]), { code: "ERR_READ_ONLY" });
    await assert.rejects(again.compact(), { code: "ERR_READ_ONLY" });
  });

  it("keeps documents and payloads in a folder", async () => {
    const home = path.join(folder, "index");
    await assert.rejects(SparseIndex.open(home), { code: "ERR_FILE_NOT_FOUND" });
    await assert.rejects(SparseIndex.open(home, { readOnly: true }), { code: "ERR_FILE_NOT_FOUND" });
    {
      await using index = await SparseIndex.open(home, { dimension: DIMENSION });
      await addSample(index);
      await assert.rejects(SparseIndex.open(home), { code: "ERR_INDEX_LOCKED" });
      await using reader = await SparseIndex.open(home, { readOnly: true });
      await checkSample(reader);
    }
    // close() has released the folder.
    await using index = await SparseIndex.open(home);
    await checkSample(index);
    await index.add(["0"], matrix([{ 1: 20 }]), { payloads: ["new"] });
    assert.deepEqual(await index.search(vector({ 1: 1 }), { topK: 1, withPayload: true }), [{ id: "0", score: 20, payload: "new" }]);
    await assert.rejects(SparseIndex.open(home, { dimension: 3, readOnly: true }), { code: "ERR_DIMENSION_MISMATCH" });
  });

  it("opens many times, one writer after the other", async () => {
    const home = path.join(folder, "index");
    for (let i = 0; i < 30; i++) {
      const index = await SparseIndex.open(home, { dimension: DIMENSION });
      await index.add([String(i)], matrix([{ 1: 1 }]));
      await index.close();
    }
    await using index = await SparseIndex.open(home);
    assert.equal(index.size, 30);
    assert.ok(index.stats().segments <= 17, String(index.stats().segments));
  });

  it("reports which ids it contains", async () => {
    await using index = SparseIndex.create({ dimension: DIMENSION });
    await addSample(index);
    await index.remove(["2"]);
    assert.deepEqual(await index.has(["2", "3", "3", "unknown"]), [false, true, true, false]);
    assert.deepEqual(await index.has([]), []);
    await assert.rejects(index.has([""]), { code: "ERR_INVALID_ARGUMENT" });
  });

  it("finds only the ids of a filter", async () => {
    await using index = SparseIndex.create({ dimension: DIMENSION });
    await addSample(index);
    const find = async (ids: Iterable<string>): Promise<string[]> =>
      (await index.search(vector({ 1: 1 }), { filter: { ids }, topK: 2 })).map(({ id }) => id);
    assert.deepEqual(await find(["5", "3", "unknown", "6"]), ["3", "5"]);
    assert.deepEqual(await find(new Set(["6"])), ["6"]);
    assert.deepEqual(await find([]), []);
    await assert.rejects(find([3 as never]), { code: "ERR_INVALID_ARGUMENT" });
    await index.remove(["3"]);
    assert.deepEqual(await find(["3", "5"]), ["5"]);
  });

  it("rejects a damaged file, wherever the damage is", async () => {
    const file = path.join(folder, "index.sparse");
    await using index = SparseIndex.create({ dimension: DIMENSION });
    await addSample(index);
    await index.save(file);
    const bytes = fs.readFileSync(file);
    for (let i = 0; i < bytes.length; i += 61) {
      const damaged = Buffer.from(bytes);
      damaged[i] = (damaged[i] ?? 0) ^ 16;
      const copy = path.join(folder, `copy-${i}`);
      fs.writeFileSync(copy, damaged);
      await assert.rejects(
        async () => {
          await using opened = await SparseIndex.open(copy);
          await opened.search(vector({ 1: 1 }), { withPayload: true });
        },
        ({ code }: { readonly code?: string }) => code === "ERR_INDEX_CORRUPT" || code === "ERR_INDEX_VERSION",
        `byte ${i}`,
      );
    }
    fs.writeFileSync(path.join(folder, "short"), bytes.subarray(0, bytes.length - 1));
    await assert.rejects(SparseIndex.open(path.join(folder, "short")), { code: "ERR_INDEX_CORRUPT" });
  });
});
