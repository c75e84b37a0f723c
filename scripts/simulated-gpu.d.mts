export interface SimulatedGpu {
  /** ONNX Runtime's library, with its CUDA provider beside it. */
  readonly runtime: string;
  /** Folder of the libraries that stand for CUDA's. */
  readonly libraries: string;
  /** Folder of the one that stands for cuDNN. */
  readonly cudnn: string;
}

/** Throws the reason where there can be none. */
export function simulatedGpu(options?: { readonly install?: boolean }): SimulatedGpu;

/** Environment variables that make programs find it. */
export function environmentOf(gpu: SimulatedGpu): { readonly ORT_DYLIB_PATH: string; readonly LD_LIBRARY_PATH: string };
