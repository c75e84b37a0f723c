/** Whether CUDA can be used, and how to fix it if not. */

import { SparseRerankError } from "../errors";
import { withCancel } from "./cancellation";
import type { NativeCuda, NativeCudaDevice, NativeCudaDevices } from "./contract";
import { native } from "./load";
import { loadRuntime } from "./runtime-library";

/**
 * Loads the driver and ONNX Runtime's CUDA provider with its dependencies.
 * Errors: ERR_DEVICE_UNAVAILABLE (names the file that could not be loaded and how to get it); those of loadRuntime.
 */
export async function checkCuda(cuda: NativeCuda): Promise<NativeCudaDevice> {
  loadRuntime();
  return withRemedy(() => native().checkCuda(cuda));
}

/** The GPUs that the driver reports. Errors: ERR_DEVICE_UNAVAILABLE. */
export function cudaDevices(): Promise<NativeCudaDevices> {
  return withRemedy(() => native().cudaDevices());
}

/** Runs `run`, and adds to an ERR_DEVICE_UNAVAILABLE how to get what is missing. */
export async function withRemedy<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await withCancel(undefined, run);
  } catch (error) {
    if (!(error instanceof SparseRerankError) || error.code !== "ERR_DEVICE_UNAVAILABLE") throw error;
    throw new SparseRerankError(error.code, `${error.message}. ${remedyOf(error.message)}`, { cause: error });
  }
}

/**
 * By a pattern in the message; the first match applies. A provider's message names the provider even if a CUDA library is what is missing.
 */
const REMEDIES: readonly (readonly [pattern: RegExp, remedy: () => string])[] = [
  [/no CUDA device/, () => "`sparse-rerank doctor` lists the devices; the environment variable CUDA_VISIBLE_DEVICES may hide some."],
  [/cudnn/i, () => `It belongs to cuDNN 9, which NVIDIA offers as packages and archives. ${ON_THE_PATH}`],
  [
    /lib(cublas|cudart|curand|cufft|nvrtc|nvJitLink)|(cublas|cublasLt|cudart|curand|cufft|nvrtc|nvJitLink)64/,
    () => `It belongs to the CUDA toolkit, of which the runtime libraries suffice. ${ON_THE_PATH}`,
  ],
  [
    /libcuda\.so|nvcuda\.dll/,
    () => "It comes with NVIDIA's driver, and `nvidia-smi` must list the GPU; a container gets both from its host (docker run --gpus all).",
  ],
  [/onnxruntime_providers|without CUDA/, providerRemedy],
];

const ON_THE_PATH =
  process.platform === "win32"
    ? "Its folder must be in PATH."
    : "Its folder must be known to the loader: in LD_LIBRARY_PATH when the process starts, or in /etc/ld.so.conf.d.";

function remedyOf(message: string): string {
  const [, remedy] = REMEDIES.find(([pattern]) => pattern.test(message)) ?? [];
  return remedy === undefined ? "`sparse-rerank doctor` shows what is installed." : remedy();
}

function providerRemedy(): string {
  const { path, version } = loadRuntime();
  return (
    `The provider's libraries must be next to ${path} and have the same version, ${version}. Get a folder with all of them from ` +
    "`npm install onnxruntime-node --onnxruntime-node-install=cuda12` (Linux on x64) or from the Python package onnxruntime-gpu (folder " +
    "onnxruntime/capi); name its ONNX Runtime library with configure({ runtimePath }) or the environment variable ORT_DYLIB_PATH."
  );
}
