import assert from "node:assert/strict";
import { createRequire } from "node:module";

import { BM25Index } from "../../../dist";
import { englishTerms } from "../../../dist/retrieval/bm25-terms";
import { DOCUMENTS } from "../../support/retrieval-support";

interface Wink {
  defineConfig(config: object): void;
  definePrepTasks(tasks: readonly ((text: string) => readonly string[])[]): void;
  addDoc(document: object, id: string): void;
  consolidate(precision: number): void;
  search(query: string, limit: number): [id: string, score: number][];
}

const QUERIES = ["blood and the heart", "Bacteria in bread", "sea sea fish", "nothing shared"];

async function filled(): Promise<BM25Index> {
  const index = new BM25Index();
  await index.add([...DOCUMENTS.keys()], [...DOCUMENTS.values()]);
  return index;
}

describe("BM25Index", () => {
  it("returns the scores of wink-bm25-text-search", async () => {
    const engine = (createRequire(__filename)("wink-bm25-text-search") as () => Wink)();
    engine.defineConfig({ fldWeights: { text: 1 }, bm25Params: { k1: 1.2, b: 0.75, k: 1 } });
    engine.definePrepTasks([englishTerms]);
    for (const [id, text] of DOCUMENTS) engine.addDoc({ text }, id);
    engine.consolidate(9);
    await using index = await filled();
    for (const query of QUERIES) {
      const expected = new Map(engine.search(query, 10));
      const hits = await index.search(query);
      assert.deepEqual(hits.map(({ id }) => id).sort(), [...expected.keys()].sort(), query);
      for (const { id, score } of hits) assert.ok(Math.abs(score - expected.get(id)!) < 1e-5, `${query}: ${id}`);
    }
  });

  it("computes idf and saturation as documented", async () => {
    const index = new BM25Index({ k1: 2, b: 0.5, terms: (text) => text.split(" ") });
    await index.add(["a", "b"], ["x x y", "z"]);
    const [hit, ...others] = await index.search("x");
    assert.deepEqual(others, []);
    const idf = Math.log(1 + (2 - 1 + 0.5) / (1 + 0.5));
    assert.ok(Math.abs(hit!.score - (idf * 2 * 3) / (2 + 2 * (0.5 + (0.5 * 3) / 2))) < 1e-6);
    assert.equal(hit!.text, "x x y");
  });

  it("reflects additions, replacements and removals in searches", async () => {
    const index = await filled();
    assert.deepEqual(
      (await index.search("teeth")).map(({ id }) => id),
      ["sugar"],
    );
    await index.add(["sugar"], ["Honey is sweet."]);
    assert.deepEqual(await index.search("teeth"), []);
    assert.equal((await index.search("honey"))[0]?.id, "sugar");
    assert.equal(index.remove(["sugar", "unknown"]), 1);
    assert.deepEqual(await index.search("honey"), []);
    assert.equal(index.size, 4);
    assert.deepEqual(await new BM25Index().search("anything"), []);
  });

  it("completes a running search when a document is added", async () => {
    const index = await filled();
    const pending = index.search("heart");
    await index.add(["more"], ["heart heart"]);
    assert.equal((await pending).length, 2);
    assert.equal((await index.search("heart")).length, 3);
  });

  it("rejects invalid arguments, and calls after dispose()", async () => {
    const index = await filled();
    await assert.rejects(index.add(["a", "a"], ["x", "y"]), { code: "ERR_DUPLICATE_ID" });
    await assert.rejects(index.add(["a"], []), { code: "ERR_INVALID_ARGUMENT", message: /1 ids and 0 texts/ });
    await assert.rejects(index.add([""], ["x"]), { code: "ERR_INVALID_ARGUMENT" });
    await assert.rejects(index.search("x", { topK: 0 }), { code: "ERR_INVALID_ARGUMENT" });
    await assert.rejects(index.search("x", { signal: AbortSignal.abort() }), { code: "ERR_ABORTED" });
    assert.throws(() => new BM25Index({ b: 2 }), { code: "ERR_INVALID_ARGUMENT" });
    index.dispose();
    await assert.rejects(index.search("x"), { code: "ERR_DISPOSED" });
  });
});
