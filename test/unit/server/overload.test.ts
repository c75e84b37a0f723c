/** Limits of requests and of time, and the end of a server. */

import assert from "node:assert/strict";
import http from "node:http";

import { SparseEncoder } from "../../../dist";
import { Client, HeldModel } from "../../support/server";

const BODY = { inputs: ["a"] };

describe("an overloaded or ending server", () => {
  it("refuses requests beyond its limit at once, in each contract's shape", async () => {
    const held = new HeldModel();
    const client = await Client.start({ models: [held.asEncoder], maxConcurrentRequests: 2 });
    try {
      const running = [client.post("/embed_sparse", BODY), client.post("/embed_sparse", BODY)];
      await held.untilStarted(2);
      for (const [route, field] of [
        ["/embed_sparse", "error"],
        ["/v1/rerank", "message"],
        ["/score", "error"],
      ] as const) {
        const { status, json, headers } = await client.post<Record<string, unknown>>(route, BODY);
        assert.equal(status, 429);
        assert.ok(json[field] !== undefined);
        assert.equal(headers.get("retry-after"), "1");
      }
      assert.equal((await client.get("/health")).status, 200);
      assert.match((await client.get("/metrics")).text, /^te_queue_size 2$/m);
      held.release();
      assert.deepEqual(
        (await Promise.all(running)).map(({ status }) => status),
        [200, 200],
      );
      const later = client.post("/embed_sparse", BODY);
      await held.untilStarted(3);
      held.release();
      assert.equal((await later).status, 200);
    } finally {
      await client.close();
    }
  });

  it("refuses requests before it has read their body", async () => {
    const held = new HeldModel();
    const client = await Client.start({ models: [held.asEncoder], maxConcurrentRequests: 1 });
    try {
      const running = client.post("/embed_sparse", BODY);
      await held.untilStarted(1);
      const headers = { "content-type": "application/json", "content-length": "1000000" };
      const request = http.request({ host: "127.0.0.1", port: client.port, path: "/embed_sparse", method: "POST", headers });
      request.on("error", () => {});
      request.write("{");
      const status = await new Promise((resolve) =>
        request.once("response", ({ statusCode }) => {
          resolve(statusCode);
        }),
      );
      assert.equal(status, 429);
      request.destroy();
      held.release();
      await running;
    } finally {
      await client.close();
    }
  });

  it("ends requests that take too long, and stops their work", async () => {
    const held = new HeldModel();
    const client = await Client.start({ models: [held.asEncoder], requestTimeout: 100 });
    try {
      const { status, json, headers } = await client.post<{ error: string; error_type: string }>("/embed_sparse", BODY);
      assert.deepEqual([status, json.error_type], [503, "overloaded"]);
      assert.match(json.error, /100 ms/);
      assert.equal(headers.get("retry-after"), "1");
      assert.equal(held.aborted, 1);
    } finally {
      await client.close();
    }
  });

  it("ends requests whose work takes no signal, and counts it until it has ended", async () => {
    const held = new HeldModel();
    const encode = (texts: readonly string[]): Promise<unknown> => held.encodeQuery(texts);
    const client = await Client.start({
      models: [Object.assign(held, { encode }).asEncoder],
      requestTimeout: 100,
      maxConcurrentRequests: 1,
    });
    try {
      assert.equal((await client.post("/embed_sparse", BODY)).status, 503);
      assert.equal((await client.post("/embed_sparse", BODY)).status, 429);
      held.release();
      await new Promise((resolve) => setTimeout(resolve, 20));
      assert.match((await client.get("/metrics")).text, /^te_queue_size 0$/m);
      // Bodies that are refused leave nothing behind.
      for (const body of ["null", "{}"]) assert.equal((await client.post("/rerank", body)).status, 422);
      assert.match((await client.get("/metrics")).text, /^te_queue_size 0$/m);
    } finally {
      await client.close();
    }
  });

  it("answers a failing model without its message", async () => {
    const held = Object.assign(new HeldModel(), { encode: () => Promise.reject(new Error("secret path /etc/x")) });
    const client = await Client.start({ models: [held.asEncoder] });
    try {
      const { status, json } = await client.post("/embed_sparse", BODY);
      assert.deepEqual([status, json], [500, { error: "Internal error.", error_type: "internal" }]);
      const encoder = await SparseEncoder.load("splade-tiny");
      const closed = await Client.start({ models: [encoder] });
      await encoder.close();
      const answer = await closed.post<{ error_type: string }>("/embed_sparse", BODY);
      assert.deepEqual([answer.status, answer.json.error_type], [503, "unhealthy"]);
      await closed.close();
    } finally {
      await client.close();
    }
  });

  it("finishes requests in progress when it closes, and accepts no others", async () => {
    const held = new HeldModel();
    const client = await Client.start({ models: [held.asEncoder] });
    const running = client.post("/embed_sparse", BODY);
    await held.untilStarted(1);
    const closing = client.server.close({ graceMs: 60_000 });
    assert.equal(client.server.close(), closing);
    await assert.rejects(client.post("/embed_sparse", BODY), { name: "TypeError" });
    let isClosed = false;
    void closing.then(() => (isClosed = true));
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(isClosed, false);
    held.release();
    assert.equal((await running).status, 200);
    await closing;
  });

  it("ends requests in progress when the grace period is over", async () => {
    const held = new HeldModel();
    const client = await Client.start({ models: [held.asEncoder] });
    const running = client.post<{ error_type: string }>("/embed_sparse", BODY);
    await held.untilStarted(1);
    await client.server.close({ graceMs: 50 });
    const { status, json } = await running;
    assert.deepEqual([status, json.error_type], [503, "unhealthy"]);
    assert.equal(held.aborted, 1);
  });

  it("closes the models that it loaded, and no others", async () => {
    const mine = await SparseEncoder.load("splade-tiny");
    const client = await Client.start({ models: [mine, { model: "splade-tiny", name: "own" }] });
    assert.equal((await client.post("/embed_sparse", { ...BODY, model: "own" })).status, 200);
    await client.close();
    assert.ok((await mine.encode("a")).indices.length > 0);
    await mine.close();
  });

  it("works on many requests at once, and on each by itself", async () => {
    const client = await Client.start();
    const encoder = await SparseEncoder.load("splade-tiny");
    try {
      const texts = Array.from({ length: 40 }, (_, i) => `text number ${String(i)} about the heart`);
      const answers = await Promise.all(texts.map((inputs) => client.post<{ index: number }[][]>("/embed_sparse", { inputs })));
      const expected = await encoder.encode(texts);
      answers.forEach(({ json }, i) => {
        assert.deepEqual(
          json[0]?.map(({ index }) => index),
          [...expected.row(i).indices],
        );
      });
    } finally {
      await client.close();
      await encoder.close();
    }
  });
});
