// Checks every file of a release in prebuilds/: size, exported symbols, required libraries and their versions, and that it loads.
//   node scripts/package/check-prebuilds.mjs [--node-arm64 COMMAND] [--zig COMMAND]
// The command of --node-arm64 runs Node for linux-arm64 here, for example with qemu; that of --zig compiles the program that loads the musl
// file, which needs musl's loader (apt-get install musl). Files without a command here, and those for macOS and Windows, are loaded only in
// their own platform's job.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";

const root = path.join(import.meta.dirname, "..", "..");
const { values } = parseArgs({ options: { "node-arm64": { type: "string" }, zig: { type: "string" } } });

const MAX_BYTES = 4e6;
/** Debian 10, RHEL 8: what Node 20 itself requires. */
const MAX_GLIBC = 28;
const EXPORTS = ["napi_register_module_v1", "node_api_module_get_api_version_v1"];
const LIBRARIES = {
  glibc: /^(lib(c|m)\.so\.6|libpthread\.so\.0|libdl\.so\.2|ld-linux-[\w-]+\.so\.\d)$/,
  musl: /^libc\.so$/,
};
/** Searches; with the argument "encode", what it has encoded. */
const PROGRAM = `
  const { SparseEncoder, SparseIndex, SparseMatrix } = require(${JSON.stringify(path.join(root, "dist"))});
  (async () => {
    let vectors = SparseMatrix.fromRows([{ indices: [1], values: [2] }, { indices: [1], values: [1] }], 5);
    if (process.argv[1] === "encode") vectors = await (await SparseEncoder.load("splade-tiny")).encodeDocument(["a cat sat", "the market fell"]);
    const index = SparseIndex.create({ dimension: vectors.cols });
    await index.add(["a", "b"], vectors);
    const [hit] = await index.search(vectors.row(0), { topK: 1 });
    console.log(hit.id);
  })();
`;

const failures = [];
const folders = fs.readdirSync(path.join(root, "prebuilds"));
for (const folder of folders) {
  for (const name of fs.readdirSync(path.join(root, "prebuilds", folder))) check(folder, name);
}
if (folders.length === 0) failures.push("prebuilds/ is empty");
for (const failure of failures) console.error(`prebuilds: ${failure}`);
if (failures.length > 0) process.exit(1);

function check(folder, name) {
  const file = path.join(root, "prebuilds", folder, name);
  const fail = (problem) => failures.push(`${folder}/${name} ${problem}`);
  const { size } = fs.statSync(file);
  if (size > MAX_BYTES) fail(`has ${size} bytes, more than ${MAX_BYTES}`);
  const told = [folder, name, `${size} bytes`];
  const [platform, arch] = folder.split("-");
  if (platform === "linux") {
    const libc = name.includes(".musl.") ? "musl" : "glibc";
    told.push(...checkElf(file, libc, fail), load(file, arch, libc, fail));
  }
  console.log(told.join(", "));
}

function checkElf(file, libc, fail) {
  const symbols = readelf("--dyn-syms", file)
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , , , binding]) => binding === "GLOBAL" || binding === "WEAK")
    .map(([, , , , , , section, symbol = ""]) => ({ section, symbol }));
  const exported = symbols.filter(({ section }) => section !== "UND").map(({ symbol }) => symbol.split("@")[0]);
  if (exported.toSorted().join() !== EXPORTS.join())
    fail(`exports ${exported.slice(0, 5).join(", ")}…; only ${EXPORTS.join(", ")} should be`);
  const needed = Array.from(readelf("--dynamic", file).matchAll(/\(NEEDED\)[^\n[]*\[([^\]\n]+)\]/g), ([, library]) => library);
  const foreign = needed.filter((library) => !LIBRARIES[libc].test(library));
  if (foreign.length > 0) fail(`needs ${foreign.join(", ")}, which not every system has`);
  if (/ \.symtab /.test(readelf("--sections", file))) fail("is not stripped");
  if (libc === "musl") return ["musl"];
  const glibc = Math.max(0, ...Array.from(readelf("--version-info", file).matchAll(/GLIBC_2\.(\d+)/g), ([, minor]) => Number(minor)));
  if (glibc > MAX_GLIBC) fail(`needs glibc 2.${glibc}; the limit is 2.${MAX_GLIBC}`);
  return [`glibc 2.${glibc}`];
}

function load(file, arch, libc, fail) {
  if (libc === "musl") return loadOnMusl(file, fail);
  const native = arch === process.arch;
  const node = native ? process.execPath : arch === "arm64" ? values["node-arm64"] : undefined;
  if (node === undefined) return "not loaded here";
  const [command, ...options] = node.split(" ");
  // qemu-user 7.2 crashes when it loads ONNX Runtime's library for arm64, with onnxruntime-node's own addon as well.
  const task = native ? "encode" : "search";
  const env = { ...process.env, PREBUILDS_ONLY: "1" };
  const { status, stdout, stderr } = spawnSync(command, [...options, "-e", PROGRAM, task], { env, encoding: "utf8" });
  if (status === 0 && stdout.trim() === "a") return native ? "encodes and searches" : "searches, emulated";
  fail(`does not work: ${stderr || stdout}`);
  return "fails";
}

/** Loads it in a program that stands in for Node: it defines functions with the names that the addon imports from Node. */
function loadOnMusl(file, fail) {
  if (values.zig === undefined || !fs.existsSync("/lib/ld-musl-x86_64.so.1")) return "not loaded here";
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "sparse-rerank-musl-"));
  try {
    const taken = Array.from(readelf("--dyn-syms", file).matchAll(/ UND ((?:napi|node_api)_\w+)/g), ([, name]) => `void ${name}(void) {}`);
    const main = `int main(int n, char** a) { if (dlopen(a[1], RTLD_NOW)) return 0; puts(dlerror()); return 1; }`;
    fs.writeFileSync(path.join(folder, "host.c"), ["#include <dlfcn.h>", "#include <stdio.h>", ...taken, main, ""].join("\n"));
    const [command, ...options] = values.zig.split(" ");
    const compile = ["cc", "-O2", "-fno-sanitize=all", "-target", "x86_64-linux-musl", "-dynamic", "-rdynamic", "host.c", "-o", "host"];
    const built = spawnSync(command, [...options, ...compile], { cwd: folder, encoding: "utf8" });
    if (built.status !== 0) throw new Error(`Zig cannot build the program that loads the musl file: ${built.stderr}`);
    const { status, stdout } = spawnSync(path.join(folder, "host"), [file], { encoding: "utf8" });
    if (status === 0) return "loads";
    fail(`does not load: ${stdout}`);
    return "fails";
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}

function readelf(...args) {
  const { status, stdout, stderr, error } = spawnSync("readelf", ["--wide", ...args], { encoding: "utf8", maxBuffer: 2 ** 26 });
  if (status !== 0) throw new Error(`readelf fails: ${error?.message ?? stderr}`);
  return stdout;
}
