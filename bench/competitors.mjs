// Installs the competitors once, in a cache folder outside the project.
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

export const TRANSFORMERS_JS_VERSION = "4.3.1";

/** Contains environments and checkpoints, about 3 GB; SPARSE_RERANK_BENCH_CACHE names another folder. */
export const cache =
  process.env.SPARSE_RERANK_BENCH_CACHE ??
  path.join(process.env.XDG_CACHE_HOME ?? path.join(os.homedir(), ".cache"), "sparse-rerank-bench");

const REFERENCE = { folder: "venv", file: path.join(import.meta.dirname, "requirements.txt"), given: process.env.SPARSE_RERANK_BENCH_VENV };

/** The interpreter of an environment with the packages of bench/requirements.txt; `given` is an existing one (SPARSE_RERANK_BENCH_VENV). */
export function python(requirements = REFERENCE) {
  const folder = requirements.given ?? path.join(cache, requirements.folder);
  const interpreter = path.join(folder, process.platform === "win32" ? "Scripts/python.exe" : "bin/python");
  if (requirements.given !== undefined || fs.existsSync(path.join(folder, "complete"))) return interpreter;
  console.error(`Installing ${requirements.file} into ${folder} …`);
  fs.rmSync(folder, { recursive: true, force: true });
  execFileSync("python3", ["-m", "venv", folder], { stdio: "inherit" });
  execFileSync(interpreter, ["-m", "pip", "install", "--quiet", "--requirement", requirements.file], { stdio: "inherit" });
  fs.writeFileSync(path.join(folder, "complete"), "");
  return interpreter;
}

/** A folder whose node_modules has @huggingface/transformers. No install script runs: the package includes ONNX Runtime for the CPU. */
export function transformersJs() {
  return npmPackages(`transformers-js-${TRANSFORMERS_JS_VERSION}`, { "@huggingface/transformers": TRANSFORMERS_JS_VERSION }, [
    "--ignore-scripts",
  ]);
}

/** A folder in the cache whose node_modules has these versions of packages. */
export function npmPackages(name, versions, npmOptions = []) {
  const folder = path.join(cache, name);
  const mark = path.join(folder, "complete");
  const wanted = Object.entries(versions).map(([packageName, version]) => `${packageName}@${version}`);
  if (fs.existsSync(mark) && fs.readFileSync(mark, "utf8") === wanted.join("\n")) return folder;
  console.error(`Installing ${wanted.join(", ")} into ${folder} …`);
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(path.join(folder, "package.json"), '{"private":true}\n');
  const command = ["install", ...npmOptions, "--no-audit", "--no-fund", ...wanted];
  execFileSync("npm", command, { cwd: folder, stdio: ["ignore", 2, 2], shell: process.platform === "win32" });
  fs.writeFileSync(mark, wanted.join("\n"));
  return folder;
}
