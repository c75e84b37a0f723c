/** The page's files, who may see them, and the routes that it alone needs. */

import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { gzipSync } from "node:zlib";

import { fastify } from "fastify";

import { Collection, SparseEncoder } from "../../../dist";
import { serverPlugin } from "../../../dist/server";
import { judgedQueries, readJudgments } from "../../../page/judgments";
import { JUDGMENTS } from "../../../page/samples";
import { DOCUMENTS } from "../../support/retrieval-support";
import { Client, RERANKER } from "../../support/server";

interface Info {
  readonly needs_key: boolean;
  readonly models: readonly { readonly name: string; readonly dtype?: string }[];
  readonly search: {
    readonly path: string;
    readonly is_sample: boolean;
    readonly modes: readonly string[];
    readonly model?: string;
    readonly reranker?: string;
    readonly documents?: number;
  };
}

interface Found {
  readonly hits: readonly { readonly id: string; readonly scores: Readonly<Record<string, number>> }[];
}

describe("the server's page", () => {
  it("is one document, a program and a style, with a policy that allows nothing else", async () => {
    const client = await Client.start();
    try {
      const { status, headers, text } = await client.get("/");
      assert.equal(status, 200);
      assert.equal(headers.get("content-type"), "text/html; charset=utf-8");
      const policy = headers.get("content-security-policy") ?? "";
      assert.match(policy, /default-src 'none'/);
      assert.doesNotMatch(policy, /unsafe|http|\*/);
      assert.doesNotMatch(text, /<script>|<style|style=|https?:/);
      let size = gzipSync(text).length;
      for (const [, name = ""] of text.matchAll(/(?:href|src)="(page\/[^"]+)"/g)) {
        const part = await client.get(`/${name}`);
        assert.equal(part.status, 200, name);
        assert.match(part.headers.get("content-type") ?? "", name.endsWith(".js") ? /javascript/ : /css/);
        assert.equal(part.headers.get("x-content-type-options"), "nosniff");
        size += gzipSync(part.text).length;
      }
      assert.ok(size > 10_000 && size <= 150_000, `${String(size)} bytes`);
    } finally {
      await client.close();
    }
  });

  it("needs the key, which browsers ask for and send as a password", async () => {
    const client = await Client.start({ apiKey: ["key:with-colon", "other"] });
    try {
      const basic = (pair: string): Record<string, string> => ({ authorization: `Basic ${Buffer.from(pair).toString("base64")}` });
      for (const route of ["/", "/page/app.js", "/page/style.css"]) {
        const refused = await client.get(route);
        assert.equal(refused.status, 401, route);
        assert.match(refused.headers.get("www-authenticate") ?? "", /^Basic realm=/);
        assert.doesNotMatch(refused.text, /<html|function/);
        for (const pair of [":key:with-colon", "anyone:other"]) assert.equal((await client.get(route, basic(pair))).status, 200, pair);
        for (const pair of ["", ":", "other", "other:", ":othe", "key:with-colon"]) {
          assert.equal((await client.get(route, basic(pair))).status, 401, pair);
        }
      }
      assert.equal((await client.post("/sample/search", { query: "a" })).status, 401);
      assert.equal((await client.post("/explain", { query: "a" }, basic(":other"))).status, 200);
      assert.equal((await client.post("/explain", { query: "a" }, { ...basic(":other"), origin: "https://evil.example" })).status, 403);
      assert.equal((await client.get<Info>("/info", basic(":other"))).json.needs_key, true);
    } finally {
      await client.close();
    }
  });

  it("finds its parts below the prefix of a plugin, with and without a slash at its end", async () => {
    const app = fastify({ pluginTimeout: 0 });
    await app.register(serverPlugin(), { prefix: "/tools/models" });
    try {
      for (const url of ["/tools/models", "/tools/models/", "/tools/models?a=/"]) {
        const { body } = await app.inject({ url, headers: { host: "localhost" } });
        const base = /<base href="([^"]*)"/.exec(body)?.[1] ?? "";
        const script = /<script src="([^"]+)"/.exec(body)?.[1] ?? "";
        const address = new URL(script, new URL(base, `http://localhost${url}`)).pathname;
        assert.equal(address, "/tools/models/page/app.js", url);
        assert.equal((await app.inject({ url: address, headers: { host: "localhost" } })).statusCode, 200);
      }
    } finally {
      await app.close();
    }
  });

  it("searches this package's documentation where there is no collection", async () => {
    const client = await Client.start({ models: ["splade-tiny", RERANKER] });
    try {
      const { search, models } = (await client.get<Info>("/info")).json;
      const reranker = path.basename(RERANKER);
      assert.deepEqual(search, {
        path: "sample/search",
        is_sample: true,
        modes: ["hybrid", "sparse", "lexical"],
        model: "splade-tiny",
        reranker,
      });
      assert.deepEqual(
        models.map(({ dtype }) => dtype),
        ["fp32", undefined],
      );
      const { json } = await client.post<Found>("/sample/search", { query: "how do I cancel a request?", top_k: 3, rerank: 5 });
      assert.equal(json.hits.length, 3);
      for (const { id, scores } of json.hits) {
        assert.match(id, /^docs\/[\w-]+\.md#[\w-]+$/);
        assert.ok(["sparse", "lexical", "fused", "reranker"].some((stage) => stage in scores));
      }
      assert.equal((await client.post("/search", { query: "a" })).status, 404);
      const judgments = readJudgments(JUDGMENTS);
      const ids = [...judgments.values()].flatMap((grades) => [...grades.keys()]);
      const all = await client.post<Found[]>("/sample/search", { queries: judgedQueries(judgments), top_k: 100, rerank: false });
      const known = new Set(all.json.flatMap(({ hits }) => hits.map(({ id }) => id)));
      assert.deepEqual(
        ids.filter((id) => !known.has(id)),
        [],
      );
    } finally {
      await client.close();
    }
  });

  it("says how a collection can be searched, and does not offer the sample beside it", async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "sparse-rerank-page-"));
    const encoder = await SparseEncoder.load("splade-tiny");
    try {
      for (const [name, options, modes] of [
        ["sparse", { encoder }, ["sparse"]],
        ["lexical", { lexical: true }, ["lexical"]],
        ["both", { encoder, lexical: true }, ["hybrid", "sparse", "lexical"]],
      ] as const) {
        const index = path.join(folder, name);
        const collection = await Collection.open(index, options);
        await collection.upsert([...DOCUMENTS].map(([id, text]) => ({ id, text })));
        await collection.close();
        const client = await Client.start({ index });
        try {
          const { search } = (await client.get<Info>("/info")).json;
          assert.deepEqual([search.path, search.is_sample, search.modes], ["search", false, modes]);
          assert.equal(search.documents, DOCUMENTS.size);
          for (const mode of modes) assert.equal((await client.post("/search", { query: "fish", mode })).status, 200);
          assert.equal((await client.post("/sample/search", { query: "fish" })).status, 404);
        } finally {
          await client.close();
        }
      }
    } finally {
      await encoder.close();
      fs.rmSync(folder, { recursive: true, force: true });
    }
  });

  it("closes while the sample is encoded", async () => {
    const client = await Client.start();
    await client.get("/");
    const asked = client.post("/sample/search", { query: "a" }).catch(() => undefined);
    await client.close();
    await asked;
  });
});
