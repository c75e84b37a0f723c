import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";

import { BM25Index, CrossEncoder, evaluateEncoder, evaluateReranking, evaluateRetriever, measureRankings, SparseEncoder } from "../../dist";
import { skip } from "../skip";
import { COLLECTIONS, DOCUMENTS, FIXTURES, fixedRetriever, jsonLines, writeFolder } from "./retrieval-support";

const close = (actual: number, expected: number, message?: string): void => {
  assert.ok(Math.abs(actual - expected) < 1e-9, `${message ?? ""} ${actual} instead of ${expected}`);
};

describe("measureRankings", () => {
  it("has trec_eval's definitions", () => {
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

  it("refuses what it cannot measure", () => {
    assert.throws(() => measureRankings(new Map(), new Map(), [1]), { code: "ERR_INVALID_ARGUMENT" });
    const judgments = new Map([["q", new Map([["a", 1]])]]);
    assert.throws(() => measureRankings(judgments, new Map([["q", ["a", "a"]]]), [1]), /twice/);
    assert.throws(() => measureRankings(judgments, new Map(), [0]), /at\[0\]/);
  });
});

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

  it("names the bad line of a qrels file", async () => {
    const cases: [string, RegExp][] = [
      ["1\tshark\n", /line 1: expected query, document/],
      ["query-id\tcorpus-id\tscore\n1\tshark\tgood\n", /line 2/],
      ["1\tshark\t1\n1\tshark\t2\n", /two grades/],
      ["9\tshark\t1\n", /No query/],
      ["", /no grades/],
    ];
    for (const [qrels, message] of cases) {
      const folder = folderWith(qrels);
      await assert.rejects(evaluateEncoder(folder, encoder), { code: "ERR_INVALID_ARGUMENT", message });
      fs.rmSync(folder, { recursive: true });
    }
    await assert.rejects(evaluateEncoder("no-such-folder", encoder), { code: "ERR_FILE_NOT_FOUND" });
  });

  it("gives the reference's figures on MED, and BM25's", async function () {
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
    assert.ok(Math.abs(100 * lexical.measures[10]!.ndcg - 69.16) < 0.1, `nDCG@10 ${lexical.measures[10]!.ndcg}`);
  });
});

describe("evaluateReranking", () => {
  it("gives CrossEncoderRerankingEvaluator's figures", async () => {
    const file = path.join(__dirname, "..", "reference-retrieval", "reranking.json");
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
});
