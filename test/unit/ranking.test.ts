/** Labels, thresholds, limits of tokens, logits and ties of CrossEncoder. */

import assert from "node:assert/strict";
import path from "node:path";

import { CrossEncoder } from "sparse-rerank";

import { beginnings } from "../../dist/model/text-beginnings";
import { FIXTURES } from "../support/retrieval-support";
import { loadFixture } from "../support/tokenization-support";

const load = (name: string): Promise<CrossEncoder> => CrossEncoder.load(path.join(FIXTURES, name));
const QUERY = "What is a statement?";
const DOCUMENTS = [
  "The assignment statement binds names to values, and modifies attributes or items of mutable objects.",
  "Sharks are fish.",
  "",
  "A statement is either an expression or one of several constructs with a keyword.",
  "The while statement is used for repeated execution as long as an expression is true.",
];

describe("ranking by a cross-encoder with several labels", () => {
  let encoder: CrossEncoder;
  before(async () => {
    encoder = await load("ce-roberta-nli");
  });
  after(() => encoder.close());

  it("ranks by a label, named or by position", async () => {
    const { data, cols } = await encoder.predict(DOCUMENTS.map((document) => [QUERY, document] as const));
    for (const [column, label] of encoder.labels.entries()) {
      const expected = DOCUMENTS.map((_, index) => ({ index, score: data[index * cols + column]! })).sort((a, b) => b.score - a.score);
      assert.deepEqual(await encoder.rank(QUERY, DOCUMENTS, { label }), expected);
      assert.deepEqual(await encoder.rank(QUERY, DOCUMENTS, { label: column, topK: 2 }), expected.slice(0, 2));
    }
  });

  it("ranks by the probability of a label", async () => {
    const { data, logits } = await encoder.predict([[QUERY, DOCUMENTS[0]!]], { applySoftmax: true, scores: "logits" });
    const [hit] = await encoder.rank(QUERY, [DOCUMENTS[0]!], { label: 1, applySoftmax: true, scores: "logits" });
    assert.deepEqual(hit, { index: 0, score: data[1], logit: logits![1] });
  });

  it("names the labels if none is chosen, or if an unknown one is", async () => {
    const names = new RegExp(encoder.labels.map((label) => `"${label}"`).join(", "));
    await assert.rejects(encoder.rank(QUERY, DOCUMENTS), { code: "ERR_INVALID_ARGUMENT", message: names });
    for (const label of ["nothing", -1, 3, 0.5, NaN, null, {}]) {
      await assert.rejects(encoder.rank(QUERY, DOCUMENTS, { label: label as never }), { code: "ERR_INVALID_ARGUMENT", message: names });
    }
  });
});

describe("ranking by a cross-encoder with one label", () => {
  let encoder: CrossEncoder;
  before(async () => {
    encoder = await load("ce-bert-minilm");
  });
  after(() => encoder.close());

  it("accepts its label", async () => {
    const ranked = await encoder.rank(QUERY, DOCUMENTS);
    assert.deepEqual(await encoder.rank(QUERY, DOCUMENTS, { label: encoder.labels[0]! }), ranked);
    assert.deepEqual(await encoder.rank(QUERY, DOCUMENTS, { label: 0 }), ranked);
    await assert.rejects(encoder.rank(QUERY, DOCUMENTS, { label: 1 }), { code: "ERR_INVALID_ARGUMENT" });
  });

  it("leaves out documents below minScore", async () => {
    const ranked = await encoder.rank(QUERY, DOCUMENTS);
    const minScore = ranked[2]!.score;
    assert.deepEqual(await encoder.rank(QUERY, DOCUMENTS, { minScore }), ranked.slice(0, 3));
    assert.deepEqual(await encoder.rank(QUERY, DOCUMENTS, { minScore, topK: 1 }), ranked.slice(0, 1));
    assert.deepEqual(await encoder.rank(QUERY, DOCUMENTS, { minScore: 1e9 }), []);
    for (const wrong of [NaN, Infinity, "1"]) {
      await assert.rejects(encoder.rank(QUERY, DOCUMENTS, { minScore: wrong as never }), { code: "ERR_INVALID_ARGUMENT" });
    }
  });

  it("returns logits next to scores only if asked", async () => {
    const pairs = DOCUMENTS.map((document) => [QUERY, document] as const);
    const raw = await encoder.predict(pairs, { activation: "identity" });
    const both = await encoder.predict(pairs, { activation: "sigmoid", scores: "logits" });
    assert.deepEqual(both.logits, raw.data);
    assert.deepEqual(both.data, (await encoder.predict(pairs, { activation: "sigmoid" })).data);
    assert.ok(!("logits" in raw));
    const ranked = await encoder.rank(QUERY, DOCUMENTS, { activation: "sigmoid", scores: "logits" });
    for (const { index, score, logit } of ranked) assert.deepEqual([score, logit], [both.data[index], raw.data[index]]);
    assert.ok(!("logit" in (await encoder.rank(QUERY, DOCUMENTS))[0]!));
    await assert.rejects(encoder.predict(pairs, { scores: "raw" as never }), { code: "ERR_INVALID_ARGUMENT" });
  });

  it("orders equal scores by their logits, and equal logits by position", async () => {
    const documents = [...DOCUMENTS, ...DOCUMENTS];
    const byLogit = (await encoder.rank(QUERY, documents, { activation: "identity" })).map(({ index }) => index);
    // As a sigmoid of large logits.
    const saturated = await encoder.rank(QUERY, documents, { activation: (logits) => logits.map(() => 1) });
    assert.deepEqual(
      saturated.map(({ index, score }) => [index, score]),
      byLogit.map((index) => [index, 1]),
    );
    for (const [place, index] of byLogit.entries())
      if (index < DOCUMENTS.length) assert.equal(byLogit[place + 1], index + DOCUMENTS.length);
  });

  it("reads only the first tokens of each side", async () => {
    const long = "The heart pumps blood through the body and the arteries carry it. ".repeat(40);
    const first = async (tokens: number): Promise<string> => {
      const [read = []] = await encoder.textTokens([long], { addSpecialTokens: false });
      return long.slice(0, read[tokens - 1]?.end);
    };
    const score = async (query: string, document: string, options = {}): Promise<number[]> => {
      const { data, truncated } = await encoder.predict([[query, document]], { activation: "identity", ...options });
      return [data[0]!, truncated.length];
    };
    for (const tokens of [1, 7, 20]) {
      const start = await first(tokens);
      assert.deepEqual(await score(QUERY, long, { maxDocumentTokens: tokens }), await score(QUERY, start));
      assert.deepEqual(await score(long, QUERY, { maxQueryTokens: tokens }), await score(start, QUERY));
      assert.deepEqual(await score(long, long, { maxQueryTokens: tokens, maxDocumentTokens: tokens }), await score(start, start));
    }
    const [whole, truncated] = await score(QUERY, long);
    assert.deepEqual(await score(QUERY, long, { maxDocumentTokens: 1e6 }), [whole, truncated]);
    assert.equal(truncated, 1);
    for (const name of ["maxQueryTokens", "maxDocumentTokens"]) {
      for (const wrong of [0, -1, 1.5, "3", Infinity]) {
        await assert.rejects(encoder.predict([["a", "b"]], { [name]: wrong }), { code: "ERR_INVALID_ARGUMENT", message: new RegExp(name) });
      }
    }
  });
});

describe("limits of tokens with a prompt", () => {
  it("do not count the prompt", async () => {
    await using encoder = await load("ce-modules-v6-prompt");
    const [read = []] = await encoder.textTokens([QUERY], { addSpecialTokens: false });
    const start = QUERY.slice(0, read[1]?.end);
    const score = async (query: string, options: { prompt?: string; maxQueryTokens?: number }): Promise<number> =>
      (await encoder.predict([[query, "Sharks."]], options)).data[0]!;
    for (const options of [{}, { prompt: "" }, { prompt: "Find this: " }]) {
      assert.equal(await score(QUERY, { ...options, maxQueryTokens: 2 }), await score(start, options));
      assert.notEqual(await score(QUERY, { ...options, maxQueryTokens: 2 }), await score(QUERY, options));
    }
  });
});

describe("limits of tokens with a chat template", () => {
  const cutting = async (name: string): Promise<void> => {
    await using encoder = await load(name);
    const tokenizer = await loadFixture(name, { maxLength: encoder.maxSeqLength });
    const count = async (text: string): Promise<number> => (await tokenizer.encode([text], { addSpecialTokens: false })).ids.length;
    const score = async (query: string, document: string, options = {}): Promise<number> =>
      (await encoder.predict([[query, document]], options)).data[0]!;
    for (const text of ["The statement binds names.", "Größe 東京 🦈🦈 x"]) {
      for (const tokens of [1, 4]) {
        const [start = ""] = await beginnings(tokenizer, [text], tokens, new AbortController().signal);
        const next = String.fromCodePoint(text.codePointAt(start.length) ?? 0);
        assert.ok(text.startsWith(start) && (await count(start)) <= tokens && (await count(start + next)) > tokens, start);
        assert.equal(await score(QUERY, text, { maxDocumentTokens: tokens }), await score(QUERY, start));
        assert.equal(
          await score(text, QUERY, { maxQueryTokens: tokens, prompt: "Judge." }),
          await score(start, QUERY, { prompt: "Judge." }),
        );
      }
      assert.equal(await score(text, text, { maxQueryTokens: 1000, maxDocumentTokens: 50 }), await score(text, text));
    }
    tokenizer.dispose();
  };
  // Byte-level BPE, whose tokens may be parts of characters, and SentencePiece.
  for (const name of ["ce-qwen3-logitscore", "ce-gemma-logitscore"]) it(`keep the beginning of each text: ${name}`, () => cutting(name));

  it("apply to each pair, and are not reported as truncation", async () => {
    await using encoder = await load("ce-qwen3-logitscore");
    const options = { maxQueryTokens: 3, maxDocumentTokens: 4 };
    const { data, truncated } = await encoder.predict(
      DOCUMENTS.map((document) => [QUERY, document] as const),
      options,
    );
    for (const [i, document] of DOCUMENTS.entries()) {
      assert.equal((await encoder.predict([[QUERY, document]], options)).data[0], data[i]);
    }
    assert.equal(truncated.length, 0);
  });
});
