import assert from "node:assert/strict";

import { crossEncoder, runProgram, soak, spladeTiny } from "./children";

/** Milliseconds after which a process or thread is ended, so that the end hits loading, tokenizing, computing and settling. */
const MOMENTS = soak ? Array.from({ length: 60 }, (_, i) => i * 7) : [0, 5, 20, 60, 150, 300];

const encodeForever = `
  const { SparseEncoder } = require("sparse-rerank");
  const texts = Array.from({ length: 400 }, (_, i) => "some words about text number " + i + " again and again".repeat(i % 40));
  async function work() {
    for (;;) {
      const encoder = await SparseEncoder.load(${JSON.stringify(spladeTiny)});
      await encoder.encodeDocument(texts);
      await encoder.close();
    }
  }`;

describe("the end of a process", function () {
  this.timeout(soak ? 600_000 : 60_000);

  it("exits with its own code whenever process.exit() is called", async () => {
    for (const moment of MOMENTS) {
      const ended = await runProgram(`${encodeForever}; work(); setTimeout(() => process.exit(7), ${String(moment)});`);
      assert.deepEqual([ended.code, ended.signal, ended.stderr], [7, null, ""], `after ${String(moment)} ms`);
    }
  });

  it("exits by itself once work is done, with a model still loaded", async () => {
    const ended = await runProgram(`
      const { SparseEncoder } = require("sparse-rerank");
      SparseEncoder.load(${JSON.stringify(spladeTiny)}).then((e) => e.encode(["a text".repeat(20000), "b"])).then((m) => console.log(m.rows));`);
    assert.deepEqual([ended.code, ended.stdout, ended.stderr], [0, "2\n", ""]);
  });

  it("does not exit while a call is pending", async () => {
    const ended = await runProgram(`
      const { SparseEncoder } = require("sparse-rerank");
      SparseEncoder.load(${JSON.stringify(spladeTiny)}).then((e) => e.encodeDocument(Array(300).fill("many texts of some words".repeat(8))))
        .then(() => process.stdout.write("done"));`);
    assert.deepEqual([ended.code, ended.stdout], [0, "done"]);
  });

  it("survives an exception in the middle of work", async () => {
    const ended = await runProgram(`${encodeForever}; work(); setTimeout(() => { throw new Error("on purpose"); }, 100);`);
    assert.equal(ended.code, 1);
    assert.match(ended.stderr, /on purpose/);
  });
});

describe("the end of a worker thread", function () {
  this.timeout(soak ? 600_000 : 60_000);

  it("is safe at any moment of a predict", async () => {
    const inWorker = `
      const { CrossEncoder } = require("sparse-rerank");
      const pairs = Array.from({ length: 3000 }, (_, i) => ["a question about " + i, "an answer with some more words ".repeat(1 + (i % 5))]);
      CrossEncoder.load(${JSON.stringify(crossEncoder)}).then(async (e) => { for (;;) await e.predict(pairs); });`;
    const ended = await runProgram(`
      const { Worker } = require("node:worker_threads");
      (async () => {
        for (const moment of ${JSON.stringify(MOMENTS)}) {
          const workers = [1, 2].map(() => new Worker(${JSON.stringify(inWorker)}, { eval: true }));
          workers.forEach((w) => w.on("error", (e) => { console.error(e); process.exit(3); }));
          await new Promise((r) => setTimeout(r, moment + 100));
          await Promise.all(workers.map((w) => w.terminate()));
        }
        console.log("ok");
      })();`);
    assert.deepEqual([ended.code, ended.signal, ended.stdout, ended.stderr], [0, null, "ok\n", ""]);
  });

  it("does not affect other threads' work, with many threads loading and disposing at once", async () => {
    const threads = soak ? 16 : 6;
    const rounds = soak ? 20 : 3;
    const inWorker = `
      const { SparseEncoder } = require("sparse-rerank");
      const { parentPort } = require("node:worker_threads");
      (async () => {
        let sum = 0;
        for (let i = 0; i < ${String(rounds)}; i++) {
          const encoder = await SparseEncoder.load(${JSON.stringify(spladeTiny)});
          const matrix = await encoder.encodeDocument(["one text", "another text about threads", "x".repeat(20000)]);
          sum = matrix.values.reduce((a, b) => a + b, 0);
          if (i % 2) await encoder.close(); else encoder.dispose();
        }
        parentPort.postMessage(sum);
      })();`;
    const ended = await runProgram(`
      const { Worker } = require("node:worker_threads");
      const one = () => new Promise((resolve, reject) => {
        const worker = new Worker(${JSON.stringify(inWorker)}, { eval: true });
        let sum;
        worker.on("message", (m) => (sum = m)); worker.on("error", reject); worker.on("exit", () => resolve(sum));
      });
      Promise.all(Array.from({ length: ${String(threads)} }, one)).then((sums) => console.log(new Set(sums).size, sums[0] > 1));`);
    assert.deepEqual([ended.code, ended.signal, ended.stdout, ended.stderr], [0, null, "1 true\n", ""]);
  });
});
