/** Who may call the server: keys, names, origins. */

import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";

import { serve } from "../../../dist/server";
import { Client } from "../../support/server";

/** fetch() does not let a program choose its Host and Origin. */
async function request(
  client: Client,
  headers: http.OutgoingHttpHeaders,
  options: http.RequestOptions = {},
): Promise<http.IncomingMessage> {
  const sent = http.request({ host: "127.0.0.1", port: client.port, path: "/info", headers, agent: false, ...options });
  sent.end();
  const [response] = (await once(sent, "response")) as [http.IncomingMessage];
  response.resume();
  return response;
}

describe("the server's security", () => {
  it("accepts only its keys, except for health and metrics", async () => {
    const client = await Client.start({ apiKey: ["first-key", "second-key"] });
    try {
      const call = (authorization?: string) =>
        client.post<{ error: string; error_type: string }>(
          "/embed_sparse",
          { inputs: "a" },
          authorization === undefined ? {} : { authorization },
        );
      for (const key of ["Bearer first-key", "bearer second-key"]) assert.equal((await call(key)).status, 200);
      for (const key of [
        undefined,
        "",
        "first-key",
        "Bearer",
        "Bearer ",
        "Bearer first-ke",
        "Bearer first-key2",
        "Basic first-key",
        "Bearer FIRST-KEY",
      ]) {
        const { status, json, headers } = await call(key);
        assert.deepEqual([status, json.error_type], [401, "unauthorized"], key);
        assert.equal(headers.get("www-authenticate"), "Bearer");
        assert.doesNotMatch(json.error, /first/);
      }
      for (const route of ["/info", "/", "/docs", "/api-doc/openapi.json", "/v1/models"])
        assert.equal((await client.get(route)).status, 401, route);
      for (const route of ["/health", "/ping", "/metrics"]) assert.equal((await client.get(route)).status, 200, route);
      const cohere = await client.post<{ message: string }>("/v2/rerank", { query: "a", documents: ["b"] });
      assert.equal(cohere.status, 401);
      assert.equal(typeof cohere.json.message, "string");
    } finally {
      await client.close();
    }
  });

  it("refuses foreign names and origins (DNS rebinding)", async () => {
    const client = await Client.start();
    try {
      const own = `127.0.0.1:${String(client.port)}`;
      for (const host of [own, "127.0.0.1", "localhost", `LOCALHOST:${String(client.port)}`, "[::1]:80", "10.1.2.3"]) {
        assert.equal((await request(client, { host })).statusCode, 200, host);
      }
      for (const host of ["evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.evil.example", "intranet"]) {
        assert.equal((await request(client, { host })).statusCode, 403, host);
      }
      for (const host of ["a b", "a@b", "[::1", "a:b"]) assert.equal((await request(client, { host })).statusCode, 400, host);
      assert.equal((await request(client, { host: own, origin: `http://${own}` })).statusCode, 200);
      for (const origin of ["https://evil.example", "null", `http://127.0.0.1:1`, "x"]) {
        assert.equal((await request(client, { host: own, origin })).statusCode, 403, origin);
      }
    } finally {
      await client.close();
    }
  });

  it("accepts the names that it is told, and any name with a key", async () => {
    for (const [options, headers, accepted, refused] of [
      [{ allowedHosts: ["search.example"] }, {}, ["search.example", "Search.Example:80"], ["other.example"]],
      [{ allowedHosts: ["*"] }, {}, ["anything.example"], []],
      [{ host: "0.0.0.0" }, {}, ["reranker", "reranker:8080"], ["evil.example"]],
      [{ apiKey: "k" }, { authorization: "Bearer k" }, ["anything.example"], []],
    ] as const) {
      const client = await Client.start(options);
      try {
        for (const host of accepted) assert.equal((await request(client, { ...headers, host })).statusCode, 200, host);
        for (const host of refused) assert.equal((await request(client, { ...headers, host })).statusCode, 403, host);
      } finally {
        await client.close();
      }
    }
  });

  it("lets pages of chosen origins read answers", async () => {
    for (const [cors, origin, allowed] of [
      [["https://app.example"], "https://app.example", "https://app.example"],
      [true, "https://any.example", "*"],
    ] as const) {
      const client = await Client.start({ cors, apiKey: "k" });
      try {
        const host = `127.0.0.1:${String(client.port)}`;
        const preflight = { host, origin, "access-control-request-method": "POST", "access-control-request-headers": "authorization" };
        const asked = await request(client, preflight, { method: "OPTIONS", path: "/rerank" });
        assert.equal(asked.statusCode, 204);
        assert.equal(asked.headers["access-control-allow-origin"], allowed);
        const answered = await request(client, { host, origin, authorization: "Bearer k" });
        assert.deepEqual([answered.statusCode, answered.headers["access-control-allow-origin"]], [200, allowed]);
      } finally {
        await client.close();
      }
    }
    const listed = await Client.start({ cors: ["https://app.example"] });
    try {
      assert.equal((await request(listed, { origin: "https://evil.example" })).statusCode, 403);
    } finally {
      await listed.close();
    }
  });

  it("does not start if anyone on the network could change the collection", async () => {
    for (const host of ["0.0.0.0", "::", "192.168.1.2", "my-machine"]) {
      await assert.rejects(
        serve({ host, port: 0, index: "no-such-folder", writable: true }),
        (error: { code: string; message: string }) => {
          assert.equal(error.code, "ERR_INVALID_ARGUMENT");
          assert.match(error.message, /apiKey/);
          return true;
        },
      );
    }
  });
});
