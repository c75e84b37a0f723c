/**
 * Requests of other products, and their answers read as these products read them, from their public sources. Products whose packages can be
 * installed are in test/clients instead.
 */

import assert from "node:assert/strict";

import { CrossEncoder } from "../../../dist";
import { Client, QUERY, RERANKER, TEXTS } from "../../support/server";

interface Format {
  readonly product: string;
  /** Version and file that the request and the reading are from. */
  readonly source: string;
  readonly route: string;
  readonly body: object;
  /** The scores in the order of TEXTS, as the product gets them. */
  readonly read: (json: string) => readonly unknown[];
}

interface Result {
  readonly index: number;
  readonly score: number;
  readonly relevance_score: number;
  readonly text?: string;
  readonly document?: { readonly text: string };
}

const KEY = "secret";
const bearer = `Bearer ${KEY}`;
const everything = { model: "some-model", query: QUERY, documents: TEXTS, top_n: TEXTS.length };

function results(json: string): readonly Result[] {
  return (JSON.parse(json) as { results: Result[] }).results;
}

function byIndex(list: readonly Result[], scoreOf: (result: Result) => unknown): readonly unknown[] {
  const scores: unknown[] = TEXTS.map(() => undefined);
  for (const each of list) scores[each.index] = scoreOf(each);
  return scores;
}

/** The list of text-embeddings-inference. */
function readTei(json: string): readonly unknown[] {
  return byIndex(JSON.parse(json) as Result[], ({ score }) => score);
}

function readCohere(json: string): readonly unknown[] {
  return byIndex(results(json), (result) => result.relevance_score);
}

/** Only texts come back, by descending score. */
function readSimple(json: string): readonly unknown[] {
  const list = JSON.parse(json) as { text: string; score: number }[];
  return TEXTS.map((text) => list.find((each) => each.text === text)?.score);
}

const FORMATS: readonly Format[] = [
  {
    product: "Elasticsearch's rerank",
    source: "elastic/elasticsearch f41bfb9, x-pack/plugin/inference/…/huggingface/request/rerank/HuggingFaceRerankRequestEntity.java",
    route: "/rerank",
    body: { texts: TEXTS, query: QUERY, return_text: false, top_n: TEXTS.length },
    read: readTei,
  },
  {
    product: "OpenSearch's rerank processor",
    source: "opensearch-project/ml-commons b16b06e, common/…/connector/functions/postprocess/CohereRerankPostProcessFunction.java",
    route: "/v1/rerank",
    body: { query: QUERY, documents: TEXTS, top_n: TEXTS.length },
    // Casts the index to Integer and the score to Double: the form of the number decides.
    read: (json) => {
      for (const [, score = ""] of json.matchAll(/"relevance_score":([^,}]*)/g)) assert.match(score, /^-?\d+(\.\d+|(\.\d+)?e-?\d+)$/);
      for (const [, index = ""] of json.matchAll(/"index":([^,}]*)/g)) assert.match(index, /^\d+$/);
      return readCohere(json);
    },
  },
  {
    product: "Open WebUI",
    source: "open-webui 0.12.4, open_webui/retrieval/models/external.py",
    route: "/v1/rerank",
    body: everything,
    read: (json) => [...results(json)].sort((a, b) => a.index - b.index).map((result) => result.relevance_score),
  },
  {
    product: "Dify's plugin OpenAI-API-compatible",
    source: "langgenius/dify-official-plugins 225e44d, models/openai_api_compatible/models/rerank/rerank.py",
    route: "/v1/rerank",
    body: everything,
    read: readCohere,
  },
  {
    product: "Dify's SDK",
    source: "dify_plugin 0.7.4, interfaces/model/openai_compatible/rerank.py",
    route: "/v1/rerank",
    body: { ...everything, top_n: null, return_documents: true },
    read: (json) =>
      byIndex(results(json), ({ index, document, relevance_score }) => (document?.text === TEXTS[index] ? relevance_score : undefined)),
  },
  {
    product: "Dify's plugin Text Embedding Inference",
    source: "langgenius/dify 2ac6e16, api/core/model_runtime/model_providers/huggingface_tei/tei_helper.py",
    route: "/rerank",
    body: { query: QUERY, texts: TEXTS, return_text: true },
    read: (json) => byIndex(JSON.parse(json) as Result[], ({ index, text, score }) => (text === TEXTS[index] ? score : undefined)),
  },
  {
    product: "RAGFlow's GPUStack",
    source: "infiniflow/ragflow 5b404a9, rag/llm/rerank_model.py",
    route: "/v1/rerank",
    body: everything,
    read: readCohere,
  },
  {
    product: "RAGFlow's Xinference",
    source: "infiniflow/ragflow 5b404a9, rag/llm/rerank_model.py",
    route: "/v1/rerank",
    body: { model: "some-model", query: QUERY, return_documents: "true", return_len: "true", documents: TEXTS },
    read: readCohere,
  },
  {
    product: "RAGFlow's HuggingFace",
    source: "infiniflow/ragflow 5b404a9, rag/llm/rerank_model.py",
    route: "/rerank",
    body: { query: QUERY, texts: TEXTS, raw_scores: false, truncate: true },
    read: readTei,
  },
  {
    product: "RAGFlow's LocalAI",
    source: "infiniflow/ragflow 5b404a9, rag/llm/rerank_model.py",
    route: "/rerank",
    body: everything,
    read: readCohere,
  },
  {
    product: "LibreChat's Jina reranker",
    source: "@librechat/agents 3.9.2, src/tools/search/rerankers.ts",
    route: "/v1/rerank",
    body: { ...everything, model: "jina-reranker-v2-base-multilingual", return_documents: true },
    read: (json) =>
      byIndex(results(json), ({ index, document, relevance_score }) => (document?.text === TEXTS[index] ? relevance_score : undefined)),
  },
  {
    product: "LibreChat's Cohere reranker",
    source: "@librechat/agents 3.9.2, src/tools/search/rerankers.ts",
    route: "/v2/rerank",
    body: { ...everything, model: "rerank-v3.5" },
    read: readCohere,
  },
  {
    product: "LibreChat's simple reranker",
    source: "danny-avila/agents 4599c23, src/tools/search/rerankers.ts",
    route: "/rerank",
    body: { query: QUERY, docs: TEXTS, k: TEXTS.length },
    read: readSimple,
  },
];

describe("the server for other products", () => {
  let client: Client;
  let expected: readonly number[];
  before(async () => {
    client = await Client.start({ models: ["splade-tiny", RERANKER], apiKey: KEY });
    const reranker = await CrossEncoder.load(RERANKER);
    const { data } = await reranker.predict(
      TEXTS.map((text) => [QUERY, text] as const),
      { activation: "sigmoid" },
    );
    expected = [...data];
    await reranker.close();
  });
  after(() => client.close());

  for (const { product, source, route, body, read } of FORMATS) {
    it(`${product} gets the model's scores (${source})`, async () => {
      const { status, text } = await client.post(route, body, { authorization: bearer });
      assert.equal(status, 200, text);
      assert.deepEqual(read(text), expected);
    });
  }

  // elastic/elasticsearch 3d73c0a, …/huggingface/request/embeddings/HuggingFaceEmbeddingsRequestEntity.java sends inputs alone, and
  // …/huggingface/response/HuggingFaceElserResponseEntity.java wants an object of numbers for each. Its fields sparse_vector refuse zero.
  it("Elasticsearch's sparse_embedding gets positive numbers", async () => {
    const { json } = await client.post<unknown[]>("/embed_sparse_tokens?task=document", { inputs: TEXTS }, { authorization: bearer });
    assert.equal(json.length, TEXTS.length);
    for (const row of json) {
      const weights = Object.values(row as object) as unknown[];
      assert.ok(weights.length > 0);
      for (const weight of weights) assert.ok(typeof weight === "number" && weight > 0);
    }
  });

  // elastic/elasticsearch 082e2b7, …/huggingface/HuggingFaceResponseHandler.java tells errors by status, and
  // …/huggingface/response/HuggingFaceErrorResponseEntity.java casts `error` to a string.
  it("Elasticsearch can read errors", async () => {
    for (const [route, body, headers, expectedStatus] of [
      ["/rerank", { texts: TEXTS, query: QUERY }, { authorization: "Bearer wrong" }, 401],
      ["/rerank", { texts: TEXTS }, { authorization: bearer }, 422],
      ["/embed_sparse_tokens", { inputs: ["a".repeat(2_000_001)] }, { authorization: bearer }, 413],
    ] as const) {
      const { status, json } = await client.post<{ error: unknown }>(route, body, headers);
      assert.equal(status, expectedStatus);
      assert.equal(typeof json.error, "string");
    }
  });

  // langgenius/dify 2ac6e16, …/huggingface_tei/tei_helper.py and rerank/rerank.py: the first key of model_type tells the kind.
  it("Dify's plugin Text Embedding Inference finds a reranker", async () => {
    const { json } = await client.get<{ model_type: object; max_input_length: number }>("/info", { authorization: bearer });
    assert.equal(Object.keys(json.model_type)[0], "reranker");
    assert.ok(Number.isInteger(json.max_input_length));
  });
});
