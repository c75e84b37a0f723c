/** docs/server.md: the bodies in JSON are answered as documented. */

import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

import { Collection, SparseEncoder } from "../../dist";
import { Client } from "../support/server";

import { blocksOf, pages } from "./pages";

type Body = Readonly<Record<string, unknown>>;

/** JSON blocks of all pages. */
const blocks = pages()
  .flatMap(blocksOf)
  .filter(({ language }) => language === "json");
const bodies = blocks
  .filter(({ page }) => page === "docs/server.md")
  .map(({ text }) => JSON.parse(text) as Body)
  .filter((body) => "query" in body || "inputs" in body);

function routeOf(body: Body): string {
  if ("inputs" in body) return "/embed_sparse";
  return "texts" in body || "documents" in body ? "/rerank" : "/search";
}

describe("the bodies in docs/server.md", () => {
  it("are JSON", () => {
    for (const { text } of blocks) JSON.parse(text);
    assert.deepEqual([...new Set(bodies.map(routeOf))].sort(), ["/embed_sparse", "/rerank", "/search"]);
  });

  it("are answered in the documented shape", async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "sparse-rerank-docs-"));
    const encoder = await SparseEncoder.load("splade-tiny");
    const collection = await Collection.open(path.join(folder, "docs"), { encoder, lexical: true });
    await collection.upsert([{ id: "heart", text: "The heart pumps blood.", metadata: { year: 2021 } }]);
    await collection.close();
    await encoder.close();
    const client = await Client.start({ index: path.join(folder, "docs") });
    try {
      for (const body of bodies) {
        const { status, json } = await client.post<Body>(routeOf(body), body);
        assert.equal(status, 200);
        if ("texts" in body) assert.deepEqual(Object.keys((json as unknown as Body[])[0] ?? {}), ["index", "score", "text"]);
        if ("documents" in body) assert.deepEqual(Object.keys(json), ["id", "object", "model", "usage", "meta", "results"]);
        if (routeOf(body) === "/search") assert.equal((json as { hits?: readonly Body[] }).hits?.[0]?.["id"], "heart");
      }
    } finally {
      await client.close();
      fs.rmSync(folder, { recursive: true, force: true });
    }
  });
});
