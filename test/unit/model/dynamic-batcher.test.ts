/** Dynamic batching: which calls run together, whose result is whose, and that aborts and failures stay with their call. */

import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";

import { DynamicBatcher, encodeWork } from "../../../dist/model/dynamic-batcher";
import type { Work } from "../../../dist/model/dynamic-batcher";
import type { NativeRunOptions, NativeSequences } from "../../../dist/native/contract";

/** A run that has started, for the test to end. */
interface Run {
  readonly sequences: NativeSequences;
  readonly options: NativeRunOptions;
  readonly resolve: (sums: number[]) => void;
  readonly reject: (error: unknown) => void;
}

/** Sums the ids of each sequence, when the test says so. */
class Sums implements Work<number[]> {
  readonly key: string;
  readonly runs: Run[];

  constructor(key = "", runs: Run[] = []) {
    this.key = key;
    this.runs = runs;
  }

  run(sequences: NativeSequences, options: NativeRunOptions): Promise<number[]> {
    return new Promise((resolve, reject) => {
      this.runs.push({ sequences, options, resolve, reject });
    });
  }

  slice(result: number[], begin: number, end: number): number[] {
    return result.slice(begin, end);
  }
}

const sums = ({ ids, offsets }: NativeSequences): number[] =>
  Array.from({ length: offsets.length - 1 }, (_, i) => ids.subarray(offsets[i], offsets[i + 1]).reduce((sum, id) => sum + id, 0));

function sequencesOf(...texts: readonly number[][]): NativeSequences {
  const offsets = [0];
  for (const { length } of texts) offsets.push((offsets.at(-1) ?? 0) + length);
  return { ids: Int32Array.from(texts.flat()), offsets: Uint32Array.from(offsets), bytes: Float64Array.from(texts, () => 1) };
}

/** Ends the run at the place, and lets its callers continue. */
async function end(runs: readonly Run[], place: number): Promise<void> {
  const run = runs[place];
  assert.ok(run !== undefined);
  run.resolve(sums(run.sequences));
  await turn();
}

describe("DynamicBatcher", () => {
  it("starts calls while there is room, and merges those that wait", async () => {
    const work = new Sums();
    const batcher = new DynamicBatcher(100);
    const calls = [[[1, 2]], [[3]], [[4], [5, 5]], [[6]]].map((texts) => batcher.run(work, sequencesOf(...texts), {}, undefined));
    await turn();
    assert.equal(work.runs.length, 2);
    await end(work.runs, 0);
    assert.deepEqual(await calls[0], [3]);
    assert.deepEqual(Array.from(work.runs[2]?.sequences.ids ?? []), [4, 5, 5, 6]);
    assert.deepEqual(Array.from(work.runs[2]?.sequences.offsets ?? []), [0, 1, 3, 4]);
    assert.equal(work.runs[2]?.sequences.bytes?.length, 3);
    await end(work.runs, 2);
    assert.deepEqual([await calls[2], await calls[3]], [[4, 10], [6]]);
    await end(work.runs, 1);
    assert.deepEqual(await calls[1], [3]);
    assert.equal(work.runs.length, 3);
  });

  it("keeps the types of tokens", async () => {
    const work = new Sums();
    const batcher = new DynamicBatcher(100);
    const blockers = [batcher.run(work, sequencesOf([1]), {}, undefined), batcher.run(work, sequencesOf([1]), {}, undefined)];
    const typed = { ...sequencesOf([2, 3]), typeIds: Uint8Array.of(0, 1) };
    const calls = [batcher.run(work, sequencesOf([9]), {}, undefined), batcher.run(work, typed, {}, undefined)];
    await turn();
    await end(work.runs, 0);
    assert.deepEqual(Array.from(work.runs[2]?.sequences.typeIds ?? []), [0, 0, 1]);
    await end(work.runs, 1);
    await end(work.runs, 2);
    await Promise.all([...blockers, ...calls]);
  });

  it("merges up to the number of tokens, and never works of different keys", async () => {
    const runs: Run[] = [];
    const work = new Sums("a", runs);
    const other = new Sums("b", runs);
    const batcher = new DynamicBatcher(4);
    const run = (which: Sums, ...ids: number[]): Promise<number[]> => batcher.run(which, sequencesOf(ids), {}, undefined);
    const calls = [run(work, 1), run(work, 2), run(work, 3, 3), run(other, 4), run(work, 5, 5, 5), run(work, 6, 6)];
    await turn();
    for (let i = 0; i < 5; i++) await end(runs, i);
    assert.deepEqual(
      runs.map(({ sequences }) => Array.from(sequences.ids)),
      [[1], [2], [3, 3, 6, 6], [4], [5, 5, 5]],
    );
    assert.deepEqual(await Promise.all(calls), [[1], [2], [6], [4], [15], [12]]);
  });

  it("runs a large call at once, alone", async () => {
    const work = new Sums();
    const batcher = new DynamicBatcher(2);
    const calls = [[1], [2], [3, 3, 3]].map((ids) => batcher.run(work, sequencesOf(ids), {}, undefined));
    await turn();
    assert.equal(work.runs.length, 3);
    for (const place of [0, 1, 2]) await end(work.runs, place);
    assert.deepEqual(await Promise.all(calls), [[1], [2], [9]]);
  });

  it("takes calls of a higher priority first", async () => {
    const work = new Sums();
    const batcher = new DynamicBatcher(1);
    const calls = [0, 0, -1, 1, 0].map((priority, i) => batcher.run(work, sequencesOf([i]), { priority }, undefined));
    await turn();
    for (const place of [0, 1, 2, 3, 4]) await end(work.runs, place);
    assert.deepEqual(
      work.runs.map(({ sequences, options }) => [sequences.ids[0], options.priority]),
      [
        [0, 0],
        [1, 0],
        [3, 1],
        [4, 0],
        [2, -1],
      ],
    );
    await Promise.all(calls);
  });

  it("drops an aborted call that waits, and cancels a run only when all of its calls were aborted", async () => {
    const work = new Sums();
    const batcher = new DynamicBatcher(100);
    const aborts = [0, 1, 2, 3, 4].map(() => new AbortController());
    const calls = aborts.map(({ signal }, i) => batcher.run(work, sequencesOf([i]), {}, signal));
    await turn();
    const aborted = (place: number): Promise<void> => {
      aborts[place]?.abort();
      return assert.rejects(calls[place] ?? Promise.resolve(), { code: "ERR_ABORTED" });
    };
    let cancelled = 0;
    const count = (place: number): void => {
      const cancel = (): void => {
        cancelled++;
      };
      Object.defineProperty(work.runs[place]?.options.cancel, "cancel", { value: cancel });
    };
    await aborted(2);
    await end(work.runs, 0);
    assert.deepEqual(Array.from(work.runs[2]?.sequences.ids ?? []), [3, 4]);
    count(2);
    await aborted(3);
    assert.equal(cancelled, 0);
    await end(work.runs, 2);
    assert.deepEqual(await calls[4], [4]);
    count(1);
    await aborted(1);
    assert.equal(cancelled, 1);
    await end(work.runs, 1);
    assert.deepEqual(await calls[0], [0]);
    await assert.rejects(batcher.run(work, sequencesOf([1]), {}, AbortSignal.abort()), { code: "ERR_ABORTED" });
  });

  it("runs the calls of a failed run one by one, so that only the one at fault fails", async () => {
    const work = new Sums();
    const batcher = new DynamicBatcher(100);
    const calls = [[0], [1], [2], [3]].map((ids) => batcher.run(work, sequencesOf(ids), {}, undefined));
    const failing = assert.rejects(calls[2] ?? Promise.resolve(), /alone/);
    await turn();
    await end(work.runs, 0);
    work.runs[2]?.reject(new Error("together"));
    await turn();
    assert.equal(work.runs.length, 5);
    work.runs[3]?.reject(new Error("alone"));
    await end(work.runs, 4);
    await failing;
    assert.deepEqual(await calls[3], [3]);
    await end(work.runs, 1);
    await Promise.all([calls[0], calls[1]]);
  });
});

describe("encodeWork", () => {
  it("cuts rows out of a matrix", () => {
    const work = encodeWork({} as never, 0);
    const matrix = {
      indptr: Uint32Array.of(0, 2, 2, 5),
      indices: Uint32Array.of(1, 2, 3, 4, 5),
      values: Float32Array.of(0.1, 0.2, 0.3, 0.4, 0.5),
      times: new Float64Array(4),
    };
    const { indptr, indices, values } = work.slice(matrix, 1, 3);
    assert.deepEqual([Array.from(indptr), Array.from(indices), values], [[0, 0, 3], [3, 4, 5], matrix.values.slice(2)]);
    assert.deepEqual(Array.from(work.slice(matrix, 1, 2).indptr), [0, 0]);
  });
});
