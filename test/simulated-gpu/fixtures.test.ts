/** ONNX Runtime's CUDA provider takes the graph of every fixture, whole: what is computed is not looked at, as kernels of the simulated GPU do nothing. */

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
 * Bytes of what the host reads during a run: the lengths of DeBERTa's table of distances, and whether an input of packed attention is valid where
 * no fused kernel takes it, as fixtures have heads whose size is no multiple of 8.
 */
const SHAPE_BYTES = 8;

/** What a graph can be made for; without packed groups where its family has none. */
const FORMS = {
  "fp16, packed": { dtype: "fp16" },
  "fp16, padded": { dtype: "fp16", cuda: { packed: false } },
  fp32: { dtype: "fp32" },
  bf16: { dtype: "bf16" },
} as const;

describe("fixtures on a simulated GPU", () => {
  const run = useGpu();

  /** The second call of each form is marked, as the first one sets up streams and memory. */
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
      // A node that ran on the CPU would take what flows through the graph there and back.
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
