/** What Elasticsearch's service hugging_face and OpenSearch's connectors send and read, from their public sources. */

import assert from "node:assert/strict";

import { SparseEncoder, SparseMatrix } from "../../../dist";
import { float, jsonWithFloats, sparseJson, tokensJson } from "../../../dist/server/json";
import { Client, HeldModel, QUERY, RERANKER, TEXTS, until } from "../../support/server";

describe("the server for search engines", () => {
  let client: Client;
  let encoder: SparseEncoder;
  before(async () => {
    client = await Client.start({ models: ["splade-tiny", RERANKER] });
    encoder = await SparseEncoder.load("splade-tiny");
  });
  after(async () => {
    await client.close();
    await encoder.close();
  });

  it("answers sparse_embedding with a weight for each token", async () => {
    const expected = encoder
      .decode(await encoder.encodeDocument(TEXTS))
      .map((row) => Object.fromEntries(row.map(({ token, weight }) => [token, weight])));
    for (const route of ["/embed_sparse_tokens?task=document", "/embed_sparse?format=tokens&task=document"]) {
      const { status, json } = await client.post(route, { inputs: TEXTS });
      assert.equal(status, 200);
      assert.deepEqual(json, expected);
    }
    const { json } = await client.post<object[]>("/embed_sparse_tokens", { inputs: QUERY, input_type: "search" });
    assert.deepEqual(
      Object.keys(json[0] ?? {}).sort(),
      encoder
        .decode(await encoder.encodeQuery(QUERY))
        .map(({ token }) => token)
        .sort(),
    );
    assert.equal((await client.post("/embed_sparse?format=csv", { inputs: QUERY })).status, 422);
  });

  it("answers Elasticsearch's rerank with the fields that it knows alone", async () => {
    const { json } = await client.post<object[]>("/rerank", { texts: TEXTS, query: QUERY, return_text: true, top_n: 2 });
    assert.equal(json.length, 2);
    for (const each of json) assert.deepEqual(Object.keys(each).sort(), ["index", "score", "text"]);
  });

  it("answers OpenSearch's cohere.rerank with every document", async () => {
    const body = { documents: TEXTS, query: QUERY, model: "rerank-english-v3.0", top_n: TEXTS.length };
    const { json } = await client.post<{ results: { index: number }[] }>("/v1/rerank", body);
    assert.deepEqual(json.results.map(({ index }) => index).sort(), [0, 1, 2]);
  });

  it("prints scores as floating-point numbers", async () => {
    const held = new HeldModel();
    const similarity = (): Promise<object> => Promise.resolve({ data: Float32Array.of(1, 0, 2.5) });
    const exact = await Client.start({ models: [Object.assign(held, { similarity }).asEncoder] });
    try {
      for (const [route, body, expected] of [
        ["/v1/rerank", { query: "q", documents: ["a", "b", "c"] }, '"relevance_score":1.0}'],
        ["/rerank", { query: "q", texts: ["a", "b", "c"] }, '[{"index":2,"score":2.5},{"index":0,"score":1.0},{"index":1,"score":0.0}]'],
        ["/v1/rerank", { query: "q", documents: ["a", "b", "c"], top_k: 3 }, '"relevance_score":1.0,'],
        ["/rerank", { query: "q", docs: ["a", "b", "c"] }, '{"text":"a","score":1.0}'],
        ["/score", { text_1: "q", text_2: ["a", "b", "c"] }, '"score":1.0}'],
        ["/embed_sparse", { inputs: "a" }, '[[{"index":1,"value":1.0}]]'],
      ] as const) {
        const before = held.started;
        const answer = exact.post(route, body);
        await until(() => held.started > before);
        await new Promise((resolve) => setTimeout(resolve, 20));
        held.release();
        assert.ok((await answer).text.includes(expected), (await answer).text);
      }
    } finally {
      await exact.close();
    }
  });

  it("writes numbers that JSON parsers read as the same floats", async () => {
    for (const value of [0, 1, -3, 0.1, 1e-7, 1e21, 5e-324, Number.MAX_VALUE, 16_777_216, -0]) {
      assert.equal(JSON.parse(float(value)), value === 0 ? 0 : value);
      assert.match(float(value), /[.e]/);
    }
    const value = {
      score: 1,
      list: [{ score: [2, { a: 3 }] }],
      index: 4,
      text: "score",
      none: undefined,
      nothing: null,
      nested: { score: null },
    };
    assert.equal(
      jsonWithFloats(value, new Set(["score"])),
      '{"score":1.0,"list":[{"score":[2.0,{"a":3.0}]}],"index":4,"text":"score","nothing":null,"nested":{"score":null}}',
    );
    const matrix = SparseMatrix.fromRows(
      [
        { indices: [0, 2], values: [1, -2] },
        { indices: [], values: [] },
      ],
      3,
    );
    assert.equal(await sparseJson(matrix), '[[{"index":0,"value":1.0},{"index":2,"value":-2.0}],[]]');
    assert.equal(await tokensJson(matrix, (index) => `"${String(index)}`), '[{"\\"0":1.0},{}]');
  });
});
