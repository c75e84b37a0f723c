/** The order of calls in the process's thread pool: priorities, short before long, one after the other, and limits of a model. */

import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import path from "node:path";

import { Collection, CrossEncoder, SparseEncoder } from "../../../dist";
import type { DiagnosticsEvents } from "../../../dist";

import { FIXTURES } from "../../support/retrieval-support";

type InferenceEvent = DiagnosticsEvents["sparse-rerank:inference"];

const QUERY = "what is good for the heart?";
const TEXT = "Exercise lowers blood pressure and strengthens the heart. ".repeat(12);
const texts = (count: number): string[] => Array.from({ length: count }, (_, i) => `${String(i)} ${TEXT}`);

/** The inference events during `work`. */
async function inferences(work: () => Promise<unknown>): Promise<InferenceEvent[]> {
  const events: InferenceEvent[] = [];
  const listen = (event: unknown): void => {
    events.push(event as InferenceEvent);
  };
  subscribe("sparse-rerank:inference", listen);
  try {
    await work();
  } finally {
    unsubscribe("sparse-rerank:inference", listen);
  }
  return events;
}

/** Settles when a batch has run. */
function nextInference(): Promise<void> {
  return new Promise((resolve) => {
    const listen = (): void => {
      unsubscribe("sparse-rerank:inference", listen);
      resolve();
    };
    subscribe("sparse-rerank:inference", listen);
  });
}

describe("the order of calls", () => {
  let reranker: CrossEncoder;
  let encoder: SparseEncoder;

  before(async () => {
    reranker = await CrossEncoder.load(path.join(FIXTURES, "ce-bert-minilm"));
    encoder = await SparseEncoder.load("splade-tiny");
    await Promise.all([reranker.rank(QUERY, texts(4)), encoder.encodeDocument(texts(4))]);
  });

  after(() => Promise.all([reranker.close(), encoder.close()]));

  /** Resolves when the pool is at work, for longer than it takes to tokenize the texts of some calls. */
  async function occupyPool(): Promise<{ readonly ended: Promise<unknown> }> {
    const working = nextInference();
    const ended = reranker.rank(QUERY, texts(3000), { priority: "high", batchSize: 64 });
    await working;
    return { ended };
  }

  for (const { name, batchSize } of [
    { name: "of one batch", batchSize: 64 },
    { name: "of several batches", batchSize: 4 },
  ]) {
    it(`runs sixteen equal calls ${name} one after the other`, async () => {
      const ended: number[] = [];
      const durations = new Array<number>(16).fill(0);
      const begin = performance.now();
      await Promise.all(
        durations.map(async (_, i) => {
          await encoder.encodeDocument(texts(30), { batchSize });
          durations[i] = performance.now() - begin;
          ended.push(i);
        }),
      );
      assert.deepEqual(
        ended,
        durations.map((_, i) => i),
      );
      // Calls that take turns all end in the last sixteenth of the time.
      const shares = durations.map((duration) => duration / (durations.at(-1) ?? 0));
      assert.ok((shares[0] ?? 1) < 0.5 && (shares[7] ?? 1) < 0.8, String(shares));
    });
  }

  it("lets a short call overtake a long one", async () => {
    let isLongDone = false;
    const long = reranker.rank(QUERY, texts(150)).then(() => {
      isLongDone = true;
    });
    await reranker.rank(QUERY, texts(2));
    assert.equal(isLongDone, false);
    await long;
  });

  it("runs calls of a higher priority first, even long ones", async () => {
    const ended: string[] = [];
    const call = async (priority: "high" | "normal" | "low", count: number): Promise<void> => {
      await reranker.rank(QUERY, texts(count), { priority });
      ended.push(priority);
    };
    const { ended: first } = await occupyPool();
    await Promise.all([call("low", 40), call("normal", 50), call("high", 60), first]);
    assert.deepEqual(ended, ["high", "normal", "low"]);
  });

  it("applies priorities to every way of encoding", async () => {
    const expected = await encoder.encodeDocument([TEXT]);
    const options = { priority: "low", batchSize: 1 } as const;
    for await (const matrix of encoder.encodeDocumentStream([TEXT], options)) assert.deepEqual(matrix.values, expected.values);
    assert.deepEqual((await encoder.encodeDocument([TEXT, TEXT], options)).row(1), expected.row(0));
    assert.equal((await encoder.encodeQuery([TEXT], options)).rows, 1);
  });

  it("applies priorities to documents of collections", async () => {
    const collections = await Promise.all([1, 2].map(() => Collection.open(":memory:", { encoder })));
    const [first, second] = collections as [Collection, Collection];
    const documents = (count: number): { id: string; text: string }[] => texts(count).map((text, i) => ({ id: String(i), text }));
    const ended: string[] = [];
    const call = (name: string, work: Promise<unknown>): Promise<unknown> => work.then(() => ended.push(name));
    try {
      const { ended: before } = await occupyPool();
      await Promise.all([
        before,
        call("low", first.sync(documents(40), { priority: "low" })),
        call("normal", encoder.encodeDocument(texts(50))),
        call("high", second.upsert(documents(60), { priority: "high" })),
      ]);
      assert.deepEqual(ended, ["high", "normal", "low"]);
    } finally {
      await Promise.all(collections.map((collection) => collection.close()));
    }
  });

  it("rejects other priorities", async () => {
    for (const priority of ["urgent", 1, null, ""]) {
      await assert.rejects(reranker.rank("q", ["d"], { priority: priority as never }), {
        code: "ERR_INVALID_ARGUMENT",
        message: /priority.*"high", "normal" or "low"/,
      });
    }
  });

  it("ends an aborted call although others run before it", async () => {
    let isBusy = true;
    const busy = reranker.rank(QUERY, texts(200), { priority: "high" }).then(() => {
      isBusy = false;
    });
    const controller = new AbortController();
    const waiting = reranker.rank(QUERY, texts(50), { priority: "low", signal: controller.signal });
    setTimeout(() => {
      controller.abort();
    }, 10);
    await assert.rejects(waiting, { code: "ERR_ABORTED" });
    assert.equal(isBusy, true);
    await busy;
  });

  it("runs a model on no more threads than maxThreads", async () => {
    const single = await CrossEncoder.load(path.join(FIXTURES, "ce-bert-minilm"), { maxThreads: 1 });
    try {
      const expected = await reranker.rank(QUERY, texts(20));
      const events = await inferences(async () => {
        assert.deepEqual(await single.rank(QUERY, texts(20)), expected);
      });
      for (const { duration, bodyTime, headTime } of events) assert.ok(bodyTime + headTime <= duration);
      const ended: number[] = [];
      await Promise.all(
        [0, 1, 2].map(async (i) => {
          await single.rank(QUERY, texts(10));
          ended.push(i);
        }),
      );
      assert.deepEqual(ended, [0, 1, 2]);
    } finally {
      await single.close();
    }
    for (const maxThreads of [0, 1.5, -1, "2"]) {
      await assert.rejects(CrossEncoder.load("x", { maxThreads: maxThreads as number }), { code: "ERR_INVALID_ARGUMENT" });
    }
  });
});
