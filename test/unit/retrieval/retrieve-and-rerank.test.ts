import assert from "node:assert/strict";

import { BM25Index, RetrieveAndRerank, SparseEncoder, SparseIndex, sparseRetriever } from "../../../dist";
import type { CrossEncoder, RankedHit, Retriever } from "../../../dist";
import { LocalEngine } from "../../../dist/engines";
import { aggregateWindows } from "../../../dist/retrieval/passage-windows";
import { collect } from "../../support/collect";
import { DOCUMENTS, fixedRetriever, loadReranker } from "../../support/retrieval-support";

const QUERY = "what is good for the heart?";
const IDS = [...DOCUMENTS.keys()];

describe("RetrieveAndRerank", () => {
  let reranker: CrossEncoder;
  before(async () => {
    reranker = await loadReranker();
  });
  after(() => reranker.close());

  it("orders the candidates by the reranker's scores and keeps those of both stages", async () => {
    const search = new RetrieveAndRerank({ retrievers: fixedRetriever("fixed", IDS), reranker });
    const result = await search.search(QUERY, { topK: 3 });
    const ranked = await reranker.rank(QUERY, [...DOCUMENTS.values()], { topK: 3 });
    assert.deepEqual(
      result.hits.map(({ id, score }) => ({ id, score })),
      ranked.map(({ index, score }) => ({ id: IDS[index], score })),
    );
    for (const { id, scores, score } of result.hits) {
      assert.deepEqual(scores, { retrievers: { fixed: 5 - IDS.indexOf(id) }, retrieval: 5 - IDS.indexOf(id), reranker: score });
    }
    assert.deepEqual([result.complete, result.reranked, result.unanswered], [true, 5, []]);
  });

  it("leaves hits below `rerank` in the order of the first stage", async () => {
    const search = new RetrieveAndRerank({ retrievers: fixedRetriever("fixed", IDS), reranker });
    const { hits, reranked } = await search.search(QUERY, { rerank: 2 });
    assert.equal(reranked, 2);
    assert.deepEqual(
      hits.slice(2).map(({ id }) => id),
      IDS.slice(2),
    );
    assert.ok(hits.slice(2).every(({ scores }) => scores.reranker === undefined));
  });

  it("reads the texts of payloads, which a sparse retriever passes on", async () => {
    await using encoder = await SparseEncoder.load("splade-tiny");
    await using index = SparseIndex.create({ dimension: encoder.embeddingDimension });
    const texts = [...DOCUMENTS.values()];
    // In one of the two forms that need no option.
    const payloads = texts.map((text, i) => (i % 2 === 0 ? text : { text, place: i }));
    await index.add(IDS, await encoder.encodeDocument(texts), { payloads });
    const retriever = sparseRetriever({ encoder, index });
    const { hits, reranked } = await new RetrieveAndRerank({ retrievers: retriever, reranker }).search(QUERY);
    assert.equal(reranked, hits.length);
    assert.ok(hits.length > 1);
    for (const { id, text, payload } of hits) {
      assert.deepEqual([text, payload], [DOCUMENTS.get(id), payloads[IDS.indexOf(id)]]);
    }
    // The same from an engine, and from a custom retriever that returns only payloads.
    const engine = sparseRetriever({ encoder, index: new LocalEngine({ index }) });
    const [fromEngine] = await engine.retrieve([QUERY], { topK: 9 });
    assert.deepEqual(fromEngine, (await retriever.retrieve([QUERY], { topK: 9 }))[0]);
    const own = { name: "own", retrieve: () => Promise.resolve([[{ id: "a", score: 1, payload: { text: "a heart" } }]]) };
    assert.equal((await new RetrieveAndRerank({ retrievers: own, reranker }).search(QUERY)).hits[0]?.text, "a heart");
    for (const store of [index, new LocalEngine({ index })]) {
      const bare = sparseRetriever({ encoder, index: store, withPayload: false });
      const [without] = await bare.retrieve([QUERY], { topK: 1 });
      assert.deepEqual(Object.keys(without?.[0] ?? {}), ["id", "score"]);
      const stages = new RetrieveAndRerank({ retrievers: bare, reranker });
      await assert.rejects(stages.search(QUERY), {
        code: "ERR_INVALID_ARGUMENT",
        message: /no text to rerank.*payloads with a field "text"/,
      });
    }
    for (const wrong of [{ encoder: {} }, { index: {} }, { text: "x" }, { filter: "x" }, { name: "" }, { withPayload: 1 }]) {
      assert.throws(() => sparseRetriever({ encoder, index, ...wrong } as never), { code: "ERR_INVALID_ARGUMENT" });
    }
  });

  it("fuses a sparse index and BM25 out of the box", async () => {
    await using encoder = await SparseEncoder.load("splade-tiny");
    await using index = SparseIndex.create({ dimension: encoder.embeddingDimension });
    await index.add(IDS, await encoder.encodeDocument([...DOCUMENTS.values()]));
    await using bm25 = new BM25Index();
    await bm25.add(IDS, [...DOCUMENTS.values()]);
    const search = new RetrieveAndRerank({ retrievers: [sparseRetriever({ encoder, index }), bm25] });
    const [hybrid, other] = await search.rankMany([QUERY, "teeth"]);
    assert.ok(["heart", "sport"].includes(hybrid!.hits[0]!.id));
    assert.equal(other!.hits[0]!.id, "sugar");
    assert.deepEqual(Object.keys(other!.hits[0]!.scores.retrievers), ["sparse", "bm25"]);
    assert.equal(other!.hits[0]!.score, 1 / 61 + 1 / 61);
    assert.equal(other!.hits[0]!.text, DOCUMENTS.get("sugar"));
  });

  it("retrieves only what matches a filter", async () => {
    await using encoder = await SparseEncoder.load("splade-tiny");
    await using index = SparseIndex.create({ dimension: encoder.embeddingDimension });
    const metadata = IDS.map((id) => ({ kind: id === "sugar" ? "food" : "body" }));
    await index.add(IDS, await encoder.encodeDocument([...DOCUMENTS.values()]), { metadata });
    const [all, found] = await Promise.all(
      [{}, { filter: { kind: "food" } }].map((options) => sparseRetriever({ encoder, index, ...options }).retrieve([QUERY], { topK: 10 })),
    );
    assert.ok(all![0]!.length > 1);
    assert.deepEqual(
      found![0]!.map(({ id }) => id),
      ["sugar"],
    );
  });

  it("passes the filter of a request to every retriever, which combines it with its own", async () => {
    await using encoder = await SparseEncoder.load("splade-tiny");
    await using index = SparseIndex.create({ encoder });
    await using bm25 = new BM25Index();
    const texts = [...DOCUMENTS.values()];
    const metadata = IDS.map((id, i) => ({ kind: id === "sugar" ? "food" : "body", place: i }));
    await index.add(IDS, await encoder.encodeDocument(texts), { metadata, payloads: texts });
    await bm25.add(IDS, texts, { metadata });
    const asked: unknown[] = [];
    const own: Retriever = {
      name: "own",
      retrieve: (queries, { filter }) => {
        asked.push(filter);
        return Promise.resolve(queries.map(() => []));
      },
    };
    const retrievers = [sparseRetriever({ encoder, index, filter: { kind: "body" } }), bm25, own];
    const search = new RetrieveAndRerank({ retrievers, reranker });
    const query = texts.join(" ");
    const filter = { place: { gte: 1, lte: 3 } };
    const expected = (kinds: readonly string[]): string[] =>
      IDS.filter((_, i) => i >= 1 && i <= 3 && kinds.includes(metadata[i]!.kind)).sort();
    const idsBy = (hits: readonly RankedHit[], name: string): string[] =>
      hits
        .filter(({ scores }) => name in scores.retrievers)
        .map(({ id }) => id)
        .sort();
    const results = [
      await search.search(query, { filter }),
      (await collect(search.stream(query, { filter }))).at(-1)!,
      (await search.rankMany([query], { filter }))[0]!,
    ];
    for (const { hits } of results) {
      assert.deepEqual(idsBy(hits, "sparse"), expected(["body"]));
      assert.deepEqual(idsBy(hits, "bm25"), expected(["body", "food"]));
      assert.deepEqual(hits.map(({ id }) => id).sort(), expected(["body", "food"]));
    }
    const [found] = await search.retrieve([query], { topK: 10, filter });
    assert.deepEqual(found!.map(({ id }) => id).sort(), expected(["body", "food"]));
    assert.deepEqual(asked, [filter, filter, filter, filter]);
    await search.search(query);
    assert.equal(asked.at(-1), undefined);

    // A retriever that cannot filter fails the search.
    const cannot: Retriever = {
      name: "cannot",
      retrieve: (_, { filter }) => (filter === undefined ? Promise.resolve([[]]) : Promise.reject(new Error("cannot filter"))),
    };
    const stages = new RetrieveAndRerank({ retrievers: [bm25, cannot] });
    assert.equal((await stages.search("heart")).hits.length, 2);
    await assert.rejects(stages.search("heart", { filter }), /cannot filter/);

    const count = asked.length;
    for (const wrong of [null, [], {}, "x", { and: [] }, { place: { near: 1 } }]) {
      const refusal = { code: "ERR_INVALID_ARGUMENT", message: /filter/ };
      const options = { filter: wrong as never };
      await assert.rejects(search.search(query, options), refusal);
      await assert.rejects(collect(search.stream(query, options)), refusal);
      await assert.rejects(search.rankMany([query], options), refusal);
      for (const retriever of [search, ...retrievers.slice(0, 2)]) {
        await assert.rejects(retriever.retrieve([query], { topK: 1, ...options }), refusal);
      }
    }
    assert.equal(asked.length, count);
  });

  it("streams the first stage's hits, then better orders", async () => {
    const ids = Array.from({ length: 40 }, (_, i) => `document ${i}`);
    const search = new RetrieveAndRerank({ retrievers: fixedRetriever("fixed", ids), reranker });
    const progress: number[] = [];
    const updates = await collect(
      search.stream(QUERY, { topK: 40, onProgress: ({ stage, done }) => stage === "predict" && progress.push(done) }),
    );
    assert.deepEqual(
      updates.map(({ stage, reranked, complete }) => [stage, reranked, complete]),
      [
        ["retrieved", 0, false],
        ["reranking", 16, false],
        ["reranking", 32, false],
        ["reranked", 40, true],
      ],
    );
    assert.deepEqual(
      updates[0]!.hits.map(({ id }) => id),
      ids,
    );
    assert.deepEqual(progress, [16, 32, 40]);
    assert.deepEqual(updates.at(-1)!.hits, (await search.search(QUERY, { topK: 40 })).hits);
  });

  it("returns the best so far when the time budget ends", async () => {
    const never: Retriever = { name: "never", retrieve: () => new Promise(() => {}) };
    const search = new RetrieveAndRerank({ retrievers: [fixedRetriever("fixed", IDS), never], reranker });
    const result = await search.search(QUERY, { timeBudgetMs: 20 });
    assert.deepEqual([result.complete, result.reranked, result.unanswered], [false, 0, ["never"]]);
    assert.deepEqual(
      result.hits.map(({ id }) => id),
      IDS,
    );
    const enough = new RetrieveAndRerank({ retrievers: fixedRetriever("fixed", IDS), reranker });
    assert.equal((await enough.search(QUERY, { timeBudgetMs: 1e9 })).complete, true);
  });

  it("keeps the scores of the blocks that were reranked within the time budget", async () => {
    const ids = Array.from({ length: 40 }, (_, i) => `document ${i}`);
    let calls = 0;
    const slow = {
      numLabels: 1,
      predict: (...given: Parameters<CrossEncoder["predict"]>) => (calls++ === 0 ? reranker.predict(...given) : new Promise(() => {})),
    } as unknown as CrossEncoder;
    const result = await new RetrieveAndRerank({ retrievers: fixedRetriever("fixed", ids), reranker: slow }).search(QUERY, {
      topK: 40,
      timeBudgetMs: 2000,
    });
    assert.deepEqual([result.complete, result.reranked, result.hits.length, calls], [false, 16, 40, 2]);
    assert.deepEqual(
      result.hits.map(({ scores }) => scores.reranker !== undefined),
      ids.map((_, i) => i < 16),
    );
  });

  it("scores long documents in windows and returns the matching span", async () => {
    const filler = "Nothing of interest is said in this sentence. ".repeat(40);
    const answer = "Exercise is good for the heart.";
    const text = `${filler}${answer} ${filler}`;
    const retriever: Retriever = {
      name: "long",
      retrieve: (queries) => Promise.resolve(queries.map(() => [{ id: "long", score: 1, text }])),
    };
    const search = new RetrieveAndRerank({ retrievers: retriever, reranker, windows: { tokens: 40 } });
    const { hits } = await search.search(QUERY);
    const { span, score } = hits[0]!;
    assert.ok(span !== undefined && span.end - span.start < text.length / 4);
    const { data } = await reranker.predict([[QUERY, text.slice(span.start, span.end)]]);
    assert.equal(score, data[0]);

    assert.deepEqual(aggregateWindows([1, 3, 2], { meanOfTop: 2 }), { score: 2.5, best: 1 });
    assert.deepEqual(aggregateWindows([1, 3, 2], "max"), { score: 3, best: 1 });
  });

  it("reads texts from a function, and names a document without one", async () => {
    const retrievers = fixedRetriever("fixed", IDS, { texts: false });
    const search = new RetrieveAndRerank({ retrievers, reranker, text: (id) => Promise.resolve(DOCUMENTS.get(id)) });
    assert.equal((await search.search(QUERY)).hits[0]!.text?.length !== 0, true);
    await assert.rejects(new RetrieveAndRerank({ retrievers, reranker }).search(QUERY), {
      code: "ERR_INVALID_ARGUMENT",
      message: /"shark" has no text/,
    });
  });

  it("rejects when aborted, when a retriever fails, and when its result is malformed", async () => {
    const of = (retrieve: unknown): RetrieveAndRerank =>
      new RetrieveAndRerank({ retrievers: { name: "user", retrieve: retrieve as Retriever["retrieve"] } });
    const controller = new AbortController();
    const pending = of(() => new Promise(() => {})).search(QUERY, { signal: controller.signal });
    controller.abort();
    await assert.rejects(pending, { code: "ERR_ABORTED" });
    await assert.rejects(of(() => Promise.reject(new Error("down"))).search(QUERY), /down/);
    const malformed: [unknown, RegExp][] = [
      [() => Promise.resolve([]), /"user" returned 0 lists for 1 queries/],
      [() => Promise.resolve([[{ id: 1, score: 1 }]]), /without an id/],
      [
        () =>
          Promise.resolve([
            [
              { id: "a", score: 1 },
              { id: "a", score: 1 },
            ],
          ]),
        /"a" twice/,
      ],
    ];
    for (const [retrieve, message] of malformed)
      await assert.rejects(of(retrieve).search(QUERY), { code: "ERR_INVALID_ARGUMENT", message });
  });

  it("rejects invalid options", async () => {
    const one = fixedRetriever("fixed", IDS);
    assert.throws(() => new RetrieveAndRerank({ retrievers: [] }), { code: "ERR_INVALID_ARGUMENT" });
    assert.throws(() => new RetrieveAndRerank({ retrievers: [one, one] }), /same name/);
    assert.throws(() => new RetrieveAndRerank({ retrievers: one, windows: { overlap: 1 } }), /windows\.overlap/);
    await assert.rejects(new RetrieveAndRerank({ retrievers: one }).search(QUERY, { topK: 0 }), { code: "ERR_INVALID_ARGUMENT" });
    await assert.rejects(new RetrieveAndRerank({ retrievers: one }).search(QUERY, { timeBudgetMs: 0 }), { code: "ERR_INVALID_ARGUMENT" });
  });
});
