/** A durable index whose process dies: kill -9 at any moment, a full disk, and the order of system calls that survives a power failure. */

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { SparseIndex } from "../../dist/sparse-index/sparse-index";
import { skip } from "../support/skip";
import { root, soak } from "./children";
import { BATCH, batchesOf, CALIBRATED_BATCH, PROLOGUE, withFolder } from "./index-program";

/** Documents per batch, and how often its writer is killed. */
const KILLS = [
  { documents: BATCH, kills: soak ? 200 : 12 },
  { documents: CALIBRATED_BATCH, kills: soak ? 100 : 4 },
];

/** Adds batches of DOCUMENTS endlessly, from FIRST on, and removes every third again; reports each once it is done. */
const WRITER = `${PROLOGUE}
  (async () => {
    const documents = Number(process.env.DOCUMENTS);
    const index = await open();
    say("open");
    for (let i = Number(process.env.FIRST); ; i++) {
      await index.add(ids(i, documents), vectors(i, documents));
      say("added " + i);
      if (i % 3 !== 0) continue;
      say("removing " + i);
      await index.remove(ids(i, documents));
      say("removed " + i);
    }
  })();
`;

function start(
  command: string,
  commandArguments: readonly string[],
  folder: string,
  env: NodeJS.ProcessEnv = {},
): ReturnType<typeof spawn> {
  return spawn(command, commandArguments, {
    cwd: root,
    env: { ...process.env, NODE_V8_COVERAGE: "", INDEX_FOLDER: folder, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
}

/** Runs the writer, kills it after some milliseconds of work, and returns its output. */
async function runAndKill(folder: string, documents: number, first: number, milliseconds: number): Promise<string[]> {
  const child = start(process.execPath, ["-e", WRITER], folder, { DOCUMENTS: String(documents), FIRST: String(first) });
  let said = "";
  child.stdout?.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const closed = new Promise((resolve) => child.once("close", resolve));
  const deadline = Date.now() + 60_000;
  while (!said.includes("open") && child.exitCode === null && Date.now() < deadline) await sleep(2);
  await sleep(milliseconds);
  child.kill("SIGKILL");
  await closed;
  assert.match(said, /^open\n/, "the writer did not come to open its index");
  return said.split("\n").slice(1, -1);
}

describe("durable index", () => {
  for (const { documents, kills } of KILLS) {
    it(`keeps settled changes through ${kills} kill -9, in batches of ${documents} documents`, async function () {
      if (process.platform === "win32") skip(this, "needs SIGKILL");
      this.timeout(kills * 20_000);
      await withFolder(async (folder) => {
        const expected = new Set<number>();
        let first = 0;
        for (let round = 0; round < kills; round++) {
          const unsure = new Set<number>();
          for (const line of await runAndKill(folder, documents, first, documents === BATCH ? (round * 37) % 150 : (round * 150) % 600)) {
            const [what, text] = line.split(" ");
            const batch = Number(text);
            first = batch + 1;
            if (what === "added") expected.add(batch);
            if (what === "removing") unsure.add(batch);
            if (what === "removed") {
              unsure.delete(batch);
              expected.delete(batch);
            }
          }
          // The batch that was being added may be present or not.
          unsure.add(first);
          await using index = await SparseIndex.open(folder);
          const found = await batchesOf(index);
          for (const batch of expected) assert.ok(found.has(batch) || unsure.has(batch), `round ${round}: batch ${batch} is lost`);
          for (const [batch, count] of found) {
            assert.equal(count, documents, `round ${round}: batch ${batch} is there in part`);
            assert.ok(expected.has(batch) || unsure.has(batch), `round ${round}: batch ${batch} was never added, or removed`);
          }
          for (const batch of unsure) {
            if (found.has(batch)) expected.add(batch);
            else expected.delete(batch);
          }
          first++;
        }
        assert.ok(expected.size > 0, "no batch was added at all");
        await using index = await SparseIndex.open(folder);
        await index.compact();
        assert.deepEqual(new Set((await batchesOf(index)).keys()), expected);
        assert.equal(index.stats().segments, 1);
        // Nothing is left of what the crashes interrupted.
        assert.equal(fs.readdirSync(folder).filter((name) => name.startsWith("segment-")).length, 1);
        assert.ok(!fs.existsSync(path.join(folder, "manifest.new")));
      });
    });
  }

  it("a full disk rejects a change and a merge, and loses nothing", async function () {
    if (process.platform === "win32") skip(this, "needs ulimit");
    await withFolder(async (folder) => {
      const program = `${PROLOGUE}
        (async () => {
          const index = await open();
          await index.add(ids(0), vectors(0));
          try { await index.add(ids(1, 20000), vectors(1, 20000)); say("no error"); } catch (error) { say(error.code); }
          say(index.size);
          await index.add(ids(2), vectors(2));
          await index.remove(ids(0));
          say(index.size);
          // Each fits alone, all together do not.
          for (const i of [3, 4, 5]) await index.add(ids(i, 500), vectors(i, 500));
          try { await index.compact(); say("no error"); } catch (error) { say(error.code); }
          say(index.size);
          await index.close();
        })();
      `;
      // No file may grow beyond 100 KiB.
      const child = start("bash", ["-c", 'ulimit -f 100 && exec "$0" -e "$1"', process.execPath, program], folder);
      let said = "";
      child.stdout?.on("data", (chunk: Buffer) => (said += chunk.toString()));
      const code = await new Promise((resolve) => child.once("close", resolve));
      assert.deepEqual([code, said.split("\n")], [0, ["ERR_FILE_UNWRITABLE", "10", "10", "ERR_FILE_UNWRITABLE", "1510", ""]]);
      await using index = await SparseIndex.open(folder);
      const expected = new Map([2, 3, 4, 5].map((batch) => [batch, batch === 2 ? BATCH : 500]));
      assert.deepEqual(await batchesOf(index), expected);
      const names = fs.readdirSync(folder);
      assert.equal(names.filter((name) => name.startsWith("segment-")).length, index.stats().segments);
      assert.ok(!names.includes("manifest.new"));
    });
  });

  it("syncs files and folders in an order that survives a power failure", async function () {
    if (process.platform !== "linux") skip(this, "needs Linux's strace");
    if (spawnSync("strace", ["-o", "/dev/null", "true"]).status !== 0) skip(this, "needs strace, and permission to trace");
    await withFolder(async (folder) => {
      const log = `${folder}.strace`;
      const program = `${PROLOGUE}
        (async () => {
          const index = await open();
          await index.add(ids(0), vectors(0));
          await index.add(ids(1, ${CALIBRATED_BATCH}), vectors(1, ${CALIBRATED_BATCH}));
          say("added");
          await index.close();
        })();
      `;
      const calls = "trace=write,pwrite64,fsync,fdatasync,rename,renameat,renameat2";
      const child = start("strace", ["-f", "-y", "-qq", "-e", calls, "-o", log, process.execPath, "-e", program], folder);
      assert.equal(await new Promise((resolve) => child.once("close", resolve)), 0);
      const name = path.basename(folder);
      const steps = fs
        .readFileSync(log, "utf8")
        .split("\n")
        .flatMap((line) => stepOf(line, name));
      // The index is created, a batch is added, then one that is calibrated.
      const commit = ["write manifest.new", "sync manifest.new", "sync folder", "rename manifest.new", "sync folder"];
      const calibrated = ["write segment-1", "sync segment-1", "write segment-1", "sync segment-1"];
      assert.deepEqual(steps, [
        "sync parent",
        ...commit,
        "write segment-0",
        "sync segment-0",
        ...commit,
        ...calibrated,
        ...commit,
        "say added",
      ]);
    });
  });
});

let written = "";

/** A line of strace in a word or two; repeated writes to one file count once. */
function stepOf(line: string, name: string): string[] {
  const file = (text: string | undefined): string => {
    if (text === undefined) return "";
    if (text.endsWith(`/${name}`)) return "folder";
    return text.includes(`/${name}/`) ? path.basename(text) : "parent";
  };
  const write = /\bp?write(?:64)?\(\d+<([^>]+)>, "?(added)?/.exec(line);
  if (write !== null) {
    if (write[2] !== undefined) return ["say added"];
    if (!line.includes(`/${name}/`)) return [];
    const step = `write ${file(write[1])}`;
    const repeated = step === written;
    written = step;
    return repeated ? [] : [step];
  }
  const sync = /\bf(?:data)?sync\(\d+<([^>]+)>/.exec(line);
  if (sync !== null) {
    written = "";
    return [`sync ${file(sync[1])}`];
  }
  return /\brename/.test(line) && line.includes(`/${name}/`) ? ["rename manifest.new"] : [];
}
