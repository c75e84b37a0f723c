import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";

import { mineHardNegatives, SparseEncoder } from "../../../dist";
import type { CrossEncoder, MinedRow, MineOptions } from "../../../dist";
import { loadReranker } from "../../support/retrieval-support";

interface Case {
  readonly arguments: Readonly<Record<string, unknown>>;
  readonly rows: readonly MinedRow[];
}

const folder = path.join(__dirname, "..", "..", "data", "retrieval");
const read = (name: string): unknown => JSON.parse(fs.readFileSync(path.join(folder, name), "utf8"));
const golden = read("hard-negatives.json") as Record<string, Case>;
const { corpus, pairs: given } = read("documents.json") as { corpus: string[]; pairs: [string, string][] };
const pairs = given.map(([anchor, positive]) => ({ anchor, positive }));

const NAMES: Readonly<Record<string, keyof MineOptions>> = {
  unit: "normalize",
  num_negatives: "negatives",
  range_min: "rangeMin",
  range_max: "rangeMax",
  max_score: "maxScore",
  min_score: "minScore",
  absolute_margin: "absoluteMargin",
  relative_margin: "relativeMargin",
  sampling_strategy: "samplingStrategy",
  output_format: "outputFormat",
  output_scores: "outputScores",
  include_positives: "includePositives",
};

/** Scores rounded to four decimals, texts unchanged. */
function rounded(rows: readonly MinedRow[]): unknown {
  return JSON.parse(JSON.stringify(rows, (_, value: unknown) => (typeof value === "number" ? Number(value.toFixed(3)) : value)));
}

describe("mineHardNegatives", () => {
  let encoder: SparseEncoder;
  let crossEncoder: CrossEncoder;
  before(async () => {
    encoder = await SparseEncoder.load("splade-tiny");
    crossEncoder = await loadReranker();
  });
  after(async () => {
    await encoder.close();
    await crossEncoder.close();
  });

  for (const [name, expected] of Object.entries(golden)) {
    it(`equals sentence-transformers: ${name}`, async () => {
      const { cross, ...others } = expected.arguments;
      const options = Object.fromEntries(Object.entries(others).map(([key, value]) => [NAMES[key] ?? key, value]));
      const { rows } = await mineHardNegatives(pairs, { encoder, corpus, ...options, ...(cross === true ? { crossEncoder } : {}) });
      assert.ok(expected.rows.length > 0);
      assert.deepEqual(rounded(rows), rounded(expected.rows));
    });
  }

  it("reads a streamed corpus in blocks with the same result", async () => {
    let read = 0;
    const stream = async function* (): AsyncGenerator<string> {
      for (let i = 0; i < 100; i++) {
        for (const text of corpus) {
          read++;
          yield await Promise.resolve(text);
        }
      }
    };
    const streamed = await mineHardNegatives(pairs, { encoder, corpus: stream() });
    assert.equal(read, 1400);
    assert.deepEqual(streamed.rows, (await mineHardNegatives(pairs, { encoder, corpus })).rows);
  });

  it("samples at random by its seed, among the candidates that pass", async () => {
    const mine = async (seed: number): Promise<unknown> =>
      (await mineHardNegatives(pairs, { encoder, corpus, samplingStrategy: "random", negatives: 2, rangeMax: 8, seed })).rows;
    assert.deepEqual(await mine(1), await mine(1));
    const all = await mineHardNegatives(pairs, { encoder, corpus, negatives: 8, rangeMax: 8 });
    const allowed = new Set(all.rows.map((row) => JSON.stringify(row)));
    const seen = new Set<string>();
    for (let seed = 0; seed < 8; seed++) for (const row of (await mine(seed)) as MinedRow[]) seen.add(JSON.stringify(row));
    assert.ok([...seen].every((row) => allowed.has(row)));
    assert.ok(seen.size > 2 * pairs.length);
  });

  it("counts what each condition removed", async () => {
    const { statistics } = await mineHardNegatives(pairs, { encoder, corpus, maxScore: 0, minScore: -1 });
    assert.equal(statistics.queries, 4);
    assert.equal(statistics.negatives, 0);
    assert.equal(statistics.queriesWithTooFew, 4);
    assert.ok(statistics.skipped.maxScore > 10);
  });

  it("rejects invalid input", async () => {
    await assert.rejects(mineHardNegatives([], { encoder }), { code: "ERR_INVALID_ARGUMENT", message: /pairs is empty/ });
    await assert.rejects(mineHardNegatives([{ anchor: "a" } as never], { encoder }), {
      code: "ERR_INVALID_ARGUMENT",
      message: /pairs\[0\]/,
    });
    await assert.rejects(mineHardNegatives(pairs, { encoder, rangeMin: 4, rangeMax: 5 }), {
      code: "ERR_INVALID_ARGUMENT",
      message: /rangeMax 5/,
    });
    await assert.rejects(mineHardNegatives(pairs, { encoder, corpus: [1 as never] }), {
      code: "ERR_INVALID_ARGUMENT",
      message: /corpus\[0\]/,
    });
    await assert.rejects(mineHardNegatives(pairs, { encoder, signal: AbortSignal.abort() }), { code: "ERR_ABORTED" });
  });
});
