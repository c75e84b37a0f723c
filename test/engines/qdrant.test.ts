import assert from "node:assert/strict";

import { SparseMatrix } from "sparse-rerank";
import { QdrantEngine } from "sparse-rerank/engines";

import { describeContract, hasCode, useServer } from "./contract";
import { assertSearched, runExample } from "./examples";

describe("QdrantEngine, with Qdrant's engine behind a stand-in for the server", () => {
  const url = useServer("qdrant");
  describeContract({
    create: (collection) => new QdrantEngine({ url: url(), collection, dimension: 30522 }),
    refuses: ["prefix"],
    serverLacks: (filter) => (filter.includes('"open"') ? "qdrant-edge-py takes booleans for integers" : undefined),
  });

  it("multiplies by inverse document frequencies on request, and keeps the index on disk", async () => {
    const engine = new QdrantEngine({ url: url(), collection: "idf", modifier: "idf", onDisk: true });
    await engine.ensureIndex();
    const rows = Array.from({ length: 10 }, (_, i) => ({ indices: i === 0 ? [1, 2] : [1], values: i === 0 ? [1, 1] : [1] }));
    const matrix = SparseMatrix.fromRows(rows, 10);
    await engine.upsert(
      rows.map((_, i) => String(i)),
      matrix,
    );
    const rare = await engine.search({ indices: Uint32Array.of(2), values: Float32Array.of(1), size: 10 }, { topK: 1 });
    const common = await engine.search({ indices: Uint32Array.of(1), values: Float32Array.of(1), size: 10 }, { topK: 1 });
    assert.ok(rare[0]!.score > 2 * common[0]!.score);
    await assert.rejects(new QdrantEngine({ url: url(), collection: "idf", modifier: "none" }).ensureIndex(), hasCode(/REFUSED/));
    await assert.rejects(new QdrantEngine({ url: url(), collection: "idf", vector: "other" }).ensureIndex(), hasCode(/REFUSED/));
  });

  it("reports which field name a filter cannot have", async () => {
    const engine = new QdrantEngine({ url: url(), collection: "contract" });
    const query = { indices: Uint32Array.of(2), values: Float32Array.of(1), size: 10 };
    await assert.rejects(engine.search(query, { topK: 1, filter: { field: 'a"b', equals: 1 } }), hasCode(/FILTER_UNSUPPORTED/));
  });

  it("is used by examples/qdrant.mjs", async () => {
    assertSearched(await runExample("qdrant.mjs", url()));
  });
});
