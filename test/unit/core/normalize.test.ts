/** lib/core/normalize.ts against String.prototype.normalize, and its time. */

import assert from "node:assert/strict";

import fc from "fast-check";

import { normalize } from "../../../dist/core/normalize";

const FORMS = ["NFC", "NFD", "NFKC", "NFKD"] as const;

/** Marks of any class, marks of class 0, characters that decompose to marks, starters that compose, and other characters. */
const ADVERSARIAL = Array.from(
  [
    "\u0301\u0316\u0344\u0340\u0343\u0345\u0334\u0F71\u0F73\u0F75\u0F81\u0F74\u20DD\u20DE\uFF9E\uFF9F\u3099\u309A\u309B\u093C\u094D",
    "\u05B0\u05BC\u05BF\u064B\u064C\u0651\u0E38\u0E48\u0EB8\u0F72\u302A\u302E\u1DCE\u{1D165}\u{1D16D}\u{1D15E}\u{1E94A}\u180E\u034F",
    "aeΩωéǖ\u1EE9\u09C7\u09BE\u0BC6\u1100\u1161\u11A8각가\uFFA1\uFFC2\u2126\uFB2C\uFDFA\u0958か ▁",
  ].join(""),
);

function allCodePoints(): string[] {
  return Array.from({ length: 0x110000 }, (_, codePoint) => codePoint)
    .filter((codePoint) => codePoint < 0xd800 || codePoint > 0xdfff)
    .map((codePoint) => String.fromCodePoint(codePoint));
}

describe("normalize()", () => {
  it("equals String.prototype.normalize for marks in any order", () => {
    const character = fc.constantFrom(...ADVERSARIAL);
    const text = fc
      .array(fc.tuple(fc.array(character, { maxLength: 6 }), fc.integer({ min: 1, max: 40 })), { maxLength: 4 })
      .map((parts) => parts.map(([characters, times]) => characters.join("").repeat(times)).join(""));
    fc.assert(
      fc.property(text, fc.constantFrom(...FORMS), (given, form) => {
        assert.equal(normalize(given, form), given.normalize(form));
      }),
      { numRuns: 500 },
    );
  });

  it("knows every mark of Unicode, forwards, backwards and shuffled", () => {
    const marks = allCodePoints().filter((character) => /[\p{M}\uFF9E\uFF9F]/u.test(character));
    assert.ok(marks.length > 2400);
    const shuffled = marks.map((mark, i) => ({ mark, key: (i * 7919) % marks.length })).sort((a, b) => a.key - b.key);
    for (const order of [marks, marks.toReversed(), shuffled.map(({ mark }) => mark)]) {
      // Without the marks of class 0, which end a run.
      const sortable = order.filter((mark) => mark.normalize("NFD") !== mark || ["\u0334", "\u0345"].some((end) => swaps(mark, end)));
      for (const run of [order.join(""), `e${sortable.join("")}`, `${sortable.join("")}e${sortable.toReversed().join("")}`]) {
        for (const form of FORMS) assert.equal(normalize(run, form), run.normalize(form));
      }
    }
  });

  it("can ignore other characters: all of them start with combining class 0 when decomposed", () => {
    for (const character of allCodePoints()) {
      if (/[\p{M}\uFF9E\uFF9F]/u.test(character)) continue;
      const [first = ""] = character.normalize("NFKD");
      assert.ok(!/\p{M}/u.test(first) || !["\u0334", "\u0345"].some((end) => swaps(first, end)), JSON.stringify(character));
    }
  });

  it("sorts 100,000 alternating marks as if they had been in order", function () {
    this.timeout(60_000);
    for (const marks of ["\u0301\u0316", "\u0344\u0316", "\u0301\uFF9E", "\u0345\u0301", "\u0651\u064C"]) {
      for (const form of FORMS) {
        const text = normalize(`x${marks.repeat(50_000)}y`, form);
        // U+FF9E is a mark only in the compatibility forms.
        const ordered =
          marks.includes("\uFF9E") && form.length === 3
            ? marks.repeat(50_000)
            : Array.from(marks, (mark) => mark.repeat(50_000))
                .reverse()
                .join("");
        // Without quoting 100,000 marks in a message.
        assert.ok(text === `x${ordered}y`.normalize(form), `${form} ${JSON.stringify(marks)}`);
      }
    }
  });
});

function swaps(mark: string, other: string): boolean {
  return [mark + other, other + mark].some((pair) => pair.normalize("NFD") !== pair);
}
