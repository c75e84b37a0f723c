import path from "node:path";
import { isMainThread } from "node:worker_threads";

import nodeGypBuild from "node-gyp-build";

import { SparseRerankError } from "../errors";
import type { NativeAddon } from "./native";

/** The package's folder: dist/internal and lib/internal are equally deep. */
export const packageRoot = path.join(__dirname, "..", "..");

let addon: NativeAddon | undefined;

/** The native addon, loaded on first use so that requiring the package costs nothing. */
export function native(): NativeAddon {
  addon ??= loadAddon();
  return addon;
}

function loadAddon(): NativeAddon {
  let loaded: NativeAddon;
  try {
    loaded = nodeGypBuild(packageRoot) as NativeAddon;
  } catch (cause) {
    throw new SparseRerankError(
      "ERR_ADDON_NOT_FOUND",
      `No native addon of sparse-rerank fits this platform (${process.platform}-${process.arch}, Node ${process.version}). ` +
        "In a clone, run `npm run build`; in a project, run `npm rebuild sparse-rerank` (needs CMake or node-gyp and a C++20 compiler). " +
        "A bundler must leave the package external.",
      { cause },
    );
  }
  loaded.initialize(SparseRerankError);
  // Before the C runtime destroys static objects, those that ONNX Runtime makes in the middle of a task first. Worker threads end their own tasks.
  if (isMainThread) {
    process.once("exit", () => {
      loaded.stopThreads();
    });
  }
  return loaded;
}
