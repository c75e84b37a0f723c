import type { Command } from "commander";

import { diagnose } from "../native/diagnosis";
import type { Diagnosis } from "../native/diagnosis";
import { command } from "./options";
import type { CommonOptions } from "./options";
import { counted, megabytes, paint, printable, writeJson, writeLine } from "./terminal";

export function doctorCommand(): Command {
  return command("doctor", "Show the hardware and libraries that run models, and what CUDA is missing", [
    "sparse-rerank doctor",
    "sparse-rerank doctor --json",
  ]).action(run);
}

async function run({ json }: CommonOptions): Promise<void> {
  const diagnosis = await diagnose();
  if (json === true) await writeJson(diagnosis);
  else for (const [name, text] of lines(diagnosis)) await writeLine(`${paint("bold", name.padEnd(13))} ${text}`);
}

function* lines(diagnosis: Diagnosis): Generator<readonly [string, string]> {
  const { node, platform, kernels, amxRefused, threads, memoryLimit, runtime, cuda } = diagnosis;
  yield ["Node.js", `${node}, ${platform}`];
  yield ["CPU", `${counted(threads, "thread")}, kernels ${kernels}, up to ${megabytes(memoryLimit)} of working memory`];
  if (amxRefused) yield ["AMX", paint("yellow", "refused by the operating system or the hypervisor (Linux grants it since 5.16)")];
  if ("path" in runtime) {
    yield ["ONNX Runtime", printable(`${runtime.version}, ${runtime.path}`)];
    yield ["Providers", `${runtime.providers.join(", ")} (built in; CUDA's library may be missing)`];
  } else {
    yield ["ONNX Runtime", paint("red", printable(runtime.problem))];
  }
  if ("devices" in cuda) {
    yield ["CUDA driver", `supports CUDA up to ${cuda.driverVersion}`];
    for (const [i, { name, freeBytes, totalBytes, computeCapability }] of cuda.devices.entries()) {
      yield [
        `cuda:${i}`,
        `${printable(name)}, ${megabytes(freeBytes)} of ${megabytes(totalBytes)} free, compute capability ${computeCapability}`,
      ];
    }
  }
  yield cuda.problem === undefined
    ? ["CUDA", paint("green", "models can run on the GPU")]
    : ["CUDA", paint("yellow", printable(cuda.problem))];
}
