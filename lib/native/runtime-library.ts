import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

import { SparseRerankError } from "../errors";
import type { ErrorCode } from "../errors";
import { native, onDisk, packageRoot } from "./load";

/** File name of the bundled ONNX Runtime, as scripts/package/runtime-library.mjs writes it. */
const LIBRARY_NAMES: Readonly<Partial<Record<NodeJS.Platform, string>>> = {
  linux: "libsparse_rerank.so",
  darwin: "libsparse_rerank.dylib",
  win32: "sparse_rerank_runtime.dll",
};

const ABOUT_THE_LIBRARY: readonly ErrorCode[] = ["ERR_RUNTIME_NOT_FOUND", "ERR_RUNTIME_INCOMPATIBLE"];

let chosenPath: string | undefined;
let loaded: { readonly path: string; readonly version: string } | undefined;

/** Loads ONNX Runtime. The library is process-wide: any worker thread may call this, and gets the runtime that the first call loaded. */
export function loadRuntime(): { readonly path: string; readonly version: string } {
  if (loaded !== undefined) return loaded;
  try {
    loaded = native().loadRuntime(runtimeCandidates());
  } catch (error) {
    if (!(error instanceof SparseRerankError) || !ABOUT_THE_LIBRARY.includes(error.code)) throw error;
    throw new SparseRerankError(error.code, `${error.message}\n${remedy()}`, { cause: error });
  }
  if (chosenPath !== undefined) requireLoadedFrom(chosenPath);
  return loaded;
}

/** Called by configure(), with an absolute or relative path of an ONNX Runtime library. */
export function chooseRuntime(runtimePath: string): void {
  const absolute = path.resolve(runtimePath);
  requireLoadedFrom(absolute);
  chosenPath = absolute;
}

function requireLoadedFrom(absolute: string): void {
  if (loaded === undefined || loaded.path === absolute) return;
  throw new SparseRerankError(
    "ERR_ALREADY_CONFIGURED",
    `ONNX Runtime ${loaded.version} is already loaded from ${loaded.path}; call configure({ runtimePath }) before the first model is loaded.`,
  );
}

/** The package that provides ONNX Runtime for this platform: an optional dependency, so npm installs only the matching one. */
const runtimePackage = `@sparse-rerank/onnxruntime-${process.platform}-${process.arch}`;

/** A path that the user sets is the only candidate: silently falling back to another library would hide a mistake. */
function runtimeCandidates(): string[] {
  const given = chosenPath ?? process.env["ORT_DYLIB_PATH"];
  if (given !== undefined && given !== "") return [path.resolve(given)];
  const name = LIBRARY_NAMES[process.platform];
  if (name === undefined) return [];
  const installed = installedRuntime();
  // A clone contains its own copy.
  const beside = BESIDE[`${process.platform}-${process.arch}`];
  const candidates = [installed === undefined ? undefined : path.join(installed, name), beside, path.join(packageRoot, "runtime", name)];
  return candidates.filter((candidate) => candidate !== undefined).map(onDisk);
}

function installedRuntime(): string | undefined {
  try {
    return path.dirname(createRequire(path.join(packageRoot, "package.json")).resolve(`${runtimePackage}/package.json`));
  } catch {
    return undefined;
  }
}

/**
 * Where package managers install it, as literal paths that file tracers (@vercel/nft) follow: a folder of traced files contains the
 * library, but not the package.json that would otherwise be resolved.
 */
const BESIDE: Readonly<Record<string, string>> = {
  "darwin-arm64": path.join(__dirname, "..", "..", "..", "@sparse-rerank", "onnxruntime-darwin-arm64", "libsparse_rerank.dylib"),
  "linux-arm64": path.join(__dirname, "..", "..", "..", "@sparse-rerank", "onnxruntime-linux-arm64", "libsparse_rerank.so"),
  "linux-x64": path.join(__dirname, "..", "..", "..", "@sparse-rerank", "onnxruntime-linux-x64", "libsparse_rerank.so"),
  "win32-arm64": path.join(__dirname, "..", "..", "..", "@sparse-rerank", "onnxruntime-win32-arm64", "sparse_rerank_runtime.dll"),
  "win32-x64": path.join(__dirname, "..", "..", "..", "@sparse-rerank", "onnxruntime-win32-x64", "sparse_rerank_runtime.dll"),
};

function remedy(): string {
  const { version } = JSON.parse(readFileSync(path.join(packageRoot, "package.json"), "utf8")) as { readonly version: string };
  return (
    `npm installs ONNX Runtime with sparse-rerank, as ${runtimePackage}. It is missing after an install with --omit=optional or from a lockfile ` +
    `created on another platform: npm install ${runtimePackage}@${version}. To use another library, set its path with ` +
    "configure({ runtimePath }) or the environment variable ORT_DYLIB_PATH. In a clone, `npm run build` makes a copy."
  );
}
