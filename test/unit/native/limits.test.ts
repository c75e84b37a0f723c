/**
 * The native addon when the system denies threads or memory, and with paths that are not files: coded errors, and a process that continues.
 */

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import type { SpawnSyncReturns } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

import { SparseEncoder, SparseIndex, SparseMatrix } from "../../../dist/index";
import { native } from "../../../dist/native/load";
import { loadRuntime } from "../../../dist/native/runtime-library";
import { fixtures } from "../../golden/golden";
import { skip } from "../../support/skip";

const dist = path.join(__dirname, "..", "..", "..", "dist");

/** pthread_create that fails once the variable REFUSE_THREADS is set and its count of threads is used up. */
const REFUSING_THREADS = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
typedef int (*Create)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*body)(void*), void* argument) {
  static int started;
  const char* most = getenv("REFUSE_THREADS");
  if (most != NULL && started++ >= atoi(most)) return EAGAIN;
  return ((Create)dlsym(RTLD_NEXT, "pthread_create"))(thread, attributes, body, argument);
}`;

const PREAMBLE = `
const { SparseIndex, SparseMatrix, configure } = require(${JSON.stringify(path.join(dist, "index.js"))});
const { native } = require(${JSON.stringify(path.join(dist, "native", "load.js"))});
const assert = require("node:assert/strict");
const rows = SparseMatrix.fromRows([{ indices: [1], values: [1] }], 8);
`;

function child(program: string, env: NodeJS.ProcessEnv = {}, limit = ""): SpawnSyncReturns<string> {
  const script = `${PREAMBLE}(async () => {${program}})().then(() => console.log("fine"), (error) => { console.log(error); process.exit(3); });`;
  const command = `${limit}exec "$0" -e "$1"`;
  return spawnSync("bash", ["-c", command, process.execPath, script], {
    encoding: "utf8",
    env: { ...process.env, ...env },
    timeout: 60_000,
  });
}

function assertFine({ status, signal, stdout, stderr }: SpawnSyncReturns<string>): void {
  assert.deepEqual({ status, signal, stdout: stdout.trim() }, { status: 0, signal: null, stdout: "fine" }, stderr);
}

describe("limits of the system", function () {
  this.timeout(120_000);
  let folder = "";
  before(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), "sparse-rerank-limits-"));
  });
  after(() => {
    fs.rmSync(folder, { recursive: true, force: true });
  });

  const preload = (): string | undefined => {
    const [source, library] = [path.join(folder, "threads.c"), path.join(folder, "threads.so")];
    if (process.platform !== "linux" || spawnSync("cc", ["--version"]).status !== 0) return undefined;
    fs.writeFileSync(source, REFUSING_THREADS);
    execFileSync("cc", ["-shared", "-fPIC", "-o", library, source, "-ldl"]);
    return library;
  };

  it("reports an error if no thread can be started, and works once one can", function () {
    const library = preload();
    if (library === undefined) return skip(this, "needs Linux and a C compiler");
    const program = `
      configure({ threads: 4 });
      const index = SparseIndex.create({ dimension: 8 });
      process.env.REFUSE_THREADS = "0";
      await assert.rejects(index.add(["a"], rows), { name: "SparseRerankError", code: "ERR_TOO_LARGE" });
      await assert.rejects(index.search(rows), { code: "ERR_TOO_LARGE" });
      assert.equal(index.size, 0);
      delete process.env.REFUSE_THREADS;
      await index.add(["a"], rows);
      assert.equal((await index.search(rows))[0][0].id, "a");
      await index.close();`;
    assertFine(child(program, { LD_PRELOAD: library }));
  });

  it("works if only some of the threads can be started", function () {
    const library = preload();
    if (library === undefined) return skip(this, "needs Linux and a C compiler");
    const program = `
      configure({ threads: 4 });
      const index = SparseIndex.create({ dimension: 8 });
      process.env.REFUSE_THREADS = "1";
      await index.add(["a"], rows);
      assert.equal((await index.search(rows))[0][0].id, "a");
      await index.close();`;
    assertFine(child(program, { LD_PRELOAD: library }));
  });

  it("reports an error if memory is denied, on the JS thread and on the pool's", function () {
    if (process.platform !== "linux") return skip(this, "needs ulimit -v");
    // Room for V8's address ranges, but not for 2^36 floats.
    const program = `
      const empty = { indptr: new Uint32Array(2 ** 18 + 1), indices: new Uint32Array(0), values: new Float32Array(0) };
      for (const similarity of ["dot", "cosine"]) {
        await assert.rejects(async () => native().similarity(empty, empty, 8, similarity), { name: "SparseRerankError", code: "ERR_TOO_LARGE" });
      }
      const index = SparseIndex.create({ dimension: 8 });
      await index.add(["a"], rows);
      assert.equal((await index.search(rows))[0][0].id, "a");
      await index.close();`;
    assertFine(child(program, {}, "ulimit -v $((200 * 1024 * 1024)); "));
  });
});

describe("paths that are not files", () => {
  let folder = "";
  before(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), "sparse-rerank-paths-"));
  });
  after(() => {
    fs.rmSync(folder, { recursive: true, force: true });
  });

  it("zero bytes are rejected wherever native code accepts a path", async () => {
    const victim = path.join(folder, "victim.txt");
    fs.writeFileSync(victim, "precious");
    const cut = `${victim}\0.index`;
    const code = { code: "ERR_INVALID_ARGUMENT" };
    const index = new (native().Index)(8);
    await assert.rejects(async () => index.save(cut), code);
    await assert.rejects(async () => native().openIndex(cut, { dimension: 8 }), code);
    await assert.rejects(async () => native().openModel({ file: cut }), code);
    const backend = { kind: "sequences" } as const;
    const spec = { graph: new Uint8Array(0), weightFolder: folder, files: [], weights: [], inputs: ["input_ids"], backend };
    await assert.rejects(async () => native().createModel({ ...spec, files: [cut] }), code);
    await assert.rejects(async () => native().createModel({ ...spec, weightFolder: cut }), code);
    await assert.rejects(
      async () => native().createModel({ ...spec, backend: { ...backend, int8: { layers: [], cacheFolder: cut } } }),
      code,
    );
    assert.throws(() => native().loadRuntime([cut]), code);
    await index.dispose();
    assert.equal(fs.readFileSync(victim, "utf8"), "precious");
    assert.deepEqual(fs.readdirSync(folder), ["victim.txt"]);
  });

  it("pipes and devices are rejected immediately", async function () {
    if (process.platform === "win32") return skip(this, "Windows has no pipes among its files");
    const pipe = path.join(folder, "pipe");
    execFileSync("mkfifo", [pipe]);
    loadRuntime();
    for (const file of [pipe, "/dev/null", "/dev/zero"]) {
      const code = { code: "ERR_FILE_UNREADABLE" };
      await assert.rejects(SparseIndex.open(file), code, file);
      await assert.rejects(SparseIndex.open(file, { readOnly: true }), code, file);
      await assert.rejects(async () => native().openModel({ file }), code, file);
      await using index = SparseIndex.create({ dimension: 8 });
      await assert.rejects(index.save(file), { code: "ERR_FILE_UNWRITABLE" }, file);
      assert.ok(!fs.statSync(file).isFile());
    }
    const home = path.join(folder, "index");
    await (await SparseIndex.open(home, { dimension: 8 })).close();
    fs.rmSync(path.join(home, "manifest"));
    execFileSync("mkfifo", [path.join(home, "manifest")]);
    await assert.rejects(SparseIndex.open(home, { dimension: 8 }), { code: "ERR_FILE_UNREADABLE" });
  });
});

describe("files that are overwritten while open", () => {
  let folder = "";
  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), "sparse-rerank-overwritten-"));
  });
  afterEach(() => {
    fs.rmSync(folder, { recursive: true, force: true });
  });

  it("an index is rejected at the next search, whatever the file now contains", async function () {
    if (process.platform === "win32") return skip(this, "Windows refuses to write to a mapped file");
    const file = path.join(folder, "index");
    const rows = SparseMatrix.fromRows([{ indices: [1], values: [1] }], 8);
    await using source = SparseIndex.create({ dimension: 8 });
    await source.add(["a"], rows);
    await source.save(file);
    await using index = await SparseIndex.open(file);
    assert.equal((await index.search(rows))[0]?.length, 1);
    fs.truncateSync(file, 10);
    const copy = path.join(folder, "copy");
    for (const call of [() => index.search(rows), () => index.has(["a"]), () => index.remove(["a"]), () => index.save(copy)]) {
      await assert.rejects(call, { code: "ERR_INDEX_CORRUPT" });
    }
    assert.deepEqual(fs.readdirSync(folder), ["index"]);
  });

  it("weights are rejected at the next text", async function () {
    if (process.platform === "win32") return skip(this, "Windows refuses to write to a mapped file");
    const copy = path.join(folder, "model");
    fs.cpSync(path.join(fixtures, "splade-bert"), copy, { recursive: true });
    await using encoder = await SparseEncoder.load(copy);
    assert.equal((await encoder.encodeDocument(["text"])).rows, 1);
    fs.truncateSync(path.join(copy, "model.safetensors"), 100);
    await assert.rejects(encoder.encodeDocument(["text"]), { code: "ERR_INVALID_WEIGHTS" });
  });

  it("two saves to one path leave one of the two indexes, complete", async () => {
    const file = path.join(folder, "index");
    const indexes = await Promise.all(
      ["a", "b", "c", "d"].map(async (id, i) => {
        const index = SparseIndex.create({ dimension: 8 });
        await index.add([id], SparseMatrix.fromRows([{ indices: [1], values: [1 + i] }], 8));
        return index;
      }),
    );
    for (let round = 0; round < 5; round++) await Promise.all(indexes.map((index) => index.save(file)));
    await using opened = await SparseIndex.open(file);
    const [hits] = await opened.search(SparseMatrix.fromRows([{ indices: [1], values: [1] }], 8));
    assert.equal(hits?.length, 1);
    assert.deepEqual(fs.readdirSync(folder), ["index"]);
    await Promise.all(indexes.map((index) => index.close()));
  });
});
