/** Device selection with a simulated GPU: `doctor`, "auto", older GPUs, missing cuDNN. */

import assert from "node:assert/strict";

import { folderOf } from "../golden/golden";
import { spladeTiny } from "../lifecycle/children";

import { useGpu } from "./use-gpu";

const model = JSON.stringify(spladeTiny);

describe("devices with a simulated GPU", () => {
  const run = useGpu();

  it("are listed by doctor, with nothing missing", async () => {
    const { result } = await run('process.argv.push("doctor", "--json"); require("./dist/cli/main.js");', {
      memory: 24_000_000_000,
      capability: "8.9",
      env: { FORCE_COLOR: "0" },
    });
    const { runtime, cuda } = result as {
      readonly runtime: { readonly providers: readonly string[] };
      readonly cuda: { readonly devices: readonly object[]; readonly problem?: string };
    };
    assert.ok(runtime.providers.includes("CUDAExecutionProvider"));
    assert.equal(cuda.problem, undefined);
    assert.deepEqual(cuda.devices, [
      { name: "Simulated GPU", totalBytes: 24_000_000_000, freeBytes: 24_000_000_000, computeCapability: "8.9" },
    ]);
  });

  it("are selected by auto, without a warning", async () => {
    const { result, stderr, trace } = await run(`main(async () => {
      const encoder = await SparseEncoder.load(${model}, { device: "auto" });
      const matrix = await encoder.encodeQuery(["a query"]);
      await encoder.close();
      return [encoder.device, matrix.rows];
    })`);
    assert.deepEqual(result, ["cuda:0", 1]);
    assert.equal(stderr, "");
    assert.ok(trace.products > 0);
  });

  it("have the free memory that the driver reports", async () => {
    const { result } = await run(
      `const { cudaDevices } = require("./dist/native/cuda.js");
      main(async () => {
        const free = async () => (await cudaDevices()).devices[0].freeBytes;
        const before = await free();
        const encoder = await SparseEncoder.load(${model}, { device: "cuda" });
        const during = await free();
        await encoder.close();
        return [before, during, await free()];
      })`,
      { memory: 1_000_000_000 },
    );
    const [before, during, after] = result as readonly [number, number, number];
    assert.deepEqual([before, after], [1_000_000_000, 1_000_000_000]);
    assert.ok(during < before);
  });

  it("of older generations run the element types that they support", async () => {
    const { result, trace } = await run(
      `main(async () => {
        const seen = [];
        for (const options of [{ dtype: "fp16" }, { dtype: "fp32" }, { dtype: "bf16" }]) {
          try {
            const encoder = await SparseEncoder.load(${model}, { device: "cuda", ...options });
            await encoder.encodeDocument(["a text", "and another one"]);
            await encoder.close();
            seen.push("ran");
          } catch ({ code, message }) {
            seen.push(code + ": " + message);
          }
        }
        return seen;
      })`,
      { capability: "7.5" },
    );
    assert.deepEqual(result, [
      "ran",
      "ran",
      'ERR_NOT_SUPPORTED: dtype "bf16" needs a GPU with compute capability 8.0 or later; cuda:0 has 7.5.',
    ]);
    assert.deepEqual(trace.faults, []);
    assert.ok(!trace.kernels.some((name) => name.includes("flash_fwd_kernel")));
  });

  it("name a missing cuDNN when a model that needs it is loaded", async () => {
    const { result } = await run(
      `main(async () => {
        const failures = [];
        for (const packed of [true, false]) {
          await SparseEncoder.load(${model}, { device: "cuda", cuda: { packed } }).catch(({ code, message }) => failures.push({ code, message }));
        }
        // Packed attention does not need it.
        const encoder = await CrossEncoder.load(${JSON.stringify(folderOf("ce-bert-msmarco"))}, { device: "cuda" });
        await encoder.predict([["a query", "a passage"]]);
        await encoder.close();
        return failures;
      })`,
      { cudnn: false },
    );
    const failures = result as readonly { readonly code: string; readonly message: string }[];
    assert.equal(failures.length, 2);
    for (const { code, message } of failures) {
      assert.equal(code, "ERR_DEVICE_UNAVAILABLE");
      assert.match(message, /cuDNN is unavailable.*libcudnn\.so.*belongs to cuDNN 9/s);
    }
  });
});
