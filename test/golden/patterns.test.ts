/**
 * Patterns of tokenizer.json match as in tokenizers (test/reference-tokenization/patterns/generate.py), or are rejected with the name of
 * the unsupported construct.
 */

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";

import fc from "fast-check";

import { compilePattern } from "../../dist/tokenization/steps/pattern";
import { TextTokenizer } from "../../dist/tokenization/tokenizer";
import { fails, withFolder } from "../support/checkpoint-folder";
import { wordLevel } from "../support/tokenization-support";

const { texts, cases } = JSON.parse(
  fs.readFileSync(path.join(__dirname, "..", "data", "tokenization", "patterns", "cases.json"), "utf8"),
) as {
  readonly texts: readonly string[];
  readonly cases: readonly { readonly pattern: string; readonly matches?: readonly (readonly string[])[] }[];
};

/** Accepted by tokenizers. */
const REFUSED = new Set([
  ...[String.raw`\X`, String.raw`\G.`, String.raw`\K`, "a{2}?", "(?<=(?>a))b", String.raw`(?<n>a)\k<n>`, String.raw`(a)++\1`],
  ...[String.raw`\g<1>(a)`, String.raw`(?<n>a)\g<n>`, "(?~a)", "(*FAIL)", String.raw`\N+`, String.raw`\O`, String.raw`\y`, String.raw`\cA`],
  ...[String.raw`\C-a`, String.raw`\0`, "[]a]+", "[^]a]+", "(?i)ß", "(?i)[ß]", "(?i)ﬁ", String.raw`(?i)\p{Lu}`],
  ...[String.raw`(?i)\p{L}+`, String.raw`(?i)[\p{Lu}]`, "(?i)[a-z&&[^b]]", "(?i)[[:alpha:]]", "(?i)ŉ", String.raw`(?i)(a)\1`],
]);

describe("patterns match as in tokenizers", () => {
  for (const { pattern, matches } of cases) {
    if (matches === undefined || REFUSED.has(pattern)) {
      it(`${pattern}: rejected`, () => {
        assert.throws(() => compilePattern({ regex: pattern }), SyntaxError);
      });
    } else {
      it(pattern, () => {
        const expression = compilePattern({ regex: pattern });
        texts.forEach((text, i) => {
          const found = Array.from(text.matchAll(expression), ([match]) => match).filter((match) => match !== "");
          assert.deepEqual(found, matches[i], JSON.stringify(text));
        });
      });
    }
  }

  it("the error names the file and the construct", () =>
    withFolder(
      wordLevel(["a"], { pre_tokenizer: { type: "Split", pattern: { Regex: String.raw`\X` }, behavior: "Isolated", invert: false } }),
      (folder) =>
        fails(
          TextTokenizer.load({ folder, maxLength: undefined, lowerCase: false }),
          "ERR_INVALID_TOKENIZER",
          /tokenizer\.json: pre_tokenizer\.pattern has no equivalent in JavaScript: \\X cannot be translated/,
        ),
    ));

  it("any other string becomes an expression or a SyntaxError, in linear time", () => {
    const part = fc.constantFrom(
      ...Array.from("abK(){}[]?*+|.^$\\ißﬁ-:#, \n&"),
      "(?i)",
      "(?x:",
      "(?>",
      "(?<=",
      "\\R",
      "\\p{^L}",
      "[^",
      "++",
      "{1,2}",
      "\\x{41}",
      "(?#",
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 20 }), (parts) => {
        try {
          compilePattern({ regex: parts.join("") });
        } catch (error) {
          assert.ok(error instanceof SyntaxError, String(error));
        }
      }),
      { numRuns: 2000 },
    );
    for (const repeated of ["(?i)", "(", "(?i)st", "a++", "[a", "(?#", "\\R", "(?i)[a-z]", "(?x) ", "{"]) {
      try {
        compilePattern({ regex: repeated.repeat(20_000) });
      } catch (error) {
        assert.ok(error instanceof SyntaxError, String(error));
      }
    }
  });
});
