import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

import { native } from "../dist/native/load.js";
import { loadRuntime } from "../dist/native/runtime-library.js";

const root = path.join(import.meta.dirname, "..");

/** The properties that a figure depends on; `versions` are those of other systems. */
export function describeMachine(versions) {
  const package_ = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"));
  loadRuntime();
  return {
    cpu: os.cpus()[0].model.trim(),
    threads: native().threads(),
    memory: `${Math.round(os.totalmem() / 2 ** 30)} GB`,
    system: `${os.type()} ${os.release()} ${os.arch()}`,
    /** Over the last minute: near 0 on an idle machine. */
    loadBefore: os.loadavg()[0],
    kernels: native().kernels().active,
    versions: {
      "sparse-rerank": package_.version,
      node: process.version,
      ...versions,
    },
    commit: process.env.SPARSE_RERANK_COMMIT ?? describeCommit(),
  };
}

function describeCommit() {
  try {
    const isChanged = git("status", "--porcelain", "--", "lib", "native", "bench/*.mjs", "bench/*.py", "scripts/gpu") !== "";
    return git("rev-parse", "--short=12", "HEAD") + (isChanged ? " and changes" : "");
  } catch {
    // A copy without the repository, or without git.
    return "unknown";
  }
}

function git(...command) {
  return execFileSync("git", ["-c", "safe.directory=*", ...command], {
    cwd: root,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  }).trim();
}
