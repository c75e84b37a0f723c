// Makes runtime/: a copy of the ONNX Runtime library that the development dependency onnxruntime-node ships, under a name of our own.
// On Linux the SONAME inside the copy changes too: two libraries of one SONAME in a process share their version nodes, and a process that
// loads our libonnxruntime.so.1 first and another onnxruntime-node later would fail there ("version `VERS_…' not found").
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const root = path.join(import.meta.dirname, "..");
const packageFolder = path.dirname(createRequire(import.meta.url).resolve("onnxruntime-node/package.json"));
const folder = path.join(packageFolder, "bin", "napi-v6", process.platform, process.arch);

/** Platform -> [the file in onnxruntime-node, our name (as in lib/internal/runtime.ts), files that must lie beside it]. */
const platforms = {
  linux: ["libonnxruntime.so.1", "libsparse_rerank.so", []],
  darwin: ["libonnxruntime.1.dylib", "libsparse_rerank.dylib", []],
  win32: ["onnxruntime.dll", "sparse_rerank_runtime.dll", ["DirectML.dll", "dxil.dll", "dxcompiler.dll"]],
};

const platform = platforms[process.platform];
if (platform === undefined || !fs.existsSync(path.join(folder, platform[0]))) {
  console.warn(`onnxruntime-node has no library for ${process.platform}-${process.arch}: encoders need configure({ runtimePath }).`);
  process.exit(0);
}
const [source, name, companions] = platform;
const target = path.join(root, "runtime");
fs.mkdirSync(target, { recursive: true });

const library = fs.readFileSync(path.join(folder, source));
if (process.platform === "linux") renameSoname(library, source, name);
writeAtomically(path.join(target, name), library);
for (const companion of companions) {
  if (fs.existsSync(path.join(folder, companion))) fs.copyFileSync(path.join(folder, companion), path.join(target, companion));
}

/** The name stands once in the dynamic string table, where DT_SONAME and the version definition both point: same length, patched in place. */
function renameSoname(bytes, from, to) {
  const pattern = Buffer.from(`\0${from}\0`);
  const at = bytes.indexOf(pattern);
  if (from.length !== to.length || at < 0 || bytes.indexOf(pattern, at + 1) >= 0) {
    throw new Error(
      `${source}: expected its SONAME ${from} exactly once; this version of onnxruntime-node needs another way to rename it.`,
    );
  }
  bytes.write(to, at + 1, "latin1");
}

/** A process that has the old copy mapped keeps it. */
function writeAtomically(file, bytes) {
  const temporary = `${file}.${process.pid}`;
  fs.writeFileSync(temporary, bytes);
  fs.renameSync(temporary, file);
}
