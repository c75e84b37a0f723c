import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";

import { SparseMatrix } from "sparse-rerank";
import { fileWriter } from "sparse-rerank/queue";
import type { EncodedShard } from "sparse-rerank/queue";

function shard(name: string, documents: number): EncodedShard {
  const ids = Array.from({ length: documents }, (_, i) => `d${i}`);
  const vectors = SparseMatrix.fromRows(
    ids.map((_, i) => ({ indices: [i], values: [1] })),
    documents,
  );
  return { name, ids, vectors, payloads: ids.map(() => undefined) };
}

describe("fileWriter", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), "sparse-rerank-writers-"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it("creates the folder, and writes one vector per line", async () => {
    const out = path.join(folder, "a", "b");
    assert.deepEqual(await fileWriter(out)(shard("shard-00000000", 2)), []);
    assert.deepEqual(await readdir(out), ["shard-00000000.jsonl"]);
    const lines = (await readFile(path.join(out, "shard-00000000.jsonl"), "utf8")).split("\n");
    assert.equal(lines.length, 3);
    assert.equal((JSON.parse(lines[1] ?? "") as { id: string }).id, "d1");
  });

  it("removes only what a killed worker left of the shard", async () => {
    const others = ["shard-00000004.jsonl.0011223344556677.tmp", "shard-00000003.jsonl.bak", "notes.tmp"];
    for (const file of ["shard-00000003.jsonl.8899aabbccddeeff.tmp", ...others]) await writeFile(path.join(folder, file), "{");
    await fileWriter(folder)(shard("shard-00000003", 1));
    assert.deepEqual((await readdir(folder)).sort(), ["shard-00000003.jsonl", ...others].sort());
  });

  it("leaves one complete file when several workers write the same shard", async () => {
    const same = shard("shard-00000000", 300);
    await fileWriter(folder)(same);
    const whole = await readFile(path.join(folder, "shard-00000000.jsonl"), "utf8");
    for (let round = 0; round < 20; round++) {
      await Promise.all(Array.from({ length: 8 }, () => fileWriter(folder)(same)));
      assert.deepEqual(await readdir(folder), ["shard-00000000.jsonl"]);
      assert.equal(await readFile(path.join(folder, "shard-00000000.jsonl"), "utf8"), whole);
    }
  });

  it("rejects if it cannot write", async () => {
    await writeFile(path.join(folder, "file"), "");
    await assert.rejects(fileWriter(path.join(folder, "file"))(shard("shard-00000000", 1)), { code: "EEXIST" });
    await mkdir(path.join(folder, "shard-00000000.jsonl"));
    await assert.rejects(fileWriter(folder)(shard("shard-00000000", 1)), { code: process.platform === "win32" ? "EPERM" : "EISDIR" });
    assert.deepEqual((await readdir(folder)).sort(), ["file", "shard-00000000.jsonl"]);
  });
});
