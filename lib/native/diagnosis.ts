/** What this machine has to run models with. */

import { SparseRerankError } from "../errors";
import type { NativeCudaDevice } from "./contract";
import { checkCuda, cudaDevices } from "./cuda";
import { native } from "./load";
import { loadRuntime } from "./runtime-library";

export interface Diagnosis {
  readonly node: string;
  /** "linux-x64". */
  readonly platform: string;
  /** The instruction set of the kernels in use. */
  readonly kernels: string;
  readonly threads: number;
  /** Bytes that running sequences may take together. */
  readonly memoryLimit: number;
  readonly runtime: RuntimeDiagnosis | Problem;
  readonly cuda: CudaDiagnosis | Problem;
}

export interface RuntimeDiagnosis {
  readonly path: string;
  readonly version: string;
  /** Execution providers that it was built with. */
  readonly providers: readonly string[];
}

export interface CudaDiagnosis {
  /** The newest version of CUDA that the driver runs. */
  readonly driverVersion: string;
  readonly devices: readonly NativeCudaDevice[];
  /** What keeps models from the first card; undefined when nothing does. */
  readonly problem?: string;
}

/** What is missing, and how to get it. */
export interface Problem {
  readonly problem: string;
}

/** Looks at everything: it loads ONNX Runtime, the driver and the CUDA provider, whose absence is part of the answer. */
export async function diagnose(): Promise<Diagnosis> {
  const addon = native();
  const runtime = runtimeDiagnosis();
  return {
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    kernels: addon.kernels().active,
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
    if (!hasRuntime) return { ...found, problem: "There is no ONNX Runtime." };
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
