/** close() and dispose() of an EncodeQueue: the contract of test/lifecycle/resources.test.ts, with a broker. */

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { setTimeout as wait } from "node:timers/promises";

import { SparseMatrix } from "sparse-rerank";
import { EncodeQueue, fileWriter } from "sparse-rerank/queue";
import type { QueuedDocument } from "sparse-rerank/queue";

import { useServer } from "./contract";

const encoder = {
  encodeDocument: (texts: readonly string[]): Promise<SparseMatrix> =>
    Promise.resolve(
      SparseMatrix.fromRows(
        texts.map(() => ({ indices: [1], values: [1] })),
        10,
      ),
    ),
};
const corpus: readonly QueuedDocument[] = Array.from({ length: 20 }, (_, i) => ({ id: `d${i}`, text: `text ${i}` }));

describe("close() and dispose(): EncodeQueue", function () {
  this.timeout(60_000);
  const address = useServer("redis");
  let folder: string;
  const queues: EncodeQueue[] = [];
  const open = async (): Promise<EncodeQueue> => {
    const queue = await EncodeQueue.open(address(), { name: "lifecycle", lockMs: 1500 });
    queues.push(queue);
    return queue;
  };

  beforeEach(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), "sparse-rerank-queue-"));
  });
  afterEach(async () => {
    for (const queue of queues.splice(0)) queue.dispose();
    await rm(folder, { recursive: true, force: true });
  });

  it("close() waits for work(), which its signal ends, and rejects new calls meanwhile", async () => {
    const queue = await open();
    await queue.enqueue(corpus, { shardSize: 10 });
    const stop = new AbortController();
    const stopped = queue.work({ encoder, write: fileWriter(folder), signal: stop.signal });
    const closed = queue.close();
    await assert.rejects(queue.status(), { code: "ERR_DISPOSED" });
    assert.equal(queue.close(), closed);
    assert.equal(await Promise.race([closed, wait(200).then(() => "waits")]), "waits");
    stop.abort();
    await Promise.all([stopped, closed]);
    await (await open()).clear();
  });

  it("dispose() rejects work() and enqueue(), ends a waiting close(), and leaves the shard to others", async () => {
    const queue = await open();
    await queue.enqueue(corpus, { shardSize: 10 });
    let begun = (): void => undefined;
    const writing = new Promise<void>((resolve) => (begun = resolve));
    const pending = queue.work({
      encoder,
      write: () => {
        begun();
        return new Promise<never>(() => undefined);
      },
    });
    await writing;
    const ended = queue.close();
    queue.dispose();
    await assert.rejects(pending, { code: "ERR_DISPOSED" });
    await ended;
    for (const call of [
      () => queue.enqueue(corpus, { shardSize: 10 }),
      () => queue.work({ encoder, write: fileWriter(folder) }),
      () => queue.status(),
      () => queue.setAside(),
      () => queue.failures(),
      () => queue.clear(),
    ]) {
      await assert.rejects(call, { code: "ERR_DISPOSED" });
    }
    const other = await open();
    await other.work({ encoder, write: fileWriter(folder), exitWhenDone: true });
    const { documents, done } = await other.status();
    assert.deepEqual({ documents, done }, { documents: 20, done: 2 });
  });

  it("dispose() does not wait for a corpus that does not respond", async () => {
    const queue = await open();
    const silent = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => undefined) }) };
    const pending = queue.enqueue(silent, { shardSize: 10 });
    await wait(100);
    const closed = queue.close();
    queue.dispose();
    await assert.rejects(pending, { code: "ERR_DISPOSED" });
    await closed;
  });
});
