/**
 * Servers that cannot run here, checked against the requests and responses in their documentation: paths and bodies as sent, responses as
 * read.
 */

import assert from "node:assert/strict";

import { SparseMatrix } from "sparse-rerank";
import { ElasticsearchEngine, OpenSearchEngine, QdrantEngine } from "sparse-rerank/engines";

import { FaultServer } from "../../support/fault-server";
import type { Answer, Asked } from "../../support/fault-server";

const VECTOR = SparseMatrix.fromRows([{ indices: [1055, 2931], values: [1.5, 2.25] }], 30522);
const PLUGINS = { json: { nodes: { n1: { plugins: [{ name: "opensearch-neural-search" }] } } } };
const HITS = {
  json: {
    took: 5,
    timed_out: false,
    _shards: { total: 1, successful: 1, skipped: 0, failed: 0 },
    hits: { max_score: 4.5, hits: [{ _index: "my-index", _id: "1", _score: 4.5, _source: { payload: { text: "Hello world" } } }] },
  },
};

function body(asked: readonly Asked[], method: string, path: RegExp): Record<string, unknown> {
  const found = asked.find((one) => one.method === method && path.test(one.path));
  assert.ok(found !== undefined, `${method} ${path.source}`);
  return JSON.parse(found.text) as Record<string, unknown>;
}

describe("engines and published examples", () => {
  let server: FaultServer;
  const start = async (answer: (asked: Asked) => Answer): Promise<string> => {
    server = await FaultServer.start(answer);
    return server.url;
  };
  afterEach(() => server.stop());

  const opensearchWithPlugin = (asked: Asked): Answer => {
    if (asked.path === "/_nodes/plugins") return PLUGINS;
    if (asked.path.endsWith("_mapping"))
      return { status: 404, json: { error: { type: "index_not_found_exception", reason: "no such index" } } };
    return asked.path.includes("_search?") || asked.path.endsWith("_search") ? HITS : { json: { acknowledged: true } };
  };

  // docs.opensearch.org: Neural sparse search using raw vectors.
  it("OpenSearch: neural_sparse with raw tokens", async () => {
    const engine = new OpenSearchEngine({ node: await start(opensearchWithPlugin), index: "my-index" });
    assert.equal(await engine.mode(), "neural_sparse");
    await engine.ensureIndex();
    const hits = await engine.search(VECTOR.row(0), { topK: 5, filter: { field: "lang", equals: "en" } });
    assert.deepEqual(hits, [{ id: "1", score: 4.5, payload: { text: "Hello world" } }]);
    const neural_sparse = { vector: { query_tokens: { "1055": 1.5, "2931": 2.25 } } };
    assert.deepEqual(body(server.asked, "POST", /_search/)["query"], {
      bool: { must: [{ neural_sparse }], filter: { terms: { "payload.lang": ["en"] } } },
    });
    await engine.close();
  });

  // docs.opensearch.org: Neural sparse query two-phase processor.
  it("OpenSearch: the two-phase search pipeline", async () => {
    const engine = new OpenSearchEngine({ node: await start(opensearchWithPlugin), index: "my-index", mode: "neural_sparse_two_phase" });
    await engine.ensureIndex();
    await engine.search(VECTOR.row(0), { topK: 5 });
    assert.deepEqual(body(server.asked, "PUT", /^\/_search\/pipeline\/my-index-two-phase$/), {
      request_processors: [{ neural_sparse_two_phase_processor: { tag: "sparse-rerank", enabled: true } }],
    });
    assert.ok(server.asked.some(({ path }) => path === "/my-index/_search?search_pipeline=my-index-two-phase"));
    await engine.close();
  });

  // docs.opensearch.org: Neural sparse ANN search.
  it("OpenSearch: sparse_vector fields and approximate search", async () => {
    const engine = new OpenSearchEngine({ node: await start(opensearchWithPlugin), index: "my-index", mode: "ann" });
    await engine.ensureIndex();
    await engine.search(VECTOR.row(0), { topK: 10, filter: { field: "year", gte: 2020 } });
    const created = body(server.asked, "PUT", /^\/my-index$/) as { settings: object; mappings: { properties: { vector: object } } };
    assert.deepEqual(created.settings, { "index.sparse": true });
    assert.deepEqual(created.mappings.properties.vector, { type: "sparse_vector", method: { name: "seismic" } });
    const query_tokens = { "1055": 1.5, "2931": 2.25 };
    const method_parameters = { k: 10, filter: { range: { "payload.year": { gte: 2020 } } } };
    assert.deepEqual(body(server.asked, "POST", /_search/)["query"], { neural_sparse: { vector: { query_tokens, method_parameters } } });
    await engine.close();
  });

  // elastic.co: the error for a query type that a server does not support, and rank_feature queries.
  it("Elasticsearch: rank_features if sparse_vector is unknown or unlicensed", async () => {
    const refusals: Answer[] = [
      { status: 400, json: { error: { type: "parsing_exception", reason: "unknown query [sparse_vector]" }, status: 400 } },
      {
        status: 403,
        json: { error: { type: "security_exception", reason: "current license is non-compliant for [sparse_vector]" }, status: 403 },
      },
    ];
    for (const refusal of refusals) {
      const node = await start((asked) => {
        if (asked.path.endsWith("_mapping")) return { status: 404, json: {} };
        return asked.path.includes("ignore_unavailable")
          ? refusal
          : asked.path.endsWith("_search")
            ? HITS
            : { json: { acknowledged: true } };
      });
      const engine = new ElasticsearchEngine({ node, index: "my-index" });
      await engine.ensureIndex();
      assert.equal((await engine.search(VECTOR.row(0), { topK: 1 })).length, 1);
      const search = server.asked.find(({ path }) => path === "/my-index/_search");
      assert.deepEqual((JSON.parse(search!.text) as { query: object }).query, {
        bool: {
          should: [
            { rank_feature: { field: "vector.1055", linear: {}, boost: 1.5 } },
            { rank_feature: { field: "vector.2931", linear: {}, boost: 2.25 } },
          ],
          minimum_should_match: 1,
        },
      });
      await engine.close();
      if (refusal !== refusals.at(-1)) await server.stop();
    }
  });

  // qdrant.tech: collections and points of the server itself, whose engine is tested in test/engines.
  it("Qdrant: the server's responses", async () => {
    const ok = (result: unknown): Answer => ({ json: { result, status: "ok", time: 0.002 } });
    const url = await start((asked) => {
      if (asked.path.endsWith("/exists")) return ok({ exists: false });
      if (asked.path.endsWith("/points/query")) {
        return ok({ points: [{ id: "0f", version: 3, score: 0.75, payload: { id: "one", payload: { city: "Berlin" } } }] });
      }
      return asked.path.includes("/points") ? ok({ operation_id: 0, status: "completed" }) : ok(true);
    });
    const engine = new QdrantEngine({ url, collection: "my", modifier: "idf", onDisk: true });
    await engine.ensureIndex();
    assert.equal((await engine.upsert(["one"], VECTOR, [{ city: "Berlin" }])).succeeded, 1);
    const hits = await engine.search(VECTOR.row(0), { topK: 3, filter: { not: { field: "open", equals: true } } });
    assert.deepEqual(hits, [{ id: "one", score: 0.75, payload: { city: "Berlin" } }]);
    assert.deepEqual(body(server.asked, "PUT", /^\/collections\/my(\?|$)/), {
      sparse_vectors: { text: { index: { on_disk: true }, modifier: "idf" } },
      on_disk_payload: true,
    });
    assert.deepEqual(body(server.asked, "POST", /points\/query/), {
      query: { indices: [1055, 2931], values: [1.5, 2.25] },
      using: "text",
      limit: 3,
      with_payload: true,
      filter: { must_not: [{ should: [{ key: "payload.open", match: { value: true } }] }] },
    });
  });

  it("Qdrant: waits at a rate limit, and does not accept an unfinished update as completed", async () => {
    let count = 0;
    const url = await start(() => {
      count++;
      if (count === 1)
        return { status: 429, json: { status: { error: "Rate limiting exceeded" }, time: 0 }, headers: { "retry-after": "1" } };
      return { json: { result: { operation_id: 0, status: count === 2 ? "acknowledged" : "completed" }, status: "ok", time: 0 } };
    });
    const report = await new QdrantEngine({ url, collection: "my" }).upsert(["one"], VECTOR);
    assert.deepEqual(report, { succeeded: 1, failed: [], warnings: [], retries: 2 });
  });
});
