/** Cutting text files into passages. */

import assert from "node:assert/strict";

import fc from "fast-check";

import { readMarkup } from "../../../dist/corpus/markup";
import type { Markup } from "../../../dist/corpus/markup";
import { cutPassages, MAX_WORDS, MIN_WORDS } from "../../../dist/corpus/passages";
import type { Passage } from "../../../dist/corpus/passages";
import { collect } from "../../support/collect";

const words = (count: number, word = "word"): string => Array.from({ length: count }, (_, i) => `${word}${i}`).join(" ");

function cut(text: string, markup: Markup = "markdown"): Promise<Passage[]> {
  return collect(cutPassages(readMarkup(linesOf(text), markup), "file.md"));
}

async function* linesOf(text: string): AsyncGenerator<string> {
  for (const line of text.split("\n")) yield await Promise.resolve(line);
}

/** As the module counts them in text without long words and scripts without spaces. */
function wordsOf(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}

const sections = async (text: string, markup: Markup = "markdown"): Promise<(readonly [string, number])[]> =>
  (await cut(text, markup)).map(({ headings, text: body }) => [headings.join(" > "), wordsOf(body).length] as const);

describe("cutPassages", () => {
  it("loses, repeats and reorders no word, and keeps passages within the bounds", async () => {
    const paragraph = fc.integer({ min: 1, max: 450 });
    await fc.assert(
      fc.asyncProperty(fc.array(paragraph, { minLength: 1, maxLength: 8 }), fc.boolean(), async (lengths, sentences) => {
        const text = lengths.map((length, i) => words(length, sentences ? `s${i}. ` : `p${i}x`)).join("\n\n");
        const passages = await cut(text, "plain");
        assert.deepEqual(
          passages.flatMap((passage) => wordsOf(passage.text)),
          wordsOf(text),
        );
        for (const passage of passages) {
          const { length } = wordsOf(passage.text);
          assert.ok(length <= MAX_WORDS, `${length} words`);
          assert.ok(length >= MIN_WORDS || passages.length === 1, `${length} words`);
        }
        assert.deepEqual(
          passages.map(({ id }) => id),
          passages.map((_, i) => `file.md#${i + 1}`),
        );
      }),
      { numRuns: 60 },
    );
  });

  it("accepts any text as any markup", async () => {
    const markup = fc.constantFrom<Markup>("markdown", "restructuredtext", "asciidoc", "plain");
    const line = fc.oneof(
      fc.constantFrom("# H", "===", "---", "```", "~~~~", "<!--", "-->", "| a |", "", ".. note::", "[x]: y", "`", "**", "[a](b"),
      fc.string({ unit: "binary", maxLength: 80 }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 60 }), markup, async (lines, kind) => {
        for (const { text } of await cut(lines.join("\n"), kind)) assert.notEqual(text.trim(), "");
      }),
    );
  });

  it("starts passages at headings, and names the headings above", async () => {
    const text = `# Guide\n${words(70)}\n\n## Use ##\n${words(80)}\n\n### Deep\n\n${words(90)}\n\n## Other\n${words(100)}`;
    assert.deepEqual(await sections(text), [
      ["Guide", 70],
      ["Guide > Use", 80],
      ["Guide > Use > Deep", 90],
      ["Guide > Other", 100],
    ]);
  });

  it("joins sections too short to stand alone, with the heading in the text", async () => {
    const [passage, ...rest] = await cut(`# Guide\n\n${words(10, "a")}\n\n## Use\n\n${words(10, "b")}`);
    assert.deepEqual(rest, []);
    assert.deepEqual(passage?.headings, ["Guide"]);
    assert.equal(passage.text, `${words(10, "a")}\n\nUse\n\n${words(10, "b")}`);
  });

  it("prefers the end of a paragraph, then the end of a sentence", async () => {
    const paragraphs = await cut(
      "a b c d"
        .split(" ")
        .map((name) => words(110, name))
        .join("\n\n"),
    );
    assert.deepEqual(
      paragraphs.map(({ text }) => text.charAt(0)),
      ["a", "b", "c", "d"],
    );
    const sentence = (name: string): string => `${words(45, name)}.`;
    for (const { text } of await cut("a b c d e f g h".split(" ").map(sentence).join(" "))) assert.ok(text.endsWith("."), text.slice(-20));
  });

  it("reads underlined headings of Markdown and reStructuredText, and those of AsciiDoc", async () => {
    const body = words(60);
    assert.deepEqual(await sections(`One\n===\n${body}\n\nTwo\n---\n${body}`), [
      ["One", 60],
      ["One > Two", 60],
    ]);
    const rst = `=====\nTitle\n=====\n\n${body}\n\nPart\n~~~~\n\n${body}\n\nNext\n~~~~\n.. code-block:: js\n\n${body}`;
    assert.deepEqual(await sections(rst, "restructuredtext"), [
      ["Title", 60],
      ["Title > Part", 60],
      ["Title > Next", 60],
    ]);
    assert.deepEqual(await sections(`= Top\n:toc:\n\n${body}\n\n== Sub\n----\n${body}\n----`, "asciidoc"), [
      ["Top", 60],
      ["Top > Sub", 60],
    ]);
  });

  it("keeps the text of markup and drops the rest", async () => {
    const text = [
      "[![build](https://example.org/badge.svg)](https://example.org/ci) <p align=center>",
      "<!-- a comment",
      "over two lines --> See [the `x` guide](https://example.org/guide), **now** &lt;here&gt;.",
      "[ref]: https://example.org",
      "| a | b |",
      "|---|---|",
      "```js",
      "# no heading, <b>no</b> markup, 2 ** 3",
      "```",
      "`Promise<a>` 2 ** 3",
    ].join("\n");
    const [passage] = await cut(text);
    assert.deepEqual(passage?.headings, []);
    assert.equal(
      passage.text,
      ["See the `x` guide, now <here>.", "| a | b |", "# no heading, <b>no</b> markup, 2 ** 3", "`Promise<a>` 2 ** 3"].join("\n"),
    );
  });

  it("counts characters if words have no spaces, and splits text without any boundary", async () => {
    const chinese = await cut("汉字没有空格。".repeat(200), "plain");
    assert.ok(chinese.length > 2);
    assert.ok(chinese.every(({ text }) => text.length <= 2 * MAX_WORDS && text.endsWith("。")));
    assert.equal(chinese.map(({ text }) => text).join(""), "汉字没有空格。".repeat(200));
    const blob = await cut("x".repeat(100_000), "plain");
    assert.ok(blob.every(({ text }) => text.length <= 24 * MAX_WORDS));
    assert.equal(blob.map(({ text }) => text).join(""), "x".repeat(100_000));
  });

  it("yields passages while it reads", async () => {
    let read = 0;
    async function* endless(): AsyncGenerator<string> {
      for (;;) yield await Promise.resolve(words(10, `line${read++}x`));
    }
    const first = await cutPassages(readMarkup(endless(), "plain"), "file").next();
    assert.equal(first.done, false);
    assert.ok(read < 40, `${read} lines were read for the first passage`);
  });

  it("takes linear time for hostile lines", async () => {
    for (const unit of ["[", "![", "[a](", "<b ", "<!--", "`", "**", "#", " ", "&", "-", "=", "a b "]) {
      const text = unit.repeat(2 ** 16 / unit.length);
      const before = process.cpuUsage();
      await cut(`${text}\n${text}x`);
      // In processor time, so that a busy machine does not affect it.
      const seconds = process.cpuUsage(before).user / 1e6;
      assert.ok(seconds < 5, `${JSON.stringify(unit)} took ${seconds.toFixed(1)} s`);
    }
  });
});
