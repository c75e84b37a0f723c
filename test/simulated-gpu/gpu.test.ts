/** The simulated GPU itself: runs a program that uses it like CUDA, and checks the trace. */

import assert from "node:assert/strict";
import path from "node:path";

import { useGpu } from "./use-gpu";

describe("the simulated GPU", () => {
  const run = useGpu();

  it("behaves like CUDA, and records a trace", async () => {
    const { result, trace } = await run(
      `const { execFileSync, spawnSync } = require("node:child_process");
      const [libraries] = process.env.LD_LIBRARY_PATH.split(":");
      const program = process.env.SIMULATED_GPU_TRACE + ".program";
      const linked = ["libcudart.so.13", "libcuda.so.1"].map((name) => libraries + "/" + name);
      execFileSync("g++", ["-std=c++20", "-o", program, ${JSON.stringify(path.join(__dirname, "check.cc"))}, ...linked]);
      main(() => spawnSync(program, { encoding: "utf8" }).stdout);`,
      { memory: 1_000_000 },
    );
    assert.equal(result, "");
    assert.equal(trace.peak, 600_000);
    assert.equal(trace.used, 0);
    assert.deepEqual(
      trace.all("refused").map(({ fields }) => fields),
      [{ bytes: "600000", used: "600000" }],
    );
    assert.deepEqual(
      trace.all("graph").map(({ fields }) => fields),
      [{ graph: "graph1", launches: "0", calls: "0", copies: "1" }],
    );
    assert.equal(trace.all("replay").length, 1);
    assert.deepEqual(
      trace.faults.map(({ fields }) => fields["call"]),
      [
        ...["cudaMalloc", "cudaStreamEndCapture", "cudaStreamSynchronize", "cudaStreamEndCapture"],
        ...["cudaMemcpyAsync", "cudaStreamEndCapture"],
      ],
    );
    assert.equal(trace.all("peak")[0]?.fields["bytes"], "600000");
  });
});
