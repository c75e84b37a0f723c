import assert from "node:assert/strict";
import { createRequire } from "node:module";

import fc from "fast-check";

import { BM25Index } from "../../../dist";
import { createAnalyzer } from "../../../dist/lexical/analyzer";
import { checkLexicalOptions } from "../../../dist/lexical/options";
import { bm25Scores } from "../lexical/bm25-reference";
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
  it("returns the scores of wink-bm25-text-search, whose formula has the factor k1 + 1", async () => {
    const analyzer = createAnalyzer(checkLexicalOptions({}));
    const engine = (createRequire(__filename)("wink-bm25-text-search") as () => Wink)();
    engine.defineConfig({ fldWeights: { text: 1 }, bm25Params: { k1: 1.2, b: 0.75, k: 1 } });
    engine.definePrepTasks([(text) => analyzer.terms(text)]);
    for (const [id, text] of DOCUMENTS) engine.addDoc({ text }, id);
    engine.consolidate(9);
    await using index = await filled();
    for (const query of QUERIES) {
      const expected = new Map(engine.search(query, 10));
      const hits = await index.search(query);
      assert.deepEqual(hits.map(({ id }) => id).sort(), [...expected.keys()].sort(), query);
      for (const { id, score } of hits) assert.ok(Math.abs(score - expected.get(id)! / 2.2) < 1e-5, `${query}: ${id}`);
    }
  });

  it("computes BM25 by its definition over the documents of the moment", async () => {
    const parameters = { k1: 2, b: 0.5 };
    const terms = (text: string): string[] => text.split(" ");
    const query = "a b a unknown";
    const text = fc.array(fc.constantFrom("a", "b", "c", "d", "e"), { minLength: 1, maxLength: 12 }).map((words) => words.join(" "));
    const documents = fc.dictionary(fc.constantFrom("x", "y", "z", "u", "v", "w"), text);
    const change = fc.record({ remove: fc.boolean(), documents });
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 25 }), async (changes) => {
        await using index = new BM25Index({ ...parameters, analyzer: terms });
        const known = new Map<string, string>();
        for (const { remove, documents } of changes) {
          const ids = Object.keys(documents);
          const found = ids.filter((id) => known.delete(id)).length;
          if (remove) {
            assert.equal(await index.remove(ids), found);
          } else {
            await index.add(ids, Object.values(documents));
            for (const id of ids) known.set(id, documents[id]!);
          }
          assert.equal(index.size, known.size);
        }
        const scores = bm25Scores([...known.values()].map(terms), terms(query), parameters);
        const expected = new Map([...known.keys()].map((id, i) => [id, scores[i]!] as const).filter(([, score]) => score > 0));
        const hits = await index.search(query, { topK: 100 });
        assert.deepEqual(new Set(hits.map(({ id }) => id)), new Set(expected.keys()));
        hits.forEach(({ id, score, text }, i) => {
          assert.ok(Math.abs(score - expected.get(id)!) < 1e-5, `${id}: ${score}`);
          assert.ok(i === 0 || hits[i - 1]!.score >= score);
          assert.equal(text, known.get(id));
        });
        assert.deepEqual(await index.search(query, { topK: 2 }), hits.slice(0, 2));
      }),
      { numRuns: 50 },
    );
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
    assert.equal(await index.remove(["sugar", "unknown", "sugar"]), 1);
    assert.deepEqual(await index.search("honey"), []);
    assert.equal(index.size, 4);
    await index.add([], []);
    assert.equal(index.size, 4);
    assert.deepEqual(await new BM25Index().search("anything"), []);
  });

  it("runs changes in the order of the calls, with the arrays of the call", async () => {
    await using index = new BM25Index();
    const ids = ["a", "b"];
    const texts = ["cat ".repeat(100_000), "cat"];
    const added = index.add(ids, texts);
    ids[1] = "c";
    texts[1] = "dog";
    const removed = index.remove(["a"]);
    const failed = assert.rejects(index.add(["b"], ["bird"], { metadata: [{ size: new Map() as never }] }), {
      code: "ERR_INVALID_ARGUMENT",
      message: /metadata\[0\]/,
    });
    const again = index.add(["a"], ["fish"]);
    assert.deepEqual(await Promise.all([added, removed, failed, again]), [undefined, 1, undefined, undefined]);
    assert.deepEqual((await index.search("cat dog bird fish")).map(({ text }) => text).sort(), ["cat", "fish"]);
  });

  it("leaves the index as it was when an addition is aborted", async () => {
    const index = await filled();
    const controller = new AbortController();
    const adding = index.add(["long"], ["heart and more words. ".repeat(200_000)], { signal: controller.signal });
    setTimeout(() => {
      controller.abort();
    }, 10);
    await assert.rejects(adding, { code: "ERR_ABORTED" });
    assert.equal(index.size, DOCUMENTS.size);
    assert.equal((await index.search("heart")).length, 2);
  });

  it("honors filters, alone and together with the language", async () => {
    await using index = new BM25Index({ language: "german" });
    const metadata = [{ year: 2020, tags: ["x"] }, { year: 2024 }, undefined];
    await index.add(["old", "new", "none"], ["Das Haus", "Die Häuser der Häuser", "Ein Haus"], { metadata });
    const found = async (filter: object): Promise<string[]> =>
      (await index.search("Hauses", { filter: filter as never })).map(({ id }) => id);
    assert.deepEqual((await found({ not: { field: "year", lt: 0 } })).sort(), ["new", "none", "old"]);
    assert.deepEqual(await found({ year: { gte: 2021 } }), ["new"]);
    assert.deepEqual(await found({ tags: "x" }), ["old"]);
    assert.deepEqual(await found({ year: { exists: false } }), ["none"]);
    assert.deepEqual(await found({ year: 1900 }), []);
    const [hits] = await index.retrieve(["Haus"], { topK: 1, filter: { year: { lt: 2024 } } });
    assert.deepEqual(
      hits!.map(({ id, text }) => [id, text]),
      [["old", "Das Haus"]],
    );
    await assert.rejects(found({ and: [] }), { code: "ERR_INVALID_ARGUMENT" });
  });

  it("returns texts as they are, but for halves of surrogate pairs", async () => {
    await using index = new BM25Index();
    for (const text of ["cat \ud83d\ude00 \0 é\n", "cat \ud83d", `cat ${"x".repeat(100_000)}`]) {
      await index.add(["a"], [text]);
      assert.equal((await index.search("cat"))[0]?.text, text.replace(/\p{Surrogate}/gu, "\ufffd"));
    }
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
    await assert.rejects(index.add(["a"], ["x"], { metadata: [] }), { code: "ERR_INVALID_ARGUMENT", message: /metadata has 0 elements/ });
    await assert.rejects(index.add(["a"], ["x"], { metadata: "x" as never }), {
      code: "ERR_INVALID_ARGUMENT",
      message: /metadata must be/,
    });
    await assert.rejects(index.remove([""]), { code: "ERR_INVALID_ARGUMENT" });
    for (const wrong of [{ b: 2 }, { k1: 1001 }, { terms: () => [] }, { analyzer: "x" }, { language: "elvish" }]) {
      assert.throws(() => new BM25Index(wrong as never), { code: "ERR_INVALID_ARGUMENT" }, JSON.stringify(wrong));
    }
    index.dispose();
    await assert.rejects(index.search("x"), { code: "ERR_DISPOSED" });
    await assert.rejects(index.remove(["a"]), { code: "ERR_DISPOSED" });
    assert.throws(() => index.size, { code: "ERR_DISPOSED" });
  });
});
