/**
 * Long runs of every kind of character in every function that accepts a text: quadratic time would be minutes to hours, linear is far below
 * a second.
 */

import assert from "node:assert/strict";

import { plain, snippet } from "../../dist/cli/snippet";
import { printable } from "../../dist/cli/terminal";
import { createAnalyzer } from "../../dist/lexical/analyzer";
import { checkLexicalOptions } from "../../dist/lexical/options";
import { readHtml } from "../../dist/corpus/html";
import { MarkupReader } from "../../dist/corpus/markup";
import type { Markup } from "../../dist/corpus/markup";
import type { CrossEncoder } from "../../dist/cross-encoder";
import { windowsOfText } from "../../dist/retrieval/passage-windows";
import { spansOf } from "../../dist/tokenization/spans";
import type { TextTokenizer } from "../../dist/tokenization/tokenizer";
import { loadFixture } from "../support/tokenization-support";

const LENGTH = 150_000;
/** Time limit, in seconds, for all runs of one function. A quadratic one exceeds it in a single run. */
const LIMIT = 100;

const UNITS = [
  " ",
  "\n",
  " \n",
  "\u00a0",
  "a",
  "ab ",
  "1",
  "1a",
  "!",
  "'",
  "'l",
  '"',
  "[",
  "![",
  "[](",
  "](",
  "<",
  "<a ",
  "<!--",
  "-->",
  "(",
  "`",
  "**",
  "#",
  "=",
  ". ",
];
const LATER = [
  "\u0301\u0316",
  "\u0344\u0316",
  "\u0345\u0301",
  "\u20dd\u0301",
  "é",
  "東",
  "か\u3099",
  "한",
  "\u1161",
  "\u200d",
  "😀",
  "\ud800",
  "▁",
  "Σ'",
  "ﷺ",
  "[MASK]",
  "\u0600",
];
const RUNS = [...UNITS, ...LATER].flatMap((unit) => {
  const run = unit.repeat(LENGTH / unit.length);
  return /\s/.test(unit) ? [`x${run}`, `x${run}x`] : [`x${run}x`];
});

const markups: Markup[] = ["markdown", "restructuredtext", "asciidoc", "plain"];
const synchronous: [name: string, read: (text: string) => unknown][] = [
  ["printable", printable],
  ["snippet", (text) => snippet(text, new Map([["x", 1]]), 80)],
  ["plain", plain],
  ["HTML", (text) => [...readHtml(text)]],
  ...markups.map((markup): [string, (text: string) => unknown] => [
    markup,
    (text) => {
      const reader = new MarkupReader(markup);
      return [...reader.push(text), ...reader.push(text), ...reader.end()];
    },
  ]),
];

describe("long runs of one character take linear time", function () {
  this.timeout(LIMIT * 1000);

  for (const [name, read] of synchronous) {
    it(name, () => {
      for (const text of RUNS) read(text);
    });
  }

  for (const name of ["splade-bert", "splade-roberta", "splade-xlmr", "ce-deberta-v3-nli", "splade-modernbert"]) {
    it(`the tokenizer of ${name}, with and without a maximum length`, async () => {
      for (const maxLength of [undefined, 32]) {
        const tokenizer = await loadFixture(name, maxLength === undefined ? {} : { maxLength });
        for (const text of RUNS) assert.equal((await tokenizer.encode([text])).offsets.length, 2);
        tokenizer.dispose();
      }
    });
  }

  for (const language of ["english", "turkish", "serbian"] as const) {
    it(`the analyzer of lexical search for ${language}`, async () => {
      const analyzer = createAnalyzer(checkLexicalOptions({ language }));
      for (const text of RUNS) assert.equal((await analyzer.termRows([text])).indptr.length, 2);
    });
  }

  it("spansOf", async () => {
    const tokenizer: TextTokenizer = await loadFixture("splade-bert", { maxLength: 32 });
    for (const text of RUNS) await spansOf(tokenizer, text, Uint32Array.from((await tokenizer.encode([text])).ids));
    tokenizer.dispose();
  });

  it("windowsOfText", async () => {
    const encoder = {
      tokenize: async (texts: string[]) => Promise.resolve(texts.map(() => new Uint32Array(2))),
    } as unknown as CrossEncoder;
    for (const text of RUNS) assert.ok((await windowsOfText(text, 64, encoder, {})).length > 0);
  });
});
