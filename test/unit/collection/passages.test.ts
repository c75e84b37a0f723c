/** How texts are cut: coverage, limits, boundaries, hostile texts. */

import assert from "node:assert/strict";

import fc from "fast-check";

import { SparseEncoder } from "../../../dist";
import { Collection } from "../../../dist/collection/collection";
import { cutText } from "../../../dist/collection/passages";

/** Words and parts of long words, as a tokenizer with a small vocabulary. */
const countWords = (texts: readonly string[]): Promise<number[]> =>
  Promise.resolve(texts.map((text) => text.match(/\S{1,4}/gu)?.length ?? 0));

async function cut(text: string, maxTokens: number, overlap = 0): Promise<string[]> {
  return (await cutText(text, { maxTokens, overlap }, countWords)).map(({ start, end }) => text.slice(start, end));
}

describe("cutText", () => {
  it("prefers paragraphs, then sentences, then lines, then words", async () => {
    assert.deepEqual(await cut("One two. Three four.\n\nFive six. A b.", 7), ["One two. Three four.", "Five six. A b."]);
    assert.deepEqual(await cut("one two\r\nthree. Four\r\n\r\nfive", 5), ["one two\r\nthree. Four", "five"]);
    assert.deepEqual(await cut("One two. Three four. Five six.", 7), ["One two. Three four.", "Five six."]);
    assert.deepEqual(await cut("one two\nthree four\nfive six", 5), ["one two\nthree four", "five six"]);
    assert.deepEqual(await cut("one two tree four five six", 4), ["one two tree four", "five six"]);
    assert.deepEqual(await cut("这是一句话。这是另一句话。第三句。", 4), ["这是一句话。这是另一句话。", "第三句。"]);
    assert.deepEqual(await cut("short", 10), ["short"]);
    assert.deepEqual(await cut(" \n ", 10), [" \n "]);
  });

  it("does not end a passage at an early paragraph that would leave it nearly empty", async () => {
    assert.deepEqual(await cut("A.\n\nB c d e f g h. I j k l m n o p.", 9), ["A.\n\nB c d e f g h.", "I j k l m n o p."]);
  });

  it("repeats the overlap", async () => {
    assert.deepEqual(await cut("A b. C d. E f. G h. I j.", 4, 2), ["A b. C d.", "C d. E f.", "E f. G h.", "G h. I j."]);
    // An overlap that would repeat a whole passage still goes on.
    assert.deepEqual(await cut("A b c d. E f g h.", 4, 4), ["A b c d.", "E f g h."]);
  });

  it("covers every word, in order, within the limit", async () => {
    const texts = fc.string({ unit: fc.constantFrom(..."ab .!\n\t语。\u{1f600}é".match(/./gsu)!), maxLength: 300 });
    await fc.assert(
      fc.asyncProperty(texts, fc.integer({ min: 1, max: 12 }), fc.integer({ min: 0, max: 4 }), async (text, maxTokens, overlap) => {
        const spans = await cutText(text, { maxTokens, overlap }, countWords);
        let covered = 0;
        for (const [i, { start, end }] of spans.entries()) {
          assert.ok(start < end || text.trim() === "");
          assert.equal(text.slice(Math.min(covered, start), start).trim(), "");
          if (i > 0) assert.ok(start > (spans[i - 1]?.start ?? 0) && end > (spans[i - 1]?.end ?? 0));
          covered = Math.max(covered, end);
          const passage = text.slice(start, end);
          assert.ok(!/\p{Surrogate}/u.test(passage));
        }
        assert.equal(text.slice(covered).trim(), "");
        const counts = await countWords(spans.map(({ start, end }) => text.slice(start, end)));
        // A word that does not fit is a passage of its own: 24 units, 6 tokens here.
        for (const count of counts) assert.ok(count <= Math.max(maxTokens, 6));
      }),
      { numRuns: 300 },
    );
  });

  it("takes texts without an end, a blank, or a character", async () => {
    for (const text of [
      "x".repeat(300_000),
      "\n".repeat(300_000) + "x",
      "\r".repeat(300_000) + "x",
      "\n ".repeat(100_000),
      "\u{1f600}".repeat(100_000),
      "a.".repeat(100_000),
      "\u0301".repeat(200_000),
    ]) {
      const spans = await cutText(text, { maxTokens: 100, overlap: 10 }, countWords);
      assert.ok(spans.every(({ start, end }) => !/\p{Surrogate}/u.test(text.slice(start, end))));
      assert.equal(text.slice(spans.at(-1)?.end).trim(), "");
    }
  });
});

describe("passages of a collection", () => {
  it("fit the model: none is truncated, with and without a title", async () => {
    await using encoder = await SparseEncoder.load("splade-tiny");
    const documents = [
      { id: "words", text: "antidisestablishmentarianism ".repeat(700), title: "A title" },
      { id: "chinese", text: "鲨鱼在海里游泳。".repeat(300) },
      { id: "digits", text: "1 2 3 4 5 6 7 8 9 ".repeat(200) },
      { id: "long title", text: "The heart pumps blood. ".repeat(300), title: "word ".repeat(400) },
      { id: "short", text: "The sea." },
    ];
    await using collection = await Collection.open(":memory:", { encoder });
    await collection.upsert(documents);
    const { hits } = await collection.search("the sea", { topK: 1000, collapse: "passage" });
    assert.ok(hits.length > 5);
    for (const { id, title } of documents) {
      const passages = hits.filter((hit) => hit.id === id).map(({ passage }) => passage);
      const texts = passages.map(({ text }) => (title === undefined || id === "long title" ? text : `${title} ${text}`));
      const { truncated } = await encoder.encodeDocument(texts);
      assert.deepEqual([...truncated], [], id);
    }
  });
});
