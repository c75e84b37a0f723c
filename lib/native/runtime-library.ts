import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

import { SparseRerankError } from "../errors";
import type { ErrorCode } from "../errors";
import { native, onDisk, packageRoot } from "./load";

/** File name of our copy of ONNX Runtime, as scripts/package/runtime-library.mjs makes it. */
const LIBRARY_NAMES: Readonly<Partial<Record<NodeJS.Platform, string>>> = {
  linux: "libsparse_rerank.so",
  darwin: "libsparse_rerank.dylib",
  win32: "sparse_rerank_runtime.dll",
};

const ABOUT_THE_LIBRARY: readonly ErrorCode[] = ["ERR_RUNTIME_NOT_FOUND", "ERR_RUNTIME_INCOMPATIBLE"];

let chosenPath: string | undefined;
let loaded: { readonly path: string; readonly version: string } | undefined;

/** Process-wide as the library itself is: worker threads may each call this, and get the runtime that the first of them loaded. */
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

/** Called by configure(): an absolute or relative path of an ONNX Runtime library. */
export function chooseRuntime(runtimePath: string): void {
  const absolute = path.resolve(runtimePath);
  requireLoadedFrom(absolute);
  chosenPath = absolute;
}

function requireLoadedFrom(absolute: string): void {
  if (loaded === undefined || loaded.path === absolute) return;
  throw new SparseRerankError(
    "ERR_ALREADY_CONFIGURED",
    `ONNX Runtime ${loaded.version} is loaded already from ${loaded.path}; call configure({ runtimePath }) before the first model is loaded.`,
  );
}

/** The package that brings ONNX Runtime for this platform: an optional dependency of ours, so npm installs the one that fits. */
const runtimePackage = `@sparse-rerank/onnxruntime-${process.platform}-${process.arch}`;

/** A path that the user gives is taken alone: falling back to another library in silence would hide a mistake. */
function runtimeCandidates(): string[] {
  const given = chosenPath ?? process.env["ORT_DYLIB_PATH"];
  if (given !== undefined && given !== "") return [path.resolve(given)];
  const name = LIBRARY_NAMES[process.platform];
  if (name === undefined) return [];
  const installed = installedRuntime();
  // A clone has a copy of its own.
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
 * Where package managers put it, as paths that tracers of files (@vercel/nft) follow: a folder of traced files has the library, but not the
 * package.json that is resolved otherwise.
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
    `that was made for another platform: npm install ${runtimePackage}@${version}. To use a library of your own, give its path with ` +
    "configure({ runtimePath }) or the environment variable ORT_DYLIB_PATH. In a clone, `npm run build` makes a copy."
  );
}
