import assert from "node:assert/strict";
import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { EventEmitter, once } from "node:events";
import fs from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import path from "node:path";

import { snapshotOf } from "../../../dist/hub/snapshot";
import { COMMIT, FakeHub } from "../../support/fake-hub";

const WEIGHTS = randomBytes(2_000_000);
const SHA256 = createHash("sha256").update(WEIGHTS).digest("hex");
/** Downloads in its own process: node load.js <endpoint> <cacheDir> */
const SCRIPT = `
  const { snapshotOf } = require(${JSON.stringify(path.join(__dirname, "..", "..", "..", "dist", "hub", "snapshot.js"))});
  const [HF_ENDPOINT, cacheDir] = process.argv.slice(2);
  snapshotOf("org/model", { cacheDir }, { HF_HOME: cacheDir, HF_ENDPOINT }).catch((error) => { console.error(error); process.exitCode = 1; });
`;

describe("hub downloads by several processes", () => {
  let hub: FakeHub;
  let cacheDir: string;

  beforeEach(async () => {
    hub = await FakeHub.start();
    hub.add("org/model", {
      files: new Map([
        ["config.json", Buffer.from("{}")],
        ["model.safetensors", WEIGHTS],
      ]),
    });
    cacheDir = await mkdtemp(path.join(tmpdir(), "sparse-rerank-hub-"));
    fs.writeFileSync(path.join(cacheDir, "load.js"), SCRIPT);
  });
  afterEach(async () => {
    await hub.stop();
    await rm(cacheDir, { recursive: true, force: true });
  });

  const blobs = (): string => path.join(cacheDir, "models--org--model", "blobs");
  const start = (): ChildProcess => fork(path.join(cacheDir, "load.js"), [hub.endpoint, cacheDir], { execArgv: [] });
  const load = (): Promise<string> => snapshotOf("org/model", { cacheDir }, { HF_HOME: cacheDir, HF_ENDPOINT: hub.endpoint });
  const assertIntact = (): void => {
    assert.ok(fs.readFileSync(path.join(cacheDir, "models--org--model", "snapshots", COMMIT, "model.safetensors")).equals(WEIGHTS));
    assert.deepEqual(
      fs.readdirSync(blobs()).filter((name) => name.endsWith(".incomplete")),
      [],
    );
  };
  /** Sends the first part of the weights at once and the rest when `release` is called. */
  const holdBack = (bytes: number): { readonly started: Promise<unknown>; release: () => void } => {
    const gate = new EventEmitter();
    hub.fault = ({ host }, response) => {
      if (host !== "cdn") return false;
      hub.fault = undefined;
      response.writeHead(200, { "content-length": WEIGHTS.length });
      response.write(WEIGHTS.subarray(0, bytes), () => gate.emit("started"));
      gate.once("release", () => response.end(WEIGHTS.subarray(bytes)));
      return true;
    };
    return { started: once(gate, "started"), release: () => gate.emit("release") };
  };
  const partialOf = (host: string, pid: number): string =>
    path.join(blobs(), `${SHA256}.${createHash("sha256").update(host).digest("hex").slice(0, 8)}-${String(pid)}-01234567-0.incomplete`);

  it("downloads a file once for all of them", async () => {
    const held = holdBack(1_000_000);
    const children = [start(), start(), start()];
    const exits = children.map((child) => once(child, "exit"));
    const own = [load(), load()];
    await held.started;
    setTimeout(held.release, 300);
    await Promise.all(own);
    for (const exit of exits) assert.deepEqual(await exit, [0, null]);
    assertIntact();
    assert.equal(hub.seen.filter(({ host }) => host === "cdn").length, 1);
  });

  it("copies for all of them if links are not possible", async () => {
    const environment = { HF_HOME: cacheDir, HF_ENDPOINT: hub.endpoint, HF_HUB_DISABLE_SYMLINKS: "1" };
    await Promise.all(Array.from({ length: 8 }, () => snapshotOf("org/model", { cacheDir }, environment)));
    assertIntact();
  });

  it("resumes at once where a killed process stopped", async () => {
    const held = holdBack(1_000_000);
    const child = start();
    await held.started;
    const part = (): number =>
      Math.max(0, ...fs.readdirSync(blobs()).map((name) => (name.startsWith(SHA256) ? fs.statSync(path.join(blobs(), name)).size : 0)));
    while (part() < 900_000) await new Promise((resolve) => setTimeout(resolve, 10));
    child.kill("SIGKILL");
    await once(child, "exit");
    await load();
    assertIntact();
    assert.match(hub.downloads("model.safetensors").at(-1)!.range!, /^bytes=\d{6,}-$/);
  });

  it("leaves the file of a process on another machine alone until that process seems dead", async () => {
    fs.mkdirSync(blobs(), { recursive: true });
    const partial = partialOf(`not ${hostname()}`, 1);
    fs.writeFileSync(partial, WEIGHTS.subarray(0, 1_000_000));
    const waiting = new AbortController();
    const loading = snapshotOf("org/model", { cacheDir, signal: waiting.signal }, { HF_HOME: cacheDir, HF_ENDPOINT: hub.endpoint });
    const outcome = loading.then(
      () => "loaded",
      (error: unknown) => (error as { readonly code: string }).code,
    );
    setTimeout(() => {
      waiting.abort();
    }, 600);
    assert.equal(await outcome, "ERR_ABORTED");
    assert.equal(hub.downloads("model.safetensors").length, 0);
    const longAgo = Date.now() / 1000 - 1000;
    fs.utimesSync(partial, longAgo, longAgo);
    await load();
    assertIntact();
    assert.equal(hub.downloads("model.safetensors").at(-1)?.range, "bytes=1000000-");
  });

  it("resumes with the largest of several files that dead processes left, and verifies its contents", async () => {
    fs.mkdirSync(blobs(), { recursive: true });
    // No process has this number: Linux stops at 2^22, Windows and macOS far below 2^31.
    const dead = 2 ** 31 - 1;
    fs.writeFileSync(partialOf(hostname(), dead), WEIGHTS.subarray(0, 10));
    fs.writeFileSync(partialOf(hostname(), dead - 1), randomBytes(1_000_000));
    await load();
    assertIntact();
    assert.deepEqual(
      hub.downloads("model.safetensors").map(({ range }) => range),
      ["bytes=1000000-", undefined],
    );
  });
});
