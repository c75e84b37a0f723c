/** The contracts of Cohere, Jina, Voyage, LibreChat and vLLM. */

import assert from "node:assert/strict";

import { CrossEncoder, SparseEncoder } from "../../../dist";
import { Client, QUERY, RERANKER, TEXTS } from "../../support/server";

interface Reranked {
  readonly id: string;
  readonly object: string;
  readonly model: string;
  readonly usage: { readonly total_tokens: number };
  readonly meta: { readonly billed_units: { readonly search_units: number } };
  readonly results: readonly { readonly index: number; readonly relevance_score: number; readonly document?: { readonly text: string } }[];
}

/** The beginning of a text that has two tokens. */
async function firstTokens(model: CrossEncoder | SparseEncoder, text: string): Promise<string> {
  const [tokens = []] = await model.textTokens([text], { addSpecialTokens: false });
  return text.slice(0, tokens[1]?.end);
}

describe("the server's rerank routes", () => {
  let client: Client;
  let sparse: Client;
  let reranker: CrossEncoder;
  let encoder: SparseEncoder;
  before(async () => {
    client = await Client.start({ models: ["splade-tiny", { model: RERANKER, name: "mini" }] });
    sparse = await Client.start();
    reranker = await CrossEncoder.load(RERANKER);
    encoder = await SparseEncoder.load("splade-tiny");
  });
  after(async () => {
    await client.close();
    await sparse.close();
    await reranker.close();
    await encoder.close();
  });

  it("speak Cohere's and Jina's contract on all three addresses", async () => {
    const expected = await reranker.rank(QUERY, TEXTS, { activation: "sigmoid", topK: 2 });
    for (const route of ["/rerank", "/v1/rerank", "/v2/rerank"]) {
      const body = { model: "rerank-v3.5", query: QUERY, documents: TEXTS, top_n: 2, return_documents: true, max_tokens_per_doc: 4096 };
      const { status, json } = await client.post<Reranked>(route, body);
      assert.equal(status, 200);
      assert.deepEqual(
        json.results,
        expected.map(({ index, score }) => ({ index, relevance_score: score, document: { text: TEXTS[index] } })),
      );
      assert.deepEqual([json.object, json.model, json.meta.billed_units.search_units], ["list", "mini", 1]);
      assert.match(json.id, /^[\da-f-]{36}$/);
      assert.equal(typeof json.usage.total_tokens, "number");
    }
  });

  it("take documents as texts, as objects with a text, or as one text", async () => {
    const plain = await client.post<Reranked>("/v2/rerank", { query: QUERY, documents: TEXTS });
    const objects = await client.post<Reranked>("/v2/rerank", { query: QUERY, documents: TEXTS.map((text, id) => ({ id, text })) });
    assert.deepEqual(objects.json.results, plain.json.results);
    assert.equal(plain.json.results.length, TEXTS.length);
    assert.equal((await client.post<Reranked>("/rerank", { query: QUERY, documents: TEXTS[0] })).json.results.length, 1);
  });

  it("read so many tokens of a document as a request says", async () => {
    const long = "The heart pumps blood through the body, and the arteries carry it.";
    const score = async (server: Client, document: string, max?: number): Promise<number | undefined> => {
      const body = { query: QUERY, documents: [document, ...TEXTS], max_tokens_per_doc: max };
      return (await server.post<Reranked>("/rerank", body)).json.results.find(({ index }) => index === 0)?.relevance_score;
    };
    for (const server of [client, sparse]) {
      const whole = await score(server, long);
      assert.equal(await score(server, long, 100), whole);
      assert.equal(await score(server, long, 100_000), whole);
      const cut = await score(server, long, 2);
      assert.notEqual(cut, whole);
      assert.equal(cut, await score(server, await firstTokens(server === client ? reranker : encoder, long)));
    }
  });

  it("read so many tokens of the query as a request says", async () => {
    const query = `${QUERY} The heart pumps blood through the body, and the arteries carry it.`;
    for (const [server, model] of [
      [client, reranker],
      [sparse, encoder],
    ] as const) {
      const scores = async (asked: string, max?: number): Promise<unknown> =>
        (await server.post<Reranked>("/rerank", { query: asked, documents: TEXTS, max_tokens_per_query: max })).json.results;
      assert.deepEqual(await scores(query, 0), await scores(query));
      assert.deepEqual(await scores(query, 2), await scores(await firstTokens(model, query)));
      assert.notDeepEqual(await scores(query, 2), await scores(query));
      const scored = async (body: object): Promise<unknown> => (await server.post<{ data: unknown }>("/score", body)).json.data;
      assert.deepEqual(
        await scored({ queries: query, documents: TEXTS, max_tokens_per_query: 2 }),
        await scored({ queries: await firstTokens(model, query), documents: TEXTS }),
      );
    }
  });

  it("return every document when top_n is beyond their number", async () => {
    const { json } = await client.post<Reranked>("/v1/rerank", { query: QUERY, documents: TEXTS, top_n: 1000 });
    assert.deepEqual(json.results.map(({ index }) => index).sort(), [0, 1, 2]);
  });

  it("answer Voyage's top_k with data", async () => {
    const { json } = await client.post<Record<string, unknown>>("/v1/rerank", {
      query: QUERY,
      documents: TEXTS,
      top_k: 1,
      return_documents: true,
    });
    const [best] = await reranker.rank(QUERY, TEXTS, { activation: "sigmoid", topK: 1 });
    assert.deepEqual(json["data"], [{ relevance_score: best?.score, index: best?.index, document: TEXTS[best?.index ?? -1] }]);
    assert.equal(json["object"], "list");
    assert.equal(json["results"], undefined);
  });

  it("answer LibreChat's docs and k with texts and scores", async () => {
    const { json } = await client.post("/rerank", { query: QUERY, docs: TEXTS, k: 2 });
    const expected = await reranker.rank(QUERY, TEXTS, { activation: "sigmoid", topK: 2 });
    assert.deepEqual(
      json,
      expected.map(({ index, score }) => ({ text: TEXTS[index], score })),
    );
  });

  it("score by the sparse encoder where no cross-encoder is served, or where it is named", async () => {
    const { data } = await encoder.similarity(await encoder.encodeQuery([QUERY]), await encoder.encodeDocument(TEXTS));
    for (const [server, model] of [
      [sparse, undefined],
      [sparse, "unknown"],
      [client, "splade-tiny"],
    ] as const) {
      const { json } = await server.post<Reranked>("/rerank", { query: QUERY, documents: TEXTS, model });
      assert.equal(json.model, "splade-tiny");
      assert.deepEqual(
        json.results.map(({ index, relevance_score }) => [index, relevance_score]),
        Array.from(data, (score, index) => [index, score]).sort(([, a = 0], [, b = 0]) => b - a),
      );
    }
  });

  it("score as the server or the request says", async () => {
    const raw = await Client.start({ models: [RERANKER], score: "raw" });
    try {
      const logits = (await raw.post<Reranked>("/rerank", { query: QUERY, documents: TEXTS })).json.results;
      const asked = (await client.post<Reranked>("/rerank", { query: QUERY, documents: TEXTS, raw_scores: true })).json.results;
      const sigmoid = (await raw.post<Reranked>("/rerank", { query: QUERY, documents: TEXTS, raw_scores: "False" })).json.results;
      assert.deepEqual(logits, asked);
      assert.deepEqual(
        sigmoid.map(({ relevance_score }) => relevance_score),
        logits.map(({ relevance_score }) => Math.fround(1 / (1 + Math.exp(-relevance_score)))),
      );
    } finally {
      await raw.close();
    }
  });

  it("refuse unknown models only if strict", async () => {
    const strict = await Client.start({ models: [{ model: RERANKER, name: "mini" }], strictModels: true });
    try {
      const body = { query: QUERY, documents: TEXTS };
      assert.equal((await strict.post("/v1/rerank", { ...body, model: "mini" })).status, 200);
      assert.equal((await strict.post("/v1/rerank", body)).status, 200);
      const { status, json } = await strict.post<{ message: string }>("/v1/rerank", { ...body, model: "other" });
      assert.equal(status, 404);
      assert.match(json.message, /served are: mini/);
    } finally {
      await strict.close();
    }
  });

  it("speak vLLM's contract of scores", async () => {
    const { data } = await reranker.predict(
      TEXTS.map((text) => [QUERY, text] as const),
      { activation: "sigmoid" },
    );
    const expected = Array.from(data, (score, index) => ({ index, object: "score", score }));
    for (const body of [
      { text_1: QUERY, text_2: TEXTS },
      { queries: [QUERY], documents: TEXTS },
      { text_1: TEXTS.map(() => QUERY), text_2: TEXTS },
    ]) {
      for (const route of ["/score", "/v1/score"]) {
        const { status, json } = await client.post<Record<string, unknown>>(route, body);
        assert.equal(status, 200);
        assert.deepEqual([json["object"], json["model"], json["data"]], ["list", "mini", expected]);
      }
    }
    const logits = await client.post<{ data: { score: number }[] }>("/score", { text_1: QUERY, text_2: TEXTS, use_activation: false });
    assert.notDeepEqual(
      logits.json.data.map(({ score }) => score),
      [...data],
    );
    const uneven = await client.post<{ error: { message: string } }>("/score", { text_1: TEXTS.slice(1), text_2: TEXTS });
    assert.equal(uneven.status, 400);
    assert.match(uneven.json.error.message, /text_1 has 2 texts and text_2 3/);
  });

  it("score pairs of different queries by the sparse encoder", async () => {
    const { json } = await sparse.post<{ data: { score: number }[] }>("/score", { text_1: TEXTS, text_2: TEXTS.toReversed() });
    const expected = await encoder.similarityPairwise(await encoder.encodeQuery(TEXTS), await encoder.encodeDocument(TEXTS.toReversed()));
    assert.deepEqual(
      json.data.map(({ score }) => score),
      [...expected],
    );
  });

  it("list the models as OpenAI does", async () => {
    const { json } = await client.get<{ object: string; data: { id: string; object: string }[] }>("/v1/models");
    assert.equal(json.object, "list");
    assert.deepEqual(
      json.data.map(({ id, object }) => [id, object]),
      [
        ["splade-tiny", "model"],
        ["mini", "model"],
      ],
    );
  });
});
