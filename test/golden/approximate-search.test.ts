import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

import { SparseEncoder, SparseIndex } from "sparse-rerank";
import type { SparseMatrix } from "sparse-rerank";

import { skip } from "../support/skip";

const COLLECTION = path.join(__dirname, "..", "..", "..", "shared", "data", "collections", "dbpedia-entity-subset");
const TARGETS = [0.9, 0.95, 0.99];
/** With 40 queries, one of their 400 hits is a quarter of a percent. */
const MARGIN = 0.01;

function texts(name: string): string[] {
  const lines = fs.readFileSync(path.join(COLLECTION, name), "utf8").split("\n");
  return lines.filter((line) => line !== "").map((line) => (JSON.parse(line) as { text: string }).text);
}

describe("approximate search of a real collection", function () {
  this.timeout(600_000);
  let index: SparseIndex;
  let queries: SparseMatrix;

  before(async function () {
    if (!fs.existsSync(COLLECTION)) skip(this, `the collection is not at ${COLLECTION}`);
    const encoder = await SparseEncoder.load("splade-tiny");
    const documents = await encoder.encodeDocument(texts("corpus.jsonl"));
    queries = await encoder.encodeQuery(texts("queries.jsonl"));
    await encoder.close();
    index = SparseIndex.create({ dimension: documents.cols });
    await index.add(
      Array.from({ length: documents.rows }, (_, i) => String(i)),
      documents,
    );
  });
  after(() => (index as SparseIndex | undefined)?.close());

  async function recallOf(searched: SparseIndex, target: number, topK: number): Promise<number> {
    const exact = await searched.search(queries, { topK });
    const approximate = await searched.search(queries, { topK, mode: { recall: target } });
    let expected = 0;
    let found = 0;
    for (const [i, hits] of exact.entries()) {
      const scores = new Map(hits.map(({ id, score }) => [id, score]));
      expected += hits.length;
      for (const { id, score } of approximate[i] ?? []) {
        if (!scores.has(id)) continue;
        found += 1;
        assert.equal(score, scores.get(id), "the score of a hit is exact");
      }
    }
    return found / expected;
  }

  it("reaches its target, and reports the recall on its own documents", async () => {
    const { recall } = index.stats();
    assert.deepEqual(
      recall.map(({ target }) => target),
      TARGETS,
    );
    for (const { target, reached } of recall) {
      assert.ok(reached >= target, `${String(reached)} for ${String(target)}`);
      for (const topK of [10, 100]) {
        const measured = await recallOf(index, target, topK);
        assert.ok(measured >= target - MARGIN, `recall@${String(topK)} is ${String(measured)} for the target ${String(target)}`);
      }
    }
    assert.ok((recall[0]?.reached ?? 1) < 1, "the lowest target is not searched exactly");
  });

  it("is exact with a recall of 1, and deterministic", async () => {
    assert.deepEqual(await index.search(queries, { mode: { recall: 1 } }), await index.search(queries));
    const mode = { recall: 0.9 };
    assert.deepEqual(await index.search(queries, { mode }), await index.search(queries, { mode }));
  });

  for (const mode of [{ recall: 0 }, { recall: NaN }, { recall: "0.9" }, { recal: 0.9 }, {}]) {
    it(`rejects the mode ${JSON.stringify(mode)}`, async () => {
      await assert.rejects(index.search(queries, { mode } as never), { code: "ERR_INVALID_ARGUMENT" });
    });
  }

  it("returns the same after save and open", async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "sparse-rerank-approximate-"));
    const file = path.join(folder, "index");
    try {
      await index.save(file);
      await using opened = await SparseIndex.open(file);
      assert.deepEqual(opened.stats().recall, index.stats().recall);
      const mode = { recall: 0.9 };
      assert.deepEqual(await opened.search(queries, { mode }), await index.search(queries, { mode }));
    } finally {
      fs.rmSync(folder, { recursive: true });
    }
  });
});
