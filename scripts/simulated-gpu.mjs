// A simulated GPU (test/simulated-gpu/gpu.h): ONNX Runtime's CUDA provider from the Python package onnxruntime-gpu, and stand-ins for
// CUDA's libraries, which are built here. Both are kept outside the project, in the user's cache folder.
// usage: node scripts/simulated-gpu.mjs               sets it up (250 MB, the first time), prints the environment
//        node scripts/simulated-gpu.mjs COMMAND …     runs a command with it
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

/** For CUDA 13, whose structs are in test/simulated-gpu/cuda13.h. */
const PACKAGE = "onnxruntime-gpu==1.31.1";
const sources = path.join(import.meta.dirname, "..", "test", "simulated-gpu");
const cache = path.join(process.env.XDG_CACHE_HOME ?? path.join(os.homedir(), ".cache"), "sparse-rerank-simulated-gpu");

/** The CUDA library that a source file belongs to; the driver is the GPU itself, which the others link to. */
const LIBRARIES = [
  { name: "libcuda.so.1", files: ["gpu.cc", "facts.cc", "streams.cc", "driver.cc"], symbols: /^cu[A-Z]/, unsupported: 801 },
  { name: "libcudart.so.13", files: ["runtime_device.cc", "runtime_kernels.cc", "runtime_memory.cc"], unsupported: 801 },
  { name: "libcublas.so.13", files: ["blas.cc"], unsupported: 15 },
  { name: "libcublasLt.so.13", files: ["blas_lt.cc"], unsupported: 15 },
  { name: "libcurand.so.10", files: [], unsupported: 201 },
  { name: "libcudnn.so.9", files: ["dnn.cc"], symbols: /^cudnn[A-Z]/, unsupported: 3000, folder: "cudnn", link: "libcudnn.so" },
];

/** @returns { runtime, libraries, cudnn }; throws the reason if it is unavailable */
export function simulatedGpu({ install = process.env.SPARSE_RERANK_SIMULATED_GPU === "install" } = {}) {
  if (process.platform !== "linux" || process.arch !== "x64")
    throw new Error("ONNX Runtime's CUDA provider is tested only on Linux on x64");
  const provider = installProvider(install);
  const folder = buildLibraries(provider);
  const runtime = fs.readdirSync(provider).find((name) => name.startsWith("libonnxruntime.so."));
  if (runtime === undefined) throw new Error(`${PACKAGE} has no libonnxruntime.so`);
  return { runtime: path.join(provider, runtime), libraries: folder, cudnn: path.join(folder, "cudnn") };
}

/** Environment variables that make programs use it. */
export function environmentOf({ runtime, libraries, cudnn }) {
  return { ORT_DYLIB_PATH: runtime, LD_LIBRARY_PATH: `${libraries}:${cudnn}` };
}

/** @returns the folder with the libraries of the Python package */
function installProvider(install) {
  const folder = path.join(cache, PACKAGE);
  const ready = path.join(folder, "ready");
  const libraries = path.join(folder, "onnxruntime", "capi");
  if (fs.existsSync(ready)) return libraries;
  if (!install) throw new Error(`${PACKAGE} is not downloaded; \`npm run test:simulated-gpu\` does it`);
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder, { recursive: true });
  // Any wheel for this platform will do, since nothing in it runs in Python.
  const wheel = ["--only-binary=:all:", "--python-version", "3.12", "--platform", "manylinux_2_28_x86_64", "--no-deps"];
  run("python3", ["-m", "pip", "install", "-q", "--target", folder, ...wheel, PACKAGE]);
  for (const name of fs.readdirSync(libraries)) {
    if (!/^libonnxruntime(_providers_(cuda|shared))?\.so/.test(name)) fs.rmSync(path.join(libraries, name), { recursive: true });
  }
  fs.writeFileSync(ready, "");
  return libraries;
}

/** @returns the folder with the stand-ins, which are rebuilt when their sources or the provider change */
function buildLibraries(provider) {
  const needed = undefinedSymbols(path.join(provider, "libonnxruntime_providers_cuda.so"));
  const hash = createHash("sha256").update(JSON.stringify(needed));
  const headers = fs.readdirSync(sources).filter((name) => name.endsWith(".h"));
  const files = [...headers.sort(), ...LIBRARIES.flatMap(({ files }) => files)].map((name) => path.join(sources, name));
  for (const file of [import.meta.filename, ...files]) hash.update(fs.readFileSync(file));
  const folder = path.join(cache, `libraries-${hash.digest("hex").slice(0, 16)}`);
  if (fs.existsSync(folder)) return folder;
  // Under another name until it is complete, since several processes may build it.
  const unfinished = fs.mkdtempSync(path.join(cache, "unfinished-"));
  try {
    for (const library of LIBRARIES) buildLibrary(library, needed, unfinished);
    fs.renameSync(unfinished, folder);
  } catch (error) {
    fs.rmSync(unfinished, { recursive: true, force: true });
    if (!fs.existsSync(folder)) throw error;
  }
  return folder;
}

/** The symbols that the provider imports, each with its version, which is the name of CUDA's library or empty. */
function undefinedSymbols(library) {
  const lines = run("nm", ["-D", "--undefined-only", library]).split("\n");
  return lines
    .map((line) => /\s[Uw] ([^@\s]+)(?:@+([^@\s]+))?$/.exec(line))
    .flatMap((match) => (match ? [[match[1], match[2] ?? ""]] : []));
}

function definedSymbols(object) {
  const lines = run("nm", ["-g", "--defined-only", object]).split("\n");
  return lines.map((line) => line.split(" ")[2]);
}

function buildLibrary({ name, files, symbols, unsupported, folder = "", link }, needed, root) {
  const target = path.join(root, folder);
  fs.mkdirSync(target, { recursive: true });
  const parts = fs.mkdtempSync(path.join(root, "parts-"));
  const compile = ["-std=c++20", "-O1", "-fPIC", "-I", sources, "-c"];
  const objects = files.map((file) => {
    const object = path.join(parts, `${file}.o`);
    run("g++", [...compile, path.join(sources, file), "-o", object]);
    return object;
  });
  const wanted = needed.filter(([symbol, version]) => version === name || (version === "" && symbols?.test(symbol)));
  const defined = new Set(objects.flatMap(definedSymbols));
  const missing = wanted.map(([symbol]) => symbol).filter((symbol) => !defined.has(symbol));
  const code = missing.map((symbol) => `extern "C" int ${symbol}() { return simulated_gpu::unsupported("${symbol}", ${unsupported}); }\n`);
  const source = path.join(parts, "unsupported.cc");
  fs.writeFileSync(source, `#include "gpu.h"\n${code.join("")}`);
  // Who links to a version of a symbol wants to see it; who does not takes any.
  const versions = path.join(parts, "versions");
  fs.writeFileSync(versions, `${name} { *; };\n`);
  const script = wanted.some(([, version]) => version === name) ? [`-Wl,--version-script=${versions}`] : [];
  const driver = name === "libcuda.so.1" ? [] : [path.join(root, "libcuda.so.1")];
  const options = ["-std=c++20", "-shared", "-fPIC", "-I", sources, `-Wl,-soname,${name}`, "-Wl,-rpath,$ORIGIN:$ORIGIN/..", ...script];
  run("g++", [...options, "-o", path.join(target, name), source, ...objects, ...driver]);
  if (link !== undefined) fs.symlinkSync(name, path.join(target, link));
  fs.rmSync(parts, { recursive: true });
}

/** @returns its output */
function run(command, args) {
  try {
    return execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], maxBuffer: 1 << 26 });
  } catch (error) {
    const output = `${error.stderr ?? ""}`.trim().split("\n").slice(-3).join("; ") || error.message;
    throw new Error(`${command} failed: ${output}`, { cause: error });
  }
}

if (process.argv[1] === import.meta.filename) {
  try {
    main(process.argv.slice(2));
  } catch (error) {
    console.error(`The simulated GPU is unavailable: ${error.message}`);
    process.exitCode = 1;
  }
}

function main([command, ...args]) {
  const environment = environmentOf(simulatedGpu({ install: true }));
  if (command === undefined) {
    for (const [name, value] of Object.entries(environment)) console.log(`export ${name}=${value}`);
    return;
  }
  const { status, error } = spawnSync(command, args, { stdio: "inherit", env: { ...process.env, ...environment } });
  if (error) throw error;
  process.exitCode = status ?? 1;
}
