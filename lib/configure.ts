import { requirePath, requirePositiveInteger, requireRecord } from "./core/validate";
import { native } from "./native/load";
import { chooseRuntime } from "./native/runtime-library";

export interface ConfigureOptions {
  /** Number of threads in the process-wide pool. Default: the cores that this process may use (CPU affinity and cgroup quota). */
  readonly threads?: number;
  /**
   * Bytes of working memory that all running sequences may use together, in addition to the weights. Default: four fifths of the memory of
   * the machine or container. A single text that needs more fails with ERR_TOO_LARGE.
   */
  readonly memoryLimit?: number;
  /** Path of an ONNX Runtime library to use instead of the packaged one. ORT_DYLIB_PATH sets it too. */
  readonly runtimePath?: string;
}

/**
 * Sets process-wide options. Call it before anything is loaded: a later call with different values throws ERR_ALREADY_CONFIGURED.
 */
export function configure(options: ConfigureOptions): void {
  requireRecord(options, "options", ["threads", "memoryLimit", "runtimePath"]);
  if (options.runtimePath !== undefined) requirePath(options.runtimePath, "runtimePath");
  if (options.threads !== undefined) {
    requirePositiveInteger(options.threads, "threads", 1024);
    native().setThreads(options.threads);
  }
  if (options.memoryLimit !== undefined) {
    requirePositiveInteger(options.memoryLimit, "memoryLimit");
    native().setMemoryLimit(options.memoryLimit);
  }
  if (options.runtimePath !== undefined) chooseRuntime(options.runtimePath);
}
