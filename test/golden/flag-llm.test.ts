/** Pairs and scores of FlagLLMReranker (test/data/flag-llm). */

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";

import { CrossEncoder } from "sparse-rerank";

import { FlagLlmPairs } from "../../dist/model/flag-llm-pairs";
import { loadFixture, sequences } from "../support/tokenization-support";
import { folderOf } from "./golden";

interface Case {
  readonly prompt: string;
  readonly maximum: number;
  readonly ids: readonly (readonly number[])[];
}

interface Golden {
  readonly pairs: readonly (readonly [string, string])[];
  readonly default: Case;
  readonly cases: readonly (Case & { readonly scores: readonly number[] })[];
}

const golden = JSON.parse(fs.readFileSync(path.join(__dirname, "..", "data", "flag-llm", "golden.json"), "utf8")) as Golden;
const FOLDER = folderOf("ce-gemma-bare");
const { signal } = new AbortController();

async function idsOf(maxLength: number, prompt: string, pairs = golden.pairs, limits?: readonly [number, number]): Promise<number[][]> {
  const tokenizer = await loadFixture("ce-gemma-bare", { maxLength });
  try {
    return sequences(await new FlagLlmPairs(tokenizer).encode(pairs, { prompt, limits, signal }));
  } finally {
    tokenizer.dispose();
  }
}

describe("FlagLLMReranker", () => {
  it("reads the ids of its rules", async () => {
    assert.deepEqual(await idsOf(golden.default.maximum, ""), golden.default.ids);
    for (const { prompt, maximum, ids } of golden.cases) assert.deepEqual(await idsOf(maximum, prompt), ids, prompt);
  });

  it("has the scores of its rules", async () => {
    for (const { prompt, maximum, ids, scores } of golden.cases) {
      await using encoder = await CrossEncoder.load(FOLDER, { scoring: "FlagLLMReranker", maxSeqLength: maximum });
      const { data, truncated } = await encoder.predict(golden.pairs, { prompt });
      for (const [i, score] of data.entries()) assert.ok(Math.abs(score - scores[i]!) < 1e-4, `${prompt} ${String(i)}: ${String(score)}`);
      const whole = await idsOf(10_000, prompt);
      const cut = ids.flatMap(({ length }, i) => (length < whole[i]!.length ? [i] : []));
      assert.ok(cut.length > 1);
      assert.deepEqual(Array.from(truncated), cut);
      const ranked = await encoder.rank(golden.pairs[0]![0], [golden.pairs[0]![1], golden.pairs[5]![1]], { prompt });
      for (const { index, score } of ranked) assert.equal(score, data[index === 0 ? 0 : 5]);
    }
  });

  it("limits query and document without their labels", async () => {
    const lengthOf = async (limits: readonly [number, number]): Promise<number> =>
      (await idsOf(600, "", [golden.pairs[7]!], limits))[0]!.length;
    const none = await lengthOf([0, 0]);
    const whole = await lengthOf([Infinity, Infinity]);
    assert.equal(await lengthOf([2, 1]), none + 3);
    assert.equal((await lengthOf([3, Infinity])) + (await lengthOf([Infinity, 5])), whole + none + 8);
    assert.equal(await lengthOf([500, 500]), whole);
  });

  it("refuses other models, other names, and a maximum without room", async () => {
    const options = { scoring: "FlagLLMReranker" } as const;
    for (const name of ["ce-bert-minilm", "ce-qwen3-seqcls", "ce-ettin"]) {
      await assert.rejects(CrossEncoder.load(folderOf(name), options), { code: "ERR_UNSUPPORTED_MODEL", message: /causal language model/ });
    }
    for (const scoring of ["flag", "", null, 5, {}]) {
      const refusal = { code: "ERR_INVALID_ARGUMENT", message: /scoring/ };
      await assert.rejects(CrossEncoder.load(FOLDER, { scoring: scoring as never }), refusal);
    }
    await using encoder = await CrossEncoder.load(FOLDER, { ...options, maxSeqLength: 4 });
    await assert.rejects(encoder.predict(golden.pairs), { code: "ERR_INVALID_ARGUMENT", message: /leaves no room/ });
    await assert.rejects(encoder.predict(golden.pairs, { truncationSide: "left" }), {
      code: "ERR_NOT_SUPPORTED",
      message: /truncationSide/,
    });
  });
});
