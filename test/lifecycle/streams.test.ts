/** close() and dispose() of streams: see ManagedResource. */

import assert from "node:assert/strict";

import { SparseEncoder } from "sparse-rerank";

import { isPending, runProgram, spladeTiny } from "./children";

const disposed = { name: "SparseRerankError", code: "ERR_DISPOSED" };
const texts = Array.from({ length: 200 }, (_, i) => `text ${String(i)}`);

describe("close() and dispose(): streams", () => {
  let encoder: SparseEncoder;

  beforeEach(async () => {
    encoder = await SparseEncoder.load(spladeTiny);
  });

  afterEach(() => {
    encoder.dispose();
  });

  const start = (source: Iterable<string> | AsyncIterable<string> = texts): ReturnType<SparseEncoder["encodeDocumentStream"]> =>
    encoder.encodeDocumentStream(source, { batchSize: 10 });

  it("close() waits until a stream has been read to its end, and every block arrives", async () => {
    const stream = start();
    let rows = (await stream.next()).value?.rows ?? 0;
    const closed = encoder.close();
    assert.ok(await isPending(closed));
    await assert.rejects(encoder.encodeDocument("x"), disposed);
    await assert.rejects(start().next(), disposed);
    for await (const block of stream) rows += block.rows;
    assert.equal(rows, texts.length);
    await closed;
  });

  it("close() waits for every one of several streams", async () => {
    const streams = [start(), start(), start()];
    await Promise.all(streams.map((stream) => stream.next()));
    const closed = encoder.close();
    for (const stream of streams) {
      assert.ok(await isPending(closed));
      await stream.return();
    }
    await closed;
  });

  const ends: Readonly<Record<string, (stream: ReturnType<typeof start>) => Promise<unknown>>> = {
    "return()": (stream) => stream.return(),
    "throw()": (stream) => assert.rejects(stream.throw(new Error("enough")), /enough/),
    "a break": async (stream) => {
      for await (const block of stream) {
        assert.ok(block.rows > 0);
        break;
      }
    },
    "Symbol.asyncDispose, where generators have it": (stream) =>
      (Symbol.asyncDispose in stream ? stream[Symbol.asyncDispose]() : (stream as AsyncGenerator).return(undefined)) as Promise<unknown>,
  };
  for (const [how, end] of Object.entries(ends)) {
    it(`${how} ends a stream that close() waits for`, async () => {
      const stream = start();
      await stream.next();
      const closed = encoder.close();
      assert.ok(await isPending(closed));
      await end(stream);
      await closed;
      assert.deepEqual(await stream.next(), { done: true, value: undefined });
    });
  }

  it("an iterator without a next() does not delay close(), and its first next() rejects afterwards", async () => {
    const [first, second] = [start(), start()];
    await encoder.close();
    await assert.rejects(first.next(), disposed);
    assert.deepEqual(await first.next(), { done: true, value: undefined });
    assert.deepEqual(await second.return(), { done: true, value: undefined });
  });

  it("close() resolves after a stream that failed: the source, a text, an option, the signal", async () => {
    await assert.rejects(
      start(
        (function* () {
          yield "x";
          throw new RangeError("the source failed");
        })(),
      ).next(),
      RangeError,
    );
    await assert.rejects(start([1 as never]).next(), { code: "ERR_INVALID_ARGUMENT" });
    await assert.rejects(encoder.encodeDocumentStream(["x"], { batchSize: 0 }).next(), { code: "ERR_INVALID_ARGUMENT" });
    const controller = new AbortController();
    const aborted = encoder.encodeDocumentStream(texts, { batchSize: 10, signal: controller.signal });
    await aborted.next();
    const closed = encoder.close();
    controller.abort();
    await assert.rejects(
      async () => {
        for await (const block of aborted) assert.ok(block);
      },
      { code: "ERR_ABORTED" },
    );
    await closed;
  });

  it("dispose() rejects the running next() and the following one, and ends a waiting close()", async () => {
    const [running, idle] = [start(), start()];
    await idle.next();
    await running.next();
    const pending = running.next();
    const closed = encoder.close();
    encoder.dispose();
    await assert.rejects(idle.next(), disposed);
    assert.deepEqual(await idle.next(), { done: true, value: undefined });
    await assert.rejects(pending, disposed);
    await closed;
  });

  it("a source that never responds delays neither an abort nor dispose()", async () => {
    let isReturned = false;
    const silent = {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise<never>(() => undefined),
        return: () => {
          isReturned = true;
          return Promise.resolve({ done: true as const, value: undefined });
        },
      }),
    };
    const controller = new AbortController();
    const aborted = encoder.encodeDocumentStream(silent, { signal: controller.signal }).next();
    controller.abort();
    await assert.rejects(aborted, { code: "ERR_ABORTED" });
    const pending = start(silent).next();
    const closed = encoder.close();
    assert.ok(await isPending(closed));
    encoder.dispose();
    await assert.rejects(pending, disposed);
    await closed;
    assert.equal(isReturned, false, "a source is not told to return while it answers a next()");
  });

  it("the source of a stream that ends early is returned", async () => {
    let returned = 0;
    const source = function* (): Generator<string> {
      try {
        for (;;) yield "x";
      } finally {
        returned++;
      }
    };
    const left = start(source());
    await left.next();
    await left.return();
    const cut = start(source());
    await cut.next();
    encoder.dispose();
    await assert.rejects(cut.next(), disposed);
    assert.equal(returned, 2);
  });

  it("an abandoned iterator does not delay close() once it is garbage collected", async () => {
    const program = `
      const { SparseEncoder } = require("sparse-rerank");
      (async () => {
        const encoder = await SparseEncoder.load(${JSON.stringify(spladeTiny)});
        await (async () => encoder.encodeDocumentStream(["a", "b", "c", "d", "e"], { batchSize: 1 }).next())();
        let state = "waiting";
        encoder.close().then(() => (state = "closed"));
        await new Promise((resolve) => setTimeout(resolve, 10));
        console.log(state);
        for (let i = 0; i < 200 && state === "waiting"; i++) {
          global.gc();
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
        console.log(state);
      })();`;
    const { code, stdout, stderr } = await runProgram(program, { nodeArguments: ["--expose-gc"] });
    assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: "waiting\nclosed\n", stderr: "" });
  });
});
