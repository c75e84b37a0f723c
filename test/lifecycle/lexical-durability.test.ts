/** Both sides of an index through the deaths of its writer, and readers that follow a writer in another process. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";

import { native } from "../../dist/native/load";
import type { NativeSnapshot } from "../../dist/native/contract";
import { packStrings } from "../../dist/native/strings";
import { skip } from "../support/skip";
import { root, soak } from "./children";
import { withFolder } from "./index-program";

const KILLS = soak ? 200 : 10;
const COMMITS = soak ? 1000 : 80;
const BATCH = 7;
const ALL = 1_000_000;

/**
 * Applies changes from FIRST on, COUNT of them: change i adds BATCH documents i-0, i-1, …, and removes those of change i - 2 when i is even. Tells of
 * each before and after. Every document has weight 1 in dimension 0 and the terms "all" and "change<i>".
 */
const WRITER = `
  const fs = require("node:fs");
  const { native } = require("./dist/native/load");
  const { packStrings } = require("./dist/native/strings");
  const say = (line) => fs.writeSync(1, line + "\\n");
  const BATCH = ${BATCH};
  const ids = (i) => packStrings(Array.from({ length: BATCH }, (_, j) => i + "-" + j));
  const even = Uint32Array.from({ length: BATCH + 1 }, (_, j) => j);
  const documents = (i) => ({
    ids: ids(i),
    vectors: { indptr: even, indices: new Uint32Array(BATCH), values: new Float32Array(BATCH).fill(1) },
    terms: {
      terms: packStrings(["all", "change" + i]),
      indptr: even.map((j) => 2 * j),
      indices: Uint32Array.from({ length: 2 * BATCH }, (_, k) => k % 2),
      counts: Uint32Array.from({ length: 2 * BATCH }, (_, k) => 1 + (k % 3)),
    },
  });
  (async () => {
    const index = await native().openIndex(process.env.INDEX_FOLDER, { dimension: 4, lexical: { k1: 1.2, b: 0.75 } });
    say("open");
    const first = Number(process.env.FIRST);
    for (let i = first; i < first + Number(process.env.COUNT); i++) {
      await index.apply({ add: documents(i), ...(i % 2 === 0 && i > 1 ? { remove: ids(i - 2) } : {}) });
      say("applied " + i);
      if (i % 5 === 0) while ((await index.mergeStep(i % 20 === 0)) === "more");
    }
    await index.dispose();
  })();
`;

/** The changes whose documents are there: all of each, and the same ones on both sides. */
async function changesOf(snapshot: NativeSnapshot): Promise<Set<number>> {
  const query = { indptr: Uint32Array.of(0, 1), indices: Uint32Array.of(0) };
  const vectors = await snapshot.search({ ...query, values: Float32Array.of(1) }, ALL, {});
  const terms = await snapshot.searchTerms({ ...query, terms: packStrings(["all"]), counts: Uint32Array.of(1) }, ALL, {});
  const listed = await snapshot.list({ limit: ALL });
  assert.deepEqual([...vectors.ids].sort(), [...listed.ids].sort());
  assert.deepEqual([...terms.ids].sort(), [...listed.ids].sort());
  const batches = new Map<number, number>();
  for (const id of listed.ids) batches.set(Number.parseInt(id), (batches.get(Number.parseInt(id)) ?? 0) + 1);
  for (const [change, count] of batches) assert.equal(count, BATCH, `change ${change} is there in part`);
  const names = packStrings([...batches.keys()].map((change) => `change${change}`));
  const statistics = await snapshot.termStatistics(names);
  assert.equal(statistics.documents, listed.ids.length);
  assert.ok(statistics.documentFrequencies.every((count) => count === BATCH));
  return new Set(batches.keys());
}

/** What is there after change `last`: odd changes stay, and of the even ones the last. */
function expectedAfter(last: number): Set<number> {
  const changes = Array.from({ length: last + 1 }, (_, i) => i);
  return new Set(changes.filter((i) => i % 2 === 1 || i >= last - 1));
}

function start(folder: string, first: number, count: number): ReturnType<typeof spawn> {
  return spawn(process.execPath, ["-e", WRITER], {
    cwd: root,
    env: { ...process.env, NODE_V8_COVERAGE: "", INDEX_FOLDER: folder, FIRST: String(first), COUNT: String(count) },
    stdio: ["ignore", "pipe", "inherit"],
  });
}

describe("an index with a lexical side", () => {
  it(`has all of each change on both sides, or none, through ${KILLS} kill -9`, async function () {
    if (process.platform === "win32") skip(this, "needs SIGKILL");
    this.timeout(KILLS * 20_000);
    await withFolder(async (folder) => {
      let next = 0;
      for (let round = 0; round < KILLS; round++) {
        const child = start(folder, next, ALL);
        let said = "";
        child.stdout?.on("data", (chunk: Buffer) => (said += chunk.toString()));
        const closed = new Promise((resolve) => child.once("close", resolve));
        const deadline = Date.now() + 60_000;
        while (!said.includes("open") && child.exitCode === null && Date.now() < deadline) await sleep(2);
        await sleep((round * 37) % 150);
        child.kill("SIGKILL");
        await closed;
        const applied = said
          .split("\n")
          .slice(0, -1)
          .filter((line) => line.startsWith("applied "))
          .map((line) => Number(line.split(" ")[1]));
        const acknowledged = applied.at(-1) ?? next - 1;
        const index = await native().openIndex(folder, {});
        const found = await changesOf(index.snapshot());
        await index.dispose();
        // The change in progress is there wholly, or not at all.
        const last = found.has(acknowledged + 1) ? acknowledged + 1 : acknowledged;
        assert.deepEqual([...found].sort(), [...expectedAfter(last)].sort(), `round ${round}`);
        next = last + 1;
      }
      assert.ok(next > 0, "nothing was applied at all");
    });
  });

  it(`is followed by readers across ${COMMITS} commits of another process`, async function () {
    this.timeout(600_000);
    await withFolder(async (folder) => {
      const child = start(folder, 0, COMMITS);
      let said = "";
      child.stdout?.on("data", (chunk: Buffer) => (said += chunk.toString()));
      const closed = new Promise((resolve) => child.once("close", resolve));
      while (!said.includes("open") && child.exitCode === null) await sleep(2);
      const reader = await native().openIndex(folder, { readOnly: true });
      let states = 0;
      let newest = -1;
      const look = async (): Promise<void> => {
        const snapshot = reader.snapshot();
        const found = await changesOf(snapshot);
        snapshot.dispose();
        const last = Math.max(-1, ...found);
        assert.ok(last >= newest, "an older state came back");
        newest = last;
        assert.deepEqual([...found].sort(), [...expectedAfter(last)].sort());
      };
      while (child.exitCode === null && child.signalCode === null) {
        if (await reader.refresh()) states++;
        await look();
      }
      assert.equal(await closed, 0);
      await reader.refresh();
      await look();
      assert.equal(newest, COMMITS - 1);
      assert.ok(states > 1, String(states));
      await reader.dispose();
    });
  });
});
