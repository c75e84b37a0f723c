import assert from "node:assert/strict";

import { SparseMatrix } from "sparse-rerank";
import { OpenSearchEngine } from "sparse-rerank/engines";

import { describeContract, hasCode, useServer } from "../contract";
import { assertSearched, runExample } from "../examples";

describe("OpenSearchEngine", () => {
  const node = useServer("opensearch");
  // rank_features keep 9 significant bits.
  describeContract({
    create: (index) => new OpenSearchEngine({ node: node(), index, dimension: 30522 }),
    tolerance: 2 ** -8,
    refuses: ["dates"],
  });

  it("falls back to rank_features without the plugin, and reports which modes need it", async () => {
    assert.equal(await new OpenSearchEngine({ node: node(), index: "modes" }).mode(), "rank_features");
    await assert.rejects(new OpenSearchEngine({ node: node(), index: "modes", mode: "ann" }).ensureIndex(), hasCode(/NOT_SUPPORTED/));
  });

  it("rejects what the server would: long queries, tokens with dots, deep results, fields of another type", async () => {
    const engine = new OpenSearchEngine({ node: node(), index: "contract" });
    const long = SparseMatrix.fromRows(
      [{ indices: Array.from({ length: 1025 }, (_, i) => i), values: Array<number>(1025).fill(1) }],
      30522,
    );
    await assert.rejects(engine.search(long.row(0), { topK: 1 }), hasCode(/ENGINE_LIMIT/));
    await assert.rejects(engine.search(long.row(0), { topK: 10_001 }), hasCode(/ENGINE_LIMIT/));
    const dotted = new OpenSearchEngine({ node: node(), index: "contract", token: (dimension) => `${dimension}.` });
    const one = { indices: Uint32Array.of(2), values: Float32Array.of(1), size: 30522 };
    await assert.rejects(dotted.search(one, { topK: 1 }), hasCode(/ENGINE_LIMIT/));
    const filter = { field: "lang", equals: "x".repeat(9000) };
    await assert.rejects(engine.search(one, { topK: 1, filter }), hasCode(/FILTER_UNSUPPORTED/));
    await assert.rejects(new OpenSearchEngine({ node: node(), index: "contract", field: "other" }).ensureIndex(), hasCode(/REFUSED/));
  });

  it("is used by examples/opensearch.mjs", async () => {
    assertSearched(await runExample("opensearch.mjs", node()));
  });
});
