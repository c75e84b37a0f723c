/** The addon's index with a lexical side: changes of both sides at once, and what snapshots answer. */

import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

import { native } from "../../../dist/native/load";
import type { NativeDocuments, NativeIndex, NativeRows, NativeTermRows } from "../../../dist/native/contract";
import { packBytes, packStrings } from "../../../dist/native/strings";
import { checkFilter } from "../../../dist/sparse-index/filter";
import { attributesOf, compileFilter, compileIds } from "../../../dist/sparse-index/metadata";
import { SparseIndex } from "../../../dist/sparse-index/sparse-index";
import { termRows } from "../../support/term-rows";

const BM25 = { k1: 1.2, b: 0.75 };
const TEXTS = ["the shark swims in the sea", "the heart pumps blood", "rivers end in the sea", "bread and salt", ""];
const IDS = TEXTS.map((_, i) => `d${i}`);
const u = (...numbers: number[]): Uint32Array => Uint32Array.from(numbers);

/** Document i has weight 1 + i in dimension i modulo 4. */
function vectorsOf(count: number): NativeRows {
  return {
    indptr: Uint32Array.from({ length: count + 1 }, (_, i) => i),
    indices: Uint32Array.from({ length: count }, (_, i) => i % 4),
    values: Float32Array.from({ length: count }, (_, i) => 1 + i),
  };
}

async function documentsOf(texts: readonly string[], ids: readonly string[]): Promise<NativeDocuments> {
  return {
    ids: packStrings(ids),
    vectors: vectorsOf(texts.length),
    terms: termRows(texts),
    stored: packBytes(texts.map((text) => Buffer.from(text))),
    attributes: await attributesOf(texts.map((text) => ({ words: text.split(" ").length, sea: text.includes("sea") }))),
  };
}

async function filled(): Promise<NativeIndex> {
  const index = new (native().Index)(4, BM25);
  await index.apply({ add: await documentsOf(TEXTS.slice(0, 3), IDS.slice(0, 3)) });
  await index.apply({ add: await documentsOf(TEXTS.slice(3), IDS.slice(3)) });
  return index;
}

function bm25(texts: readonly string[], query: readonly string[]): Map<number, number> {
  const documents = texts.map((text) => text.split(" ").filter(Boolean));
  const average = documents.reduce((sum, { length }) => sum + length, 0) / documents.length;
  const scores = new Map<number, number>();
  for (const [i, words] of documents.entries()) {
    let score = 0;
    for (const term of [...query].sort()) {
      const frequency = words.filter((word) => word === term).length;
      const having = documents.filter((others) => others.includes(term)).length;
      const idf = Math.log(1 + (documents.length - having + 0.5) / (having + 0.5));
      score += (idf * frequency) / (frequency + BM25.k1 * (1 - BM25.b + (BM25.b * words.length) / average));
    }
    if (score > 0) scores.set(i, Math.fround(score));
  }
  return scores;
}

describe("native snapshots", () => {
  it("searchTerms() is BM25 over what is there", async () => {
    const index = await filled();
    assert.deepEqual(index.lexical(), BM25);
    for (const query of [["sea"], ["the", "sea"], ["blood", "salt", "unknown"]]) {
      const hits = await index.snapshot().searchTerms(termRows([query.join(" ")]), 10, { stored: true });
      const expected = bm25(TEXTS, query);
      assert.deepEqual([...hits.ids].sort(), [...expected.keys()].map((i) => IDS[i]).sort());
      for (const [i, id] of hits.ids.entries()) {
        const document = IDS.indexOf(id);
        assert.ok(Math.abs((hits.scores[i] ?? 0) - (expected.get(document) ?? 0)) < 1e-6);
        assert.equal(Buffer.from(hits.stored[i] ?? []).toString(), TEXTS[document]);
      }
    }
    const sea = compileFilter(checkFilter({ sea: true }));
    assert.deepEqual((await index.snapshot().searchTerms(termRows(["the", "sea"]), 10, { filter: sea })).ids.length, 4);
    await index.dispose();
  });

  it("apply() removes and adds in one step, and says what it did not replace", async () => {
    const index = await filled();
    const before = index.snapshot();
    assert.equal(await index.apply({ remove: packStrings(["d0", "d1", "unknown"]), add: await documentsOf(["the sea"], ["d1"]) }), 1);
    assert.equal(await index.apply({ remove: packStrings(["d0"]) }), 0);
    assert.equal(await index.apply({}), 0);
    const after = index.snapshot();
    assert.equal(await before.count(), 5);
    assert.equal(await after.count(), 4);
    const [hits] = await Promise.all([after.searchTerms(termRows(["the"]), 10, {})]);
    assert.deepEqual([...hits.ids].sort(), ["d1", "d2"]);
    assert.equal(await index.removeMatching(compileFilter(checkFilter({ sea: true }))), 2);
    assert.deepEqual((await index.snapshot().list({ limit: 10 })).ids, ["d3", "d4"]);
    assert.equal(await index.removeMatching(compileIds(["d0"])), 0);
    await index.dispose();
    // What was taken before stays readable.
    assert.deepEqual((await before.list({ limit: 10 })).ids, IDS);
    assert.throws(() => index.snapshot(), { code: "ERR_DISPOSED" });
  });

  it("reads, lists, counts and counts facets", async () => {
    const index = await filled();
    const snapshot = index.snapshot();
    assert.deepEqual([...(await snapshot.contains(packStrings(["d1", "x", "d4"])))], [1, 0, 1]);
    const read = await snapshot.read(packStrings(["d2", "x", "d0"]), { vectors: true });
    assert.deepEqual([...read.found], [1, 0, 1]);
    assert.deepEqual(
      read.stored.map((bytes) => Buffer.from(bytes).toString()),
      [TEXTS[2], "", TEXTS[0]],
    );
    assert.deepEqual(read.vectors, { indptr: u(0, 1, 1, 2), indices: u(2, 0), values: Float32Array.of(3, 1) });
    assert.equal((await snapshot.read(packStrings(["d2"]), {})).vectors, undefined);
    const page = await snapshot.list({ after: packStrings(["d1"]), limit: 2, stored: true });
    assert.deepEqual(page.ids, ["d2", "d3"]);
    assert.equal(Buffer.from(page.stored[1] ?? []).toString(), TEXTS[3]);
    await assert.rejects(snapshot.list({ after: packStrings(["gone"]), limit: 2 }), { code: "ERR_INVALID_ARGUMENT" });
    const sea = compileFilter(checkFilter({ sea: true }));
    assert.deepEqual((await snapshot.list({ filter: sea, limit: 9 })).ids, ["d0", "d2"]);
    assert.equal(await snapshot.count(sea), 2);
    const prefix = packBytes([Buffer.concat([Buffer.from("sea"), Buffer.of(0xff)])]);
    const facets = async (options: Parameters<typeof snapshot.facets>[2]): Promise<[string, number][]> => {
      const { names, counts } = await snapshot.facets(prefix, 10, options);
      return names.map((bytes, i) => [Buffer.from(bytes).toString("latin1"), counts[i] ?? -1]);
    };
    assert.deepEqual(await facets({}), [
      ["sea\u00ffb\u0000", 3],
      ["sea\u00ffb\u0001", 2],
    ]);
    assert.deepEqual(
      (await facets({ terms: termRows(["the"]) })).map(([, count]) => count),
      [2, 1],
    );
    assert.deepEqual(
      (await facets({ filter: sea, query: { indptr: u(0, 1), indices: u(2), values: Float32Array.of(1) } })).map(([, count]) => count),
      [1],
    );
    assert.deepEqual(await snapshot.termStatistics(packStrings(["the", "sea", "unknown"])), {
      documents: 5,
      averageLength: 18 / 5,
      documentFrequencies: u(3, 2, 0),
    });
    snapshot.dispose();
    assert.throws(() => void snapshot.count(), { code: "ERR_DISPOSED" });
    await index.dispose();
  });

  it("refuses what does not hold together", async () => {
    const index = await filled();
    const snapshot = index.snapshot();
    const good = termRows(["the sea"]);
    const forged: Readonly<Record<string, unknown>> = {
      "indptr descends": { ...good, indptr: u(0, 2, 1) },
      "indptr goes beyond": { ...good, indptr: u(0, 0xffffffff) },
      "an index that no term has": { ...good, indices: u(0, 2) },
      "an index twice": { ...good, indices: u(0, 0) },
      "a count of 0": { ...good, counts: u(0, 1) },
      "fewer counts": { ...good, counts: u(1) },
      "equal terms": { ...good, terms: packStrings(["a", "a"]) },
      "offsets beyond the bytes": { ...good, terms: { offsets: u(0, 3, 900), bytes: good.terms.bytes } },
      "a long term": { ...good, terms: packStrings(["a", "b".repeat(65_536)]) },
      "no terms": { ...good, terms: undefined },
      "no object": 7,
    };
    const code = /^ERR_(INVALID_ARGUMENT|INTERNAL)$/;
    const documents = await documentsOf(["the sea"], ["new"]);
    for (const [name, terms] of Object.entries(forged)) {
      for (const call of [
        () => snapshot.searchTerms(terms as NativeTermRows, 5, {}),
        () => snapshot.facets(packStrings(["x"]), 5, { terms: (name === "no object" ? forged["no terms"] : terms) as NativeTermRows }),
        () => index.apply({ add: { ...documents, terms: terms as NativeTermRows } }),
      ]) {
        const outcome = Promise.resolve().then((): Promise<unknown> => call());
        await assert.rejects(outcome, (error: { code?: string }) => code.test(error.code ?? "ERR_INTERNAL"), `${name}: ${String(call)}`);
      }
    }
    const without = { ids: documents.ids, vectors: documents.vectors };
    await assert.rejects(index.apply({ add: without }), { code: "ERR_INVALID_ARGUMENT" });
    const plain = new (native().Index)(4);
    assert.equal(plain.lexical(), undefined);
    await assert.rejects(plain.apply({ add: documents }), { code: "ERR_INVALID_ARGUMENT" });
    await assert.rejects(plain.snapshot().searchTerms(good, 5, {}), { code: "ERR_INVALID_ARGUMENT" });
    await assert.rejects(plain.snapshot().termStatistics(packStrings(["x"])), { code: "ERR_INVALID_ARGUMENT" });
    for (const lexical of [{ k1: -1, b: 0.5 }, { k1: NaN, b: 0.5 }, { k1: 1, b: 1.5 }, { k1: 1e9, b: 0 }, {}]) {
      assert.throws(() => new (native().Index)(4, lexical as never), { code: "ERR_INVALID_ARGUMENT" });
    }
    for (const prefix of [packStrings([]), packStrings(["a", "b"])]) {
      assert.throws(() => void snapshot.facets(prefix, 5, {}), { code: "ERR_INTERNAL" });
    }
    const token = new (native().CancelToken)();
    token.cancel();
    await assert.rejects(snapshot.searchTerms(good, 5, { cancel: token }), { code: "ERR_ABORTED" });
    await assert.rejects(snapshot.count(undefined, { cancel: token }), { code: "ERR_ABORTED" });
    assert.equal(await index.snapshot().count(), 5);
    await plain.dispose();
    await index.dispose();
  });

  it("a folder keeps both sides, readers refresh, and SparseIndex reads the vectors", async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "sparse-rerank-lexical-"));
    const at = path.join(folder, "index");
    try {
      const writer = await native().openIndex(at, { dimension: 4, lexical: BM25 });
      const reader = await native().openIndex(at, { readOnly: true });
      assert.deepEqual(reader.lexical(), BM25);
      assert.equal(await reader.refresh(), false);
      await writer.apply({ add: await documentsOf(TEXTS, IDS) });
      assert.equal(await reader.snapshot().count(), 0);
      assert.equal(await reader.refresh(), true);
      assert.equal(await reader.refresh(), false);
      assert.deepEqual((await reader.snapshot().searchTerms(termRows(["blood"]), 5, {})).ids, ["d1"]);
      assert.equal(await writer.refresh(), false);
      await writer.dispose();
      await assert.rejects(native().openIndex(at, { lexical: { k1: 1, b: 0 } }), { code: "ERR_INVALID_ARGUMENT" });
      {
        await using index = await SparseIndex.open(at);
        const hits = await index.search({ indices: u(1), values: Float32Array.of(1), size: 4 });
        assert.deepEqual(hits, [{ id: "d1", score: 2 }]);
        assert.equal(await index.remove(["d1"]), 1);
        await index.compact();
      }
      assert.equal(await reader.refresh(), true);
      assert.deepEqual((await reader.snapshot().searchTerms(termRows(["blood"]), 5, {})).ids, []);
      assert.equal((await reader.snapshot().searchTerms(termRows(["sea"]), 5, {})).ids.length, 2);
      fs.rmSync(at, { recursive: true });
      await assert.rejects(reader.refresh(), { code: "ERR_FILE_NOT_FOUND" });
      assert.equal(await reader.snapshot().count(), 4);
      await reader.dispose();
    } finally {
      fs.rmSync(folder, { recursive: true, force: true });
    }
  });
});
