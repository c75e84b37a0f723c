/** Servers that are down, slow, busy, that reject requests, or respond partially: a coded error or a full report, and nothing dropped. */

import assert from "node:assert/strict";

import { SparseMatrix } from "sparse-rerank";
import { ElasticsearchEngine, EngineError, OpenSearchEngine, QdrantEngine } from "sparse-rerank/engines";
import type { LuceneClient, SearchEngine } from "sparse-rerank/engines";

import { loadPackage } from "../../../dist/core/optional-package";
import { FaultServer } from "../../support/fault-server";
import type { Answer, Asked } from "../../support/fault-server";

const MAPPING = { json: { docs: { mappings: { properties: { vector: { type: "rank_features" } } } } } };
const REFUSED = { type: "mapper_parsing_exception", reason: "failed to parse", caused_by: { type: "x", reason: "why" } };

/** Ids of a bulk request, in order. */
function idsOf({ text }: Asked): string[] {
  return text
    .split("\n")
    .filter((line) => line.startsWith('{"index"'))
    .map((line) => (JSON.parse(line) as { index: { _id: string } }).index._id);
}

function bulk(asked: Asked, result: (id: string) => { status: number; error?: object } = () => ({ status: 201 })): Answer {
  return { json: { errors: true, items: idsOf(asked).map((id) => ({ index: { _id: id, ...result(id) } })) } };
}

function matrix(rows: number): SparseMatrix {
  return SparseMatrix.fromRows(
    Array.from({ length: rows }, (_, i) => ({ indices: [i, i + 1], values: [1, 0.5] })),
    1000,
  );
}

function ids(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `d${i}`);
}

async function errorOf(promise: Promise<unknown>): Promise<EngineError> {
  const error: unknown = await promise.then(
    () => assert.fail("It must reject."),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof EngineError, String(error));
  return error;
}

describe("engines and server faults", () => {
  let server: FaultServer | undefined;
  let engine: SearchEngine | undefined;
  /** An OpenSearch engine in front of a server that answers bulk requests as given, and all others as a healthy one. */
  const opensearch = async (answer: (asked: Asked, count: number) => Answer, timeoutMs?: number): Promise<SearchEngine> => {
    let count = 0;
    server = await FaultServer.start((asked) => {
      if (asked.path.endsWith("_mapping")) return MAPPING;
      if (asked.path.endsWith("_refresh")) return { json: {} };
      return answer(asked, count++);
    });
    engine = new OpenSearchEngine({
      node: server.url,
      index: "docs",
      mode: "rank_features",
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    });
    return engine;
  };
  afterEach(async () => {
    await engine?.close();
    await server?.stop();
    engine = undefined;
    server = undefined;
  });

  it("returns all hits if topK is above the server's limit, and rejects if the server has more", async () => {
    const hits = (count: number): Answer => ({
      json: { _shards: { failed: 0 }, hits: { hits: ids(count).map((_id) => ({ _id, _score: 1, _source: {} })) } },
    });
    const sizes: unknown[] = [];
    const one = await opensearch((asked) => {
      sizes.push((JSON.parse(asked.text) as { size: unknown }).size);
      return hits(sizes.length === 1 ? 3 : 10_000);
    });
    const topK = Number.MAX_SAFE_INTEGER;
    assert.equal((await one.search(matrix(1).row(0), { topK })).length, 3);
    assert.equal((await errorOf(one.search(matrix(1).row(0), { topK }))).code, "ERR_ENGINE_LIMIT");
    assert.equal((await one.search(matrix(1).row(0), { topK: 10_000, withPayload: false })).length, 10_000);
    assert.deepEqual(sizes, [10_000, 10_000, 10_000]);
  });

  it("accepts time limits and request counts of any size", async () => {
    const one = await opensearch((asked) => bulk(asked), Number.MAX_SAFE_INTEGER);
    const { succeeded } = await one.upsert(ids(3), matrix(3), undefined, { concurrency: Number.MAX_SAFE_INTEGER });
    assert.equal(succeeded, 3);
  });

  it("reports each failed document of a partially failed bulk request, and writes the rest", async () => {
    const one = await opensearch((asked) => bulk(asked, (id) => (id === "d3" ? { status: 400, error: REFUSED } : { status: 201 })));
    const report = await one.upsert(ids(10), matrix(10));
    assert.equal(report.succeeded, 9);
    assert.deepEqual(report.failed, [
      { id: "d3", code: "ERR_ENGINE_REFUSED", reason: "OpenSearch: mapper_parsing_exception: failed to parse ← x: why" },
    ]);
  });

  it("resends only what a busy server did not accept", async () => {
    const one = await opensearch((asked, count) => bulk(asked, (id) => (count === 0 && id < "d5" ? { status: 429 } : { status: 201 })));
    const report = await one.upsert(ids(10), matrix(10));
    assert.deepEqual(report, { succeeded: 10, failed: [], warnings: [], retries: 1 });
    const sent = server!.asked.filter(({ path }) => path.endsWith("_bulk")).map(idsOf);
    assert.deepEqual(sent, [ids(10), ids(5)]);
  });

  for (const [what, answer] of Object.entries({
    "429": { status: 429, json: { error: { type: "es_rejected_execution_exception", reason: "full" } } },
    "503": { status: 503, json: { error: "unavailable" } },
    "a broken connection": "reset",
    "half an answer": "half",
    "no JSON": { text: "<html>" },
    "a report of fewer documents": { json: { items: [{ index: { status: 201 } }] } },
  } satisfies Record<string, Answer>)) {
    it(`retries after ${what}`, async () => {
      // A client may wait for the rest of a response whose connection broke.
      const one = await opensearch((asked, count) => (count === 0 ? answer : bulk(asked)), 1000);
      const report = await one.upsert(ids(3), matrix(3));
      assert.equal(report.succeeded, 3);
      assert.deepEqual(report.failed, []);
      assert.ok(server!.asked.filter(({ path }) => path.endsWith("_bulk")).length >= 2);
    });
  }

  it("waits as long as the server asks", async () => {
    const one = await opensearch((asked, count) =>
      count === 0 ? { status: 429, json: {}, headers: { "retry-after": "1" } } : bulk(asked),
    );
    const before = performance.now();
    await one.upsert(ids(1), matrix(1));
    // A timer may fire slightly earlier than performance.now() indicates.
    assert.ok(performance.now() - before >= 990);
  });

  it("gives up on a server that stays down, and reports what was written before", async () => {
    const one = await opensearch((asked, count) => (count < 2 ? bulk(asked) : "reset"));
    const error = await errorOf(one.upsert(ids(10), matrix(10), undefined, { batchSize: 2, concurrency: 1, maxRetries: 1 }));
    assert.equal(error.code, "ERR_ENGINE_UNAVAILABLE");
    assert.equal(error.engine, "OpenSearch");
    assert.match(error.message, /4 of 10 documents were written/);
    assert.equal(error.report?.succeeded, 4);
    assert.deepEqual(
      error.report.failed.map(({ id }) => id),
      ids(10).slice(4),
    );
  });

  it("does not wait forever for a slow server", async () => {
    const one = await opensearch(() => "hang", 100);
    const error = await errorOf(one.upsert(ids(1), matrix(1), undefined, { maxRetries: 0 }));
    assert.equal(error.code, "ERR_ENGINE_UNAVAILABLE");
    assert.match(error.message, /no response within 100 ms/);
    assert.equal((await errorOf(one.search(matrix(1).row(0), { topK: 1 }))).code, "ERR_ENGINE_UNAVAILABLE");
  });

  it("names a server that cannot be reached", async () => {
    const stopped = await FaultServer.start(() => "reset");
    const { url } = stopped;
    await stopped.stop();
    for (const one of [
      new OpenSearchEngine({ node: url, index: "docs" }),
      new ElasticsearchEngine({ node: url, index: "docs" }),
      new QdrantEngine({ url, collection: "docs" }),
    ]) {
      const error = await errorOf(one.ensureIndex());
      assert.equal(error.code, "ERR_ENGINE_UNAVAILABLE");
      assert.match(error.message, new RegExp(`^${one.name}: .*Check that the server is running`, "s"));
      await one.close();
    }
  });

  it("stops at rejected credentials and at a rejected mapping, with the server's reason", async () => {
    const one = await opensearch(() => ({ status: 401, json: { error: { type: "security_exception", reason: "missing credentials" } } }));
    const error = await errorOf(one.upsert(ids(5), matrix(5), undefined, { batchSize: 1 }));
    assert.equal(error.code, "ERR_ENGINE_AUTH");
    assert.match(error.message, /missing credentials.*Check the credentials/);
    assert.equal(error.report?.failed.length, 5);
    await server!.stop();
    server = await FaultServer.start(({ method }) =>
      method === "PUT" ? { status: 400, json: { error: REFUSED } } : { status: 404, json: {} },
    );
    const refused = await errorOf(new OpenSearchEngine({ node: server.url, index: "docs", mode: "rank_features" }).ensureIndex());
    assert.equal(refused.code, "ERR_ENGINE_REFUSED");
    assert.match(refused.message, /failed to parse ← x: why/);
  });

  it("splits a request that is too large for the server, down to the document that is", async () => {
    const one = await opensearch((asked) => (idsOf(asked).includes("d6") ? { status: 413, json: {} } : bulk(asked)));
    const report = await one.upsert(ids(8), matrix(8));
    assert.equal(report.succeeded, 7);
    assert.deepEqual(
      report.failed.map(({ id, code }) => [id, code]),
      [["d6", "ERR_ENGINE_LIMIT"]],
    );
  });

  it("never exceeds the limit of requests in flight, and never prepares more than it sends", async () => {
    let running = 0;
    let most = 0;
    const transport = {
      request: async ({ path, bulkBody = "" }: { path: string; bulkBody?: string }): Promise<unknown> => {
        if (!path.endsWith("_bulk")) return { body: MAPPING.json };
        most = Math.max(most, ++running);
        await new Promise((resolve) => setTimeout(resolve, 5));
        running--;
        const asked = { method: "POST", path, text: bulkBody };
        return { body: (bulk(asked) as { json: object }).json };
      },
    };
    const client: LuceneClient = { transport, close: () => Promise.resolve() };
    const one = new OpenSearchEngine({ client, index: "docs", mode: "rank_features" });
    const report = await one.upsert(ids(100), matrix(100), undefined, { batchSize: 5, concurrency: 3 });
    assert.equal(report.succeeded, 100);
    assert.equal(most, 3);
  });

  it("stops when aborted, and reports every document", async () => {
    const controller = new AbortController();
    const one = await opensearch((asked, count) => {
      if (count === 1) controller.abort(new Error("enough"));
      return count === 0 ? bulk(asked) : "hang";
    });
    const error = await errorOf(one.upsert(ids(6), matrix(6), undefined, { batchSize: 2, concurrency: 1, signal: controller.signal }));
    assert.equal(error.code, "ERR_ABORTED");
    assert.equal(error.name, "AbortError");
    assert.equal(error.cause, controller.signal.reason);
    assert.equal(error.report?.succeeded, 2);
    assert.equal(error.report.failed.length, 4);
  });

  it("rejects hits from only some of the shards", async () => {
    const one = await opensearch(() => ({
      json: { timed_out: false, _shards: { total: 2, failed: 1, failures: [{ reason: REFUSED }] }, hits: { hits: [] } },
    }));
    const error = await errorOf(one.search(matrix(1).row(0), { topK: 1 }));
    assert.equal(error.code, "ERR_ENGINE_UNAVAILABLE");
    assert.match(error.message, /1 shards failed/);
  });

  it("rejects negative weights, which an inverted index cannot hold", async () => {
    const one = await opensearch((asked) => bulk(asked));
    const rows = SparseMatrix.fromRows(
      [
        { indices: [7], values: [-1] },
        { indices: [7], values: [1] },
      ],
      1000,
    );
    const report = await one.upsert(["negative", "fine"], rows);
    assert.equal(report.succeeded, 1);
    assert.match(report.failed[0]!.reason, /^OpenSearch: the weight of dimension 7 is -1/);
  });

  it("reports which package is missing, with the install command", async () => {
    const name = "sparse-rerank-client-that-nobody-has";
    const load = (): Promise<unknown> => import(name);
    await assert.rejects(loadPackage(name, load), (error: EngineError) => {
      assert.equal(error.code, "ERR_CLIENT_NOT_FOUND");
      assert.match(error.message, /npm install sparse-rerank-client-that-nobody-has/);
      return true;
    });
  });
});
