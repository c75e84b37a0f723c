/** SparseIndex over the addon: ids, order, atomic calls, rejections, lifecycle. */

import assert from "node:assert/strict";

import fc from "fast-check";

import type { ErrorCode } from "../../../dist/errors";
import { SparseRerankError } from "../../../dist/errors";
import { SparseIndex } from "../../../dist/sparse-index/sparse-index";
import type { SearchHit } from "../../../dist/sparse-index/sparse-index";
import { SparseMatrix } from "../../../dist/sparse-matrix";
import type { SparseVector } from "../../../dist/sparse-matrix";

const DIMENSION = 20;

function matrix(rows: readonly Record<number, number>[], cols = DIMENSION): SparseMatrix {
  return SparseMatrix.fromRows(
    rows.map((row) => ({ indices: Object.keys(row).map(Number), values: Object.values(row) })),
    cols,
  );
}

function vector(weights: Record<number, number>, cols = DIMENSION): SparseVector {
  return matrix([weights], cols).row(0);
}

function withIndex(run: (index: SparseIndex) => Promise<void>): () => Promise<void> {
  return async () => {
    const index = SparseIndex.create({ dimension: DIMENSION });
    try {
      await run(index);
    } finally {
      await index.close();
    }
  };
}

const idsOf = (hits: readonly SearchHit[]): string[] => hits.map(({ id }) => id);

async function refuses(run: () => unknown, code: ErrorCode, message: RegExp): Promise<void> {
  await assert.rejects(
    async () => {
      await run();
    },
    (error: unknown) => {
      assert.ok(error instanceof SparseRerankError, String(error));
      assert.equal(error.code, code, error.message);
      assert.match(error.message, message);
      return true;
    },
  );
}

describe("SparseIndex", () => {
  it(
    "finds documents best first, ties by insertion order",
    withIndex(async (index) => {
      await index.add(["x", "y", "z", "none"], matrix([{ 1: 1 }, { 1: 2, 2: 0.5 }, { 1: 1 }, { 7: 1 }]));
      assert.equal(index.size, 4);
      assert.equal(index.dimension, DIMENSION);
      assert.deepEqual(await index.search(vector({ 1: 2 })), [
        { id: "y", score: 4 },
        { id: "x", score: 2 },
        { id: "z", score: 2 },
      ]);
      assert.deepEqual(idsOf(await index.search(vector({ 1: 2 }), { topK: 2 })), ["y", "x"]);
      assert.deepEqual((await index.search(matrix([{ 2: 1 }, {}, { 1: 1, 7: 5 }]), { topK: 1 })).map(idsOf), [["y"], [], ["none"]]);
      assert.deepEqual(await index.search(matrix([])), []);
      assert.deepEqual(await index.search(structuredClone(matrix([{ 7: 1 }]))), [[{ id: "none", score: 1 }]]);
    }),
  );

  it(
    "returns ten hits by default",
    withIndex(async (index) => {
      const ids = Array.from({ length: 30 }, (_, i) => String(i));
      await index.add(ids, matrix(ids.map(() => ({ 0: 1 }))));
      assert.deepEqual(idsOf(await index.search(vector({ 0: 1 }))), ids.slice(0, 10));
      assert.deepEqual(idsOf(await index.search(vector({ 0: 1 }), { topK: Number.MAX_SAFE_INTEGER })), ids);
    }),
  );

  it(
    "re-adding an id replaces its document, which counts as the newest",
    withIndex(async (index) => {
      await index.add(["a", "b", "c"], matrix([{ 1: 1 }, { 1: 1 }, { 1: 1 }]));
      await index.add(["a", "d"], matrix([{ 1: 1, 2: 1 }, { 1: 1 }]));
      assert.equal(index.size, 4);
      assert.deepEqual(idsOf(await index.search(vector({ 1: 1 }))), ["b", "c", "a", "d"]);
      assert.deepEqual(idsOf(await index.search(vector({ 2: 1 }))), ["a"]);
      assert.equal(index.stats().documents, 4);
    }),
  );

  it(
    "removes known ids and counts them",
    withIndex(async (index) => {
      await index.add(["a", "b", "c"], matrix([{ 1: 1 }, { 1: 1 }, { 1: 1 }]));
      assert.equal(await index.remove(["b", "unknown", "b"]), 1);
      assert.equal(await index.remove(["b"]), 0);
      assert.equal(await index.remove([]), 0);
      assert.equal(index.size, 2);
      assert.deepEqual(idsOf(await index.search(vector({ 1: 1 }))), ["a", "c"]);
      await index.add(["b"], matrix([{ 1: 1 }]));
      assert.deepEqual(idsOf(await index.search(vector({ 1: 1 }))), ["a", "c", "b"]);
    }),
  );

  it(
    "compact frees memory and changes no result",
    withIndex(async (index) => {
      const ids = Array.from({ length: 300 }, (_, i) => `d${i}`);
      await index.add(ids, matrix(ids.map((_, i) => ({ 1: 1 + (i % 7), 2: 1 }))));
      await index.add(ids.slice(0, 50), matrix(ids.slice(0, 50).map(() => ({ 1: 3 }))));
      await index.remove(ids.slice(200));
      const before = await index.search(vector({ 1: 1 }), { topK: 1000 });
      assert.equal(before.length, 200);
      assert.equal(index.stats().postings, 650);
      await index.compact();
      assert.equal(index.stats().postings, 350);
      assert.deepEqual(await index.search(vector({ 1: 1 }), { topK: 1000 }), before);
      assert.equal(await index.remove(["d0", "d250"]), 1);
      assert.deepEqual(
        await index.search(vector({ 1: 1 }), { topK: 1000 }),
        before.filter(({ id }) => id !== "d0"),
      );
      await index.add(["new"], matrix([{ 1: 100 }]));
      assert.deepEqual(idsOf(await index.search(vector({ 1: 1 }), { topK: 1 })), ["new"]);
    }),
  );

  it("equals a plain list of documents through any changes", async () => {
    const document = fc.dictionary(fc.nat(5).map(String), fc.integer({ min: 1, max: 3 }), { maxKeys: 3 });
    const id = fc.constantFrom("a", "b", "c", "d", "e", "f");
    const step = fc.oneof(
      fc.record({ add: fc.uniqueArray(fc.tuple(id, document), { maxLength: 5, selector: ([name]) => name }) }),
      fc.record({ remove: fc.array(id, { maxLength: 3 }) }),
      fc.constant({ compact: true as const }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), document, async (steps, query) => {
        using index = SparseIndex.create({ dimension: DIMENSION });
        const model = new Map<string, Record<string, number>>();
        for (const change of steps) {
          if ("add" in change) {
            await index.add(
              change.add.map(([name]) => name),
              matrix(change.add.map(([, weights]) => weights)),
            );
            for (const [name, weights] of change.add) {
              model.delete(name);
              model.set(name, weights);
            }
          } else if ("remove" in change) {
            const known = new Set(change.remove.filter((name) => model.has(name)));
            assert.equal(await index.remove(change.remove), known.size);
            for (const name of known) model.delete(name);
          } else {
            await index.compact();
          }
        }
        const expected = Array.from(model, ([name, weights]) => ({
          id: name,
          score: Object.entries(query).reduce((sum, [term, weight]) => sum + weight * (weights[term] ?? 0), 0),
        }))
          .filter(({ score }) => score > 0)
          .sort((a, b) => b.score - a.score);
        assert.deepEqual(await index.search(vector(query), { topK: 100 }), expected);
        assert.equal(index.size, model.size);
      }),
      { numRuns: 200 },
    );
  });

  describe("concurrent calls", () => {
    it(
      "changes run one after the other, in the order of the calls",
      withIndex(async (index) => {
        const adds = Array.from({ length: 20 }, (_, i) => index.add(["same", `other${i}`], matrix([{ 1: i + 1 }, { 2: 1 }])));
        const removed = index.remove(["other3"]);
        const again = index.add(["other3"], matrix([{ 2: 2 }]));
        await Promise.all([...adds, again]);
        assert.equal(await removed, 1);
        const found = await index.search(vector({ 1: 1, 2: 1 }), { topK: 100 });
        const others = Array.from({ length: 20 }, (_, i) => `other${i}`).filter((id) => id !== "other3");
        // "same" was replaced by every add, so it is as new as the last of them.
        assert.deepEqual(idsOf(found), ["same", "other3", ...others]);
        assert.equal(found[0]?.score, 20);
      }),
    );

    it(
      "a search does not wait for changes and sees those already settled",
      withIndex(async (index) => {
        await index.add(["a"], matrix([{ 1: 1 }]));
        const add = index.add(["b"], matrix([{ 1: 1 }]));
        const early = index.search(vector({ 1: 1 }));
        await add;
        assert.deepEqual(idsOf(await early), ["a"]);
        assert.deepEqual(idsOf(await index.search(vector({ 1: 1 }))), ["a", "b"]);
      }),
    );

    it(
      "all queries of a search see the same batches",
      withIndex(async (index) => {
        const batch = Array.from({ length: 25 }, (_, i) => i);
        const queries = matrix(Array.from({ length: 16 }, () => ({ 3: 1 })));
        const work: Promise<unknown>[] = [];
        for (let round = 0; round < 20; round++) {
          // Round 0 adds, later ones replace one half and add another.
          work.push(
            index.add(
              batch.map((i) => `${i % 2 === 0 ? "even" : String(round)}-${i}`),
              matrix(batch.map(() => ({ 3: 1 }))),
            ),
          );
          if (round % 5 === 4) work.push(index.compact());
          work.push(
            index.search(queries, { topK: 10_000 }).then((lists) => {
              for (const hits of lists) assert.deepEqual(hits, lists[0]);
              const found = new Set(idsOf(lists[0] ?? []));
              assert.equal(found.size, lists[0]?.length);
              // Nothing, or the replaced half once and the other half of every round so far.
              if (found.size > 0) assert.equal((found.size - 13) % 12, 0);
            }),
          );
          if (round % 3 === 0) await work[work.length - 2];
        }
        await Promise.all(work);
      }),
    );

    it(
      "the caller may reuse its array of ids immediately",
      withIndex(async (index) => {
        const ids = ["a"];
        const blocked = index.add(["first"], matrix([{ 1: 1 }]));
        const add = index.add(ids, matrix([{ 1: 1 }]));
        ids[0] = "changed";
        await Promise.all([blocked, add]);
        assert.deepEqual(idsOf(await index.search(vector({ 1: 1 }))), ["first", "a"]);
      }),
    );
  });

  describe("rejections leave the index unchanged", () => {
    const longId = "é".repeat(32_769);
    const cases: [string, (index: SparseIndex) => unknown, ErrorCode, RegExp][] = [
      ["an id twice in a batch", (i) => i.add(["b", "c", "b"], matrix([{}, {}, {}])), "ERR_DUPLICATE_ID", /ids\[2\] is "b"/],
      ["too few ids", (i) => i.add(["b"], matrix([{}, {}])), "ERR_INVALID_ARGUMENT", /1 ids and 2 rows/],
      ["ids that are no array", (i) => i.add("b" as never, matrix([{}])), "ERR_INVALID_ARGUMENT", /ids must be an array/],
      [
        "an id that is no string",
        (i) => i.add([1] as never, matrix([{}])),
        "ERR_INVALID_ARGUMENT",
        /ids\[0\] must be a non-empty string, not 1/,
      ],
      ["an empty id", (i) => i.add([""], matrix([{}])), "ERR_INVALID_ARGUMENT", /ids\[0\] must be a non-empty string/],
      ["an id that is too long", (i) => i.add([longId], matrix([{}])), "ERR_INVALID_ARGUMENT", /ids\[0\] has 65538 bytes/],
      ["a lone surrogate", (i) => i.add(["\ud800"], matrix([{}])), "ERR_INVALID_ARGUMENT", /ids\[0\] has a lone surrogate/],
      [
        "vectors of another dimension",
        (i) => i.add(["b"], matrix([{}], 21)),
        "ERR_DIMENSION_MISMATCH",
        /vectors has 21 dimensions; .* for 20/,
      ],
      ["vectors that are none", (i) => i.add(["b"], [[1]] as never), "ERR_INVALID_ARGUMENT", /rows must be/],
      ["too few payloads", (i) => i.add(["b"], matrix([{}]), { payloads: [] }), "ERR_INVALID_ARGUMENT", /payloads has 0 .* 1 documents/],
      ["payloads that are no array", (i) => i.add(["b"], matrix([{}]), { payloads: "" } as never), "ERR_INVALID_ARGUMENT", /payloads must/],
      [
        "a payload that JSON cannot hold",
        (i) => i.add(["b"], matrix([{}]), { payloads: [idsOf] }),
        "ERR_INVALID_ARGUMENT",
        /payloads\[0\] must be .* not function/,
      ],
      ["an unknown extra", (i) => i.add(["b"], matrix([{}]), { tags: [] } as never), "ERR_INVALID_ARGUMENT", /unknown property "tags"/],
      ["removal of what is no id", (i) => i.remove([1] as never), "ERR_INVALID_ARGUMENT", /ids\[0\] must be/],
      ["removal without an array", (i) => i.remove("a" as never), "ERR_INVALID_ARGUMENT", /ids must be an array/],
      ["a query of another dimension", (i) => i.search(vector({}, 19)), "ERR_DIMENSION_MISMATCH", /queries has 19 dimensions/],
      [
        "a query that is none",
        (i) => i.search("text" as never),
        "ERR_INVALID_ARGUMENT",
        /queries must be a SparseMatrix or a SparseVector/,
      ],
      ["a query with NaN", (i) => i.search({ ...vector({ 1: 1 }), values: Float32Array.of(NaN) }), "ERR_INVALID_ARGUMENT", /NaN/],
      ["topK 0", (i) => i.search(vector({}), { topK: 0 }), "ERR_INVALID_ARGUMENT", /topK must be a positive integer/],
      ["a fraction as topK", (i) => i.search(vector({}), { topK: 1.5 }), "ERR_INVALID_ARGUMENT", /topK/],
      ["a filter of no ids", (i) => i.search(vector({}), { filter: { ids: 3 } }), "ERR_INVALID_ARGUMENT", /filter.ids must be/],
      ["withPayload that is no boolean", (i) => i.search(vector({}), { withPayload: 1 } as never), "ERR_INVALID_ARGUMENT", /withPayload/],
      ["a recall above 1", (i) => i.search(vector({}), { mode: { recall: 95 } }), "ERR_INVALID_ARGUMENT", /mode.recall .* not 95/],
      ["a mode of null", (i) => i.search(vector({}), { mode: null } as never), "ERR_INVALID_ARGUMENT", /mode must be "exact"/],
      ["an unknown mode", (i) => i.search(vector({}), { mode: "fast" } as never), "ERR_INVALID_ARGUMENT", /mode must be "exact"/],
      ["an unknown option", (i) => i.search(vector({}), { limit: 3 } as never), "ERR_INVALID_ARGUMENT", /unknown property "limit"/],
      [
        "a signal that is none",
        (i) => i.search(vector({}), { signal: {} } as never),
        "ERR_INVALID_ARGUMENT",
        /signal must be an AbortSignal/,
      ],
      ["save without a path", (i) => i.save(""), "ERR_INVALID_ARGUMENT", /path must be/],
      ["save where there is no folder", (i) => i.save("no-such-folder/index"), "ERR_FILE_UNWRITABLE", /no-such-folder/],
      ["open what is not there", () => SparseIndex.open("no-such-index"), "ERR_FILE_NOT_FOUND", /no-such-index/],
      ["open with a text", () => SparseIndex.open("i", { readOnly: "" } as never), "ERR_INVALID_ARGUMENT", /readOnly must be/],
      ["create without a dimension", () => SparseIndex.create({} as never), "ERR_INVALID_ARGUMENT", /dimension must be a positive integer/],
      ["create with a fraction", () => SparseIndex.create({ dimension: 0.5 }), "ERR_INVALID_ARGUMENT", /dimension/],
      [
        "create with too many dimensions",
        () => SparseIndex.create({ dimension: 2 ** 22 + 1 }),
        "ERR_TOO_LARGE",
        /4194305 is above the limit/,
      ],
      ["create with an unknown option", () => SparseIndex.create({ dimension: 1, path: "" } as never), "ERR_INVALID_ARGUMENT", /"path"/],
    ];
    for (const [name, run, code, message] of cases) {
      it(
        name,
        withIndex(async (index) => {
          await index.add(["a"], matrix([{ 1: 1 }]));
          const stats = index.stats();
          await refuses(() => run(index), code, message);
          assert.deepEqual(index.stats(), stats);
          assert.deepEqual(await index.search(vector({ 1: 1 }), { mode: "exact", withPayload: false }), [{ id: "a", score: 1 }]);
        }),
      );
    }

    it(
      "weights corrupted after the matrix was checked",
      withIndex(async (index) => {
        await index.add(["a"], matrix([{ 1: 1 }]));
        const spoilt = matrix([{ 1: 1 }, { 2: 1, 3: 1 }]);
        spoilt.indices[2] = 4_000_000_000;
        await refuses(() => index.add(["b", "a"], spoilt), "ERR_DIMENSION_MISMATCH", /row 1, position 1/);
        await refuses(() => index.search(spoilt), "ERR_DIMENSION_MISMATCH", /row 1, position 1/);
        assert.equal(index.size, 1);
        assert.deepEqual(await index.search(vector({ 1: 1 })), [{ id: "a", score: 1 }]);
        await index.add(["b"], matrix([{ 1: 1 }]));
        assert.deepEqual(idsOf(await index.search(vector({ 1: 1 }))), ["a", "b"]);
      }),
    );
  });

  it(
    "accepts any Unicode ids up to 64 KiB",
    withIndex(async (index) => {
      const ids = ["é".repeat(32_768), "😀", "\u0000", "__proto__", " "];
      await index.add(ids, matrix(ids.map(() => ({ 1: 1 }))));
      assert.deepEqual(idsOf(await index.search(vector({ 1: 1 }))), ids);
    }),
  );

  it(
    "counts documents, postings and bytes",
    withIndex(async (index) => {
      const recall = [0.9, 0.95, 0.99].map((target) => ({ target, reached: 1 }));
      assert.deepEqual(index.stats(), { documents: 0, postings: 0, bytes: 0, hotBytes: 0, segments: 0, recall });
      await index.add(
        ["a", "b"],
        matrix([
          { 1: 1, 2: 0 },
          { 1: 1, 3: 1 },
        ]),
      );
      const { documents, postings, bytes, hotBytes, segments } = index.stats();
      assert.deepEqual([documents, postings, segments], [2, 3, 1]);
      assert.ok(hotBytes >= 24 && hotBytes < bytes && bytes < 10_000, `${String(hotBytes)} of ${String(bytes)}`);
    }),
  );

  describe("abort", () => {
    it(
      "before the search",
      withIndex(async (index) => {
        await index.add(["a"], matrix([{ 1: 1 }]));
        const reason = new Error("enough");
        await assert.rejects(index.search(vector({ 1: 1 }), { signal: AbortSignal.abort(reason) }), {
          code: "ERR_ABORTED",
          name: "AbortError",
          cause: reason,
        });
      }),
    );

    it(
      "while it waits or runs, and the index keeps working",
      withIndex(async (index) => {
        const ids = Array.from({ length: 5000 }, (_, i) => String(i));
        const abort = new AbortController();
        const add = index.add(ids, matrix(ids.map(() => ({ 1: 1, 2: 1, 3: 1 }))));
        const search = index.search(matrix(Array.from({ length: 200 }, () => ({ 1: 1 }))), { signal: abort.signal });
        abort.abort();
        await assert.rejects(search, { code: "ERR_ABORTED" });
        await add;
        const running = new AbortController();
        const second = index.search(matrix(Array.from({ length: 2000 }, () => ({ 1: 1 }))), { topK: 5000, signal: running.signal });
        running.abort();
        await assert.rejects(second, { code: "ERR_ABORTED" });
        assert.deepEqual(idsOf(await index.search(vector({ 1: 1 }), { topK: 1 })), ["0"]);
      }),
    );
  });

  describe("dispose and close", () => {
    it("reject new work, are idempotent, and work with using", async () => {
      const index = SparseIndex.create({ dimension: DIMENSION });
      await index.add(["a"], matrix([{ 1: 1 }]));
      index.dispose();
      index.dispose();
      await index.close();
      await refuses(() => index.add(["b"], matrix([{}])), "ERR_DISPOSED", /disposed/);
      await refuses(() => index.remove(["a"]), "ERR_DISPOSED", /disposed/);
      await refuses(() => index.search(vector({ 1: 1 })), "ERR_DISPOSED", /disposed/);
      await refuses(() => index.compact(), "ERR_DISPOSED", /disposed/);
      await refuses(() => index.save("x"), "ERR_DISPOSED", /disposed/);
      await refuses(() => index.stats(), "ERR_DISPOSED", /disposed/);
    });

    it("close() lets all calls succeed, dispose() rejects waiting ones", async () => {
      const ids = Array.from({ length: 2000 }, (_, i) => String(i));
      const start = (index: SparseIndex): Promise<unknown>[] => [
        index.add(ids, matrix(ids.map(() => ({ 1: 1 })))),
        index.search(vector({ 1: 1 })),
        index.remove(["1"]),
        index.compact(),
        index.search(vector({ 1: 1 })),
      ];
      const closed = SparseIndex.create({ dimension: DIMENSION });
      const all = Promise.all(start(closed));
      await closed.close();
      assert.equal((await all)[2], 1);
      const disposed = SparseIndex.create({ dimension: DIMENSION });
      const results = Promise.allSettled(start(disposed));
      disposed.dispose();
      await disposed.close();
      const [first, ...waiting] = await results;
      // The first may have ended before dispose() reached it.
      if (first?.status === "rejected") assert.equal((first.reason as SparseRerankError).code, "ERR_DISPOSED");
      for (const result of waiting) {
        assert.equal(result.status, "rejected");
        assert.equal((result.reason as SparseRerankError).code, "ERR_DISPOSED");
      }
    });
  });
});
