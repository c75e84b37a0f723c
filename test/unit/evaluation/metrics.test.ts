import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";

import fc from "fast-check";

import {
  BM25Index,
  CrossEncoder,
  evaluateEncoder,
  evaluateReranking,
  evaluateRetriever,
  measureRankings,
  RetrieveAndRerank,
  SparseEncoder,
} from "../../../dist";
import { COLLECTIONS, DOCUMENTS, FIXTURES, fixedRetriever, jsonLines, writeFolder } from "../../support/retrieval-support";
import { skip } from "../../support/skip";

const close = (actual: number, expected: number, message?: string): void => {
  assert.ok(Math.abs(actual - expected) < 1e-9, `${message ?? ""} ${actual} instead of ${expected}`);
};

describe("measureRankings", () => {
  it("follows trec_eval's definitions", () => {
    const judgments = new Map([
      ["q1", new Map(Object.entries({ a: 2, b: 1, c: 0, d: 1 }))],
      ["q2", new Map([["z", 1]])],
      ["unanswerable", new Map([["z", 0]])],
    ]);
    const { 3: at3 } = measureRankings(judgments, new Map([["q1", ["c", "b", "x", "a"]]]), [3]);
    assert.ok(at3 !== undefined);
    // q2 has no hits and counts as 0; the query without a relevant document does not count.
    close(at3.ndcg, 1 / Math.log2(3) / (2 + 1 / Math.log2(3) + 1 / 2) / 2, "ndcg");
    close(at3.mrr, 1 / 2 / 2, "mrr");
    close(at3.map, 1 / 2 / 3 / 2, "map");
    close(at3.recall, 1 / 3 / 2, "recall");
    close(at3.precision, 1 / 3 / 2, "precision");
  });

  it("counts negative grades and 0 as not relevant, and accepts large grades", () => {
    const judgments = new Map([["q", new Map(Object.entries({ a: -1, b: Number.MAX_SAFE_INTEGER, c: Number.MAX_SAFE_INTEGER, d: 0 }))]]);
    const { 2: at2 } = measureRankings(judgments, new Map([["q", ["a", "b", "d", "c"]]]), [2, 9]);
    close(at2!.ndcg, 1 / Math.log2(3) / (1 + 1 / Math.log2(3)));
    assert.deepEqual([at2!.mrr, at2!.recall, at2!.precision], [1 / 2, 1 / 2, 1 / 2]);
  });

  it("shares ties: each measure is its mean over all orders of equal scores", () => {
    const documents = ["a", "b", "c", "d", "e"];
    const judged = fc.record(Object.fromEntries([...documents, "absent"].map((id) => [id, fc.integer({ min: -1, max: 3 })])));
    const scores = fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 5, maxLength: 5 });
    fc.assert(
      fc.property(judged, scores, (grades, given) => {
        fc.pre(Object.values(grades).some((grade) => grade > 0));
        const judgments = new Map([["q", new Map(Object.entries(grades))]]);
        const hits = documents.map((id, i) => ({ id, score: given[i]! })).sort((a, b) => b.score - a.score);
        const at = [1, 2, 4, 10];
        const shared = measureRankings(judgments, new Map([["q", hits]]), at);
        const orders = permutations(hits).filter((order) => order.every(({ score }, i) => score === hits[i]!.score));
        const each = orders.map((order) => measureRankings(judgments, new Map([["q", order.map(({ id }) => id)]]), at));
        for (const k of at) {
          for (const [name, value] of Object.entries(shared[k]!)) {
            const mean = each.reduce((sum, one) => sum + one[k]![name as "map"], 0) / each.length;
            close(value as number, mean, `${name}@${k}`);
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  it("gives no credit to constant scores, wherever the relevant document is", () => {
    const judgments = new Map([["q", new Map([["a", 1]])]]);
    for (const ids of [
      ["a", "b", "c", "d"],
      ["b", "c", "d", "a"],
    ]) {
      const constant = ids.map((id) => ({ id, score: 7 }));
      const { 1: at1, 10: at10 } = measureRankings(judgments, new Map([["q", constant]]), [1, 10]);
      assert.deepEqual([at1!.mrr, at1!.recall, at1!.ndcg, at1!.precision], [0.25, 0.25, 0.25, 0.25]);
      close(at10!.mrr, (1 + 1 / 2 + 1 / 3 + 1 / 4) / 4);
      close(at10!.map, at10!.mrr);
    }
  });

  it("excludes the document with the query's id on request, only from the rankings", () => {
    const judgments = new Map([["q", new Map(Object.entries({ q: 1, a: 1 }))]]);
    for (const ranking of [["q", "a"], ["q", "a"].map((id, i) => ({ id, score: -i }))]) {
      const rankings = new Map([["q", ranking]]) as Parameters<typeof measureRankings>[1];
      assert.equal(measureRankings(judgments, rankings, [1])[1]!.recall, 1 / 2);
      const left = measureRankings(judgments, rankings, [1, 2], { ignoreIdenticalIds: true });
      assert.deepEqual([left[1]!.mrr, left[2]!.recall], [1, 1 / 2]);
    }
  });

  it("rejects what it cannot measure", () => {
    assert.throws(() => measureRankings(new Map(), new Map(), [1]), { code: "ERR_INVALID_ARGUMENT" });
    for (const grade of [NaN, Infinity, "1", null]) {
      const broken = new Map([["q", new Map([["a", grade as number]])]]);
      assert.throws(() => measureRankings(broken, new Map(), [1]), { code: "ERR_INVALID_ARGUMENT", message: /the grade of "a"/ });
    }
    const rankings: unknown[] = ["a", { a: 1 }, [{ id: "a" }], [{ id: "a", score: NaN }], ["a", { id: "b", score: 1 }], [null], [1]];
    for (const ranking of rankings) {
      const given = new Map([["q", ranking]]) as never;
      const one = new Map([["q", new Map([["a", 1]])]]);
      assert.throws(() => measureRankings(one, given, [1]), { code: "ERR_INVALID_ARGUMENT", message: /The ranking of query "q"/ });
    }
    for (const given of [{ q: { a: 1 } }, [["q", {}]], null, new Map([["q", { a: 1 }]])]) {
      assert.throws(() => measureRankings(given as never, new Map(), [1]), { code: "ERR_INVALID_ARGUMENT", message: /a Map of/ });
    }
    const judgments = new Map([["q", new Map([["a", 1]])]]);
    assert.throws(() => measureRankings(judgments, new Map([["q", ["a", "a"]]]), [1]), /twice/);
    assert.throws(() => measureRankings(judgments, new Map(), [0]), /at\[0\]/);
  });
});

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length < 2) return [[...items]];
  return items.flatMap((item, i) => permutations(items.toSpliced(i, 1)).map((rest) => [item, ...rest]));
}

describe("evaluateEncoder", () => {
  let encoder: SparseEncoder;
  before(async () => {
    encoder = await SparseEncoder.load("splade-tiny");
  });
  after(() => encoder.close());

  const folderWith = (qrels: string): string =>
    writeFolder({
      "corpus.jsonl": jsonLines(Array.from(DOCUMENTS, ([_id, text]) => ({ _id, title: "", text }))),
      "queries.jsonl": jsonLines([
        { _id: "1", text: "fish in the sea" },
        { _id: "2", text: "teeth" },
      ]),
      "qrels/test.tsv": qrels,
    });

  it("measures a folder in BEIR's layout, and its sparsity", async () => {
    const folder = folderWith("query-id\tcorpus-id\tscore\n1\tshark\t1\n2\tsugar\t1\n");
    const result = await evaluateEncoder(folder, encoder, { at: [1, 5] });
    assert.deepEqual(result.measures[1], { ndcg: 1, mrr: 1, map: 1, recall: 1, precision: 1 });
    assert.equal(result.measures[5]?.precision, 0.2);
    assert.deepEqual([result.queries, result.documents, result.truncated], [2, 5, 0]);
    const vectors = await encoder.encodeDocument([...DOCUMENTS.values()]);
    assert.equal(result.activeDims.documents, vectors.values.length / 5);
    const queries = await encoder.encodeQuery(["fish in the sea", "teeth"]);
    let shared = 0;
    for (const query of queries)
      for (const document of vectors) shared += document.indices.filter((id) => query.indices.includes(id)).length;
    close(result.flops, shared / 10);
    assert.equal((await evaluateRetriever(folder, fixedRetriever("f", ["shark", "sugar"]), { at: [1] })).measures[1]?.recall, 0.5);
    fs.rmSync(folder, { recursive: true });
  });

  it("rejects queries without judgments, duplicate query ids, and splits outside of qrels/", async () => {
    const folder = folderWith("9\tshark\t1\n");
    await assert.rejects(evaluateEncoder(folder, encoder), { code: "ERR_INVALID_ARGUMENT", message: /No query/ });
    for (const split of ["../test", "a/b", "..\\test", "test\0", ""]) {
      await assert.rejects(evaluateEncoder(folder, encoder, { split }), { code: "ERR_INVALID_ARGUMENT", message: /split/ });
    }
    fs.appendFileSync(path.join(folder, "queries.jsonl"), jsonLines([{ _id: "1", text: "other" }]));
    await assert.rejects(evaluateEncoder(folder, encoder), {
      code: "ERR_DUPLICATE_ID",
      message: /line 3: the id "1" occurs on an earlier line/,
    });
    fs.rmSync(folder, { recursive: true });
    await assert.rejects(evaluateEncoder("no-such-folder", encoder), { code: "ERR_FILE_NOT_FOUND" });
  });

  it("excludes the document with the query's id on request, and still fills the cutoff", async () => {
    const folder = folderWith("1\tshark\t1\n");
    const own = { _id: "1", title: "a title", text: "fish in the sea" };
    fs.appendFileSync(path.join(folder, "corpus.jsonl"), jsonLines([own]));
    const with1 = await evaluateEncoder(folder, encoder, { at: [1] });
    assert.deepEqual([with1.measures[1]?.recall, with1.rankings.get("1"), with1.identicalQueries], [0, ["1"], 1]);
    const without = await evaluateEncoder(folder, encoder, { at: [1], ignoreIdenticalIds: true });
    assert.deepEqual([without.measures[1]?.recall, without.rankings.get("1")], [1, ["shark"]]);
    const depths: number[] = [];
    const retriever = {
      name: "own first",
      retrieve: (queries: readonly string[], { topK }: { topK: number }) => {
        depths.push(topK);
        const ids = ["1", ...Array.from({ length: 999 }, (_, i) => `x${i}`)];
        return Promise.resolve(queries.map(() => ids.slice(0, topK).map((id, i) => ({ id, score: -i }))));
      },
    };
    const { rankings } = await evaluateRetriever(folder, retriever, { at: [200], ignoreIdenticalIds: true });
    assert.deepEqual([depths, rankings.get("1")?.length, rankings.get("1")?.[0]], [[201], 200, "x0"]);
    await assert.rejects(evaluateRetriever(folder, retriever, { ignoreIdenticalIds: 1 as never }), { code: "ERR_INVALID_ARGUMENT" });
    fs.rmSync(folder, { recursive: true });
  });

  it("scores a constant retriever and a constant reranker at chance level", async () => {
    const folder = folderWith("1\tshark\t1\n");
    const ids = ["shark", "heart", "sport", "sugar"];
    const constant = {
      name: "constant",
      retrieve: (queries: readonly string[], { topK }: { topK: number }) =>
        Promise.resolve(queries.map(() => ids.slice(0, topK).map((id) => ({ id, score: 0, text: id })))),
    };
    const reranker = { numLabels: 1, predict: (pairs: readonly unknown[]) => Promise.resolve({ data: new Float32Array(pairs.length) }) };
    const stages = new RetrieveAndRerank({ retrievers: fixedRetriever("f", ids), reranker: reranker as never });
    for (const retriever of [constant, stages]) {
      assert.equal((await evaluateRetriever(folder, retriever, { at: [1] })).measures[1]?.mrr, 0.25);
    }
    fs.rmSync(folder, { recursive: true });
  });

  it("reproduces the reference's figures on MED, and BM25's", async function () {
    const folder = path.join(COLLECTIONS, "med");
    if (!fs.existsSync(folder)) skip(this, "needs the collection MED in ../shared/data");
    await using bm25 = new BM25Index();
    const { measures } = await evaluateEncoder(folder, encoder, {
      retriever: async (sparse, texts) => {
        await bm25.add([...texts.keys()], [...texts.values()]);
        return sparse;
      },
    });
    assert.ok(Math.abs(100 * measures[10]!.ndcg - 74.85) < 0.1, `nDCG@10 ${measures[10]!.ndcg}`);
    const lexical = await evaluateRetriever(folder, bm25);
    assert.ok(Math.abs(100 * lexical.measures[10]!.ndcg - 69.18) < 0.1, `nDCG@10 ${lexical.measures[10]!.ndcg}`);
  });
});

describe("evaluateReranking", () => {
  it("returns the figures of CrossEncoderRerankingEvaluator", async () => {
    const file = path.join(__dirname, "..", "..", "data", "retrieval", "reranking.json");
    const { samples, results } = JSON.parse(fs.readFileSync(file, "utf8")) as {
      samples: Record<"documents" | "negative", Parameters<typeof evaluateReranking>[0]>;
      results: Record<string, Record<string, number>>;
    };
    await using reranker = await CrossEncoder.load(path.join(FIXTURES, "ce-bert-minilm"));
    for (const [name, expected] of Object.entries(results)) {
      const given = name === "negative" ? samples.negative : samples.documents;
      const found = await evaluateReranking(given, reranker, { at: 3, alwaysRerankPositives: name !== "documents only" });
      const flat = { map: found.map, "mrr@3": found.mrr, "ndcg@3": found.ndcg };
      const base =
        found.base === undefined ? {} : { base_map: found.base.map, "base_mrr@3": found.base.mrr, "base_ndcg@3": found.base.ndcg };
      for (const [measure, value] of Object.entries({ ...flat, ...base })) close(value, expected[measure]!, `${name} ${measure}:`);
      assert.equal(Object.keys(expected).length, Object.keys({ ...flat, ...base }).length);
    }
    await assert.rejects(evaluateReranking([{ query: "q", positive: "p" }], reranker), /exactly one/);
  });

  it("scores a constant model at chance level, and rejects NaN", async () => {
    const model = (score: number): CrossEncoder =>
      ({
        numLabels: 1,
        predict: (pairs: readonly unknown[]) => Promise.resolve({ data: new Float32Array(pairs.length).fill(score) }),
      }) as never;
    const samples = [{ query: "q", positive: "p", negative: ["a", "b", "c"] }];
    const at10 = await evaluateReranking(samples, model(3));
    close(at10.mrr, (1 + 1 / 2 + 1 / 3 + 1 / 4) / 4);
    assert.equal(at10.map, 0.25);
    const at1 = await evaluateReranking(samples, model(-Infinity), { at: 1 });
    assert.deepEqual([at1.mrr, at1.ndcg], [0.25, 0.25]);
    await assert.rejects(evaluateReranking(samples, model(NaN)), { code: "ERR_INVALID_ARGUMENT", message: /samples\[0\].*NaN/ });
  });
});
