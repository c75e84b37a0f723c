import assert from "node:assert/strict";

import { SparseEncoder } from "sparse-rerank";

import { spladeTiny } from "./children";

const texts = Array.from({ length: 500 }, (_, i) => `text ${String(i)} `.repeat(1 + (i % 50)));

describe("dispose and abort", () => {
  it("dispose() rejects queued calls; earlier results stay valid", async () => {
    const encoder = await SparseEncoder.load(spladeTiny);
    const before = await encoder.encodeDocument(["kept"]);
    const copy = Float32Array.from(before.values);
    const pending = encoder.encodeDocument(texts);
    encoder.dispose();
    encoder.dispose();
    await assert.rejects(pending, { name: "SparseRerankError", code: "ERR_DISPOSED" });
    await assert.rejects(encoder.encodeDocument(["x"]), { code: "ERR_DISPOSED" });
    assert.throws(() => encoder.decode(before), { code: "ERR_DISPOSED" });
    await assert.rejects(encoder.encodeDocumentStream(["x"]).next(), { code: "ERR_DISPOSED" });
    assert.deepEqual(before.values, copy);
    await encoder.close();
  });

  it("does not affect a second model of the same folder", async () => {
    const [first, second] = await Promise.all([SparseEncoder.load(spladeTiny), SparseEncoder.load(spladeTiny)]);
    const pending = second.encodeDocument(texts);
    first.dispose();
    assert.equal((await pending).rows, texts.length);
    await second.close();
  });

  it("an AbortSignal stops a call before, during and in a stream, and nothing else", async () => {
    const encoder = await SparseEncoder.load(spladeTiny);
    const reason = new Error("the user left");
    const aborted = { name: "AbortError", code: "ERR_ABORTED", cause: reason };
    await assert.rejects(encoder.encodeDocument(texts, { signal: AbortSignal.abort(reason) }), aborted);
    for (const moment of [0, 2, 10, 30]) {
      const controller = new AbortController();
      const pending = encoder.encodeDocument([...texts, ...texts, ...texts, ...texts], { signal: controller.signal });
      setTimeout(() => {
        controller.abort(reason);
      }, moment);
      await assert.rejects(pending, aborted);
    }
    const controller = new AbortController();
    const seen: number[] = [];
    await assert.rejects(async () => {
      for await (const block of encoder.encodeDocumentStream(texts, { batchSize: 10, signal: controller.signal })) {
        seen.push(block.rows);
        if (seen.length === 3) controller.abort(reason);
      }
    }, aborted);
    assert.deepEqual(seen, [10, 10, 10]);
    await assert.rejects(SparseEncoder.load(spladeTiny, { signal: AbortSignal.abort(reason) }), aborted);
    assert.equal((await encoder.encodeDocument(texts)).rows, texts.length);
    await encoder.close();
  });

  it("a stream that is left early ends its work", async () => {
    const encoder = await SparseEncoder.load(spladeTiny);
    let pulled = 0;
    function* endless(): Generator<string> {
      for (;;) yield `text ${String(pulled++)}`;
    }
    for await (const block of encoder.encodeDocumentStream(endless(), { batchSize: 4 })) {
      assert.equal(block.rows, 4);
      break;
    }
    // Back-pressure: only a few chunks are read ahead.
    assert.ok(pulled <= 4 * 5, `${String(pulled)} texts were pulled`);
    await encoder.close();
  });
});
