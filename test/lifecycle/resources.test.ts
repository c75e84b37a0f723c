/** One contract for everything that has close() and dispose(): see ManagedResource. */

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";

import { BM25Index, CrossEncoder, SparseEncoder, SparseIndex, SparseMatrix } from "sparse-rerank";
import { ElasticsearchEngine, LocalEngine, MilvusEngine, OpenSearchEngine, PgvectorEngine, QdrantEngine } from "sparse-rerank/engines";
import type { EngineError, SearchEngine } from "sparse-rerank/engines";

import { crossEncoder, isPending, spladeTiny } from "./children";

interface Opened {
  readonly resource: Disposable & AsyncDisposable & { close(): Promise<void>; dispose(): void };
  /** A call that has not ended when the event loop is next free, and ends within seconds. */
  readonly slow: () => Promise<unknown>;
  /** Lets the slow call end, if it waits for that. */
  readonly finish?: () => void;
  /** Every method. */
  readonly calls: Readonly<Record<string, () => unknown>>;
  readonly cleanUp?: () => Promise<void>;
}

const disposed = { name: "SparseRerankError", code: "ERR_DISPOSED" };
const texts = Array.from({ length: 200 }, (_, i) => `text ${String(i)}`);
const query = { indices: Uint32Array.of(1), values: Float32Array.of(1), size: 10 };
const one = SparseMatrix.fromRows([query], 10);
const many = SparseMatrix.fromRows(
  Array.from({ length: 20_000 }, (_, i) => ({ indices: [i % 10], values: [1 + i] })),
  10,
);
const manyIds = Array.from({ length: many.rows }, (_, i) => `d${String(i)}`);

function indexCalls(index: SparseIndex): Opened["calls"] {
  return {
    add: () => index.add(["x"], one),
    remove: () => index.remove(["x"]),
    has: () => index.has(["x"]),
    search: () => index.search(query),
    compact: () => index.compact(),
    save: () => index.save(path.join(os.tmpdir(), "never-written")),
    stats: () => index.stats(),
    size: () => index.size,
  };
}

/** A client's response that arrives when finish() is called. */
class Gate {
  open: () => void = () => undefined;
  readonly #opened = new Promise<void>((resolve) => {
    this.open = resolve;
  });

  async answer<T>(value: T): Promise<T> {
    await this.#opened;
    return value;
  }
}

function engineOf(make: (gate: Gate) => SearchEngine): () => Promise<Opened> {
  return () => {
    const gate = new Gate();
    const engine = make(gate);
    return Promise.resolve({
      resource: engine,
      slow: () => engine.stats(),
      finish: () => {
        gate.open();
      },
      calls: {
        ensureIndex: () => engine.ensureIndex(),
        upsert: () => engine.upsert(["x"], one),
        delete: () => engine.delete(["x"]),
        search: () => engine.search(query, { topK: 1 }),
        stats: () => engine.stats(),
        ...(engine instanceof OpenSearchEngine || engine instanceof ElasticsearchEngine ? { mode: () => engine.mode() } : {}),
      },
    });
  };
}

const luceneClient = (gate: Gate): { transport: { request(): Promise<unknown> }; close(): Promise<void> } => ({
  transport: { request: () => gate.answer({ body: { _all: { primaries: { docs: { count: 0 } } } } }) },
  close: () => assert.fail("the caller's client was closed"),
});

const RESOURCES: Readonly<Record<string, () => Promise<Opened>>> = {
  SparseEncoder: async () => {
    const encoder = await SparseEncoder.load(spladeTiny);
    return {
      resource: encoder,
      slow: () => encoder.encodeDocument(texts),
      calls: {
        encode: () => encoder.encode("x"),
        encodeQuery: () => encoder.encodeQuery("x"),
        encodeDocument: () => encoder.encodeDocument("x"),
        encodeDocumentStream: () => encoder.encodeDocumentStream(["x"]).next(),
        tokenize: () => encoder.tokenize(["x"]),
        trace: () => encoder.trace("x"),
        similarity: () => encoder.similarity(one, one),
        similarityPairwise: () => encoder.similarityPairwise(one, one),
        decode: () => encoder.decode(query),
      },
    };
  },
  CrossEncoder: async () => {
    const encoder = await CrossEncoder.load(crossEncoder);
    return {
      resource: encoder,
      slow: () => encoder.predict(texts.map((text) => ["a", text] as const)),
      calls: {
        predict: () => encoder.predict([["a", "b"]]),
        rank: () => encoder.rank("a", ["b"]),
        tokenize: () => encoder.tokenize(["x"]),
      },
    };
  },
  "SparseIndex in memory": () => {
    const index = SparseIndex.create({ dimension: 10 });
    return Promise.resolve({ resource: index, slow: () => index.add(manyIds, many), calls: indexCalls(index) });
  },
  "SparseIndex of a folder": async () => {
    const folder = await mkdtemp(path.join(os.tmpdir(), "sparse-rerank-"));
    const index = await SparseIndex.open(path.join(folder, "index"), { dimension: 10 });
    return {
      resource: index,
      slow: () => index.add(manyIds, many),
      calls: indexCalls(index),
      cleanUp: () => rm(folder, { recursive: true }),
    };
  },
  BM25Index: async () => {
    const index = new BM25Index();
    await index.add(["a", "b"], ["one text", "another text"]);
    return {
      resource: index,
      slow: () =>
        index.add(
          texts.map((_, i) => String(i)),
          texts,
        ),
      calls: {
        add: () => index.add(["x"], ["x"]),
        remove: () => index.remove(["x"]),
        search: () => index.search("x"),
        retrieve: () => index.retrieve(["x"], { topK: 1 }),
        size: () => index.size,
      },
    };
  },
  OpenSearchEngine: engineOf((gate) => new OpenSearchEngine({ client: luceneClient(gate), index: "documents" })),
  ElasticsearchEngine: engineOf((gate) => new ElasticsearchEngine({ client: luceneClient(gate), index: "documents" })),
  QdrantEngine: engineOf(
    (gate) => new QdrantEngine({ client: { count: () => gate.answer({ count: 0 }) } as never, collection: "documents" }),
  ),
  MilvusEngine: engineOf(
    (gate) => new MilvusEngine({ client: { query: () => gate.answer({ data: [{ "count(*)": 0 }] }) } as never, collection: "documents" }),
  ),
  PgvectorEngine: engineOf((gate) => {
    const connection = { query: () => gate.answer({ rows: [{ documents: 0, bytes: 0 }], rowCount: 1 }), release: () => undefined };
    return new PgvectorEngine({ pool: { connect: () => Promise.resolve(connection) } as never, table: "documents", dimension: 10 });
  }),
};

for (const [name, open] of Object.entries(RESOURCES)) {
  describe(`close() and dispose(): ${name}`, () => {
    let opened: Opened;

    beforeEach(async () => {
      opened = await open();
    });

    afterEach(async () => {
      opened.finish?.();
      await opened.resource.close();
      await opened.cleanUp?.();
    });

    const assertRefused = async (): Promise<void> => {
      for (const [method, call] of Object.entries(opened.calls)) await assert.rejects(() => Promise.resolve().then(call), disposed, method);
    };

    it("rejects calls after close()", async () => {
      await opened.resource.close();
      await assertRefused();
    });

    it("rejects calls after dispose()", async () => {
      opened.resource.dispose();
      await assertRefused();
    });

    it("close() waits for a running call, which succeeds, and rejects new ones meanwhile", async () => {
      const states: string[] = [];
      const pending = opened.slow().then(() => states.push("call"));
      const closed = opened.resource.close().then(() => states.push("closed"));
      await assertRefused();
      opened.finish?.();
      await Promise.all([pending, closed]);
      assert.deepEqual(states, ["call", "closed"]);
    });

    it("close() returns the same promise to later calls and to `await using`", async () => {
      const pending = opened.slow();
      const closed = opened.resource.close();
      assert.equal(opened.resource.close(), closed);
      assert.equal(opened.resource[Symbol.asyncDispose](), closed);
      opened.finish?.();
      await Promise.all([pending, closed]);
      assert.equal(opened.resource.close(), closed);
    });

    it("dispose() ends a waiting close(); later calls of both succeed", async () => {
      const outcome = opened.slow().then(
        () => "succeeded",
        (error: unknown) => (error as { code: string }).code,
      );
      const closed = opened.resource.close();
      opened.resource.dispose();
      // Without finish(): a call that waits for a response is cancelled.
      assert.equal(await outcome, "ERR_DISPOSED");
      await closed;
      opened.resource.dispose();
      opened.resource[Symbol.dispose]();
      assert.equal(opened.resource.close(), closed);
    });

    it("works with `await using`, which waits like close()", async () => {
      let pending: Promise<unknown>;
      {
        await using resource = opened.resource;
        assert.ok(resource);
        pending = opened.slow();
        opened.finish?.();
      }
      assert.equal(await isPending(pending), false);
      await assertRefused();
    });
  });
}

describe("close() and dispose(): LocalEngine", () => {
  it("leaves the caller's index open", async () => {
    await using index = SparseIndex.create({ dimension: 10 });
    const engine = new LocalEngine({ index });
    const pending = engine.upsert(["a"], one);
    await engine.close();
    assert.equal((await pending).succeeded, 1);
    await assert.rejects(engine.search(query, { topK: 1 }), disposed);
    await assert.rejects(engine.ensureIndex(), disposed);
    assert.equal(index.size, 1);
  });
});

describe("close() and dispose(): search engines", () => {
  it("close() waits for a call whose request fails, and resolves", async () => {
    let fail = (): void => undefined;
    const request = (): Promise<never> =>
      new Promise((_, reject) => {
        fail = () => {
          reject(new Error("connection lost"));
        };
      });
    const engine = new OpenSearchEngine({ client: { ...luceneClient(new Gate()), transport: { request } }, index: "documents" });
    const pending = assert.rejects(engine.stats(), { code: "ERR_ENGINE_UNAVAILABLE" });
    const closed = engine.close();
    assert.ok(await isPending(closed));
    fail();
    await Promise.all([pending, closed]);
  });

  it("dispose() rejects an upsert() with the report of what was written", async () => {
    let requests = 0;
    let stuck = (): void => undefined;
    const isStuck = new Promise<void>((resolve) => (stuck = resolve));
    const client = {
      ...luceneClient(new Gate()),
      transport: {
        request: ({ path: address }: { path: string }) => {
          if (address.endsWith("_mapping"))
            return Promise.resolve({ body: { i: { mappings: { properties: { vector: { type: "rank_features" } } } } } });
          if (++requests === 1) return Promise.resolve({ body: { items: [{ index: { status: 201 } }] } });
          stuck();
          return new Promise<never>(() => undefined);
        },
      },
    };
    const engine = new OpenSearchEngine({ client, index: "documents", mode: "rank_features" });
    const rows = SparseMatrix.concat([one, one, one]);
    const pending = engine.upsert(["a", "b", "c"], rows, undefined, { batchSize: 1, concurrency: 1 });
    await isStuck;
    const closed = engine.close();
    engine.dispose();
    await assert.rejects(pending, (error: EngineError) => {
      assert.equal(error.code, "ERR_DISPOSED");
      assert.equal(error.report?.succeeded, 1);
      assert.deepEqual(
        error.report.failed.map(({ id, code }) => [id, code]),
        [
          ["b", "ERR_DISPOSED"],
          ["c", "ERR_DISPOSED"],
        ],
      );
      return true;
    });
    await closed;
  });
});
