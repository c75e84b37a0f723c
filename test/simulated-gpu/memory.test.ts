/** What happens when the GPU runs out of memory, and what is freed afterwards. */

import assert from "node:assert/strict";

import { spladeTiny } from "../lifecycle/children";

import { useGpu } from "./use-gpu";

const MEGABYTE = 1e6;
const memory = 8000 * MEGABYTE;

describe("memory of a simulated GPU", () => {
  const run = useGpu();
  const load = `SparseEncoder.load(${JSON.stringify(spladeTiny)}, { device: "cuda", cuda: { arenaGrowth: "as-requested" } })`;

  it("halves groups when other processes take memory after a model was loaded, and keeps later groups small", async () => {
    const { result, trace } = await run(
      `main(async () => {
        const encoder = await ${load};
        const texts = Array.from({ length: 512 }, (_, i) => "word ".repeat(30 + (i % 40)));
        occupy(${memory - 100 * MEGABYTE});
        mark("first");
        const first = await encoder.encodeDocument(texts);
        mark("second");
        const second = await encoder.encodeDocument(texts);
        await encoder.close();
        return [first.rows, second.rows];
      })`,
      { memory },
    );
    assert.deepEqual(result, [512, 512]);
    const [first, second] = [trace.after("first"), trace.after("second")];
    assert.ok(first.all("refused").length > 0);
    assert.ok(trace.peak <= 100 * MEGABYTE);
    assert.ok(Math.max(...second.sent) <= Math.max(...first.sent) / 2, "the second call tries groups as large as the first");
    assert.deepEqual(trace.faults, []);
    assert.equal(trace.used, 0);
  });

  it("rejects a single text that does not fit, and leaves the model usable", async () => {
    const { result, trace } = await run(
      `main(async () => {
        const encoder = await ${load};
        occupy(${memory});
        const refused = await encoder.encodeDocument(["word ".repeat(200)]).catch(({ code, message }) => [code, message]);
        occupy(0);
        const matrix = await encoder.encodeDocument(["word ".repeat(200)]);
        await encoder.close();
        return { refused, rows: matrix.rows };
      })`,
      { memory },
    );
    const { refused, rows } = result as { readonly refused: readonly string[]; readonly rows: number };
    assert.equal(refused[0], "ERR_TOO_LARGE");
    assert.match(refused[1]!, /no memory for a sequence of 202 tokens/);
    assert.equal(rows, 1);
    assert.equal(trace.used, 0);
  });

  it("is freed completely by close, and by a model that failed to load", async () => {
    const { result, trace } = await run(
      `main(async () => {
        const texts = ["one text", "and another one"];
        for (const name of ["first", "second"]) {
          const encoder = await ${load};
          await encoder.encodeDocument(texts);
          await encoder.close();
          mark("after the " + name);
        }
        occupy(${memory - 10 * MEGABYTE});
        const failure = await ${load}.catch(({ code, message }) => ({ code, message }));
        return failure;
      })`,
      { memory },
    );
    const { code, message } = result as { readonly code: string; readonly message: string };
    assert.equal(code, "ERR_TOO_LARGE", message);
    assert.match(message, /The device has no memory for the model.*out of memory/s);
    const ends = ["after the first", "after the second"].map((mark) => trace.before(mark).used);
    assert.deepEqual([...ends, trace.used], [0, 0, 0]);
  });

  for (const options of [{}, { cuda: { packed: false } }, { dtype: "fp32" }, { dtype: "bf16" }]) {
    it(`matches the estimate for a group, ${JSON.stringify(options)}`, async () => {
      const { result, trace } = await run(
        `const { bytesOf } = require("./dist/model/admission.js");
        const { planRoute } = require("./dist/model/sparse-route.js");
        const { readCheckpoint } = require("./dist/checkpoint");
        main(async () => {
          const { cuda, dtype = "fp16" } = ${JSON.stringify(options)};
          const { routes } = await readCheckpoint(${JSON.stringify(spladeTiny)}, "sparse");
          const bytes = bytesOf(planRoute(routes.document, { backend: "groups", floats: dtype, packed: true, memory: 1e9 }).plan);
          const load = { device: "cuda", dtype, maxSeqLength: 128, cuda: { ...cuda, arenaGrowth: "as-requested" } };
          const encoder = await SparseEncoder.load(${JSON.stringify(spladeTiny)}, load);
          mark("loaded");
          await encoder.encodeDocument(Array(64).fill("word ".repeat(200)));
          mark("encoded");
          await encoder.close();
          return 64 * bytes(128);
        })`,
      );
      const taken = trace.after("loaded").peak - trace.before("loaded").used;
      const share = taken / (result as number);
      assert.ok(share > 0.5 && share < 1, `the group took ${share.toFixed(2)} of the estimate`);
    });
  }

  it("is shared by two models that run concurrently", async () => {
    const { result, trace } = await run(
      `main(async () => {
        const [one, other] = await Promise.all([${load}, ${load}]);
        const texts = Array.from({ length: 100 }, (_, i) => "word ".repeat(1 + (i % 40)));
        const matrices = await Promise.all([one, other, one, other].map((encoder) => encoder.encodeDocument(texts)));
        one.dispose();
        const last = await other.encodeDocument(texts);
        await Promise.all([one.close(), other.close()]);
        return [...matrices, last].map(({ rows }) => rows);
      })`,
      { memory: 300 * MEGABYTE },
    );
    assert.deepEqual(result, [100, 100, 100, 100, 100]);
    assert.deepEqual(trace.faults, []);
    assert.equal(trace.used, 0);
  });
});
