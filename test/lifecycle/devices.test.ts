/** Devices that are missing, or only partly present: simulated drivers and libraries, in separate processes. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";

import { skip } from "../support/skip";

import { root, runProgram, spladeTiny } from "./children";
import type { Ended } from "./children";

const runtime = path.join(root, "runtime", "libsparse_rerank.so");

/** Loads with each option in turn, and prints the outcomes as JSON. */
const load = (...options: readonly object[]): string => `
  const { SparseEncoder } = require("sparse-rerank");
  (async () => {
    const seen = [];
    for (const options of ${JSON.stringify(options)}) {
      try {
        const encoder = await SparseEncoder.load(${JSON.stringify(spladeTiny)}, options);
        const { indices } = await encoder.encodeQuery("what is a sparse vector");
        seen.push({ device: encoder.device, weights: indices.length });
        await encoder.close();
      } catch ({ code, message }) {
        seen.push({ code, message });
      }
    }
    console.log(JSON.stringify(seen));
  })();`;

interface Seen {
  readonly device?: string;
  readonly weights?: number;
  readonly code?: string;
  readonly message?: string;
}

describe("devices", function () {
  let folder = "";

  before(function () {
    if (process.platform !== "linux" || process.arch !== "x64") skip(this, "the made libraries are those of Linux on x64");
    if (!existsSync(runtime)) skip(this, "ONNX Runtime is not copied into runtime/");
    for (const compiler of ["cc", "c++"]) {
      try {
        execFileSync(compiler, ["--version"], { stdio: "ignore" });
      } catch {
        skip(this, `there is no compiler ${compiler} to make libraries with`);
      }
    }
    folder = mkdtempSync(path.join(os.tmpdir(), "sparse-rerank-devices-"));
    mkdirSync(path.join(folder, "driver"));
    const driver = ["gpu.cc", "facts.cc", "streams.cc", "driver.cc"].map((name) => path.join(root, "test", "simulated-gpu", name));
    execFileSync("c++", ["-std=c++20", "-shared", "-fPIC", "-o", path.join(folder, "driver", "libcuda.so.1"), ...driver]);
  });

  after(() => {
    if (folder !== "") rmSync(folder, { recursive: true });
  });

  function compile(output: string, args: readonly string[]): void {
    execFileSync("cc", ["-shared", "-fPIC", "-o", output, ...args]);
  }

  /** A folder with ONNX Runtime and the provider's libraries. */
  function runtimeFolder(name: string): { readonly library: string; readonly file: (name: string) => string } {
    const own = path.join(folder, name);
    mkdirSync(own);
    const library = path.join(own, "libonnxruntime.so.1");
    copyFileSync(runtime, library);
    return { library, file: (other) => path.join(own, other) };
  }

  async function run(program: string, env: NodeJS.ProcessEnv = {}): Promise<{ readonly seen: readonly Seen[]; readonly ended: Ended }> {
    const ended = await runProgram(program, { env });
    assert.equal(ended.code, 0, ended.stderr);
    return { seen: JSON.parse(ended.stdout) as Seen[], ended };
  }

  const withDriver = (): NodeJS.ProcessEnv => ({
    LD_LIBRARY_PATH: path.join(folder, "driver"),
    SIMULATED_GPU_MEMORY: "8000000000",
    SIMULATED_GPU_IN_USE: "1000000000",
  });

  function isUnavailable(seen: Seen | undefined, ...parts: readonly RegExp[]): void {
    assert.equal(seen?.code, "ERR_DEVICE_UNAVAILABLE", JSON.stringify(seen));
    for (const part of parts) assert.match(seen.message ?? "", part);
  }

  it("names the driver's library if it is broken", async () => {
    const broken = path.join(folder, "broken");
    mkdirSync(broken);
    writeFileSync(path.join(broken, "libcuda.so.1"), "not a library");
    const { seen } = await run(load({ device: "cuda" }), { LD_LIBRARY_PATH: broken });
    isUnavailable(seen[0], /libcuda\.so\.1 could not be loaded/, /driver/);
  });

  it("names missing driver functions and failing calls", async () => {
    const old = path.join(folder, "old");
    mkdirSync(old);
    const source = path.join(old, "empty.c");
    writeFileSync(source, "int cuInit(unsigned flags) { return (int)flags; }\n");
    compile(path.join(old, "libcuda.so.1"), [source]);
    const lacking = await run(load({ device: "cuda" }), { LD_LIBRARY_PATH: old });
    isUnavailable(lacking.seen[0], /libcuda\.so\.1 has no function cuDriverGetVersion/);
    for (const call of ["cuInit", "cuDeviceGetCount", "cuDevicePrimaryCtxRetain", "cuMemGetInfo"]) {
      const { seen } = await run(load({ device: "cuda" }), { ...withDriver(), FAKE_CUDA_FAILS: call });
      isUnavailable(seen[0], new RegExp(`${call} failed with error 100 \\(no CUDA-capable device is detected\\)`), /nvidia-smi/);
    }
  });

  it("reports the number of GPUs if a missing one is requested", async () => {
    const { seen } = await run(load({ device: "cuda:1" }), withDriver());
    isUnavailable(seen[0], /no CUDA device 1: the driver shows 1 device/, /CUDA_VISIBLE_DEVICES/);
  });

  it("names the provider's library if it is not next to ONNX Runtime", async () => {
    const { library } = runtimeFolder("alone");
    const { seen } = await run(load({ device: "cuda" }), { ...withDriver(), ORT_DYLIB_PATH: library });
    isUnavailable(seen[0], /alone\/libonnxruntime_providers_shared\.so/, /next to .*alone\/libonnxruntime\.so\.1/, /onnxruntime-gpu/);
  });

  it("names the CUDA library that the provider needs", async () => {
    const { library, file } = runtimeFolder("without-cublas");
    const source = file("shared.c");
    writeFileSync(source, "void Provider_SetHost(void* host) { (void)host; }\n");
    compile(file("libonnxruntime_providers_shared.so"), [source]);
    writeFileSync(file("needed.c"), "int needed(void) { return 1; }\n");
    for (const [needed, remedy] of [
      ["libcublasLt.so.12", /CUDA toolkit/],
      ["libcudnn.so.9", /cuDNN 9/],
    ] as const) {
      compile(file(needed), [file("needed.c"), `-Wl,-soname,${needed}`]);
      compile(file("libonnxruntime_providers_cuda.so"), ["-Wl,--no-as-needed", file(needed)]);
      rmSync(file(needed));
      const { seen } = await run(load({ device: "cuda" }), { ...withDriver(), ORT_DYLIB_PATH: library });
      isUnavailable(seen[0], new RegExp(`${needed.replaceAll(".", "\\.")}: cannot open shared object file`), remedy, /LD_LIBRARY_PATH/);
    }
  });

  it("rejects a provider of another version before loading it", async () => {
    const { library, file } = runtimeFolder("mixed");
    writeFileSync(file("libonnxruntime_providers_cuda.so"), "\0" + "1.99.2\0");
    const { seen } = await run(load({ device: "cuda" }), { ...withDriver(), ORT_DYLIB_PATH: library });
    isUnavailable(seen[0], /libonnxruntime_providers_cuda\.so is version 1\.99\.2, but ONNX Runtime at .* is 1\./);
  });

  describe("sparse-rerank doctor", () => {
    const program = (...args: readonly string[]): string => `process.argv.push(...${JSON.stringify(args)}); require("./dist/cli/main.js");`;
    interface Report {
      readonly runtime: { readonly version?: string; readonly providers?: readonly string[]; readonly problem?: string };
      readonly cuda: { readonly driverVersion?: string; readonly devices?: readonly object[]; readonly problem?: string };
    }
    const examine = async (env: NodeJS.ProcessEnv, ...args: readonly string[]): Promise<string> => {
      const ended = await runProgram(program("doctor", ...args), { env: { ...env, FORCE_COLOR: "0" } });
      assert.deepEqual([ended.code, ended.stderr], [0, ""]);
      return ended.stdout;
    };

    it("shows ONNX Runtime, the GPUs and what is missing", async () => {
      const { library } = runtimeFolder("doctor");
      const report = JSON.parse(await examine({ ...withDriver(), ORT_DYLIB_PATH: library }, "--json")) as Report;
      assert.match(report.runtime.version ?? "", /^1\.\d+/);
      assert.ok(report.runtime.providers?.includes("CPUExecutionProvider"));
      assert.equal(report.cuda.driverVersion, "13.0");
      assert.deepEqual(report.cuda.devices, [
        { name: "Simulated GPU", totalBytes: 8_000_000_000, freeBytes: 7_000_000_000, computeCapability: "9.0" },
      ]);
      assert.match(report.cuda.problem ?? "", /libonnxruntime_providers_shared\.so/);
      const text = await examine({ ...withDriver(), ORT_DYLIB_PATH: library });
      assert.match(text, /^cuda:0 +Simulated GPU, 7000\.0 MB of 8000\.0 MB free, compute capability 9\.0$/m);
    });

    it("succeeds without ONNX Runtime or driver", async () => {
      const report = JSON.parse(
        await examine({ ...withDriver(), FAKE_CUDA_FAILS: "cuInit", ORT_DYLIB_PATH: "/nonexistent.so" }, "--json"),
      ) as Report;
      assert.match(report.runtime.problem ?? "", /nonexistent\.so/);
      assert.match(report.cuda.problem ?? "", /cuInit failed/);
      assert.equal(report.cuda.devices, undefined);
    });
  });

  it("falls back to the CPU with auto, and reports the reason once", async () => {
    const { library } = runtimeFolder("fallback");
    const { seen, ended } = await run(load({ device: "auto" }, { device: "auto" }), { ...withDriver(), ORT_DYLIB_PATH: library });
    assert.deepEqual(
      seen.map(({ device }) => device),
      ["cpu", "cpu"],
    );
    assert.equal(ended.stderr.match(/SparseRerankWarning/g)?.length, 1, ended.stderr);
    assert.match(ended.stderr, /run on the CPU.*libonnxruntime_providers_shared\.so/);
    const onCpu = await run(load({ device: "cpu" }, { device: "auto", dtype: "int8" }), { ...withDriver(), ORT_DYLIB_PATH: library });
    assert.equal(onCpu.ended.stderr, "");
    assert.deepEqual(
      onCpu.seen.map(({ device }) => device),
      ["cpu", "cpu"],
    );
  });
});
