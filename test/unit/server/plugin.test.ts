/** The routes in another Fastify application, the page and the API's description. */

import assert from "node:assert/strict";

import { fastify } from "fastify";

import { serverPlugin } from "../../../dist/server";
import { Client, HeldModel, RERANKER } from "../../support/server";

interface OpenApi {
  readonly openapi: string;
  readonly paths: Readonly<
    Record<string, Readonly<Record<string, { readonly summary?: string; readonly requestBody?: object; readonly responses: object }>>>
  >;
}

describe("the routes of the server", () => {
  it("mount into an application with a prefix, and leave its own routes alone", async () => {
    const app = fastify();
    app.get("/", () => "mine");
    app.post("/echo", (request) => request.body);
    await app.register(serverPlugin({ models: ["splade-tiny"], apiKey: "k" }), { prefix: "/models" });
    try {
      assert.equal((await app.inject("/")).body, "mine");
      const echo = await app.inject({ method: "POST", url: "/echo", payload: { a: 1 } });
      assert.deepEqual(echo.json(), { a: 1 });
      const bad = await app.inject({ method: "POST", url: "/echo", payload: "{", headers: { "content-type": "application/json" } });
      assert.equal(bad.json<{ statusCode: number }>().statusCode, 400);
      const call = (headers: Readonly<Record<string, string>>) =>
        app.inject({ method: "POST", url: "/models/embed_sparse", payload: { inputs: "a" }, headers });
      assert.equal((await call({})).statusCode, 401);
      const answered = await call({ authorization: "Bearer k", host: "public.example" });
      assert.equal(answered.statusCode, 200);
      assert.equal(answered.json<unknown[]>().length, 1);
      const wrong = await app.inject({ method: "GET", url: "/models/rerank", headers: { authorization: "Bearer k" } });
      assert.deepEqual([wrong.statusCode, wrong.headers.allow], [405, "POST"]);
      const api = await app.inject({ url: "/models/api-doc/openapi.json", headers: { authorization: "Bearer k" } });
      assert.ok("/rerank" in api.json<OpenApi>().paths);
      assert.ok(!("/echo" in api.json<OpenApi>().paths));
    } finally {
      await app.close();
    }
  });

  it("close their models with the application", async () => {
    const held = new HeldModel();
    const app = fastify();
    await app.register(serverPlugin({ models: [held.asEncoder] }));
    const url = await app.listen({ port: 0, host: "127.0.0.1" });
    const running = fetch(`${url}/embed_sparse`, {
      method: "POST",
      body: '{"inputs":"a"}',
      headers: { "content-type": "application/json" },
    });
    await held.untilStarted(1);
    const closing = app.close();
    held.release();
    assert.equal((await running).status, 200);
    await closing;
  });

  it("are refused with wrong options before the application starts", async () => {
    assert.throws(() => serverPlugin({ port: 1 } as object), { code: "ERR_INVALID_ARGUMENT" });
    const app = fastify();
    await assert.rejects(async () => app.register(serverPlugin({ models: ["./no-such-model"] })), { code: "ERR_MODEL_NOT_FOUND" });
    await app.close();
  });

  it("are described for OpenAPI, with the bodies that they take", async () => {
    const client = await Client.start({ models: ["splade-tiny", RERANKER] });
    try {
      const { json } = await client.get<OpenApi>("/api-doc/openapi.json");
      assert.equal(json.openapi, "3.1.0");
      for (const [route, methods] of Object.entries(json.paths)) {
        for (const [method, { summary, requestBody, responses }] of Object.entries(methods)) {
          assert.ok(summary !== undefined, `${method} ${route}`);
          assert.ok("200" in responses, `${method} ${route}`);
          if (method === "post") assert.ok(requestBody !== undefined, route);
        }
      }
      const expected = [
        "/",
        "/embed_sparse",
        "/embed_sparse_tokens",
        "/explain",
        "/health",
        "/info",
        "/metrics",
        "/ping",
        "/predict",
        "/rerank",
        "/sample/search",
        "/score",
        "/tokenize",
      ];
      assert.deepEqual(Object.keys(json.paths).sort(), [...expected, "/v1/models", "/v1/rerank", "/v1/score", "/v2/rerank"].sort());
    } finally {
      await client.close();
    }
  });

  it("can be tried on a page that loads nothing from elsewhere", async () => {
    const client = await Client.start();
    try {
      const { status, text } = await client.get("/docs");
      assert.equal(status, 200);
      const sources = [...text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, source = ""]) => source);
      assert.ok(sources.length > 2);
      for (const source of sources) {
        assert.doesNotMatch(source, /^(https?:)?\/\//);
        const { pathname } = new URL(source, `${client.url}/docs/`);
        assert.equal((await client.get(pathname)).status, 200, pathname);
      }
    } finally {
      await client.close();
    }
  });
});
