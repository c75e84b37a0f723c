export interface SimulatedGpu {
  /** ONNX Runtime's library, with its CUDA provider next to it. */
  readonly runtime: string;
  /** Folder of the stand-ins for CUDA's libraries. */
  readonly libraries: string;
  /** Folder of the stand-in for cuDNN. */
  readonly cudnn: string;
}

/** Throws the reason if it is unavailable. */
export function simulatedGpu(options?: { readonly install?: boolean }): SimulatedGpu;

/** Environment variables that make programs use it. */
export function environmentOf(gpu: SimulatedGpu): { readonly ORT_DYLIB_PATH: string; readonly LD_LIBRARY_PATH: string };
