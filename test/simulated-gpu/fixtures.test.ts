/**
 * ONNX Runtime's CUDA provider runs the whole graph of every fixture on the GPU. Results are not checked, since the simulated GPU's kernels
 * compute nothing.
 */

import assert from "node:assert/strict";

import { folderOf, goldens } from "../golden/golden";
import { spladeTiny } from "../lifecycle/children";

import type { Trace } from "./trace";
import { useGpu } from "./use-gpu";

interface Seen {
  readonly device: string;
  readonly shape: readonly number[];
}

/**
 * Size of the values that the host reads during a run: the lengths of DeBERTa's distance table, and whether an input of packed attention is
 * valid if no fused kernel supports it, since the head size of fixtures is not a multiple of 8.
 */
const SHAPE_BYTES = 8;

/** The options that determine a graph; families without packed groups skip these. */
const FORMS = {
  "fp16, packed": { dtype: "fp16" },
  "fp16, padded": { dtype: "fp16", cuda: { packed: false } },
  fp32: { dtype: "fp32" },
  bf16: { dtype: "bf16" },
} as const;

describe("fixtures on a simulated GPU", () => {
  const run = useGpu();

  /** Marks the second call of each form: the first one sets up streams and memory. */
  const calls = (load: string, call: string): string => `
    main(async () => {
      const seen = [];
      for (const [form, options] of Object.entries(${JSON.stringify(FORMS)})) {
        const model = await ${load};
        const call = () => model.${call};
        await call();
        mark(form);
        const result = await call();
        mark(form + " done");
        seen.push({ device: model.device, shape: [result.rows, result.cols] });
        await model.close();
        mark(form + " closed");
      }
      return seen;
    });`;

  function assertRan(seen: readonly Seen[], trace: Trace, shape: readonly number[], shapeBytes = 0): void {
    assert.deepEqual(trace.faults, []);
    for (const [i, form] of Object.keys(FORMS).entries()) {
      assert.deepEqual(seen[i], { device: "cuda:0", shape }, form);
      const { kernels, products, fetched } = trace.after(form);
      assert.ok(kernels.length > 20 && products > 10, `${form}: ${String(kernels.length)} kernels and ${String(products)} products`);
      // A node that ran on the CPU would copy its inputs to the host and its outputs back.
      const results = fetched.filter((bytes) => bytes > shapeBytes);
      assert.equal(results.length, 1, `${form} fetched ${fetched.join(", ")} bytes`);
      assert.equal(trace.after(`${form} done`).used, 0, `${form} leaves memory of the GPU in use`);
    }
  }

  const texts = ["what is a sparse vector", "hello world", "a b c d e f g h i j k l m n o p q r s t"];

  it("splade-tiny", async () => {
    const load = `SparseEncoder.load(${JSON.stringify(spladeTiny)}, { device: "cuda", ...options })`;
    const { result, trace } = await run(calls(load, `encodeDocument(${JSON.stringify(texts)})`));
    assertRan(result as Seen[], trace, [texts.length, 30522]);
    const takes = (form: keyof typeof FORMS, kernel: string): boolean => trace.after(form).kernels.some((name) => name.includes(kernel));
    assert.ok(takes("fp16, packed", "flash_fwd_kernel<"), "flash attention");
    for (const form of ["fp16, padded", "fp32", "bf16"] as const) assert.ok(takes(form, "attention_kernel_batched_impl<"), form);
  });

  for (const golden of goldens()) {
    it(golden.name, async () => {
      const options = `${JSON.stringify(folderOf(golden.name))}, { device: "cuda", ...options }`;
      const program =
        golden.kind === "sparse"
          ? calls(`SparseEncoder.load(${options})`, `encodeDocument(${JSON.stringify(golden.texts)})`)
          : calls(`CrossEncoder.load(${options})`, `predict(${JSON.stringify(golden.pairs)})`);
      const { result, trace } = await run(program);
      assertRan(
        result as Seen[],
        trace,
        golden.kind === "sparse" ? [golden.texts.length, golden.dimension] : [golden.pairs.length, golden.num_labels],
        SHAPE_BYTES,
      );
    });
  }
});
