/** Events for node:diagnostics_channel: what they say, and in whose asynchronous context. */

import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

import { Collection, CrossEncoder, SparseEncoder, SparseIndex } from "../../dist";
import type { DiagnosticsEvents } from "../../dist";

import { FIXTURES } from "../support/retrieval-support";

type Name = keyof DiagnosticsEvents;
const NAMES: readonly Name[] = [
  "sparse-rerank:load",
  "sparse-rerank:tokenize",
  "sparse-rerank:queue",
  "sparse-rerank:inference",
  "sparse-rerank:search",
];
const RERANKER = path.join(FIXTURES, "ce-bert-minilm");
const TEXTS = ["Sharks are fish.", "The heart pumps blood."];

type Received = { readonly [N in Name]: readonly DiagnosticsEvents[N][] };

/** The events during `work`, and the contexts in which they were published. */
async function received(work: () => Promise<unknown>): Promise<{ events: Received; contexts: unknown[] }> {
  const events = Object.fromEntries(NAMES.map((name): [Name, unknown[]] => [name, []]));
  const contexts: unknown[] = [];
  const listeners = NAMES.map((name): [Name, (event: unknown) => void] => [
    name,
    (event) => {
      events[name]?.push(event);
      contexts.push(context.getStore());
    },
  ]);
  for (const [name, listener] of listeners) subscribe(name, listener);
  try {
    await work();
  } finally {
    for (const [name, listener] of listeners) unsubscribe(name, listener);
  }
  return { events: events as unknown as Received, contexts };
}

const context = new AsyncLocalStorage<string>();

describe("diagnostics events", () => {
  it("have the signal that the call was given, in batches and within a collection too", async () => {
    const { signal } = new AbortController();
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "sparse-rerank-signals-"));
    await using encoder = await SparseEncoder.load("splade-tiny");
    await using reranker = await CrossEncoder.load(RERANKER);
    try {
      const collection = await Collection.open(folder, { encoder, reranker });
      const signals = async (work: () => Promise<unknown>): Promise<Set<unknown>> => {
        const { events } = await received(work);
        const [tokenize, queue, inference] = NAMES.slice(1, 4).map((name) =>
          (events[name] as readonly { signal: unknown }[]).map((each) => each.signal),
        );
        assert.equal(inference?.length, queue?.length);
        assert.ok((queue?.length ?? 0) > 0 && (tokenize?.length ?? 0) >= (queue?.length ?? 0));
        return new Set([...(tokenize ?? []), ...(queue ?? []), ...(inference ?? [])]);
      };
      const calls: ((options: { signal?: AbortSignal }) => Promise<unknown>)[] = [
        (options) => encoder.encodeDocument(TEXTS, options),
        (options) => encoder.encodeDocument(TEXTS, { batchSize: 1, ...options }),
        (options) => reranker.rank("sharks", TEXTS, { batchSize: 1, ...options }),
        (options) => collection.upsert([{ id: "a", text: "Sharks are fish." }], options),
        (options) => collection.search("sharks", options),
      ];
      for (const call of calls) {
        assert.deepEqual(await signals(() => call({ signal })), new Set([signal]));
        assert.deepEqual(await signals(() => call({})), new Set([undefined]));
      }
      await collection.close();
    } finally {
      fs.rmSync(folder, { recursive: true, force: true });
    }
  });

  it("report loading, tokenization, waiting and inference of an encoder", async () => {
    const begin = performance.now();
    const { events } = await received(async () => {
      const encoder = await SparseEncoder.load("splade-tiny");
      await encoder.encodeDocument(TEXTS);
      await encoder.close();
    });
    const [load] = events["sparse-rerank:load"];
    assert.deepEqual([load?.model, load?.device, load?.dtype], ["splade-tiny", "cpu", "fp32"]);
    const [tokenize] = events["sparse-rerank:tokenize"];
    const encoder = await SparseEncoder.load("splade-tiny");
    const tokens = (await encoder.tokenize(TEXTS)).reduce((sum, { length }) => sum + length, 0);
    await encoder.close();
    const { model, texts, characters } = tokenize ?? {};
    assert.deepEqual({ model, texts, characters, tokens: tokenize?.tokens }, { model: "splade-tiny", texts: 2, characters: 38, tokens });
    const [inference] = events["sparse-rerank:inference"];
    assert.deepEqual([inference?.model, inference?.texts, inference?.tokens], ["splade-tiny", 2, tokens]);
    assert.ok((inference?.bodyTime ?? 0) > 0 && (inference?.headTime ?? 0) > 0);
    const [queue] = events["sparse-rerank:queue"];
    assert.equal(queue?.model, "splade-tiny");
    const now = performance.now();
    for (const name of NAMES) {
      for (const { startTime, duration } of events[name]) {
        assert.ok(startTime >= begin && duration >= 0 && startTime + duration <= now, name);
      }
    }
    assert.deepEqual(
      NAMES.map((name) => events[name].length),
      [1, 1, 1, 1, 0],
    );
  });

  it("report the batches of a cross-encoder's call", async () => {
    const reranker = await CrossEncoder.load(RERANKER);
    const { events } = await received(() => reranker.rank("shark", [...TEXTS, ...TEXTS, "x"], { batchSize: 2 }));
    await reranker.close();
    // Batches are in flight together, and a small one may end before a large one.
    const inference = events["sparse-rerank:inference"];
    assert.deepEqual([...new Set(inference.map(({ model }) => model))], [RERANKER]);
    assert.deepEqual(inference.map(({ texts }) => texts).sort(), [1, 2, 2]);
    const characters = events["sparse-rerank:tokenize"].map((event) => event.characters).sort((a, b) => a - b);
    assert.deepEqual(
      characters,
      ["x", TEXTS.join(""), TEXTS.join("")].map((texts, i) => texts.length + "shark".length * (i === 0 ? 1 : 2)),
    );
  });

  it("report inference-free queries, which do not run in the pool", async () => {
    const encoder = await SparseEncoder.load(path.join(FIXTURES, "inffree-opensearch-root"));
    const { events } = await received(() => encoder.encodeQuery("a shark"));
    await encoder.close();
    assert.equal(events["sparse-rerank:tokenize"].length, 1);
    assert.equal(events["sparse-rerank:inference"].length, 0);
  });

  it("report searches", async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "sparse-rerank-"));
    const encoder = await SparseEncoder.load("splade-tiny");
    const collection = await Collection.open(path.join(folder, "c"), { encoder });
    const index = SparseIndex.create({ encoder });
    try {
      await collection.upsert(TEXTS.map((text, i) => ({ id: String(i), text })));
      await index.add(["a", "b"], await encoder.encodeDocument(TEXTS));
      const { events } = await received(async () => {
        await collection.search("shark");
        await index.search(await encoder.encodeQuery(TEXTS));
      });
      assert.deepEqual(
        events["sparse-rerank:search"].map(({ index: place, queries }) => [place, queries]),
        [
          [path.join(folder, "c"), 1],
          [undefined, 2],
        ],
      );
    } finally {
      await Promise.all([collection.close(), index.close(), encoder.close()]);
      fs.rmSync(folder, { recursive: true });
    }
  });

  it("are published in the context of their call", async () => {
    const encoder = await SparseEncoder.load("splade-tiny");
    const { contexts } = await received(() =>
      Promise.all(["a", "b"].map((name) => context.run(name, () => encoder.encodeDocument(TEXTS, { batchSize: 1 })))),
    );
    await encoder.close();
    assert.equal(contexts.length, 12);
    assert.deepEqual([...new Set(contexts)].sort(), ["a", "b"]);
  });

  it("are not published for calls that fail", async () => {
    const encoder = await SparseEncoder.load("splade-tiny");
    const { events } = await received(async () => {
      await assert.rejects(encoder.encodeDocument(TEXTS, { signal: AbortSignal.abort() }), { code: "ERR_ABORTED" });
      await assert.rejects(SparseEncoder.load("no-such-model", { localFilesOnly: true }), { code: "ERR_MODEL_NOT_FOUND" });
    });
    await encoder.close();
    assert.deepEqual(
      NAMES.map((name) => events[name].length),
      [0, 0, 0, 0, 0],
    );
  });
});
