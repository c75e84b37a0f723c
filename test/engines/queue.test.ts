import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { setTimeout as wait } from "node:timers/promises";

import { SparseIndex, SparseMatrix, SparseRerankError } from "sparse-rerank";
import { EngineError, LocalEngine } from "sparse-rerank/engines";
import { EncodeQueue, engineWriter, fileWriter } from "sparse-rerank/queue";
import type { QueuedDocument, QueueEncoder } from "sparse-rerank/queue";

import type { Server } from "../../scripts/engines/servers.mjs" with { "resolution-mode": "import" };
import { skip } from "../support/skip";
import { hasCode } from "./contract";
import { runExample } from "./examples";

const encoder = {
  encodeDocument: (texts: readonly string[]): Promise<SparseMatrix> =>
    Promise.resolve(
      SparseMatrix.fromRows(
        texts.map((text) => ({ indices: [text.length], values: [1] })),
        1000,
      ),
    ),
};

function documents(count: number, special: Readonly<Record<number, string>> = {}): QueuedDocument[] {
  return Array.from({ length: count }, (_, i) => ({ id: `d${i}`, text: special[i] ?? `text ${i}` }));
}

async function idsIn(folder: string): Promise<string[]> {
  const files = await readdir(folder);
  assert.deepEqual(
    files.filter((file) => !/^shard-[0-9a-f]{32}\.jsonl$/.test(file)),
    [],
  );
  const texts = await Promise.all(files.map((file) => readFile(path.join(folder, file), "utf8")));
  return texts.flatMap((text) =>
    text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => (JSON.parse(line) as { id: string }).id),
  );
}

describe("EncodeQueue", function () {
  this.timeout(60_000);
  let redis: Server | undefined;
  let folder: string;
  const queues: EncodeQueue[] = [];
  const workers = new Set<ChildProcess>();
  const open = async (name: string): Promise<EncodeQueue> => {
    const queue = await EncodeQueue.open(redis!.address, { name, lockMs: 1500 });
    queues.push(queue);
    return queue;
  };
  const startWorker = (name: string): ChildProcess => {
    const script = path.join(__dirname, "queue-worker.ts");
    const worker = spawn(process.execPath, ["--require", "tsx/cjs", script, redis!.address, name, folder], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    workers.add(worker);
    worker.once("exit", () => workers.delete(worker));
    return worker;
  };

  before(async function () {
    const { servers } = await import("../../scripts/engines/servers.mjs");
    try {
      redis = await servers.redis();
    } catch (error) {
      skip(this, error instanceof Error ? error.message : String(error));
    }
  });
  beforeEach(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), "sparse-rerank-queue-"));
  });
  afterEach(async () => {
    for (const worker of workers) worker.kill("SIGKILL");
    for (const queue of queues.splice(0)) queue.dispose();
    await rm(folder, { recursive: true, force: true });
  });
  after(() => redis?.stop());

  it("loses and duplicates nothing when workers are killed and the broker restarts", async () => {
    const count = 600;
    const queue = await open("kills");
    const [first, second] = await Promise.all(
      Array.from({ length: 4 }, async () => {
        const worker = startWorker("kills");
        // It has opened the queue, which it could not do while the broker is away.
        await once(worker, "message");
        return worker;
      }),
    );
    const enqueued = queue.enqueue(documents(count), { shardSize: 10, maxWaiting: 20 });
    const progress: number[] = [];
    const reach = async (done: number): Promise<void> => {
      for (;;) {
        const status = await queue.status();
        progress.push(status.documents);
        if (status.done >= done) return;
        await wait(20);
      }
    };
    await reach(5);
    first!.kill("SIGKILL");
    await reach(15);
    // A broker that dies without notice, and restarts with the data that it has written.
    const { port, data } = redis!;
    await redis!.stop("SIGKILL", true);
    await wait(300);
    const { startRedis } = await import("../../scripts/engines/servers.mjs");
    redis = await startRedis({ port, data });
    await reach(30);
    second!.kill("SIGKILL");
    assert.deepEqual(await enqueued, { shards: count / 10, documents: count });
    await reach(count / 10);
    await Promise.all([...workers].map((worker) => once(worker, "exit")));
    const ids = await idsIn(folder);
    assert.deepEqual(
      ids.sort(),
      documents(count)
        .map(({ id }) => id)
        .sort(),
    );
    assert.deepEqual(
      progress,
      [...progress].sort((a, b) => a - b),
    );
    assert.deepEqual(await queue.status(), {
      ...{ shards: 60, done: 60, waiting: 0, active: 0, failed: 0, documents: count, setAside: 0 },
    });
  });

  it("removes the leftovers of a worker that died after its shard was done", async () => {
    const queue = await open("left");
    await queue.enqueue(documents(1));
    const { Worker } = await import("bullmq");
    const dead = new Worker("left", null, { connection: { url: redis!.address }, lockDuration: 500, autorun: false });
    const job = await dead.getNextJob("token").finally(() => dead.close());
    assert.match(job.id ?? "", /^shard-[0-9a-f]{32}$/);
    const { Redis } = await import("ioredis");
    const broker = new Redis(redis!.address);
    await broker.hset("sparse-rerank:left:done", job.id!, "1").finally(() => broker.quit());
    assert.equal((await queue.status()).active, 1);
    await queue.work({ encoder, write: () => Promise.reject(new Error("it was written")), exitWhenDone: true });
    assert.deepEqual(await queue.status(), { shards: 1, done: 1, waiting: 0, active: 0, failed: 0, documents: 0, setAside: 0 });
  });

  it("sets aside a document that cannot be encoded, and one that kills its workers", async () => {
    const queue = await open("poison");
    await queue.enqueue(documents(30, { 7: "poison", 12: "killer" }), { shardSize: 10 });
    // A worker that dies is restarted, as by a supervisor.
    for (let deaths = 0; ; deaths++) {
      assert.ok(deaths < 5);
      const [, signal] = (await once(startWorker("poison"), "exit")) as [number | null, string | null];
      if (signal === null) break;
    }
    const aside = await queue.setAside();
    assert.deepEqual(aside.map(({ id, code }) => [id, code]).sort(), [
      ["d12", "ERR_INTERNAL"],
      ["d7", "ERR_TOO_LARGE"],
    ]);
    assert.equal(new Set(aside.map(({ shard }) => shard)).size, 2);
    assert.match(aside.find(({ id }) => id === "d7")!.reason, /too much poison/);
    assert.equal((await idsIn(folder)).length, 28);
  });

  it("queues a shard once, however often the corpus is enqueued", async () => {
    const queue = await open("again");
    await queue.enqueue(documents(25), { shardSize: 10 });
    await queue.enqueue(documents(25), { shardSize: 10 });
    assert.equal((await queue.status()).waiting, 3);
    await queue.work({ encoder, write: fileWriter(folder), exitWhenDone: true });
    await queue.enqueue(documents(25), { shardSize: 10 });
    assert.equal((await queue.status()).waiting, 0);
    await assert.rejects(queue.enqueue(documents(25), { shardSize: 5 }), hasCode(/INVALID_ARGUMENT/));
    await queue.clear();
    await queue.enqueue(documents(25), { shardSize: 5 });
    assert.equal((await queue.status()).waiting, 5);
  });

  describe("with another corpus in the same job", () => {
    const encodeAll = async (queue: EncodeQueue, into = folder): Promise<string[]> => {
      const texts: string[] = [];
      const counting: QueueEncoder = {
        encodeDocument: (batch) => {
          texts.push(...batch);
          return encoder.encodeDocument(batch);
        },
      };
      await queue.work({ encoder: counting, write: fileWriter(into), exitWhenDone: true });
      return texts.sort();
    };
    const corpus = (...ids: readonly string[]): QueuedDocument[] => ids.map((id) => ({ id, text: `text ${id}` }));

    it("encodes it, and keeps nothing of the previous one", async () => {
      const queue = await open("another");
      await queue.enqueue(corpus("a", "b", "c"), { shardSize: 1 });
      assert.deepEqual(await encodeAll(queue), ["text a", "text b", "text c"]);
      await queue.enqueue(corpus("x", "y"), { shardSize: 1 });
      assert.deepEqual({ ...(await queue.status()) }.done, 0);
      assert.deepEqual(await encodeAll(queue), ["text x", "text y"]);
      assert.deepEqual((await idsIn(folder)).sort(), ["x", "y"]);
      assert.deepEqual(await queue.status(), { shards: 2, done: 2, waiting: 0, active: 0, failed: 0, documents: 2, setAside: 0 });
    });

    it("encodes added and changed documents, including in place, and removes deleted ones", async () => {
      const queue = await open("changed");
      await queue.enqueue(corpus("a", "b", "c", "d"), { shardSize: 2 });
      await encodeAll(queue);
      for (const [next, encoded] of [
        [corpus("a", "b", "c", "d"), []],
        [corpus("a", "b", "c", "d", "e"), ["text e"]],
        [corpus("c", "d", "a", "b", "e"), []],
        [corpus("a", "b", "c"), ["text c"]],
        [
          [{ id: "a", text: "changed" }, ...corpus("b", "c")],
          ["changed", "text b"],
        ],
        [
          [{ id: "a", text: "changed", payload: { year: 2026 } }, ...corpus("b", "c")],
          ["changed", "text b"],
        ],
        [[], []],
        [corpus("a"), ["text a"]],
      ] as const) {
        await queue.enqueue(next, { shardSize: 2 });
        assert.deepEqual(await encodeAll(queue), encoded, JSON.stringify(next));
        assert.deepEqual((await idsIn(folder)).sort(), next.map(({ id }) => id).sort());
        const { documents: counted, done, shards } = await queue.status();
        assert.deepEqual([counted, done], [next.length, shards]);
      }
    });

    it("skips waiting, set-aside and encoded shards of a corpus that no longer exists", async () => {
      const queue = await open("waiting");
      await queue.enqueue([{ id: "bad", text: "poison" }, ...corpus("a")], { shardSize: 1 });
      const failing: QueueEncoder = {
        encodeDocument: (texts) =>
          texts.includes("poison") ? Promise.reject(new SparseRerankError("ERR_TOO_LARGE", "poison")) : encoder.encodeDocument(texts),
      };
      await queue.work({ encoder: failing, write: fileWriter(folder), exitWhenDone: true });
      assert.equal((await queue.setAside()).length, 1);
      await queue.enqueue(corpus("b", "c"), { shardSize: 1 });
      assert.equal((await queue.setAside()).length, 0);
      let replaced = false;
      const replacing: QueueEncoder = {
        encodeDocument: async (texts) => {
          // While this shard is being encoded, it is removed from the corpus.
          if (!replaced) {
            replaced = true;
            await queue.enqueue(corpus("d"), { shardSize: 1 });
          }
          return encoder.encodeDocument(texts);
        },
      };
      await queue.work({ encoder: replacing, write: fileWriter(folder), exitWhenDone: true });
      assert.deepEqual(await idsIn(folder), ["d"]);
    });

    it("rejects a folder with the shards of another job", async () => {
      const queue = await open("first");
      await queue.enqueue(corpus("a"));
      await encodeAll(queue);
      const other = await open("second");
      await other.enqueue(corpus("z"));
      await assert.rejects(encodeAll(other), hasCode(/INVALID_ARGUMENT/));
      assert.deepEqual(await idsIn(folder), ["a"]);
      assert.equal((await other.status()).waiting, 1);
    });

    it("accepts a folder with the corpus from before the job was cleared", async () => {
      const queue = await open("cleared");
      await queue.enqueue(corpus("a", "b"), { shardSize: 1 });
      await encodeAll(queue);
      await queue.clear();
      // A worker that starts before the corpus is queued.
      const early = encodeAll(queue);
      await wait(100);
      await queue.enqueue(corpus("a", "b"), { shardSize: 1 });
      assert.deepEqual(await early, ["text a", "text b"]);
      await queue.clear();
      const late = encodeAll(queue);
      await wait(100);
      await queue.enqueue(corpus("a"), { shardSize: 1 });
      await assert.rejects(late, hasCode(/INVALID_ARGUMENT/));
      assert.deepEqual((await idsIn(folder)).sort(), ["a", "b"]);
    });

    it("rejects a second model, and repeated ids", async () => {
      const queue = await open("model");
      const by = (fingerprint: string, dtype: string): QueueEncoder => ({
        ...encoder,
        model: { name: "m", fingerprint },
        dtype,
        maxSeqLength: 256,
      });
      const work = (of: QueueEncoder): Promise<void> => queue.work({ encoder: of, write: fileWriter(folder), exitWhenDone: true });
      await queue.enqueue(corpus("a"));
      await work(by("f0", "fp32"));
      await work(by("f0", "fp32"));
      await assert.rejects(work(by("f1", "fp32")), hasCode(/MODEL_MISMATCH/));
      await assert.rejects(work(by("f0", "int8")), hasCode(/MODEL_MISMATCH/));
      await assert.rejects(work({ ...by("f0", "fp32"), maxSeqLength: 512 }), hasCode(/MODEL_MISMATCH/));
      await assert.rejects(queue.enqueue(corpus("a", "b", "a"), { shardSize: 1000 }), hasCode(/DUPLICATE_ID/));
      await queue.clear();
      await queue.enqueue(corpus("a"));
      await work(by("f1", "int8"));
    });
  });

  it("uses nothing from the broker as a path, and fails invalid jobs", async () => {
    const queue = await open("hostile");
    const { Queue } = await import("bullmq");
    const foreign = new Queue("hostile", { connection: { url: redis!.address } });
    const bad = [
      { number: "../../escaped", documents: [{ id: "a", text: "t" }] },
      { documents: [{ id: 7, text: "t" }] },
      { documents: "x" },
      {},
    ];
    for (const [i, data] of bad.entries()) await foreign.add("encode", data, { jobId: `../../escaped${i}` });
    await foreign.close();
    await queue.enqueue(documents(1));
    const failures: string[] = [];
    await queue.work({
      encoder,
      write: fileWriter(path.join(folder, "out")),
      exitWhenDone: true,
      onFailure: ({ shard }) => failures.push(shard),
    });
    assert.deepEqual(await readdir(folder), ["out"]);
    assert.equal((await idsIn(path.join(folder, "out"))).length, 1);
    assert.equal((await queue.failures()).length, bad.length);
    assert.equal(failures.length, bad.length);
    const vectors = await encoder.encodeDocument(["x"]);
    for (const name of ["../x", "a/b", "", ".", "..", "a\0b", "a\\b", "x".repeat(200)]) {
      await assert.rejects(
        async () => fileWriter(folder)({ name, ids: ["x"], vectors, payloads: [undefined] }),
        hasCode(/INVALID_ARGUMENT/),
        name,
      );
    }
  });

  it("lists jobs and clears them", async () => {
    const queue = await open("listed");
    await queue.enqueue(documents(3));
    assert.ok((await EncodeQueue.list(redis!.address)).includes("listed"));
    await queue.clear();
    assert.ok(!(await EncodeQueue.list(redis!.address)).includes("listed"));
    await assert.rejects(EncodeQueue.list("redis://127.0.0.1:1"), hasCode(/QUEUE_UNAVAILABLE/));
  });

  it("writes into an engine, and retries after it was down", async () => {
    const engine = new LocalEngine({ index: SparseIndex.create({ dimension: 1000 }) });
    let calls = 0;
    const write = engineWriter(engine);
    const queue = await open("engine");
    await queue.enqueue(documents(15, { 3: "a longer text" }), { shardSize: 100 });
    await queue.work({
      encoder,
      write: (shard) => (calls++ === 0 ? Promise.reject(new EngineError("Test", "ERR_ENGINE_UNAVAILABLE", "down")) : write(shard)),
      exitWhenDone: true,
    });
    assert.equal(calls, 2);
    assert.equal((await engine.stats()).documents, 15);
    const query = SparseMatrix.fromRows([{ indices: ["a longer text".length], values: [1] }], 1000).row(0);
    assert.deepEqual(await engine.search(query, { topK: 5 }), [{ id: "d3", score: 1 }]);
  });

  it("finishes the current shard when stopped", async () => {
    const queue = await open("stop");
    await queue.enqueue(documents(10), { shardSize: 1 });
    const controller = new AbortController();
    await queue.work({
      encoder,
      write: async (shard) => {
        controller.abort();
        await wait(50);
        return fileWriter(folder)(shard);
      },
      signal: controller.signal,
    });
    const { done, active } = await queue.status();
    assert.equal(active, 0);
    assert.equal((await idsIn(folder)).length, done);
    assert.ok(done >= 1 && done < 10);
  });

  it("is used by the commands encode --queue and worker, with files", async () => {
    const corpus = path.join(folder, "corpus.jsonl");
    const records = documents(12).map(({ id, text }) => JSON.stringify({ _id: id, title: "Number", text }));
    await writeFile(corpus, records.join("\n"));
    const out = path.join(folder, "out");
    const cli = async (...args: string[]): Promise<string> => {
      const main = path.join(__dirname, "..", "..", "dist", "cli", "main.js");
      const child = spawn(process.execPath, [main, ...args, "--queue", redis!.address, "--job", "cli"], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      let output = "";
      child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
      const [code] = (await once(child, "close")) as [number | null];
      assert.equal(code, 0);
      return output;
    };
    assert.match(await cli("encode", "--file", corpus, "--shard-size", "5"), /12 texts in 3 shards/);
    assert.match(await cli("worker", "--out", out, "--exit-when-done"), /3 of 3 shards done, 12 texts; 0 texts set aside/);
    assert.equal((await idsIn(out)).length, 12);
    const main = path.join(__dirname, "..", "..", "dist", "cli", "main.js");
    const both = spawn(process.execPath, [main, "worker", "--queue", redis!.address], { stdio: "ignore" });
    assert.deepEqual(await once(both, "close"), [2, null]);
  });

  it("reports a missing broker, and invalid arguments", async () => {
    await assert.rejects(EncodeQueue.open("redis://127.0.0.1:1"), hasCode(/QUEUE_UNAVAILABLE/));
    await assert.rejects(EncodeQueue.open("http://127.0.0.1:1"), hasCode(/INVALID_ARGUMENT/));
    await assert.rejects(EncodeQueue.open(redis!.address, { name: "a:b" }), hasCode(/INVALID_ARGUMENT/));
    const queue = await open("bad");
    await assert.rejects(queue.enqueue([{ id: "", text: "x" }]), hasCode(/INVALID_ARGUMENT/));
  });

  it("is used by examples/bulk-encoding.mjs", async () => {
    const corpus = path.join(folder, "corpus.jsonl");
    const records = documents(250).map(({ id, text }) => JSON.stringify({ _id: id, text }));
    await writeFile(corpus, records.join("\n"));
    const out = path.join(folder, "out");
    assert.match(await runExample("bulk-encoding.mjs", corpus, out, redis!.address), /250 documents encoded, 0 set aside/);
    assert.equal((await idsIn(out)).length, 250);
  });
});
