/** Texts that are read only as far as their tokens are needed. */

import assert from "node:assert/strict";
import path from "node:path";

import fc from "fast-check";

import { compileTokenizer } from "../../../dist/tokenization/files/compile";
import { beginningOf, cutsAtBlanks } from "../../../dist/tokenization/pipeline/beginning";
import { TokenizationPipeline } from "../../../dist/tokenization/pipeline/tokenization-pipeline";
import { fixtures, loadFixture } from "../../support/tokenization-support";

const MAX_LENGTH = 24;

describe("the beginning of a long text", () => {
  it("is cut before a blank between letters, and nowhere else", () => {
    assert.equal(beginningOf("ab cd ef gh", 4), "ab cd");
    assert.equal(beginningOf("ab. cd, ef", 2), undefined);
    assert.equal(beginningOf("ab  cd é f", 2), undefined);
  });

  for (const name of [
    "splade-bert",
    "splade-bert-cased",
    "splade-roberta",
    "splade-xlmr",
    "ce-camembert",
    "ce-deberta-v3-nli",
    "splade-modernbert",
    "ce-qwen3-bare",
    "ce-llama-seqcls",
    "ce-gemma-bare",
  ]) {
    it(`has the tokens of the whole text: ${name}`, async () => {
      const definition = await compileTokenizer({ folder: path.join(fixtures, name), maxLength: MAX_LENGTH, lowerCase: false });
      assert.ok(cutsAtBlanks(definition));
      const whole = new TokenizationPipeline(definition);
      const tokenizer = await loadFixture(name, { maxLength: MAX_LENGTH });
      const part = fc.constantFrom(
        "a",
        "import module",
        " ",
        "  ",
        "\n",
        "é",
        "e\u0301\u0316",
        "東京",
        "[MASK]",
        "<mask>",
        "'ll",
        "12",
        "!?",
        "\u00a0",
        "ﷺ",
        "Σ",
        "𝔘",
        "\u200d",
        "word ",
      );
      const text = fc
        .array(fc.tuple(part, fc.oneof(fc.nat(4), fc.constantFrom(3000, 9000))), { maxLength: 12 })
        .map((parts) => parts.map(([piece, times]) => piece.repeat(times)).join(""));
      await fc.assert(
        fc.asyncProperty(fc.array(text, { minLength: 1, maxLength: 3 }), async (beginnings) => {
          const texts = beginnings.map((beginning) => `${beginning} and so on, a text`.padEnd(12_000, " and so on"));
          const given = await tokenizer.encode(texts);
          const expected = whole.encode(texts, { pairs: false, addSpecialTokens: true });
          assert.deepEqual(given.ids, expected.ids);
          assert.deepEqual(given.truncated, expected.truncated);
        }),
        { numRuns: 40 },
      );
      tokenizer.dispose();
    });
  }
});
