/** Options of serve(), and what cannot be served. */

import assert from "node:assert/strict";
import net from "node:net";

import { CrossEncoder } from "../../../dist";
import { serve } from "../../../dist/server";
import { Client, RERANKER } from "../../support/server";

describe("serve()", () => {
  it("refuses wrong options by name, before it loads a model", async () => {
    for (const [options, message] of [
      [null, /options must be an object/],
      [{ prt: 1 }, /"prt" \(did you mean "port"\?\)/],
      [{ host: "" }, /host/],
      [{ port: -1 }, /port/],
      [{ port: 65_536 }, /port/],
      [{ port: "80" }, /port/],
      [{ models: [] }, /models must be a list of models/],
      [{ models: "splade-tiny" }, /models must be a list/],
      [{ models: [1] }, /models\[0\]/],
      [{ models: [{ name: "a" }] }, /models\[0\]\.model/],
      [{ models: [{ model: "a", nam: "b" }] }, /models\[0\] has an unknown property "nam"/],
      [{ models: [{ model: "a", dtype: "fp8" }] }, /dtype/],
      [{ device: "gpu" }, /device/],
      [{ strictModels: 1 }, /strictModels/],
      [{ index: "" }, /index/],
      [{ writable: true }, /writable needs index/],
      [{ apiKey: "" }, /apiKey/],
      [{ apiKey: [] }, /apiKey/],
      [{ apiKey: "two words" }, /apiKey/],
      [{ maxConcurrentRequests: 0 }, /maxConcurrentRequests/],
      [{ maxBatchTokens: 1.5 }, /maxBatchTokens/],
      [{ maxClientBatchSize: "2" }, /maxClientBatchSize/],
      [{ payloadLimit: Infinity }, /payloadLimit/],
      [{ requestTimeout: 0 }, /requestTimeout/],
      [{ score: "softmax" }, /score/],
      [{ cors: "https://a.example" }, /cors/],
      [{ cors: ["https://a.example/path"] }, /cors/],
      [{ allowedHosts: "a" }, /allowedHosts/],
      [{ grace: -1 }, /grace/],
      [{ logLevel: "verbose" }, /logLevel/],
    ] as const) {
      await assert.rejects(serve(options as object), (error: { code: string; message: string }) => {
        assert.equal(error.code, "ERR_INVALID_ARGUMENT", error.message);
        assert.match(error.message, message);
        return true;
      });
    }
  });

  it("says which address it cannot listen on", async () => {
    const taken = net.createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => taken.once("listening", resolve));
    const { port } = taken.address() as net.AddressInfo;
    await assert.rejects(serve({ port }), {
      code: "ERR_INVALID_ARGUMENT",
      message: new RegExp(`127\\.0\\.0\\.1:${String(port)}: another program`),
    });
    await assert.rejects(serve({ port: 0, host: "no-such-name.invalid" }), { code: "ERR_INVALID_ARGUMENT" });
    taken.close();
  });

  it("recognizes the kind of a model, and names it", async () => {
    const loaded = await CrossEncoder.load(RERANKER);
    const client = await Client.start({ models: [loaded, RERANKER, { model: "splade-tiny", name: "sparse", maxSeqLength: 16 }] });
    try {
      assert.deepEqual(client.server.models, [
        { name: "cross-encoder", kind: "cross-encoder" },
        { name: "ce-bert-minilm", kind: "cross-encoder" },
        { name: "sparse", kind: "encoder" },
      ]);
      const { json } = await client.get<{ models: { max_input_length: number }[] }>("/info");
      assert.equal(json.models[2]?.max_input_length, 16);
    } finally {
      await client.close();
      await loaded.close();
    }
  });

  it("does not serve two models under one name, or a model that is not there", async () => {
    await assert.rejects(serve({ port: 0, models: ["splade-tiny", "splade-tiny"] }), {
      code: "ERR_INVALID_ARGUMENT",
      message: /Two models are named splade-tiny/,
    });
    await assert.rejects(serve({ port: 0, models: ["splade-tiny", "./no-such-folder"] }), { code: "ERR_MODEL_NOT_FOUND" });
  });

  it("cuts large requests up by tokens", async () => {
    const client = await Client.start({ maxBatchTokens: 1 });
    const whole = await Client.start();
    try {
      const body = { inputs: Array.from({ length: 10 }, (_, i) => `text ${String(i)}`) };
      assert.equal((await client.post("/embed_sparse", body)).text, (await whole.post("/embed_sparse", body)).text);
    } finally {
      await client.close();
      await whole.close();
    }
  });
});
