/**
 * The package on machines that are small, old or locked down. Each test first checks whether this machine can simulate such an environment.
 */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

import { FakeHub } from "../support/fake-hub";
import { skip } from "../support/skip";

import { cgroup } from "./cgroup";
import { root, runProgram } from "./children";
import type { Ended } from "./children";
import { writeHollowCheckpoint } from "./hollow-checkpoint";

/** Encodes, in 8 bits as well, and finds a document in an index; prints the results. @param index a folder, or none */
function work(index?: string): string {
  const made = index === undefined ? "create({ dimension })" : `open(${JSON.stringify(index)}, { dimension })`;
  return `
    const path = require("node:path");
    const { SparseEncoder, SparseIndex } = require("sparse-rerank");
    const { native } = require(path.join(path.dirname(require.resolve("sparse-rerank/package.json")), "dist/native/load"));
    (async () => {
      const encoder = await SparseEncoder.load("splade-tiny");
      const vectors = await encoder.encodeDocument(["Sharks are fish that live in the sea.", "The heart pumps blood. ".repeat(40)]);
      const quantised = await SparseEncoder.load("splade-tiny", { dtype: "int8" });
      await quantised.encode("a text");
      const dimension = vectors.cols;
      const index = await SparseIndex.${made};
      await index.add(["sea", "heart"], vectors);
      const [hit] = await index.search(await encoder.encodeQuery("what moves blood?"));
      await index.close();
      const { indices, values } = vectors.row(0);
      const machine = { threads: native().threads(), memory: native().memory(), kernels: native().kernels().active };
      console.log(JSON.stringify({ hit: hit.id, ...machine, indices: [...indices], values: [...values] }));
    })();`;
}

interface Worked {
  readonly hit: string;
  readonly threads: number;
  readonly memory: number;
  readonly kernels: string;
  readonly indices: readonly number[];
  readonly values: readonly number[];
}

function workedOf(ended: Ended): Worked {
  assert.deepEqual([ended.code, ended.signal, ended.stderr], [0, null, ""]);
  const worked = JSON.parse(ended.stdout) as Worked;
  assert.equal(worked.hit, "heart");
  return worked;
}

/** Prints the error code with which an expression rejects. */
function codeOf(expression: string): string {
  return `const { CrossEncoder, SparseEncoder, SparseIndex } = require("sparse-rerank");
    ${expression}.then(() => console.log("none"), (error) => console.log(error.code));`;
}

/** Whether a wrapper command works here, by letting it run another one. */
function can([command = "", ...args]: readonly string[], ...rest: readonly string[]): boolean {
  return process.platform === "linux" && spawnSync(command, [...args, ...rest], { stdio: "ignore" }).status === 0;
}

describe("small, old and locked machines", function () {
  this.timeout(300_000);

  let folder: string;
  before(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), "sparse-rerank environment-"));
  });
  after(() => {
    fs.rmSync(folder, { recursive: true, force: true });
  });

  it("one processor", async function () {
    const allowed = process.platform === "linux" ? /^Cpus_allowed_list:\s*(\d+)/m.exec(fs.readFileSync("/proc/self/status", "utf8")) : null;
    const through = ["taskset", "-c", allowed?.[1] ?? "0"];
    if (!can(through, "true")) skip(this, "needs Linux's taskset");
    assert.equal(workedOf(await runProgram(work(), { through })).threads, 1);
  });

  it("half a processor and 512 MB", async function () {
    const group = cgroup({ cpus: 0.5, bytes: 512 * 2 ** 20 });
    if (group === undefined) skip(this, "needs root and cgroups that can be written");
    try {
      const { threads, memory } = workedOf(await runProgram(work(), { through: group.enter }));
      assert.deepEqual([threads, memory], [1, 512 * 2 ** 20]);
      const large = path.join(folder, "large");
      writeHollowCheckpoint(large, 24);
      const { stdout } = await runProgram(codeOf(`CrossEncoder.load(${JSON.stringify(large)})`), { through: group.enter });
      assert.equal(stdout.trim(), "ERR_TOO_LARGE");
    } finally {
      group.remove();
    }
  });

  it("a model too large for any machine", async function () {
    if (process.platform === "win32") skip(this, "needs files with holes");
    const larger = path.join(folder, "larger");
    const bytesPerLayer = 12 * 1024 * 1024 * 4;
    writeHollowCheckpoint(larger, Math.ceil((1.2 * os.totalmem()) / bytesPerLayer));
    const { stdout } = await runProgram(codeOf(`CrossEncoder.load(${JSON.stringify(larger)})`));
    assert.equal(stdout.trim(), "ERR_TOO_LARGE");
  });

  it("an x86 processor without AVX2", async function () {
    const through = ["qemu-x86_64", "-cpu", "Nehalem"];
    if (process.arch !== "x64" || !can(through, "/bin/true")) skip(this, "needs qemu-x86_64 (Debian's qemu-user)");
    const here = workedOf(await runProgram(work()));
    const old = workedOf(await runProgram(work(), { through }));
    assert.equal(old.kernels, "scalar");
    assert.deepEqual(old.indices, here.indices);
    old.values.forEach((value, i) => {
      assert.ok(Math.abs(value - (here.values[i] ?? 0)) < 1e-4, `${String(value)}, here ${String(here.values[i])}`);
    });
  });

  it("folders with spaces and non-ASCII letters", async () => {
    const project = path.join(folder, "a project, ünïcode 模型");
    const copy = path.join(project, "node_modules", "sparse-rerank");
    for (const part of ["package.json", "dist", "models", "runtime", "build/Release/sparse_rerank.node"]) {
      fs.cpSync(path.join(root, part), path.join(copy, part), { recursive: true });
    }
    fs.symlinkSync(path.join(root, "node_modules"), path.join(copy, "node_modules"), "junction");
    const model = path.join(copy, "models", "splade-tiny");
    const program = work("an index ü").replaceAll('"splade-tiny"', JSON.stringify(model));
    workedOf(await runProgram(program, { cwd: project, env: { HF_HOME: path.join(project, "cache ü") } }));
  });

  it("no home folder", async () => {
    workedOf(await runProgram(work(), { env: { HOME: undefined, USERPROFILE: undefined, HF_HOME: undefined } }));
  });

  it("a user unknown to the system", async function () {
    const through = ["setpriv", "--reuid", "54321", "--regid", "54321", "--clear-groups"];
    if (!can(through, "test", "-r", path.join(root, "package.json")))
      skip(this, "needs root, setpriv, and a checkout that others may read");
    const env = { HOME: undefined, HF_HOME: undefined, XDG_CACHE_HOME: undefined };
    workedOf(await runProgram(work(), { through, env }));
    const { stdout } = await runProgram(codeOf('SparseEncoder.load("naver/splade-v3")'), { through, env });
    assert.equal(stdout.trim(), "ERR_HUB_CACHE");
  });

  it("a read-only file system", async function () {
    const through = ["unshare", "--mount", "sh", "-c", 'mount --bind / / && mount -o remount,bind,ro / && cd "$PWD" && exec "$@"', "sh"];
    if (!can(through, "sh", "-c", `! touch "${root}/written"`)) skip(this, "needs root and unshare");
    workedOf(await runProgram(work(), { through }));
    const index = path.join(folder, "index");
    workedOf(await runProgram(work(index)));
    const opened = `SparseIndex.open(${JSON.stringify(index)}, { readOnly: true }).then((index) => { if (index.size !== 2) throw new Error("size"); })`;
    const hub = await FakeHub.start();
    hub.addFolder("naver/splade-v3", path.join(root, "test", "data", "checkpoints", "splade-bert"));
    const env = { HF_HOME: path.join(folder, "hub"), HF_ENDPOINT: hub.endpoint };
    const codes: string[] = [];
    for (const expression of [opened, `SparseIndex.open(${JSON.stringify(index)})`, 'SparseEncoder.load("naver/splade-v3")']) {
      codes.push((await runProgram(codeOf(expression), { through, env })).stdout.trim());
    }
    await hub.stop();
    assert.deepEqual(codes, ["none", "ERR_FILE_UNWRITABLE", "ERR_HUB_CACHE"]);
  });
});
