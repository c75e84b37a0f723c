import { native } from "./internal/load";
import { chooseRuntime } from "./internal/runtime";
import { requirePositiveInteger, requireRecord, requireString } from "./internal/validate";

export interface ConfigureOptions {
  /** Threads of the process-wide pool; default: the cores this process may use (affinity and cgroup quota). */
  readonly threads?: number;
  /** Path of an ONNX Runtime library to use instead of the packaged one (also ORT_DYLIB_PATH). */
  readonly runtimePath?: string;
}

/**
 * Process-wide settings. They must come before the first load: a later call with other values throws ERR_ALREADY_CONFIGURED.
 */
export function configure(options: ConfigureOptions): void {
  requireRecord(options, "options", ["threads", "runtimePath"]);
  if (options.runtimePath !== undefined) requireString(options.runtimePath, "runtimePath");
  if (options.threads !== undefined) {
    requirePositiveInteger(options.threads, "threads", 1024);
    native().setThreads(options.threads);
  }
  if (options.runtimePath !== undefined) chooseRuntime(options.runtimePath);
}
