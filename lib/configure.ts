import { requirePath, requirePositiveInteger, requireRecord } from "./core/validate";
import { native } from "./native/load";
import { chooseRuntime } from "./native/runtime-library";

export interface ConfigureOptions {
  /** Threads of the process-wide pool; default: the cores this process may use (affinity and cgroup quota). */
  readonly threads?: number;
  /**
   * Bytes that running sequences may take together, beside the weights; default: four fifths of the memory of the machine or container. A text
   * that alone needs more is refused with ERR_TOO_LARGE.
   */
  readonly memoryLimit?: number;
  /** Path of an ONNX Runtime library to use instead of the packaged one (also ORT_DYLIB_PATH). */
  readonly runtimePath?: string;
}

/**
 * Process-wide settings. They must come before the first load: a later call with other values throws ERR_ALREADY_CONFIGURED.
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
