import { readFileSync } from "node:fs";
import path from "node:path";
import { isMainThread } from "node:worker_threads";

import { permissionError } from "../core/permission";
import { SparseRerankError } from "../errors";
import type { NativeAddon } from "./contract";

/** The package's folder: dist/native and lib/native are equally deep. */
export const packageRoot = path.join(__dirname, "..", "..");

/** The file that native code can open: in Electron, paths inside app.asar exist only for JavaScript, and unpacked files are next to it. */
export function onDisk(file: string): string {
  return file.replace(/([/\\]app\.asar)(?=[/\\])/, "$1.unpacked");
}

/**
 * Errors: ERR_ADDON_NOT_FOUND (in a bundle, where the addon, the embedded model and the worker's file are not next to the code).
 */
export function requireUnbundled(): void {
  if (addon !== undefined || nameInPackageJson() === "sparse-rerank") return;
  throw new SparseRerankError(
    "ERR_ADDON_NOT_FOUND",
    `A bundler has copied sparse-rerank into ${__dirname}, away from its addon and models. Declare it external: esbuild --external:sparse-rerank; ` +
      'webpack externals: { "sparse-rerank": "commonjs sparse-rerank" }; Next.js serverExternalPackages: ["sparse-rerank"]; Vite ' +
      'ssr: { external: ["sparse-rerank"] }; for others see docs/deploying.md.',
  );
}

function nameInPackageJson(): unknown {
  try {
    return (JSON.parse(readFileSync(path.join(packageRoot, "package.json"), "utf8")) as { readonly name?: unknown }).name;
  } catch {
    return undefined;
  }
}

let addon: NativeAddon | undefined;

/** The native addon, loaded on first use so that requiring the package costs nothing. */
export function native(): NativeAddon {
  addon ??= loadAddon();
  return addon;
}

function loadAddon(): NativeAddon {
  requireUnbundled();
  let loaded: NativeAddon;
  try {
    // Loaded here because Node's permission model may forbid the files that it reads. File tracers (@vercel/nft) recognize this exact form.
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- see above
    loaded = (require("node-gyp-build") as (folder: string) => unknown)(path.join(__dirname, "..", "..")) as NativeAddon;
  } catch (cause) {
    const forbidden = permissionError(cause);
    if (forbidden !== undefined) throw forbidden;
    throw new SparseRerankError(
      "ERR_ADDON_NOT_FOUND",
      `No native addon of sparse-rerank fits this platform (${process.platform}-${process.arch}, Node ${process.version}). ` +
        "In a clone, run `npm run build`; in a project, run `npm explore sparse-rerank -- npx node-gyp rebuild` (needs Python and a C++20 compiler).",
      { cause },
    );
  }
  loaded.initialize(SparseRerankError);
  // Destroys the objects of ONNX Runtime before the C runtime destroys static objects. Worker threads end their own tasks.
  if (isMainThread) {
    process.once("exit", () => {
      loaded.stopThreads();
    });
  }
  return loaded;
}
