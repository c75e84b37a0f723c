/** Runs programs with ONNX Runtime's CUDA provider on the simulated GPU (gpu.h). */

import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

import { runProgram } from "../lifecycle/children";
import type { Ended } from "../lifecycle/children";
import { skip } from "../support/skip";

import { Trace } from "./trace";

export interface GpuSettings {
  /** Bytes; default 80 GB. */
  readonly memory?: number;
  /** Compute capability; default 9.0. */
  readonly capability?: string;
  /** Default true. */
  readonly cudnn?: boolean;
  readonly env?: NodeJS.ProcessEnv;
}

export interface GpuRun extends Ended {
  /** The JSON value that the program printed. */
  readonly result: unknown;
  readonly trace: Trace;
}

/** Prepended to programs: mark() adds a mark to the trace, occupy() sets how many bytes of the GPU other processes hold. */
const PRELUDE = `
  const { SparseEncoder, CrossEncoder } = require("sparse-rerank");
  const fs = require("node:fs");
  const mark = (name) => fs.appendFileSync(process.env.SIMULATED_GPU_TRACE, "mark name=" + name + "\\n");
  const occupy = (bytes) => fs.writeFileSync(process.env.SIMULATED_GPU_IN_USE, String(bytes));
  const main = async (run) => console.log(JSON.stringify(await run()));
`;

/** Skips the suite if the simulated GPU cannot be built. A program is source text that passes a function to main() and must succeed. */
export function useGpu(): (program: string, settings?: GpuSettings) => Promise<GpuRun> {
  let folder = "";
  let libraries: { readonly all: NodeJS.ProcessEnv; readonly withoutCudnn: NodeJS.ProcessEnv } | undefined;

  before(async function () {
    this.timeout(900_000);
    const { environmentOf, simulatedGpu } = await import("../../scripts/simulated-gpu.mjs");
    try {
      const gpu = simulatedGpu();
      libraries = { all: { ...environmentOf(gpu) }, withoutCudnn: { ...environmentOf(gpu), LD_LIBRARY_PATH: gpu.libraries } };
    } catch (error) {
      skip(this, `no simulated GPU: ${error instanceof Error ? error.message : String(error)}`);
    }
    folder = fs.mkdtempSync(path.join(os.tmpdir(), "sparse-rerank-gpu-"));
  });

  after(() => {
    if (folder !== "") fs.rmSync(folder, { recursive: true });
  });

  let count = 0;
  return async (program, { memory, capability, cudnn = true, env } = {}) => {
    const own = path.join(folder, String(count++));
    fs.mkdirSync(own);
    const files = { SIMULATED_GPU_TRACE: path.join(own, "trace"), SIMULATED_GPU_IN_USE: path.join(own, "in-use") };
    for (const file of Object.values(files)) fs.writeFileSync(file, "");
    const ended = await runProgram(PRELUDE + program, {
      env: {
        ...(cudnn ? libraries?.all : libraries?.withoutCudnn),
        ...files,
        ...(memory === undefined ? {} : { SIMULATED_GPU_MEMORY: String(memory) }),
        ...(capability === undefined ? {} : { SIMULATED_GPU_CAPABILITY: capability }),
        ...env,
      },
    });
    assert.deepEqual([ended.code, ended.signal], [0, null], ended.stderr);
    return { ...ended, result: JSON.parse(ended.stdout) as unknown, trace: Trace.read(files.SIMULATED_GPU_TRACE) };
  };
}
