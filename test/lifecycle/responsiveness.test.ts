import assert from "node:assert/strict";
import { monitorEventLoopDelay } from "node:perf_hooks";

import { SparseEncoder } from "sparse-rerank";

import { spladeTiny } from "./children";

describe("the event loop", function () {
  this.timeout(120_000);
  let encoder: SparseEncoder;

  before(async () => {
    encoder = await SparseEncoder.load(spladeTiny);
  });
  after(() => encoder.close());

  it("stays free while 1,000 documents and one string of 10 MB are encoded", async () => {
    const documents = Array.from({ length: 1000 }, (_, i) =>
      `Document ${String(i)} says something about event loops. `.repeat(1 + (i % 10)),
    );
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    const [matrix, long] = await Promise.all([
      encoder.encodeDocument(documents),
      encoder.encodeDocument(["many different words and numbers 12345 ".repeat(260_000)]),
    ]);
    delay.disable();
    const p99 = delay.percentile(99) / 1e6;
    console.log(
      `      event-loop delay: p50 ${(delay.percentile(50) / 1e6).toFixed(1)}, p99 ${p99.toFixed(1)}, max ${(delay.max / 1e6).toFixed(1)} ms`,
    );
    assert.equal(matrix.rows, 1000);
    assert.deepEqual([...long.truncated], [0]);
    assert.ok(p99 < 250, `p99 is ${p99.toFixed(1)} ms`);
  });

  it("answers a query while a large batch runs", async () => {
    const controller = new AbortController();
    const texts = Array.from({ length: 20_000 }, () => "a text of many words that repeat ".repeat(30));
    const batch = encoder.encodeDocument(texts, { signal: controller.signal });
    let batchDone = false;
    batch.catch(() => undefined).finally(() => (batchDone = true));
    await new Promise((resolve) => setTimeout(resolve, 50));
    for (let i = 0; i < 5; i++) await encoder.encodeQuery("a short query");
    assert.equal(batchDone, false);
    controller.abort();
    await assert.rejects(batch, { code: "ERR_ABORTED" });
  });
});
