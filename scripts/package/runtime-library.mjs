// The ONNX Runtime libraries of the development dependency onnxruntime-node, and how a copy gets a name of its own. On Linux the SONAME
// inside the copy changes too: two libraries with the same SONAME in a process share their version nodes, and a process that loads this
// libonnxruntime.so.1 first and another onnxruntime-node later would fail there ("version `VERS_…' not found").
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const require = createRequire(import.meta.url);

/** Platform -> [the file in onnxruntime-node, its name here (as in lib/native/runtime-library.ts), files that must be next to it]. */
const LIBRARIES = {
  linux: ["libonnxruntime.so.1", "libsparse_rerank.so", []],
  darwin: ["libonnxruntime.1.dylib", "libsparse_rerank.dylib", []],
  win32: ["onnxruntime.dll", "sparse_rerank_runtime.dll", ["DirectML.dll", "dxil.dll", "dxcompiler.dll"]],
};

/** The version of ONNX Runtime. */
export function runtimeVersion() {
  return require("onnxruntime-node/package.json").version;
}

/** The platforms for which onnxruntime-node has a library, as [platform, arch]. */
export function runtimePlatforms() {
  return Object.keys(LIBRARIES).flatMap((platform) =>
    ["x64", "arm64"].filter((arch) => hasRuntime(platform, arch)).map((arch) => [platform, arch]),
  );
}

export function hasRuntime(platform, arch) {
  return LIBRARIES[platform] !== undefined && fs.existsSync(path.join(folderOf(platform, arch), LIBRARIES[platform][0]));
}

/** Writes the library of a platform, and the files that must be next to it, to `target`. Returns the names of the files. */
export function copyRuntime(platform, arch, target) {
  const [source, name, companions] = LIBRARIES[platform];
  const folder = folderOf(platform, arch);
  fs.mkdirSync(target, { recursive: true });
  const library = fs.readFileSync(path.join(folder, source));
  if (platform === "linux") renameSoname(library, source, name);
  writeAtomically(path.join(target, name), library);
  const present = companions.filter((companion) => fs.existsSync(path.join(folder, companion)));
  for (const companion of present) fs.copyFileSync(path.join(folder, companion), path.join(target, companion));
  return [name, ...present];
}

function folderOf(platform, arch) {
  return path.join(path.dirname(require.resolve("onnxruntime-node/package.json")), "bin", "napi-v6", platform, arch);
}

/**
 * The name occurs once in the dynamic string table, where DT_SONAME and the version definition both point: same length, patched in place.
 */
function renameSoname(bytes, from, to) {
  const pattern = Buffer.from(`\0${from}\0`);
  const at = bytes.indexOf(pattern);
  if (from.length !== to.length || at < 0 || bytes.indexOf(pattern, at + 1) >= 0) {
    throw new Error(`${from}: expected its SONAME exactly once; this version of onnxruntime-node needs another way to rename it.`);
  }
  bytes.write(to, at + 1, "latin1");
}

/** A process that has the old copy mapped keeps it. */
function writeAtomically(file, bytes) {
  const temporary = `${file}.${process.pid}`;
  fs.writeFileSync(temporary, bytes);
  fs.renameSync(temporary, file);
}
