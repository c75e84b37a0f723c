import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";

import fc from "fast-check";

import { fuse, normalizeScores } from "../../../dist";
import type { FusionOptions, Normalization, Scored } from "../../../dist";

interface Golden {
  readonly lists: readonly Record<string, number>[];
  readonly weights: readonly number[];
  readonly cases: Record<string, Record<string, number>>;
}

const golden = JSON.parse(fs.readFileSync(path.join(__dirname, "..", "..", "data", "retrieval", "fusion.json"), "utf8")) as Golden;
const lists = golden.lists.map((list) => Object.entries(list).map(([id, score]) => ({ id, score })));

function optionsOf(name: string): FusionOptions {
  if (name.startsWith("rrf")) return { method: "rrf", k: name === "rrf" ? 60 : 10 };
  const [method, normalization] = name.split("/") as [string, Normalization];
  return { method: "weighted-sum", normalization, ...(method === "weighted" ? { weights: golden.weights } : {}) };
}

describe("fuse", () => {
  for (const [name, expected] of Object.entries(golden.cases)) {
    it(`returns the scores of ranx: ${name}`, () => {
      const fused = fuse(lists, optionsOf(name));
      assert.deepEqual(fused.map(({ id }) => id).sort(), Object.keys(expected).sort());
      for (const { id, score } of fused) assert.ok(Math.abs(score - expected[id]!) < 1e-9, `${id}: ${score} instead of ${expected[id]}`);
      assert.deepEqual(
        fused,
        fused.toSorted((a, b) => b.score - a.score),
      );
    });
  }

  it("adds 1 / (k + rank), and keeps the order of appearance for equal scores", () => {
    const a = [
      { id: "x", score: 9 },
      { id: "y", score: 1 },
    ];
    const b = [
      { id: "y", score: 7 },
      { id: "x", score: 3 },
    ];
    assert.deepEqual(fuse([a, b]), [
      { id: "x", score: 1 / 61 + 1 / 62 },
      { id: "y", score: 1 / 62 + 1 / 61 },
    ]);
    assert.deepEqual(fuse([]), []);
  });

  it("normalizes lists of equal scores without dividing by zero", () => {
    for (const normalization of ["min-max", "max", "sum", "z-score", "none"] as const) {
      fc.assert(
        fc.property(fc.array(fc.constantFrom(0, 2, -1)), (scores) => normalizeScores(scores, normalization).every(Number.isFinite)),
      );
    }
    assert.deepEqual(normalizeScores([4, 4], "min-max"), [1, 1]);
    assert.deepEqual(normalizeScores([4, 4], "sum"), [0.5, 0.5]);
    assert.deepEqual(normalizeScores([4, 4], "z-score"), [0, 0]);
    assert.deepEqual(normalizeScores([3, 1], "z-score"), [1, -1]);
  });

  it("rejects options that do not fit together", () => {
    const list: Scored[] = [{ id: "a", score: 1 }];
    const refused: [FusionOptions, RegExp][] = [
      [{ method: "rrf", k: -1 }, /fusion\.k/],
      [{ method: "weighted-sum", weights: [1, 2] }, /2 numbers for 1 lists/],
      [{ method: "weighted-sum", normalization: "best" as Normalization }, /fusion\.normalization/],
      [{ method: "sum" } as unknown as FusionOptions, /fusion\.method/],
      [{ method: "weighted-sum", k: 3 } as unknown as FusionOptions, /fusion\.k/],
    ];
    for (const [options, message] of refused) assert.throws(() => fuse([list], options), { code: "ERR_INVALID_ARGUMENT", message });
  });
});
