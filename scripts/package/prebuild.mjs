// Builds prebuilds/<platform>-<arch>/ with prebuildify, in a copy of the sources, since node-gyp writes to build/, where the clone's own
// build is.   node scripts/package/prebuild.mjs [--target linux-x64|linux-arm64|linux-x64-musl]
// Without a target: for this platform, with its own compiler. With a target: with Zig's compiler, against glibc 2.28 or musl and with a
// bundled C++ library, so that it runs on every distribution of recent years. Zig is the Python package ziglang (the variable ZIG names
// another command).
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";

const root = path.join(import.meta.dirname, "..", "..");
/** Target -> [Zig's name for it, node-gyp's architecture, libc]. glibc 2.28 is what Node's own builds require. */
const TARGETS = {
  "linux-x64": ["x86_64-linux-gnu.2.28", "x64", "glibc"],
  "linux-arm64": ["aarch64-linux-gnu.2.28", "arm64", "glibc"],
  "linux-x64-musl": ["x86_64-linux-musl", "x64", "musl"],
};

const { values } = parseArgs({ options: { target: { type: "string" } } });
if (values.target !== undefined && !Object.hasOwn(TARGETS, values.target)) {
  console.error(`--target must be one of ${Object.keys(TARGETS).join(", ")}`);
  process.exit(2);
}

const copy = fs.mkdtempSync(path.join(os.tmpdir(), "sparse-rerank-prebuild-"));
try {
  for (const name of ["binding.gyp", "package.json", "native"])
    fs.cpSync(path.join(root, name), path.join(copy, name), { recursive: true });
  fs.symlinkSync(path.join(root, "node_modules"), path.join(copy, "node_modules"), "junction");
  const [zigTarget, arch, libc] = TARGETS[values.target] ?? [undefined, process.arch, undefined];
  // npm puts its own node-gyp on the path.
  const args = ["exec", "--offline", "--", "prebuildify", "--napi", "--tag-libc", "--arch", arch];
  // node-gyp builds one file at a time unless JOBS says otherwise.
  const env = { ...process.env, JOBS: String(os.availableParallelism()), ...(libc === undefined ? {} : { PREBUILD_LIBC: libc }) };
  // Node's own headers; if they are missing, node-gyp downloads them.
  const headers = path.join(path.dirname(fs.realpathSync(process.execPath)), "..");
  if (fs.existsSync(path.join(headers, "include", "node", "node_api.h"))) env["npm_config_nodedir"] = headers;
  if (zigTarget === undefined) args.push("--strip");
  else Object.assign(env, compilers(zigTarget));
  run("npm", args, { cwd: copy, env });
  fs.cpSync(path.join(copy, "prebuilds"), path.join(root, "prebuilds"), { recursive: true });
} finally {
  fs.rmSync(copy, { recursive: true, force: true });
}

/**
 * Wrapper scripts, since node-gyp expects one word per compiler. Zig's linker strips with -s; Debian's strip does not support other
 * machines' files. The bundled C++ library must not expose its operator new to other libraries of the process: a version script hides
 * everything but what Node looks up.
 */
function compilers(zigTarget) {
  const zig = process.env["ZIG"] ?? "python3 -m ziglang";
  const script = (name, command) => {
    const file = path.join(copy, name);
    fs.writeFileSync(file, `#!/bin/sh\nexec ${zig} ${command} -target ${zigTarget} "$@"\n`, { mode: 0o755 });
    return file;
  };
  const exported = path.join(copy, "exported");
  fs.writeFileSync(exported, "{ global: napi_register_module_v1; node_api_module_get_api_version_v1; local: *; };\n");
  return { CC: script("zig-cc", "cc"), CXX: script("zig-cxx", "c++"), LDFLAGS: `-s -Wl,--version-script=${exported}` };
}

function run(command, args, options) {
  const result = spawnSync(command, args, { stdio: "inherit", shell: process.platform === "win32", ...options });
  if (result.status !== 0) process.exit(result.status ?? 1);
}
