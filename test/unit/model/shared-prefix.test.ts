/** What rank() and predict() compute once for all pairs of a query: the same scores as of each pair alone, and where it does not apply. */

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";

import { CrossEncoder } from "sparse-rerank";
import type { PredictOptions } from "sparse-rerank";

import { sharedBeginning } from "../../../dist/model/shared-prefix";
import { native } from "../../../dist/native/load";
import { folderOf } from "../../golden/golden";

type Pair = readonly [string, string];

const CAUSAL = [
  ...["ce-qwen3-logitscore", "ce-qwen3-zerank", "ce-qwen2-logitscore", "ce-gemma-logitscore", "ce-qwen2-bare-chatml"],
  ...["ce-qwen3-bare", "ce-gemma-bare", "ce-qwen3-seqcls", "ce-llama-seqcls"],
];

/** Longer than the shortest prefix that is worth a run, in every tokenizer. */
const QUERY = "how does a generator expression differ from a list, and when is the difference worth a thought?";
const DOCUMENTS = [
  ...["A generator expression yields a generator object.", "", " leading space", "\nleading line break", "0 starts with a digit"],
  ...["(parentheses)", "\u0301 starts with a combining mark", "生成器表达式", "word ".repeat(400), "<|endoftext|>", "<pad>", "a"],
  ...["A generator expression yields a generator object.", "Lists, sets and dictionaries are evaluated at once.", "\r\n\r\n"],
];

/** Scores are between 0 and 1, logits below 10 or so: within the rounding of fp32 sums in another order. */
const TOLERANCE = 2e-5;

/** The logits of pairs, each in a call of its own. */
async function alone(encoder: CrossEncoder, pairs: readonly Pair[], options: PredictOptions = {}): Promise<number[]> {
  const logits: number[] = [];
  for (const pair of pairs) logits.push(...((await encoder.predict([pair], { ...options, scores: "logits" })).logits ?? []));
  return logits;
}

async function together(encoder: CrossEncoder, pairs: readonly Pair[], options: PredictOptions = {}): Promise<number[]> {
  return [...((await encoder.predict(pairs, { ...options, scores: "logits" })).logits ?? [])];
}

function assertClose(actual: readonly number[], expected: readonly number[]): void {
  assert.equal(actual.length, expected.length);
  for (const [i, value] of actual.entries()) {
    assert.ok(Math.abs(value - (expected[i] ?? NaN)) <= TOLERANCE, `${String(i)}: ${String(value)}, alone ${String(expected[i])}`);
  }
}

/** The lengths of the prefixes that are computed while `run` runs. */
async function prefixesOf(run: () => Promise<unknown>): Promise<number[]> {
  const addon = native() as { Prefix: new (ids: Int32Array) => object };
  const { Prefix } = addon;
  const lengths: number[] = [];
  addon.Prefix = function (ids: Int32Array): object {
    lengths.push(ids.length);
    return new Prefix(ids);
  } as unknown as typeof Prefix;
  try {
    await run();
  } finally {
    addon.Prefix = Prefix;
  }
  return lengths;
}

for (const name of CAUSAL) {
  describe(`the shared prefix of ${name}`, () => {
    let encoder: CrossEncoder;
    const pairs = DOCUMENTS.map((document): Pair => [QUERY, document]);

    before(async () => {
      encoder = await CrossEncoder.load(folderOf(name));
    });
    after(() => encoder.close());

    it("is computed once, and changes no score", async () => {
      const expected = await alone(encoder, pairs);
      let actual: number[] = [];
      const lengths = await prefixesOf(async () => (actual = await together(encoder, pairs, { batchSize: 4 })));
      assert.equal(lengths.length, 1);
      assert.ok((lengths[0] ?? 0) >= 8, `${String(lengths[0])} tokens`);
      assertClose(actual, expected);
      const ranked = await encoder.rank(QUERY, DOCUMENTS, { scores: "logits" });
      assertClose(
        ranked.toSorted((a, b) => a.index - b.index).map(({ logit = NaN }) => logit),
        expected,
      );
    });

    it("serves the prompt of its call", async () => {
      const calls = ["", "Find the passage that answers the question, and no other.", "x"].map((prompt) => ({ prompt }));
      const expected: number[][] = [];
      for (const options of calls) expected.push(await alone(encoder, pairs.slice(0, 3), options));
      const actual = await Promise.all(calls.map((options) => together(encoder, pairs.slice(0, 3), options)));
      for (const [i, logits] of actual.entries()) assertClose(logits, expected[i] ?? []);
    });

    it("serves several queries in one call, in any order", async () => {
      const queries = [QUERY, `${QUERY} Why?`, "What is another question about iterators in this language?", "asked once"];
      const mixed = DOCUMENTS.slice(0, 9).map((document, i): Pair => [queries[i % 3] ?? "", document]);
      mixed.splice(4, 0, [queries[3] ?? "", "text"]);
      const expected = await alone(encoder, mixed);
      let actual: number[] = [];
      const lengths = await prefixesOf(async () => (actual = await together(encoder, mixed, { batchSize: 5 })));
      assert.equal(lengths.length, 3);
      assertClose(actual, expected);
    });
  });

  describe(`the shared prefix of ${name}, truncated`, () => {
    for (const maxSeqLength of [9, 24, 64]) {
      it(`to ${String(maxSeqLength)} tokens`, async () => {
        const encoder = await CrossEncoder.load(folderOf(name), { maxSeqLength });
        try {
          const pairs = DOCUMENTS.flatMap((document): Pair[] => [
            [QUERY, document],
            ["word ".repeat(100), document],
          ]);
          assertClose(await together(encoder, pairs), await alone(encoder, pairs));
        } finally {
          await encoder.close();
        }
      });
    }
  });
}

describe("the shared prefix", () => {
  it("is not computed for an encoder", async () => {
    const encoder = await CrossEncoder.load(folderOf("ce-bert-msmarco"));
    const lengths = await prefixesOf(() => encoder.rank(QUERY, DOCUMENTS));
    assert.deepEqual(lengths, []);
    await encoder.close();
  });

  it("is not computed for a query with one pair", async () => {
    const encoder = await CrossEncoder.load(folderOf("ce-qwen3-logitscore"));
    const lengths = await prefixesOf(() => encoder.rank(QUERY, ["one document"]));
    assert.deepEqual(lengths, []);
    await encoder.close();
  });

  it("is not computed for texts that begin alike only in few tokens", async () => {
    const encoder = await CrossEncoder.load(folderOf("ce-qwen3-bare"));
    const lengths = await prefixesOf(() => encoder.rank("a", ["b", "c"]));
    assert.deepEqual(lengths, []);
    await encoder.close();
  });

  it("keeps int8 scores", async () => {
    const cacheDir = await mkdtemp(path.join(os.tmpdir(), "sparse-rerank-prefix-"));
    const encoder = await CrossEncoder.load(folderOf("ce-qwen3-logitscore"), { dtype: "int8", cacheDir: path.join(cacheDir, "hub") });
    const pairs = DOCUMENTS.map((document): Pair => [QUERY, document]);
    const [actual, expected] = [await together(encoder, pairs), await alone(encoder, pairs)];
    for (const [i, value] of actual.entries()) {
      // A last bit of an activation can move its 8-bit step.
      assert.ok(Math.abs(value - (expected[i] ?? NaN)) < 5e-3, `${String(value)}, alone ${String(expected[i])}`);
    }
    await encoder.close();
    await rm(cacheDir, { recursive: true });
  });

  it("ends with an aborted call, and the next call has its own", async () => {
    const encoder = await CrossEncoder.load(folderOf("ce-qwen3-logitscore"));
    const documents = Array.from({ length: 2000 }, (_, i) => `${String(i)} word `.repeat(40));
    const controller = new AbortController();
    const ranking = encoder.rank(QUERY, documents, {
      signal: controller.signal,
      batchSize: 16,
      onProgress: () => {
        controller.abort();
      },
    });
    await assert.rejects(ranking, { code: "ERR_ABORTED" });
    const immediate = AbortSignal.abort();
    await assert.rejects(encoder.rank(QUERY, documents, { signal: immediate }), { code: "ERR_ABORTED" });
    const pairs = documents.slice(0, 3).map((document): Pair => [QUERY, document]);
    assertClose(await together(encoder, pairs), await alone(encoder, pairs));
    await encoder.close();
  });

  it("outlives a close() during its call, and ends with dispose()", async () => {
    const documents = Array.from({ length: 200 }, (_, i) => `${String(i)} word `.repeat(40));
    const closed = await CrossEncoder.load(folderOf("ce-qwen3-logitscore"));
    const ranking = closed.rank(QUERY, documents, { batchSize: 16 });
    await closed.close();
    assert.equal((await ranking).length, documents.length);
    const disposed = await CrossEncoder.load(folderOf("ce-qwen3-logitscore"));
    const failing = assert.rejects(disposed.rank(QUERY, documents, { batchSize: 16 }), { code: "ERR_DISPOSED" });
    disposed.dispose();
    await failing;
  });
});

describe("sharedBeginning", () => {
  const batch = (...sequences: readonly (readonly number[])[]): Parameters<typeof sharedBeginning>[0] => ({
    ids: Int32Array.from(sequences.flat()),
    offsets: Uint32Array.from([0, ...sequences.map((_, i) => sequences.slice(0, i + 1).flat().length)]),
    truncated: new Uint32Array(),
  });

  it("is what all sequences begin with", () => {
    assert.deepEqual([...sharedBeginning(batch([1, 2, 3, 4], [1, 2, 5], [1, 2, 3]))], [1, 2]);
    assert.deepEqual([...sharedBeginning(batch([1, 2], [3, 2]))], []);
  });

  it("leaves a token of each sequence", () => {
    assert.deepEqual([...sharedBeginning(batch([1, 2, 3], [1, 2, 3]))], [1, 2]);
    assert.deepEqual([...sharedBeginning(batch([1, 2, 3], [1, 2]))], [1]);
    assert.deepEqual([...sharedBeginning(batch([1], [1]))], []);
  });
});
