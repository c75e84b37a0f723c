import assert from "node:assert/strict";

import { SparseMatrix } from "sparse-rerank";
import { PgvectorEngine } from "sparse-rerank/engines";

import { describeContract, hasCode, useServer } from "./contract";
import { assertSearched, runExample } from "./examples";

describe("PgvectorEngine", () => {
  const connectionString = useServer("postgres");
  const create =
    (index: "none" | "hnsw") =>
    (name: string): PgvectorEngine =>
      new PgvectorEngine({ connectionString: connectionString(), table: `${name}_${index}`, dimension: 30522, index });

  describe("with exact search", () => {
    describeContract({ create: create("none"), refuses: ["dates"] });
  });
  describe("with an HNSW index", () => {
    describeContract({ create: create("hnsw"), refuses: ["dates"] });
  });

  it("prunes vectors above the limits to their largest weights, with a warning for each", async () => {
    const row = (count: number): { indices: number[]; values: number[] } => ({
      indices: Array.from({ length: count }, (_, i) => i),
      values: Array.from({ length: count }, (_, i) => 1 + i / count),
    });
    for (const [index, limit] of [["hnsw", 1000] as const, ["none", 16_000] as const]) {
      const engine = create(index)("pruned");
      await engine.ensureIndex();
      const report = await engine.upsert(["long", "fits"], SparseMatrix.fromRows([row(limit + 1), row(limit)], 30522));
      assert.equal(report.succeeded, 2);
      assert.deepEqual(
        report.warnings.map(({ id }) => id),
        ["long"],
      );
      assert.match(report.warnings[0]!.warning, new RegExp(`at most ${limit} weights`));
      // The smallest weight was that of dimension 0.
      const hits = await engine.search({ indices: Uint32Array.of(0), values: Float32Array.of(1), size: 30522 }, { topK: 5 });
      assert.deepEqual(
        hits.map(({ id }) => id),
        ["fits"],
      );
      await engine.close();
    }
  });

  it("isolates the one document that PostgreSQL rejects", async () => {
    const engine = create("none")("isolated");
    await engine.ensureIndex();
    const matrix = SparseMatrix.fromRows(
      Array.from({ length: 9 }, () => ({ indices: [1], values: [1] })),
      30522,
    );
    const ids = Array.from({ length: 9 }, (_, i) => `d${i}`);
    const report = await engine.upsert(
      ids,
      matrix,
      ids.map((id) => ({ text: id === "d4" ? "a\0b" : "fine" })),
    );
    assert.equal(report.succeeded, 8);
    assert.deepEqual(
      report.failed.map(({ id, code }) => [id, code]),
      [["d4", "ERR_ENGINE_REFUSED"]],
    );
    assert.equal((await engine.stats()).documents, 8);
    await engine.close();
  });

  it("rejects a table of another dimension, and reports rejected credentials", async () => {
    const table = "pruned_none";
    const other = new PgvectorEngine({ connectionString: connectionString(), table, dimension: 10 });
    await assert.rejects(other.ensureIndex(), hasCode(/REFUSED/));
    await other.close();
    const url = connectionString().replace("postgres@", "nobody@");
    const stranger = new PgvectorEngine({ connectionString: url, table, dimension: 10 });
    await assert.rejects(stranger.ensureIndex(), hasCode(/AUTH/));
    await stranger.close();
  });

  it("is used by examples/pgvector.mjs", async () => {
    assertSearched(await runExample("pgvector.mjs", connectionString()));
  });
});
