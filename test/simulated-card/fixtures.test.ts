/** ONNX Runtime's CUDA provider takes the graph of every fixture, whole: what is computed is not looked at, as kernels of the simulated card do nothing. */

import assert from "node:assert/strict";

import { folderOf, goldens } from "../golden/golden";
import { spladeTiny } from "../lifecycle/children";

import type { Trace } from "./trace";
import { useCard } from "./use-card";

interface Seen {
  readonly device: string;
  readonly shape: readonly number[];
}

/** Bytes of values that say how long something is, which the host may want to know in mid-run. */
const SHAPE_BYTES = 64;

describe("fixtures on a simulated card", () => {
  const run = useCard();

  /** In both precisions; the second call of each is marked, as the first one sets up streams and memory. */
  const calls = (load: string, call: string): string => `
    main(async () => {
      const seen = [];
      for (const dtype of ["fp16", "fp32"]) {
        const model = await ${load};
        const call = () => model.${call};
        await call();
        mark(dtype);
        const result = await call();
        mark(dtype + " done");
        seen.push({ device: model.device, shape: [result.rows, result.cols] });
        await model.close();
        await released();
        mark(dtype + " closed");
      }
      return seen;
    });`;

  function assertRan(seen: readonly Seen[], trace: Trace, shape: readonly number[]): void {
    assert.deepEqual(trace.faults, []);
    for (const [i, dtype] of ["fp16", "fp32"].entries()) {
      assert.deepEqual(seen[i], { device: "cuda:0", shape }, dtype);
      const { kernels, products, fetched } = trace.after(dtype);
      assert.ok(kernels.length > 20 && products > 10, `${dtype}: ${kernels.length} kernels and ${products} products`);
      // A node that ran on the CPU would take what flows through the graph there and back.
      const results = fetched.filter((bytes) => bytes > SHAPE_BYTES);
      assert.ok(results.length <= 1 && fetched.at(-1) === Math.max(...fetched), `${dtype} fetched ${fetched.join(", ")} bytes`);
      assert.equal(trace.after(`${dtype} done`).used, 0, `${dtype} leaves memory of the card in use`);
    }
  }

  const texts = ["what is a sparse vector", "hello world", "a b c d e f g h i j k l m n o p q r s t"];

  it("splade-tiny", async () => {
    const load = `SparseEncoder.load(${JSON.stringify(spladeTiny)}, { device: "cuda", dtype })`;
    const { result, trace } = await run(calls(load, `encodeDocument(${JSON.stringify(texts)})`));
    assertRan(result as Seen[], trace, [texts.length, 30522]);
    assert.ok(trace.after("fp16").kernels.some((name) => name.startsWith("void attention_kernel_batched_impl<")));
  });

  for (const golden of goldens()) {
    it(golden.name, async () => {
      const options = `${JSON.stringify(folderOf(golden.name))}, { device: "cuda", dtype }`;
      const program =
        golden.kind === "sparse"
          ? calls(`SparseEncoder.load(${options})`, `encodeDocument(${JSON.stringify(golden.texts)})`)
          : calls(`CrossEncoder.load(${options})`, `predict(${JSON.stringify(golden.pairs)})`);
      const { result, trace } = await run(program);
      assertRan(
        result as Seen[],
        trace,
        golden.kind === "sparse" ? [golden.texts.length, golden.dimension] : [golden.pairs.length, golden.num_labels],
      );
    });
  }
});
