/** A collection through the deaths of its writer, a full and a read-only disk, and readers that follow a writer in another process. */

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { Collection } from "../../dist/collection/collection";
import type { CollectionOptions } from "../../dist/collection/types";
import { skip } from "../support/skip";
import { root, runProgram, soak } from "./children";
import { backupOf, makeChange, optionsOf, stateAfter, statesUpTo } from "./collection-program";
import type { Document, Kind } from "./collection-program";
import { withFolder } from "./index-program";

type Fields = NonNullable<Document["metadata"]>;

const KILLS: readonly (readonly [kind: Kind, kills: number])[] = [
  ["cheap", soak ? 200 : 10],
  ["lexical", soak ? 60 : 4],
  ["model", soak ? 60 : 3],
];
const COMMITS = soak ? 1000 : 80;
const ALL = 1_000_000;
const QUERIES = ["meet", "river stone", "number3 meet", "winter garden title"];

interface Writer {
  readonly child: ChildProcess;
  /** Settles when the collection is open. */
  readonly open: Promise<void>;
  /** Settles when the process has ended. */
  readonly closed: Promise<unknown>;
  /** The last change that it told of. */
  last(): number;
}

function start(folder: string, kind: Kind, first: number, count: number): Writer {
  const program = path.join(__dirname, "collection-program.ts");
  const child = spawn(process.execPath, ["-r", "tsx/cjs", program, folder, kind, String(first), String(count)], {
    cwd: root,
    env: { ...process.env, NODE_V8_COVERAGE: "" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  const closed = new Promise((resolve) => child.once("close", resolve));
  const open = new Promise<void>((resolve, reject) => {
    child.stdout.on("data", (chunk: Buffer) => {
      said += chunk.toString();
      if (said.startsWith("open\n")) resolve();
    });
    void closed.then(() => {
      reject(new Error("the writer did not come to open its collection"));
    });
  });
  const last = (): number => {
    const lines = said.split("\n").slice(1, -1);
    return lines.length === 0 ? first - 1 : Number(lines.at(-1)?.split(" ")[1]);
  };
  return { child, open, closed, last };
}

/** Everything that can be read of a collection, to be compared as JSON. */
async function viewOf(collection: Collection<Fields>): Promise<unknown> {
  const documents = await collection.list({ limit: ALL });
  const ids = documents.map(({ id }) => id);
  assert.deepEqual(await collection.get(ids), documents);
  const { documents: count, passages, lexical, passageOptions } = await collection.stats();
  const modes = passageOptions === undefined ? (["lexical"] as const) : (["lexical", "sparse", "hybrid"] as const);
  const searches: unknown[] = [];
  for (const mode of modes) {
    for (const query of QUERIES) {
      const options = { mode, topK: ALL, facets: { group: 10 } } as const;
      for (const collapse of ["passage", "document"] as const) {
        const { hits, facets } = await collection.search(query, { ...options, collapse });
        // Hits of one score are in insertion order of segments; their fused ranks differ with it.
        const shown = hits.map(({ id, passage, scores: { sparse, lexical: words } }) =>
          JSON.stringify([id, ...(collapse === "passage" ? [passage, sparse, words] : [])]),
        );
        searches.push([mode, query, collapse, shown.sort(), facets]);
      }
    }
  }
  const counts = [
    await collection.count(),
    await collection.count({ group: 1 }),
    await collection.count({ ids: ["d1", "d2", "d3", "none"] }),
  ];
  return { documents, count, passages, lexical, passageOptions, searches, counts };
}

/** Requires that a collection equals one that is built from scratch of these documents. */
async function requireState(collection: Collection<Fields>, documents: readonly Document[], options: CollectionOptions): Promise<void> {
  const scratch = await Collection.open<Fields>(":memory:", options);
  await scratch.upsert(documents);
  assert.deepEqual(await viewOf(collection), await viewOf(scratch));
  await scratch.close();
}

function removeBackups(folder: string): void {
  for (const name of fs.readdirSync(path.dirname(folder))) {
    if (name.startsWith(`${path.basename(folder)}.backup-`)) fs.rmSync(path.join(path.dirname(folder), name), { recursive: true });
  }
}

describe("a durable collection", () => {
  for (const [kind, kills] of KILLS) {
    it(`keeps the acknowledged changes, and both sides of each, through ${kills} kill -9 (${kind})`, async function () {
      if (process.platform === "win32") skip(this, "needs SIGKILL");
      this.timeout(kills * 60_000);
      const { options, close } = await optionsOf(kind);
      await withFolder(async (folder) => {
        let next = 0;
        for (let round = 0; round < kills; round++) {
          const writer = start(folder, kind, next, ALL);
          await writer.open;
          await sleep(((round * 137) % 400) * (kind === "model" ? 3 : 1));
          writer.child.kill("SIGKILL");
          await writer.closed;
          const acknowledged = writer.last();
          const collection = await Collection.open<Fields>(folder, options);
          // The change in flight is there wholly, or not at all.
          const listed = JSON.stringify(await collection.list({ limit: ALL }));
          const isThere = listed === JSON.stringify(stateAfter(acknowledged + 1));
          const last = isThere ? acknowledged + 1 : acknowledged;
          assert.equal(listed, JSON.stringify(stateAfter(last)), `round ${round}, change ${acknowledged}`);
          await requireState(collection, stateAfter(last), options);
          await collection.close();
          for (let i = next; i <= acknowledged + 1; i++) {
            if (!fs.existsSync(backupOf(folder, i))) continue;
            const backup = await Collection.open<Fields>(backupOf(folder, i), { ...options, readOnly: true });
            assert.deepEqual(await backup.list({ limit: ALL }), stateAfter(i), `backup ${i}`);
            await backup.close();
          }
          removeBackups(folder);
          next = last + 1;
        }
        assert.ok(next >= kills, `only ${next} changes were made`);
        const collection = await Collection.open<Fields>(folder, options);
        await collection.compact();
        await requireState(collection, stateAfter(next - 1), options);
        assert.equal(fs.readdirSync(folder).filter((name) => name.startsWith("segment-")).length, 1);
        await collection.close();
      });
      await close();
    });
  }

  it(`is followed by readers across ${COMMITS} commits of another process`, async function () {
    this.timeout(900_000);
    const { options } = await optionsOf("cheap");
    const states = new Map<string, number>([["[]", -1]]);
    for (const [i, documents] of statesUpTo(COMMITS - 1).entries()) states.set(JSON.stringify(documents), i);
    await withFolder(async (folder) => {
      const writer = start(folder, "cheap", 0, COMMITS);
      await writer.open;
      const refreshed = await Collection.open<Fields>(folder, { ...options, readOnly: true });
      const following = await Collection.open<Fields>(folder, { ...options, readOnly: true, autoRefresh: true });
      const newest = new Map<unknown, number>();
      const look = async (reader: Collection<Fields>): Promise<void> => {
        const told = writer.last();
        if (reader === refreshed) await reader.refresh();
        const state = states.get(JSON.stringify(await reader.list({ limit: ALL })));
        assert.ok(state !== undefined, "a state that never was");
        assert.ok(state >= told && state >= (newest.get(reader) ?? -1), `state ${state} after change ${told} was told of`);
        newest.set(reader, state);
        // Both sides of one search see one state.
        const { hits } = await reader.search("meet", { topK: ALL, collapse: "passage" });
        if (state >= 0) assert.ok(hits.length > 0);
        for (const { scores } of hits) assert.ok(scores.sparse !== undefined && scores.lexical !== undefined);
      };
      let looks = 0;
      try {
        for (; writer.child.exitCode === null && writer.child.signalCode === null; looks++) {
          await Promise.all([look(refreshed), look(following)]);
        }
        assert.equal(await writer.closed, 0);
      } finally {
        writer.child.kill("SIGKILL");
        await writer.closed;
      }
      for (const reader of [refreshed, following]) {
        await look(reader);
        await requireState(reader, stateAfter(COMMITS - 1), options);
        await reader.close();
      }
      assert.ok(looks > 3, String(looks));
      removeBackups(folder);
    });
  });

  it("is backed up under load as it was at some moment of the call", async function () {
    this.timeout(120_000);
    const { options } = await optionsOf("cheap");
    const states = statesUpTo(60).map((documents) => JSON.stringify(documents));
    await withFolder(async (folder) => {
      const collection = await Collection.open<Fields>(folder, options);
      let settled = -1;
      let begun = -1;
      const load = (async () => {
        for (let i = 0; i < states.length; i++) {
          if (i % 6 === 5) continue;
          begun = i;
          await makeChange(collection, i, folder);
          settled = i;
        }
      })();
      for (let n = 0; settled < states.length - 2; n++) {
        const before = settled;
        const target = path.join(`${folder}-backups`, String(n));
        await collection.backup(target);
        const after = begun;
        const backup = await Collection.open<Fields>(target, options);
        const listed = JSON.stringify(await backup.list({ limit: ALL }));
        const possible = before < 0 ? ["[]", ...states.slice(0, after + 1)] : states.slice(before, after + 1);
        assert.ok(possible.includes(listed), `backup ${n} is none of the states ${before} to ${after}`);
        await requireState(backup, JSON.parse(listed) as Document[], options);
        await backup.close();
        fs.rmSync(target, { recursive: true });
      }
      await load;
      await collection.close();
    });
  });

  it("has one writer, and readers beside it", async () => {
    await withFolder(async (folder) => {
      const { options } = await optionsOf("lexical");
      const writer = start(folder, "lexical", 0, ALL);
      await writer.open;
      await assert.rejects(Collection.open(folder, options), { code: "ERR_INDEX_LOCKED" });
      const reader = await Collection.open<Fields>(folder, { ...options, readOnly: true });
      await assert.rejects(reader.upsert([{ id: "a", text: "b" }]), { code: "ERR_READ_ONLY" });
      await assert.rejects(reader.delete(["a"]), { code: "ERR_READ_ONLY" });
      await assert.rejects(reader.repair(), { code: "ERR_READ_ONLY" });
      await assert.rejects(reader.compact(), { code: "ERR_READ_ONLY" });
      await assert.rejects(reader.sync([]), { code: "ERR_READ_ONLY" });
      await reader.close();
      writer.child.kill("SIGKILL");
      await writer.closed;
      const first = await Collection.open(folder, options);
      await assert.rejects(Collection.open(folder, options), { code: "ERR_INDEX_LOCKED" });
      await first.close();
      removeBackups(folder);
    });
  });

  it("rejects changes on a full disk, and loses nothing", async function () {
    if (process.platform === "win32") skip(this, "needs ulimit");
    await withFolder(async (folder) => {
      const program = `
        const { Collection } = require("sparse-rerank");
        const tell = async (what) => { try { console.log(await what() ?? "done"); } catch (error) { console.log(error.code); } };
        const some = (from, to) => Array.from({ length: to - from }, (_, i) => ({ id: "d" + (from + i), text: "Document number " + (from + i), metadata: { i } }));
        (async () => {
          const collection = await Collection.open(${JSON.stringify(folder)}, { lexical: true });
          await tell(() => collection.upsert(some(0, 20)));
          await tell(() => collection.upsert(some(10, 20000)));
          await tell(() => collection.sync(some(0, 20)).then(({ unchanged }) => unchanged));
          for (const from of [100, 500, 900]) await collection.upsert(some(from, from + 400));
          await tell(() => collection.compact());
          await tell(() => collection.backup(${JSON.stringify(`${folder}-backup`)}));
          await tell(() => collection.repair());
          await tell(() => collection.delete(["d3"]));
          await tell(() => collection.count());
          await collection.close();
        })();
      `;
      const limited = ["bash", "-c", 'ulimit -f 200 && exec "$@"', "bash"];
      const { code, stdout, stderr } = await runProgram(program, { through: limited });
      const full = "ERR_FILE_UNWRITABLE";
      assert.deepEqual([code, stdout.split("\n"), stderr], [0, ["done", full, "20", full, full, full, "1", "1219", ""], ""]);
      assert.deepEqual(fs.readdirSync(path.dirname(folder)), ["index"]);
      const collection = await Collection.open(folder, { lexical: true });
      assert.equal(await collection.count(), 1219);
      const ids = (await collection.search("document", { topK: ALL })).hits.map(({ id }) => id);
      const listed = (await collection.list({ limit: ALL })).map(({ id }) => id);
      assert.deepEqual(ids.sort(), listed.sort());
      await collection.close();
    });
  });

  it("keeps answering a reader whose folder is deleted, until it looks for changes", async () => {
    await withFolder(async (folder) => {
      const { options } = await optionsOf("cheap");
      const writer = await Collection.open<Fields>(folder, options);
      for (let i = 0; i < 5; i++) await makeChange(writer, i, folder);
      await writer.close();
      const reader = await Collection.open<Fields>(folder, { ...options, readOnly: true });
      const following = await Collection.open<Fields>(folder, { ...options, readOnly: true, autoRefresh: true });
      fs.rmSync(folder, { recursive: true });
      await requireState(reader, stateAfter(4), options);
      await assert.rejects(reader.refresh(), { code: "ERR_FILE_NOT_FOUND" });
      await requireState(reader, stateAfter(4), options);
      for (const call of [
        () => following.search("meet"),
        () => following.list(),
        () => following.count(),
        () => following.get([]),
        () => following.stats(),
      ]) {
        await assert.rejects(call(), { code: "ERR_FILE_NOT_FOUND" });
      }
      // Another collection comes in its place: every call says so, not only the first.
      const other = await Collection.open(folder, { ...options, lexical: { language: "german" } });
      await other.upsert([{ id: "x", text: "They meet" }]);
      for (let n = 0; n < 3; n++) await assert.rejects(following.search("meet"), { code: "ERR_SETTINGS_MISMATCH", message: /language/ });
      await other.close();
      await reader.close();
      await following.close();
    });
  });

  it("can be read from a read-only disk, and says what it cannot do there", async function () {
    if (process.platform !== "linux") skip(this, "needs Linux's mount namespaces");
    if (spawnSync("unshare", ["-rm", "true"]).status !== 0) skip(this, "needs unshare, and permission to mount");
    await withFolder(async (folder) => {
      const collection = await Collection.open(folder, { lexical: true });
      await collection.upsert([{ id: "a", text: "A stone in the river" }]);
      await collection.close();
      const program = `
        const { Collection } = require("sparse-rerank");
        const tell = async (what) => { try { console.log(await what()); } catch (error) { console.log(error.code); } };
        const open = (folder, options) => async () => {
          const collection = await Collection.open(folder, { lexical: true, ...options });
          const { hits } = await collection.search("river");
          await tell(() => collection.backup(folder + "/backup"));
          await tell(() => collection.refresh());
          await collection.close();
          return hits.length;
        };
        (async () => {
          await tell(open(process.env.FOLDER, { readOnly: true, autoRefresh: true }));
          await tell(open(process.env.FOLDER, {}));
          await tell(open(process.env.FOLDER + "/new", {}));
        })();
      `;
      const mount = 'mount --bind "$FOLDER" "$FOLDER" && mount -o remount,bind,ro "$FOLDER" && exec "$@"';
      const { code, stdout, stderr } = await runProgram(program, {
        through: ["unshare", "-rm", "bash", "-c", mount, "bash"],
        env: { FOLDER: folder },
      });
      const refused = "ERR_FILE_UNWRITABLE";
      assert.deepEqual([code, stdout.split("\n"), stderr], [0, [refused, "false", "1", refused, refused, ""], ""]);
    });
  });

  it("is created again after a crash at any point of its creation", async () => {
    const { options } = await optionsOf("cheap");
    await withFolder(async (folder) => {
      await (await Collection.open(folder, options)).close();
      const whole = `${folder}-whole`;
      fs.renameSync(folder, whole);
      const steps = [["lock"], ["lock", "manifest.new"], ["lock", "manifest"], ["lock", "manifest", "model.json"]];
      for (const [step, names] of steps.entries()) {
        fs.mkdirSync(folder);
        for (const name of names) fs.copyFileSync(path.join(whole, name === "manifest.new" ? "manifest" : name), path.join(folder, name));
        if (step === 3) fs.writeFileSync(path.join(folder, "collection.json.0123456789abcdef.tmp"), '{ "form');
        // A reader that comes in between does not take what becomes of it for an index of SparseIndex.
        const reader = names.includes("manifest") ? await Collection.open(folder, { readOnly: true, autoRefresh: true }) : undefined;
        const collection = await Collection.open<Fields>(folder, options);
        await makeChange(collection, 0, folder);
        await requireState(collection, stateAfter(0), options);
        await collection.close();
        if (reader !== undefined) {
          for (let n = 0; n < 2; n++) await assert.rejects(reader.count(), { code: "ERR_SETTINGS_MISMATCH" });
          await reader.close();
        }
        const again = await Collection.open<Fields>(folder, options);
        await requireState(again, stateAfter(0), options);
        await again.close();
        fs.rmSync(folder, { recursive: true });
      }
    });
  });
});
