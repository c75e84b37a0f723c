// Installs and builds what is missing in a clone, and shows its progress. Needs nothing but Node itself, since it runs before the first
// `npm ci`. Used by `npm start` and `npm test`.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";

export const root = path.join(import.meta.dirname, "..");

/** Runs a command with the terminal's output; on failure this process exits with the command's exit code. */
export function run(command, args, options = {}) {
  // npm is a script on Windows, which needs a shell.
  const result = spawnSync(command, args, { cwd: root, stdio: "inherit", shell: process.platform === "win32", ...options });
  if (result.error) {
    console.error(`Cannot run ${command}: ${result.error.message}`);
    process.exit(1);
  }
  if (result.status !== 0) process.exit(result.status ?? 1);
}

export async function prepare() {
  requireNode();
  if (!installed()) {
    step("Installing the packages of package-lock.json");
    // Without scripts: onnxruntime-node's would download unused libraries, and the build comes next.
    run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
  }
  const stamp = path.join(root, "dist", ".built-from");
  const hash = sourceHash();
  const built = fs.existsSync(stamp) && fs.readFileSync(stamp, "utf8") === hash && fs.existsSync(path.join(root, "build", "Release"));
  if (!built) {
    step("Building the native addon and the TypeScript sources (about a minute the first time)");
    run("npm", ["run", "--silent", "build"]);
    fs.writeFileSync(stamp, hash);
  }
}

function requireNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  console.error(`sparse-rerank needs Node 20.19 or newer; this is ${process.version}.`);
  process.exit(1);
}

function step(what) {
  console.error(`\n== ${what}`);
}

/** npm records what it installed; the record is older than the lockfile if that has changed since. */
function installed() {
  const record = path.join(root, "node_modules", ".package-lock.json");
  return fs.existsSync(record) && fs.statSync(record).mtimeMs >= fs.statSync(path.join(root, "package-lock.json")).mtimeMs;
}

function sourceHash() {
  const hash = createHash("sha256");
  for (const name of ["package-lock.json", "CMakeLists.txt", "tsconfig.json", "native", "lib", "page", "docs", "scripts"])
    addToHash(hash, name);
  return hash.digest("hex");
}

function addToHash(hash, name) {
  const full = path.join(root, name);
  if (fs.statSync(full).isDirectory()) {
    for (const child of fs.readdirSync(full).sort()) addToHash(hash, path.join(name, child));
  } else {
    hash.update(`${name}\0`).update(fs.readFileSync(full));
  }
}
