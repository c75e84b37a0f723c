/** Collection over splade-tiny: changes, reading, both sides of a search, filters, facets, and what a folder records. */

import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

import { Collection, fuse, SparseEncoder, SparseIndex } from "../../../dist";
import type { CollectionDocument, CollectionOptions, CrossEncoder } from "../../../dist";
import { createAnalyzer } from "../../../dist/lexical/analyzer";
import { checkLexicalOptions } from "../../../dist/lexical/options";
import { DOCUMENTS as TEXTS, loadReranker } from "../../support/retrieval-support";
import { bm25Scores } from "../lexical/bm25-reference";

const QUERY = "what is good for the heart?";
const SENTENCES = [
  "The shark swims in the sea.",
  "Rivers end in the sea.",
  "Bread and salt are old foods.",
  "The heart pumps blood through the body.",
  "A healthy heart needs exercise.",
  "Libraries lend books to readers.",
  "Fish is good for the heart.",
];

/** Sentences in a fixed but varied order. */
function longText(seed: number, sentences: number): string {
  const text = (i: number): string => SENTENCES[(seed * 31 + i * i * 7 + i) % SENTENCES.length] ?? "";
  return Array.from({ length: sentences }, (_, i) => text(i) + (i % 9 === 8 ? "\n\n" : "")).join(" ");
}

const LONG: readonly CollectionDocument[] = Array.from({ length: 40 }, (_, i) => ({
  id: `long-${i}`,
  text: longText(i, i % 4 === 0 ? 3 : 30 + 3 * i),
  ...(i % 3 === 0 ? { title: `Part ${i}` } : {}),
  metadata: { lang: i % 5 === 0 ? "de" : "en", year: 2000 + i, tags: i % 2 === 0 ? ["even", "all"] : ["all"] },
}));

describe("Collection", () => {
  let encoder: SparseEncoder;
  let reranker: CrossEncoder;
  let folder: string;
  before(async () => {
    encoder = await SparseEncoder.load("splade-tiny");
    reranker = await loadReranker();
  });
  after(async () => {
    await encoder.close();
    await reranker.close();
  });
  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), "collection-"));
  });
  afterEach(() => {
    fs.rmSync(folder, { recursive: true, force: true });
  });

  async function filled(options: Partial<CollectionOptions> = {}, documents = LONG): Promise<Collection> {
    const collection = await Collection.open(":memory:", { encoder, lexical: true, ...options });
    await collection.upsert(documents);
    return collection;
  }

  it("gives back what was added, in order, and replaces by id", async () => {
    await using collection = await filled();
    assert.deepEqual(
      (await collection.list({ limit: 1000 })).map(({ id }) => id),
      LONG.map(({ id }) => id),
    );
    assert.deepEqual(await collection.get(["long-3", "none", "long-0"]), [LONG[3], undefined, LONG[0]]);
    assert.equal(await collection.count(), LONG.length);
    const before = await collection.stats();
    assert.ok(before.passages > LONG.length);
    // A replaced document counts as new, and its old passages go.
    await collection.upsert([{ id: "long-39", text: "Short now." }]);
    await collection.upsert([{ id: "long-0", text: longText(0, 90) }]);
    assert.equal(await collection.count(), LONG.length);
    assert.equal((await collection.list({ limit: 1000 })).at(-1)?.id, "long-0");
    assert.deepEqual(await collection.get(["long-39"]), [{ id: "long-39", text: "Short now." }]);
    const { hits } = await collection.search("short", { mode: "lexical" });
    assert.deepEqual(
      hits.map(({ id }) => id),
      ["long-39"],
    );
  });

  it("lists in pages, by filter, after an id", async () => {
    await using collection = await filled();
    const filter = { lang: "en", year: { gte: 2010 } };
    const expected = LONG.filter(({ metadata }) => metadata?.["lang"] === "en" && (metadata["year"] as number) >= 2010).map(({ id }) => id);
    const listed: string[] = [];
    for (let after: string | undefined; ;) {
      const page = await collection.list({ filter, limit: 7, ...(after === undefined ? {} : { after }) });
      listed.push(...page.map(({ id }) => id));
      if (page.length < 7) break;
      after = page.at(-1)?.id;
    }
    assert.deepEqual(listed, expected);
    assert.equal(await collection.count(filter), expected.length);
    assert.equal(await collection.count({ ids: ["long-1", "long-2", "none"] }), 2);
    await assert.rejects(collection.list({ after: "none" }), { code: "ERR_INVALID_ARGUMENT" });
  });

  it("deletes by id and by filter, with all passages", async () => {
    await using collection = await filled();
    assert.equal(await collection.delete(["long-1", "long-1", "none"]), 1);
    assert.equal(await collection.delete({ lang: "de" }), 8);
    assert.equal(await collection.delete({ lang: "de" }), 0);
    assert.equal(await collection.delete({ ids: new Set(["long-2"]) }), 1);
    const rest = LONG.filter(({ id, metadata }) => metadata?.["lang"] !== "de" && !["long-1", "long-2"].includes(id));
    assert.deepEqual(
      (await collection.list({ limit: 1000 })).map(({ id }) => id),
      rest.map(({ id }) => id),
    );
    // Equal to a collection that never had the others: passages, statistics and scores.
    await using fresh = await filled({}, rest);
    assert.equal((await collection.stats()).passages, (await fresh.stats()).passages);
    for (const mode of ["sparse", "lexical", "hybrid"] as const) {
      const options = { mode, topK: 100, collapse: "passage" } as const;
      assert.deepEqual((await collection.search(QUERY, options)).hits, (await fresh.search(QUERY, options)).hits);
    }
  });

  it("scores passages as the encoder and the definition of BM25 do, and fuses both rankings", async () => {
    await using collection = await filled();
    const all = { topK: 10_000, collapse: "passage" } as const;
    const analyzer = createAnalyzer(checkLexicalOptions({}));
    const lexical = await collection.search(QUERY, { ...all, mode: "lexical" });
    const sparse = await collection.search(QUERY, { ...all, mode: "sparse" });
    // Every passage matches on the sparse side: the model adds frequent tokens.
    assert.equal(sparse.hits.length, (await collection.stats()).passages);
    const texts = sparse.hits.map(({ title, passage }) => (title === undefined ? passage.text : `${title} ${passage.text}`));
    const key = (hit: { readonly id: string; readonly passage: { readonly index: number } }): string => `${hit.id} ${hit.passage.index}`;
    const bm25 = bm25Scores(
      texts.map((text) => analyzer.terms(text)),
      analyzer.terms(QUERY),
      { k1: 1.2, b: 0.75 },
    );
    const found = new Map(lexical.hits.map((hit) => [key(hit), hit]));
    assert.equal(found.size, bm25.filter((score) => score > 0).length);
    const { data } = await encoder.similarity(await encoder.encodeQuery(QUERY), await encoder.encodeDocument(texts));
    for (const [i, hit] of sparse.hits.entries()) {
      assert.ok(Math.abs(hit.score - (data[i] ?? 0)) <= 1e-4 * hit.score);
      const score = found.get(key(hit))?.score ?? 0;
      assert.ok(Math.abs(score - (bm25[i] ?? 0)) <= 1e-5 * Math.max(1, score));
    }
    const ranking = (hits: typeof sparse.hits): { id: string; score: number }[] => hits.map((hit) => ({ id: key(hit), score: hit.score }));
    for (const fusion of [
      { method: "rrf", k: 10 },
      { method: "weighted-sum", weights: [0.3, 0.7] },
    ] as const) {
      const hybrid = await collection.search(QUERY, { ...all, fusion });
      assert.deepEqual(ranking(hybrid.hits), fuse([ranking(sparse.hits), ranking(lexical.hits)], fusion));
      for (const hit of hybrid.hits) {
        assert.equal(hit.scores.fused, hit.score);
        assert.equal(hit.scores.lexical, found.get(key(hit))?.score);
      }
    }
  });

  it("collapses passages to documents: the best passage of each, and as many documents as there are", async () => {
    const documents = [...LONG, { id: "huge", text: "Fish is good for the heart. ".repeat(2000) }];
    await using collection = await filled({ passages: { maxTokens: 64 } }, documents);
    for (const mode of ["sparse", "lexical", "hybrid"] as const) {
      const passages = await collection.search(QUERY, { mode, topK: 10_000, collapse: "passage" });
      const best = passages.hits.filter(({ id }, i) => passages.hits.findIndex((hit) => hit.id === id) === i);
      assert.ok(best.length > 30);
      // "huge" alone has more good passages than are retrieved at first.
      assert.ok(passages.hits.filter(({ id }) => id === "huge").length > 100);
      const collapsed = await collection.search(QUERY, { mode, topK: 1000 });
      assert.deepEqual(new Set(collapsed.hits.map(({ id }) => id)), new Set(best.map(({ id }) => id)));
      if (mode !== "hybrid") assert.deepEqual(collapsed.hits, best);
      const first = await collection.search(QUERY, { mode, topK: 20 });
      assert.equal(first.hits.length, 20);
      if (mode !== "hybrid") assert.deepEqual(first.hits, best.slice(0, 20));
      assert.deepEqual((await collection.search(QUERY, { mode, topK: 5, offset: 3 })).hits, first.hits.slice(3, 8));
      assert.deepEqual((await collection.search(QUERY, { mode, offset: 100_000 })).hits, []);
      // Exact under filters.
      const filter = { tags: "even", year: { lt: 2030 } };
      const matching = LONG.filter((_, i) => i % 2 === 0 && i < 30).map(({ id }) => id);
      const filtered = await collection.search(QUERY, { mode, topK: 15, filter });
      assert.deepEqual(
        filtered.hits.map(({ id }) => id).sort(),
        best
          .map(({ id }) => id)
          .filter((id) => matching.includes(id))
          .sort(),
      );
      assert.deepEqual(
        (await collection.search(QUERY, { mode, filter: { ids: ["long-5", "none"] } })).hits.map(({ id }) => id),
        best.some(({ id }) => id === "long-5") ? ["long-5"] : [],
      );
    }
  });

  it("says what matched, and marks it in the document", async () => {
    await using collection = await filled({ passages: { maxTokens: 40 } });
    const { hits } = await collection.search("blood of the heart", { topK: 30, highlight: true });
    const texts = new Map(LONG.map(({ id, text }) => [id, text]));
    assert.ok(hits.length > 20);
    for (const { id, passage, matched, highlights = [], scores } of hits) {
      const text = texts.get(id) ?? "";
      assert.equal(text.slice(passage.start, passage.end), passage.text);
      const words = highlights.map(({ start, end }) => text.slice(start, end).toLowerCase());
      for (const { start, end } of highlights) assert.ok(start >= passage.start && end <= passage.end && start < end);
      for (const term of matched.lexical ?? []) assert.ok(words.includes(term), `${term} in ${words.join()}`);
      if (scores.lexical !== undefined) assert.ok((matched.lexical ?? []).length > 0);
      const sum = (matched.sparse ?? []).reduce((total, { weight }) => total + weight, 0);
      if (scores.sparse !== undefined) assert.ok(Math.abs(sum - scores.sparse) < 1e-3);
    }
    assert.ok(hits.some(({ highlights = [] }) => highlights.length > 1));
  });

  it("lets many searches wait without another result, and ends those that are aborted or disposed", async () => {
    const collection = await filled();
    const expected = await collection.search(QUERY);
    const controller = new AbortController();
    const given = Array.from({ length: 40 }, (_, i) => (i % 4 === 3 ? { signal: controller.signal } : {}));
    const searches = Promise.allSettled(given.map((options) => collection.search(QUERY, options)));
    controller.abort();
    for (const [i, search] of (await searches).entries()) {
      if (search.status === "fulfilled") assert.deepEqual(search.value, expected);
      else assert.deepEqual([i % 4, (search.reason as { code: string }).code], [3, "ERR_ABORTED"]);
    }
    const ended = Promise.allSettled(Array.from({ length: 40 }, () => collection.search(QUERY)));
    collection.dispose();
    for (const search of await ended)
      assert.equal(search.status === "rejected" && (search.reason as { code: string }).code, "ERR_DISPOSED");
  });

  it("counts the values of fields among all matches, a document once", async () => {
    await using collection = await filled({ passages: { maxTokens: 40 } });
    const matches = (await collection.search("sharks", { mode: "lexical", topK: 1000 })).hits.map(({ id }) => id);
    assert.ok(matches.length > 10 && matches.length < LONG.length);
    const { hits, facets } = await collection.search("sharks", { mode: "lexical", topK: 1, facets: { lang: 5, tags: 1, none: 3 } });
    assert.equal(hits.length, 1);
    const languages = matches.map((id) => LONG.find((document) => document.id === id)?.metadata?.["lang"]);
    const count = (value: string): number => languages.filter((language) => language === value).length;
    assert.deepEqual(facets, {
      lang: [
        { value: "en", count: count("en") },
        { value: "de", count: count("de") },
      ],
      tags: [{ value: "all", count: matches.length }],
      none: [],
    });
    const german = await collection.search("sharks", { mode: "lexical", filter: { lang: "de" }, facets: { lang: 5 } });
    assert.deepEqual(german.facets, { lang: [{ value: "de", count: count("de") }] });
  });

  it("reranks passages, by default when there is a reranker", async () => {
    const documents = Array.from(TEXTS, ([id, text]) => ({ id, text }));
    await using collection = await filled({ reranker }, documents);
    const ranked = await reranker.rank(
      QUERY,
      documents.map(({ text }) => text),
    );
    const { hits, reranked } = await collection.search(QUERY);
    assert.equal(reranked, documents.length);
    assert.deepEqual(
      hits.map(({ id, score }) => [id, score]),
      ranked.map(({ index, score }) => [documents[index]?.id, score]),
    );
    for (const { score, scores } of hits) assert.equal(scores.reranker, score);
    assert.equal((await collection.search(QUERY, { rerank: 2 })).reranked, 2);
    assert.equal((await collection.search(QUERY, { rerank: false })).reranked, 0);
    const late = await collection.search(QUERY, { timeBudgetMs: 1e-3 });
    assert.equal(late.complete, false);
    const lists = await collection.retrieve([QUERY, QUERY], { topK: 3 });
    assert.deepEqual(
      lists[1]?.map(({ id, text }) => [id, text]),
      hits.slice(0, 3).map(({ id }) => [id, TEXTS.get(id)]),
    );
  });

  it("takes ready vectors, of which each is one passage", async () => {
    const texts = LONG.map(({ text }) => text.slice(0, 100));
    const vectors = await encoder.encodeDocument(texts);
    await using collection = await Collection.open(":memory:", { encoder, lexical: true });
    await collection.upsert(LONG, { vectors });
    assert.equal((await collection.stats()).passages, LONG.length);
    await using index = SparseIndex.create({ encoder });
    await index.add(
      LONG.map(({ id }) => id),
      vectors,
    );
    const { hits } = await collection.search(QUERY, { mode: "sparse" });
    assert.deepEqual(
      hits.map(({ id, score }) => ({ id, score })),
      await index.search(await encoder.encodeQuery(QUERY)),
    );
    await assert.rejects(collection.upsert(LONG.slice(1), { vectors }), { code: "ERR_INVALID_ARGUMENT" });
  });

  it("works with one side alone", async () => {
    await using lexical = await filled({ encoder: undefined as never });
    assert.equal((await lexical.search("sharks")).hits[0]?.scores.sparse, undefined);
    assert.equal((await lexical.stats()).passages, LONG.length);
    await assert.rejects(lexical.search("sharks", { mode: "sparse" }), { code: "ERR_INVALID_ARGUMENT" });
    await using sparse = await filled({ lexical: undefined as never });
    assert.ok((await sparse.search("sharks")).hits.length > 0);
    await assert.rejects(sparse.search("sharks", { mode: "hybrid" }), { code: "ERR_NOT_SUPPORTED" });
    await assert.rejects(sparse.repair(), { code: "ERR_NOT_SUPPORTED" });
    await assert.rejects(Collection.open(":memory:"), { code: "ERR_INVALID_ARGUMENT", message: /encoder/ });
  });

  it("stays in its folder, with what it was made with", async () => {
    const options = { encoder, lexical: { language: "english", k1: 0.9 }, passages: { maxTokens: 64, overlap: 0.25 } } as const;
    const first = await Collection.open(path.join(folder, "a"), options);
    await first.upsert(LONG);
    const expected = await first.search(QUERY, { topK: 50 });
    const stats = await first.stats();
    await assert.rejects(Collection.open(path.join(folder, "a"), options), { code: "ERR_INDEX_LOCKED" });
    await first.close();
    for (const again of [options, { encoder }, { encoder, lexical: true }] as const) {
      await using collection = await Collection.open(path.join(folder, "a"), again);
      assert.deepEqual(await collection.search(QUERY, { topK: 50 }), expected);
      assert.deepEqual(await collection.stats(), stats);
      assert.deepEqual(stats.passageOptions, options.passages);
      assert.deepEqual(stats.lexical, { language: "english", k1: 0.9, b: 0.75 });
    }
    await using reader = await Collection.open(path.join(folder, "a"), { readOnly: true });
    assert.deepEqual(await reader.get(["long-7"]), [LONG[7]]);
    await assert.rejects(reader.upsert([{ id: "x", text: "y" }]), { code: "ERR_READ_ONLY" });
    await assert.rejects(reader.delete(["long-7"]), { code: "ERR_READ_ONLY" });
    for (const [other, message] of [
      [{ lexical: { language: "german" } }, /lexical\.language = english, not german/],
      [{ lexical: { b: 0.5 } }, /lexical\.k1 = 0\.9, not 1\.2/],
      [{ lexical: { k1: 0.9, stopWords: ["und"] } }, /lexical\.stopWords/],
      [{ lexical: { k1: 0.9, analyzer: (text: string) => text.split(" ") } }, /lexical\.language = english, not custom/],
      [{ passages: { maxTokens: 65 } }, /passages\.maxTokens = 64, not 65/],
    ] as const) {
      await assert.rejects(Collection.open(path.join(folder, "a"), other), { code: "ERR_SETTINGS_MISMATCH", message });
    }
    await using int8 = await SparseEncoder.load("splade-tiny", { dtype: "int8" });
    await assert.rejects(Collection.open(path.join(folder, "a"), { encoder: int8 }), {
      code: "ERR_MODEL_MISMATCH",
      message: /dtype fp32.*dtype int8/,
    });
    await assert.rejects(SparseIndex.open(path.join(folder, "a"), { encoder }), { code: "ERR_NOT_SUPPORTED", message: /Collection/ });
    await using index = await SparseIndex.open(path.join(folder, "a"), { encoder, readOnly: true });
    assert.equal(index.size, stats.passages);
  });

  it("keeps a custom analyzer's side, which needs the function again", async () => {
    const analyzer = (text: string): string[] => text.toLowerCase().match(/[a-z]{4,}/g) ?? [];
    const at = path.join(folder, "a");
    const first = await Collection.open(at, { lexical: { analyzer } });
    await first.upsert(LONG);
    const expected = await first.search("shark swims");
    assert.ok(expected.hits.length > 0);
    assert.deepEqual((await first.search("shark", { highlight: true })).hits[0]?.highlights, []);
    await first.close();
    await assert.rejects(Collection.open(at), { code: "ERR_SETTINGS_MISMATCH", message: /analyzer/ });
    await using again = await Collection.open(at, { lexical: { analyzer } });
    assert.deepEqual(await again.search("shark swims"), expected);
  });

  it("follows a writer: refresh() and autoRefresh", async () => {
    const at = path.join(folder, "a");
    await using writer = await Collection.open(at, { encoder, lexical: true });
    await writer.upsert(LONG.slice(0, 5));
    await using reader = await Collection.open(at, { encoder, readOnly: true });
    await using follower = await Collection.open(at, { encoder, readOnly: true, autoRefresh: true });
    await writer.upsert(LONG.slice(5));
    await writer.delete(["long-0"]);
    assert.equal(await reader.count(), 5);
    assert.equal(await follower.count(), 39);
    assert.deepEqual(await follower.search(QUERY), await writer.search(QUERY));
    assert.equal(await reader.refresh(), true);
    assert.equal(await reader.refresh(), false);
    assert.deepEqual(await reader.search(QUERY), await writer.search(QUERY));
    assert.equal(await writer.refresh(), false);
  });

  it("backs up its state, from a folder and from memory", async () => {
    for (const from of [path.join(folder, "a"), ":memory:"]) {
      const to = path.join(folder, from === ":memory:" ? "memory" : "copy");
      await using collection = await Collection.open(from, { encoder, lexical: true });
      await collection.upsert(LONG);
      await collection.delete(["long-3"]);
      await collection.backup(to);
      await assert.rejects(collection.backup(to), { code: "ERR_INVALID_ARGUMENT" });
      await using copy = await Collection.open(to, { encoder, lexical: true });
      assert.deepEqual(await copy.search(QUERY, { topK: 50 }), await collection.search(QUERY, { topK: 50 }));
      assert.deepEqual(await copy.list({ limit: 1000 }), await collection.list({ limit: 1000 }));
      await copy.upsert([{ id: "x", text: "One more." }]);
      assert.equal(await copy.count(), LONG.length);
    }
    assert.deepEqual(fs.readdirSync(folder).sort(), ["a", "copy", "memory"]);
  });

  it("migrates to other settings", async () => {
    await using collection = await filled();
    const to = path.join(folder, "b");
    await using migrated = await collection.migrate(to, { encoder, lexical: { stemming: false }, passages: { maxTokens: 50 } });
    assert.deepEqual(await migrated.list({ limit: 1000 }), await collection.list({ limit: 1000 }));
    assert.ok((await migrated.stats()).passages > (await collection.stats()).passages);
    await using again = await Collection.open(to, { encoder, lexical: { stemming: false }, readOnly: true });
    assert.equal(await again.count(), LONG.length);
  });

  it("searches and migrates a folder of SparseIndex", async () => {
    const at = path.join(folder, "plain");
    const texts = [...TEXTS.values()];
    const ids = [...TEXTS.keys()];
    const index = await SparseIndex.open(at, { encoder });
    const payloads = texts.map((text, i) => ({ id: ids[i], headings: i === 0 ? ["One", "Two"] : [], text }));
    await index.add(ids, await encoder.encodeDocument(texts), { payloads, metadata: ids.map((id) => ({ id })) });
    await index.add(["bare"], await encoder.encodeDocument(["the heart"]));
    const expected = await index.search(await encoder.encodeQuery(QUERY));
    await index.close();
    await using collection = await Collection.open(at, { encoder });
    const { hits } = await collection.search(QUERY);
    assert.deepEqual(
      hits.map(({ id, score }) => ({ id, score })),
      expected,
    );
    assert.equal(hits.find(({ id }) => id === ids[0])?.title, "One › Two");
    assert.equal(hits.find(({ id }) => id === ids[1])?.passage.text, texts[1]);
    assert.deepEqual((await collection.search(QUERY, { filter: { id: ids[2] ?? "" } })).hits.length, 1);
    assert.equal(await collection.count(), ids.length + 1);
    await assert.rejects(collection.search(QUERY, { mode: "lexical" }), { code: "ERR_NOT_SUPPORTED" });
    await assert.rejects(collection.upsert([{ id: "x", text: "y" }]), { code: "ERR_NOT_SUPPORTED", message: /migrate/ });
    await assert.rejects(collection.get(["bare"]), { code: "ERR_NOT_SUPPORTED", message: /"bare"/ });
    await assert.rejects(collection.migrate(path.join(folder, "m"), { encoder }), { code: "ERR_NOT_SUPPORTED" });
    assert.equal(await collection.delete(["bare"]), 1);
    await using migrated = await collection.migrate(path.join(folder, "m"), { encoder, lexical: true });
    assert.deepEqual(
      (await migrated.list()).map(({ id }) => id),
      ids,
    );
    assert.ok((await migrated.search(QUERY)).hits.length > 0);
  });
});
