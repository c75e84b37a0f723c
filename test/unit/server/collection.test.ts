/** The routes of the served collection. */

import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

import { Collection, explain, SparseEncoder, SparseIndex } from "../../../dist";
import type { EncodeOptions, SparseMatrix } from "../../../dist";
import { DOCUMENTS } from "../../support/retrieval-support";
import { Client, RERANKER } from "../../support/server";
import type { Answer } from "../../support/server";

interface ExplainedText {
  readonly text: string;
  readonly task: string;
  readonly tokens: readonly {
    readonly id: number;
    readonly token: string;
    readonly weight: number;
    readonly literal: boolean;
    readonly span?: { readonly start: number; readonly end: number };
  }[];
}

interface Result {
  readonly hits: readonly { readonly id: string; readonly score: number; readonly highlights?: unknown }[];
  readonly reranked: number;
}

const QUERY = "fish of the sea";

describe("the server's collection", () => {
  let folder: string;
  let encoder: SparseEncoder;
  let client: Client;
  before(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), "sparse-rerank-served-"));
    encoder = await SparseEncoder.load("splade-tiny");
    const collection = await Collection.open(path.join(folder, "made"), { encoder, lexical: true });
    await collection.upsert([...DOCUMENTS].map(([id, text], i) => ({ id, text, metadata: { number: i } })));
    await collection.close();
    client = await Client.start({ index: path.join(folder, "made") });
  });
  after(async () => {
    await client.close();
    await encoder.close();
    fs.rmSync(folder, { recursive: true, force: true });
  });

  it("is searched like Collection", async () => {
    const collection = await Collection.open(path.join(folder, "made"), { encoder, readOnly: true });
    try {
      for (const [body, options] of [
        [{}, {}],
        [
          { top_k: 2, offset: 1 },
          { topK: 2, offset: 1 },
        ],
        [
          { mode: "lexical", highlight: "true" },
          { mode: "lexical", highlight: true },
        ],
        [
          { filter: { number: { gte: 2 } }, facets: { number: 3 } },
          { filter: { number: { gte: 2 } }, facets: { number: 3 } },
        ],
        [{ filter: { ids: ["shark", "no such"] } }, { filter: { ids: ["shark", "no such"] } }],
        [
          { mode: "sparse", collapse: "passage" },
          { mode: "sparse", collapse: "passage" },
        ],
      ] as const) {
        const { status, json } = await client.post<Result>("/search", { query: QUERY, ...body });
        assert.equal(status, 200);
        assert.deepEqual(json, JSON.parse(JSON.stringify(await collection.search(QUERY, options))));
      }
    } finally {
      await collection.close();
    }
  });

  it("answers several queries in their order", async () => {
    const queries = [QUERY, "bread", "teeth"];
    const { json } = await client.post<Result[]>("/search", { queries, top_k: 1 });
    assert.deepEqual(
      json.map(({ hits }) => hits[0]?.id),
      ["shark", "bread", "sugar"],
    );
  });

  it("explains a match with a text, or with a document", async () => {
    const expected = await explain(encoder, QUERY, DOCUMENTS.get("shark") ?? "");
    for (const body of [{ document: DOCUMENTS.get("shark") }, { id: "shark" }]) {
      const { status, json } = await client.post("/explain", { query: QUERY, ...body });
      assert.equal(status, 200);
      assert.deepEqual(json, JSON.parse(JSON.stringify(expected)));
    }
    assert.equal((await client.post("/explain", { query: QUERY, id: "no such" })).status, 404);
    for (const body of [{}, { id: "shark" }, { query: QUERY, id: "shark", document: "a" }]) {
      assert.equal((await client.post("/explain", body)).status, 422);
    }
  });

  it("explains the weights of a query or a document alone", async () => {
    for (const task of ["query", "document"] as const) {
      const { json } = await client.post<ExplainedText>("/explain", { [task]: QUERY });
      const vector = await (task === "query" ? encoder.encodeQuery(QUERY) : encoder.encodeDocument(QUERY));
      assert.deepEqual([json.text, json.task], [QUERY, task]);
      assert.deepEqual(
        json.tokens.map(({ id, token, weight }) => ({ token, id, weight })),
        encoder.decode(vector).map(({ id, token, weight }) => ({ token, id, weight })),
      );
      const fish = json.tokens.find(({ token }) => token === "fish");
      assert.deepEqual([fish?.literal, fish?.span], [true, { start: 0, end: 4 }]);
      assert.ok(json.tokens.some(({ literal }) => !literal));
    }
  });

  it("cannot be changed unless it is writable", async () => {
    for (const method of ["PUT", "DELETE"]) {
      assert.equal((await client.send(method, "/documents", JSON.stringify({ ids: ["shark"] }))).status, 404);
    }
  });

  it("is created and changed by a writable server, and reranked by its cross-encoder", async () => {
    const writable = await Client.start({ models: ["splade-tiny", RERANKER], index: path.join(folder, "new"), writable: true });
    try {
      const documents = [...DOCUMENTS].map(([id, text]) => ({ id, text, metadata: { id } }));
      const put = await writable.send<{ upserted: number }>("PUT", "/documents", JSON.stringify({ documents }));
      assert.deepEqual([put.status, put.json], [200, { upserted: 5 }]);
      const { json } = await writable.post<Result>("/search", { query: QUERY, top_k: 5 });
      assert.ok(json.hits.some(({ id }) => id === "shark"));
      assert.equal(json.reranked, json.hits.length);
      const without = await writable.post<Result>("/search", { query: QUERY, top_k: 1, rerank: "false" });
      assert.deepEqual([without.json.reranked, without.json.hits[0]?.id], [0, "shark"]);
      const one = await writable.send("DELETE", "/documents", JSON.stringify({ ids: ["shark", "unknown"] }));
      assert.deepEqual(one.json, { deleted: 1 });
      const filtered = await writable.send("DELETE", "/documents", JSON.stringify({ filter: { id: { in: ["heart", "sport"] } } }));
      assert.deepEqual(filtered.json, { deleted: 2 });
      const { hits } = (await writable.post<Result>("/search", { query: "bread and teeth" })).json;
      assert.deepEqual(hits.map(({ id }) => id).sort(), ["bread", "sugar"]);
    } finally {
      await writable.close();
    }
    const collection = await Collection.open(path.join(folder, "new"), { readOnly: true });
    assert.equal(await collection.count(), 2);
    await collection.close();
  });

  it("encodes new documents with the priority that a request names", async () => {
    const observed = await SparseEncoder.load("splade-tiny");
    const seen: unknown[] = [];
    const encode = observed.encodeDocument.bind(observed) as (texts: readonly string[], options?: EncodeOptions) => Promise<SparseMatrix>;
    observed.encodeDocument = ((texts: readonly string[], options?: EncodeOptions) => {
      seen.push(options?.priority);
      return encode(texts, options);
    }) as SparseEncoder["encodeDocument"];
    const writable = await Client.start({ models: [observed], index: path.join(folder, "priorities"), writable: true });
    try {
      const put = (more: object): Promise<Answer> =>
        writable.send("PUT", "/documents", JSON.stringify({ documents: [{ id: "a", text: "Sharks" }], ...more }));
      assert.equal((await put({})).status, 200);
      assert.equal((await put({ priority: "HIGH" })).status, 200);
      assert.equal((await put({ priority: "urgent" })).status, 422);
      assert.deepEqual(seen, [undefined, "high"]);
    } finally {
      await writable.close();
      await observed.close();
    }
  });

  it("sees what another process writes", async () => {
    const shared = path.join(folder, "shared");
    const writer = await Collection.open(shared, { encoder });
    await writer.upsert([{ id: "a", text: "Sharks" }]);
    const reader = await Client.start({ index: shared });
    try {
      await writer.upsert([{ id: "b", text: "Whales" }]);
      const { json } = await reader.post<Result>("/search", { query: "animals", filter: { ids: ["b"] } });
      assert.deepEqual(
        json.hits.map(({ id }) => id),
        ["b"],
      );
    } finally {
      await reader.close();
      await writer.close();
    }
  });

  it("may be words alone, or an index of SparseIndex", async () => {
    const words = await Collection.open(path.join(folder, "words"), { lexical: true });
    await words.upsert([{ id: "a", text: "Sharks are fish" }]);
    await words.close();
    const index = await SparseIndex.open(path.join(folder, "index"), { encoder });
    await index.add(["a"], await encoder.encodeDocument(["Sharks are fish"]));
    await index.close();
    for (const [name, mode, refused] of [
      ["words", "lexical", "sparse"],
      ["index", "sparse", "lexical"],
    ] as const) {
      const server = await Client.start({ index: path.join(folder, name) });
      try {
        for (const body of [{ query: "sharks" }, { query: "sharks", mode }]) {
          const { status, json } = await server.post<Result>("/search", body);
          assert.deepEqual([status, json.hits.map(({ id }) => id)], [200, ["a"]], name);
        }
        const { status, json } = await server.post<{ error_type: string }>("/search", { query: "sharks", mode: refused });
        assert.deepEqual([status, json.error_type], [422, "validation"]);
      } finally {
        await server.close();
      }
    }
  });

  it("refuses bad requests with the collection's own words", async () => {
    for (const [body, message] of [
      [{}, /Either query or queries/],
      [{ query: "a", queries: ["b"] }, /Either query or queries/],
      [{ query: "a", top_k: 0 }, /top_k must be an integer of at least 1/],
      [{ query: "a", filter: { number: { like: 1 } } }, /filter/],
      [{ query: "a", filter: "x" }, /filter must be a filter object/],
      [{ query: "a", rerank: "yes" }, /rerank/],
      [{ query: "a", mode: "dense" }, /mode must be one of hybrid, sparse, lexical/],
    ] as const) {
      const { status, json } = await client.post<{ error: string; error_type: string }>("/search", body);
      assert.deepEqual([status, json.error_type], [422, "validation"]);
      assert.match(json.error, message);
    }
    assert.deepEqual((await client.post("/search", { queries: [] })).status, 400);
  });

  it("must be there, and be made with a served model", async () => {
    await assert.rejects(Client.start({ index: path.join(folder, "missing") }), { code: "ERR_FILE_NOT_FOUND" });
    await assert.rejects(Client.start({ index: path.join(folder, "made"), models: [RERANKER] }), { code: "ERR_MODEL_MISMATCH" });
  });
});
