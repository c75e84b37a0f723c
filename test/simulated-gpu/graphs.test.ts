/** cuda.graphs on a simulated GPU, which rejects what CUDA forbids during capture. */

import assert from "node:assert/strict";

import { folderOf } from "../golden/golden";
import { spladeTiny } from "../lifecycle/children";

import { useGpu } from "./use-gpu";

const model = JSON.stringify(spladeTiny);

describe("CUDA graphs on a simulated GPU", () => {
  const run = useGpu();

  it("are captured for the second text of a length, and then replayed without a kernel launch", async () => {
    const { trace } = await run(
      `main(async () => {
        const encoder = await SparseEncoder.load(${model}, { device: "cuda", cuda: { graphs: true } });
        // Each has 8 tokens, including padding.
        for (const text of ["what is a vector", "two words", "three more words", "one"]) {
          mark(text);
          await encoder.encodeQuery(text);
        }
        mark("all together");
        await encoder.encodeDocument(["a text", "and another one"]);
        mark("closed");
        await encoder.close();
        return true;
      })`,
    );
    assert.deepEqual(trace.faults, []);
    assert.ok(trace.after("what is a vector").kernels.length > 20);
    assert.equal(trace.after("two words").all("replay").length, 1);
    for (const text of ["three more words", "one"]) {
      const replayed = trace.after(text);
      assert.deepEqual([replayed.kernels, replayed.all("replay").length], [[], 1], text);
    }
    assert.equal(trace.after("all together").all("replay").length, 0);
    assert.ok(trace.after("all together").kernels.length > 20);
    assert.equal(trace.used, 0);
  });

  it("serialize concurrent calls", async () => {
    const { result, trace } = await run(
      `main(async () => {
        // No call is merged with another.
        const cuda = { graphs: true, maxBatchTokens: 1 };
        const encoder = await CrossEncoder.load(${JSON.stringify(folderOf("ce-bert-msmarco"))}, { device: "cuda", cuda });
        const pairs = Array.from({ length: 40 }, (_, i) => [["query", "passage ".repeat(1 + (i % 7))]]);
        const scores = await Promise.all(pairs.map((pair) => encoder.predict(pair)));
        await encoder.close();
        return scores.map(({ rows, cols }) => [rows, cols]);
      })`,
    );
    assert.deepEqual(result, Array(40).fill([1, 1]));
    assert.deepEqual(trace.faults, []);
    assert.ok(trace.all("replay").length > 20);
    assert.equal(trace.used, 0);
  });

  for (const name of ["splade-modernbert", "ce-deberta-v3-nli"]) {
    it(`are refused for ${name}`, async () => {
      const kind = name.startsWith("ce") ? "CrossEncoder" : "SparseEncoder";
      const { result } = await run(
        `main(() => ${kind}.load(${JSON.stringify(folderOf(name))}, { device: "cuda", cuda: { graphs: true } }).catch(({ code, message }) => ({ code, message })))`,
      );
      const { code, message } = result as { readonly code: string; readonly message: string };
      assert.equal(code, "ERR_NOT_SUPPORTED", message);
      assert.match(message, /without cuda\.graphs/);
    });
  }
});
