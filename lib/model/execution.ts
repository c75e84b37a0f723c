/** Where a model runs, by the options `device`, `dtype` and `cuda`. */

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
 * "auto" takes CUDA where it can be used; else the CPU, and says why in a warning of the process, once.
 * Errors: ERR_DEVICE_UNAVAILABLE where the options name a device; those of loading ONNX Runtime, which is left alone for the CPU.
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

/** What a card cannot do is no reason to warn of a missing one. */
function runsOnCpuOnly({ dtype, modelFile }: LoadOptions): boolean {
  return dtype === "int8" || modelFile !== undefined;
}

function onCpu(options: LoadOptions): Execution {
  if (options.dtype !== "int8") return { device: "cpu", dtype: "fp32", plan: { backend: "sequences" } };
  const folder = derivedFolder(options, process.env);
  const cacheFolder = folder === undefined ? undefined : path.join(folder, "int8");
  return { device: "cpu", dtype: "int8", plan: { backend: "sequences", int8: { cacheFolder } } };
}

/** What the driver and CUDA's libraries take of a card beside the model. */
const SHARE_OF_FREE = 0.9;

async function onCuda(
  cuda: NativeCuda,
  { dtype, cuda: { memoryLimit = Infinity, packed = true, graphs = false } = {} }: LoadOptions,
): Promise<Execution> {
  const { freeBytes, computeCapability } = await checkCuda(cuda);
  if (dtype === "bf16" && Number(computeCapability) < 8) {
    throw new SparseRerankError(
      "ERR_NOT_SUPPORTED",
      `dtype "bf16" needs a card of compute capability 8.0 or later; cuda:${String(cuda.device)} has ${computeCapability}.`,
    );
  }
  const memory = Math.min(SHARE_OF_FREE * freeBytes, memoryLimit);
  const floats = floatsOf(dtype);
  return {
    device: `cuda:${cuda.device}`,
    dtype: floats,
    plan: { backend: "groups", floats, packed: packed && !graphs, cuda: { ...cuda, graphs }, memory },
  };
}

function floatsOf(dtype: LoadOptions["dtype"]): GroupPlan["floats"] {
  return dtype === "fp32" || dtype === "bf16" ? dtype : "fp16";
}

/**
 * ONNX Runtime's AttentionBackend: flash 1, memory-efficient 2, unfused 16. By itself it takes the unfused kernels for short sequences in fp32, which
 * wait for the host in each packed layer.
 */
const ATTENTION_KERNELS = 1 | 2 | 16;

/** The names and values of ONNX Runtime's CUDA provider. */
function providerOptions({ memoryLimit, arenaGrowth, tf32 }: CudaOptions): NativeCuda["options"] {
  return {
    // The default of ONNX Runtime, which would tell the products of fp32 from those of other devices in the fourth digit.
    use_tf32: tf32 === true ? "1" : "0",
    // The default tries every algorithm anew for every length of the input.
    cudnn_conv_algo_search: "HEURISTIC",
    // Sums in fp32 whatever the type.
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

/** A card wants many texts at once, of which those of similar length run together. */
const CUDA_BATCH_SIZE = 1024;

/** Texts that are handed over together unless a call says how many. */
export function defaultBatchSize(device: Device, onCpu: number): number {
  return device === "cpu" ? onCpu : CUDA_BATCH_SIZE;
}
