/** Chooses where a model runs from the options `device`, `dtype` and `cuda`. */

import path from "node:path";

import type { ExecutionPlan, GroupPlan } from "../architectures/execution-plan";
import { SparseRerankError } from "../errors";
import { derivedFolder } from "../hub/settings";
import type { NativeCuda } from "../native/contract";
import { checkCuda } from "../native/cuda";
import { cudaIndex } from "../options";
import type { CudaOptions, Device, LoadOptions } from "../options";

export interface Execution {
  readonly device: Device;
  readonly dtype: "fp32" | "int8" | "fp16" | "bf16";
  readonly plan: ExecutionPlan;
}

/**
 * "auto" selects CUDA if it is usable, and otherwise the CPU, with one process warning that states the reason. ONNX Runtime is loaded only
 * for CUDA.
 *
 * Errors: ERR_DEVICE_UNAVAILABLE (the options name a device that cannot be used), ERR_NOT_SUPPORTED (bf16 on an older GPU), and those of
 * loading ONNX Runtime.
 */
export async function chooseExecution(options: LoadOptions): Promise<Execution> {
  const { device = "cpu" } = options;
  if (device === "cpu" || (device === "auto" && runsOnCpuOnly(options))) return onCpu(options);
  const cuda = { device: device === "auto" ? 0 : cudaIndex(device), options: providerOptions(options.cuda ?? {}) };
  try {
    return await onCuda(cuda, options);
  } catch (error) {
    if (device !== "auto" || !(error instanceof SparseRerankError) || error.code !== "ERR_DEVICE_UNAVAILABLE") throw error;
    warnOnce(error);
    return onCpu(options);
  }
}

/** Options that CUDA does not support: "auto" then selects the CPU without a warning. */
function runsOnCpuOnly({ dtype, modelFile }: LoadOptions): boolean {
  return dtype === "int8" || modelFile !== undefined;
}

function onCpu(options: LoadOptions): Execution {
  const limit = limitOf(options);
  if (options.dtype !== "int8") return { device: "cpu", dtype: "fp32", plan: { backend: "sequences", ...limit } };
  const folder = derivedFolder(options, process.env);
  const cacheFolder = folder === undefined ? undefined : path.join(folder, "int8");
  return { device: "cpu", dtype: "int8", plan: { backend: "sequences", int8: { cacheFolder }, ...limit } };
}

function limitOf({ maxThreads }: LoadOptions): { maxThreads?: number } {
  return maxThreads === undefined ? {} : { maxThreads };
}

/** Share of the free GPU memory for the model; the rest is left to the driver and the CUDA libraries. */
const SHARE_OF_FREE = 0.9;

async function onCuda(cuda: NativeCuda, options: LoadOptions): Promise<Execution> {
  const { dtype, cuda: { memoryLimit = Infinity, packed = true, graphs = false, maxBatchTokens } = {} } = options;
  const batching = maxBatchTokens === undefined ? {} : { maxBatchTokens };
  const { freeBytes, computeCapability } = await checkCuda(cuda);
  if (dtype === "bf16" && Number(computeCapability) < 8) {
    throw new SparseRerankError(
      "ERR_NOT_SUPPORTED",
      `dtype "bf16" needs a GPU with compute capability 8.0 or later; cuda:${String(cuda.device)} has ${computeCapability}.`,
    );
  }
  const memory = Math.min(SHARE_OF_FREE * freeBytes, memoryLimit);
  const floats = floatsOf(dtype);
  return {
    device: `cuda:${cuda.device}`,
    dtype: floats,
    plan: { backend: "groups", floats, packed: packed && !graphs, cuda: { ...cuda, graphs }, memory, ...batching, ...limitOf(options) },
  };
}

function floatsOf(dtype: LoadOptions["dtype"]): GroupPlan["floats"] {
  return dtype === "fp32" || dtype === "bf16" ? dtype : "fp16";
}

/**
 * Flags of ONNX Runtime's AttentionBackend: flash 1, memory-efficient 2, unfused 16. By default ONNX Runtime selects the unfused kernels
 * for short sequences in fp32, which synchronize with the CPU in each packed layer.
 */
const ATTENTION_KERNELS = 1 | 2 | 16;

/** Translates the options to the keys and values of ONNX Runtime's CUDA provider. */
function providerOptions({ memoryLimit, arenaGrowth, tf32 }: CudaOptions): NativeCuda["options"] {
  return {
    // ONNX Runtime enables TF32 by default: fp32 results would differ from those of other devices in the fourth digit.
    use_tf32: tf32 === true ? "1" : "0",
    // The default, EXHAUSTIVE, benchmarks every algorithm for every new input length.
    cudnn_conv_algo_search: "HEURISTIC",
    // Accumulates in fp32 for every element type.
    enable_skip_layer_norm_strict_mode: "1",
    sdpa_kernel: String(ATTENTION_KERNELS),
    arena_extend_strategy: arenaGrowth === "as-requested" ? "kSameAsRequested" : "kNextPowerOfTwo",
    ...(memoryLimit === undefined ? {} : { gpu_mem_limit: String(memoryLimit) }),
  };
}

let warned = false;

function warnOnce(reason: SparseRerankError): void {
  if (warned) return;
  warned = true;
  process.emitWarning(`Models with device "auto" run on the CPU, since CUDA cannot be used: ${reason.message}`, {
    type: "SparseRerankWarning",
    code: reason.code,
  });
}

/** Large, so that the GPU can run sequences of similar length together. */
const CUDA_BATCH_SIZE = 1024;

/** Default of the option `batchSize`. */
export function defaultBatchSize(device: Device, onCpu: number): number {
  return device === "cpu" ? onCpu : CUDA_BATCH_SIZE;
}
