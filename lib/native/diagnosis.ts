/** Reports what this machine can run models with: kernels, ONNX Runtime and CUDA. */

import { SparseRerankError } from "../errors";
import type { NativeCudaDevice } from "./contract";
import { checkCuda, cudaDevices } from "./cuda";
import { native } from "./load";
import { loadRuntime } from "./runtime-library";

export interface Diagnosis {
  readonly node: string;
  /** Operating system and processor, for example "linux-x64". */
  readonly platform: string;
  /** The instruction set of the kernels in use. */
  readonly kernels: string;
  /** The CPU has AMX, and the operating system or the hypervisor does not let this process use it. */
  readonly amxRefused: boolean;
  readonly threads: number;
  /** Bytes of working memory that all running sequences may use together. */
  readonly memoryLimit: number;
  readonly runtime: RuntimeDiagnosis | Problem;
  readonly cuda: CudaDiagnosis | Problem;
}

export interface RuntimeDiagnosis {
  readonly path: string;
  readonly version: string;
  /** Execution providers that the library was built with. */
  readonly providers: readonly string[];
}

export interface CudaDiagnosis {
  /** The newest CUDA version that the driver supports. */
  readonly driverVersion: string;
  readonly devices: readonly NativeCudaDevice[];
  /** Why models cannot run on the first GPU; undefined if they can. */
  readonly problem?: string;
}

/** Describes what is missing and how to install it. */
export interface Problem {
  readonly problem: string;
}

/** Loads ONNX Runtime, the CUDA driver and the CUDA provider; one that cannot be loaded is reported as a Problem, not thrown. */
export async function diagnose(): Promise<Diagnosis> {
  const addon = native();
  const kernels = addon.kernels();
  const runtime = runtimeDiagnosis();
  return {
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    kernels: kernels.active,
    amxRefused: kernels.amxRefused,
    threads: addon.threads(),
    memoryLimit: addon.memoryLimit(),
    runtime,
    cuda: await cudaDiagnosis("path" in runtime),
  };
}

function runtimeDiagnosis(): RuntimeDiagnosis | Problem {
  try {
    return { ...loadRuntime(), providers: native().providers() };
  } catch (error) {
    return problemOf(error);
  }
}

async function cudaDiagnosis(hasRuntime: boolean): Promise<CudaDiagnosis | Problem> {
  try {
    const found = await cudaDevices();
    if (!hasRuntime) return { ...found, problem: "ONNX Runtime is not available." };
    try {
      await checkCuda({ device: 0, options: {} });
      return found;
    } catch (error) {
      return { ...found, ...problemOf(error) };
    }
  } catch (error) {
    return problemOf(error);
  }
}

function problemOf(error: unknown): Problem {
  if (error instanceof SparseRerankError) return { problem: error.message };
  throw error;
}
