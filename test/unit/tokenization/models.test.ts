/**
 * The models of tokenizers against naive implementations of their definitions: every pair examined after every merge, every segmentation.
 */

import assert from "node:assert/strict";

import fc from "fast-check";

import { Bpe, buildMerges } from "../../../dist/tokenization/models/bpe";
import type { BpeSpec, Merge } from "../../../dist/tokenization/models/bpe";
import { IdBuffer } from "../../../dist/tokenization/models/id-buffer";
import { Unigram } from "../../../dist/tokenization/models/unigram";
import { NO_TOKEN, Vocabulary, buildVocabulary } from "../../../dist/tokenization/models/vocabulary";
import { WordPiece } from "../../../dist/tokenization/models/wordpiece";

function vocabularyOf(tokens: readonly string[]): { vocabulary: Vocabulary; ids: ReadonlyMap<string, number> } {
  const ids = new Map(tokens.map((token, id) => [token, id]));
  return { ids, vocabulary: new Vocabulary(buildVocabulary(ids, tokens)) };
}

function run(model: { tokenize(piece: string, ids: IdBuffer): void }, piece: string): number[] {
  const ids = new IdBuffer();
  ids.push(-7);
  model.tokenize(piece, ids);
  const [before, ...rest] = ids.view();
  assert.equal(before, -7, "what was in the buffer stays");
  return rest;
}

/** Words over few letters, so that merges and tokens repeat; one letter is outside the Basic Multilingual Plane. */
const letters = fc.constantFrom("a", "b", "c", "é", "𝔘");
const words = fc.string({ unit: letters, minLength: 1, maxLength: 12 });
const wordSets = fc.uniqueArray(words, { minLength: 1, maxLength: 60 });

describe("Vocabulary", () => {
  it("finds each token, nothing else, and returns each text", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.string({ unit: "binary", maxLength: 8 }), { minLength: 1 }),
        fc.string({ unit: "binary" }),
        (tokens, other) => {
          const { vocabulary, ids } = vocabularyOf(tokens);
          tokens.forEach((token, id) => {
            assert.equal(vocabulary.find(token), id);
            assert.equal(vocabulary.text(id), token);
          });
          assert.equal(vocabulary.find(other), ids.get(other) ?? NO_TOKEN);
          assert.equal(vocabulary.size, tokens.length);
          for (const id of [-1, tokens.length, 0.5, Number.NaN]) assert.equal(vocabulary.text(id), undefined);
        },
      ),
    );
  });

  it("finds children among many", () => {
    const tokens = Array.from({ length: 5000 }, (_, i) => `x${String.fromCharCode(0x4e00 + i)}`);
    const { vocabulary } = vocabularyOf(tokens);
    assert.deepEqual(
      tokens.map((token) => vocabulary.find(token)),
      tokens.map((_, id) => id),
    );
    assert.equal(vocabulary.find("x\u4dff"), NO_TOKEN);
    assert.equal(vocabulary.find("x\uffff"), NO_TOKEN);
  });
});

describe("WordPiece", () => {
  /** The longest token first, by trying them all. */
  function plain(word: string, ids: ReadonlyMap<string, number>): number[] {
    const result: number[] = [];
    let rest = Array.from(word);
    while (rest.length > 0) {
      let taken = rest.length;
      const token = (): number | undefined => ids.get((result.length > 0 ? "##" : "") + rest.slice(0, taken).join(""));
      while (taken > 0 && token() === undefined) taken--;
      if (taken === 0) return [0];
      result.push(token()!);
      rest = rest.slice(taken);
    }
    return result;
  }

  it("uses the longest matching token, and gives up on the whole word", () => {
    fc.assert(
      fc.property(wordSets, wordSets, words, (beginnings, continuations, word) => {
        const tokens = ["[UNK]", ...beginnings, ...continuations.map((token) => `##${token}`)];
        const { vocabulary, ids } = vocabularyOf(tokens);
        const model = new WordPiece({ type: "WordPiece", unknownId: 0, continuingPrefix: "##", maxWordLength: 100 }, vocabulary);
        assert.deepEqual(run(model, word), plain(word, ids));
      }),
    );
  });

  it("counts characters, not units, for the longest word", () => {
    const { vocabulary } = vocabularyOf(["[UNK]", "𝔘", "##𝔘"]);
    const model = new WordPiece({ type: "WordPiece", unknownId: 0, continuingPrefix: "##", maxWordLength: 3 }, vocabulary);
    assert.deepEqual(run(model, "𝔘𝔘𝔘"), [1, 2, 2]);
    assert.deepEqual(run(model, "𝔘𝔘𝔘𝔘"), [0]);
  });
});

describe("BPE", () => {
  const ALPHABET = ["a", "b", "c", "é", "𝔘"];
  const PLAIN: Omit<BpeSpec, "merges"> = {
    type: "BPE",
    unknownId: undefined,
    fuseUnknown: false,
    byteIds: undefined,
    ignoreMerges: false,
    continuingPrefix: "",
    endOfWordSuffix: "",
  };

  /** A vocabulary that grows by joining two of its tokens at a time. */
  const trained = fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 40 }).map((choices) => {
    const tokens = [...ALPHABET];
    const merges: Merge[] = [];
    for (const [a, b] of choices) {
      const [left, right] = [a % tokens.length, b % tokens.length];
      const joined = tokens[left]! + tokens[right]!;
      if (joined.length > 8 || merges.some((merge) => merge.left === left && merge.right === right)) continue;
      const known = tokens.indexOf(joined);
      merges.push({ left, right, result: known === -1 ? tokens.push(joined) - 1 : known });
    }
    return { tokens, merges };
  });

  function plain(word: string, tokens: readonly string[], merges: readonly Merge[]): number[] {
    const symbols = Array.from(word, (letter) => tokens.indexOf(letter));
    for (;;) {
      const ranks = symbols.slice(1).map((right, i) => merges.findIndex((merge) => merge.left === symbols[i] && merge.right === right));
      const possible = ranks.filter((rank) => rank !== -1);
      if (possible.length === 0) return symbols;
      const best = Math.min(...possible);
      symbols.splice(ranks.indexOf(best), 2, merges[best]!.result);
    }
  }

  // The lengths are on both sides of the length from which a queue is used.
  for (const [minLength, maxLength] of [
    [1, 24],
    [25, 200],
  ] as const) {
    it(`merges the lowest rank first, then the leftmost: words of ${minLength} to ${maxLength} letters`, () => {
      fc.assert(
        fc.property(trained, fc.string({ unit: letters, minLength, maxLength }), ({ tokens, merges }, word) => {
          const model = new Bpe({ ...PLAIN, merges: buildMerges(merges) }, vocabularyOf(tokens).vocabulary);
          assert.deepEqual(run(model, word), plain(word, tokens, merges));
        }),
        { numRuns: 300 },
      );
    });
  }

  it("merges a million letters without examining all of them each time", () => {
    const tokens = ["a", "b", "aa", "aaaa", "ab"];
    const merges = buildMerges([
      { left: 0, right: 0, result: 2 },
      { left: 2, right: 2, result: 3 },
      { left: 0, right: 1, result: 4 },
    ]);
    const model = new Bpe({ ...PLAIN, merges }, vocabularyOf(tokens).vocabulary);
    const ids = run(model, `${"a".repeat(1_000_001)}b`);
    assert.equal(ids.length, 250_001);
    assert.deepEqual(ids.slice(-2), [3, 4]);
  });

  it("spells, replaces, joins or drops unknown characters", () => {
    const { vocabulary, ids } = vocabularyOf(["?", "a", "<0xC3>", "<0xA9>", "aé"]);
    const byteIds = Array.from({ length: 256 }, (_, byte) => ids.get(`<0x${byte.toString(16).toUpperCase()}>`) ?? NO_TOKEN);
    const merges = buildMerges([]);
    const tokens = (options: Partial<BpeSpec>, word: string): number[] => run(new Bpe({ ...PLAIN, merges, ...options }, vocabulary), word);
    assert.deepEqual(tokens({}, "axya"), [1, 1]);
    assert.deepEqual(tokens({ unknownId: 0 }, "axya"), [1, 0, 0, 1]);
    assert.deepEqual(tokens({ unknownId: 0, fuseUnknown: true }, "axyax"), [1, 0, 1, 0]);
    assert.deepEqual(tokens({ unknownId: 0, byteIds }, "éx"), [2, 3, 0]);
    assert.deepEqual(tokens({ byteIds }, "aé"), [1, 2, 3]);
    assert.deepEqual(tokens({ byteIds, ignoreMerges: true }, "aé"), [4]);
  });

  it("adds prefix and suffix to characters", () => {
    const { vocabulary } = vocabularyOf(["a", "@a", "@a</w>", "a</w>", "a@a</w>"]);
    const spec = { ...PLAIN, merges: buildMerges([{ left: 0, right: 2, result: 4 }]), continuingPrefix: "@", endOfWordSuffix: "</w>" };
    assert.deepEqual(run(new Bpe(spec, vocabulary), "a"), [3]);
    assert.deepEqual(run(new Bpe(spec, vocabulary), "aa"), [4]);
    assert.deepEqual(run(new Bpe(spec, vocabulary), "aaa"), [0, 1, 2]);
  });

  it("uses the later of two equal merges", () => {
    const merges = buildMerges([
      { left: 0, right: 1, result: 2 },
      { left: 1, right: 0, result: 3 },
      { left: 0, right: 1, result: 4 },
    ]);
    const { vocabulary } = vocabularyOf(["a", "b", "first", "ba", "second"]);
    assert.deepEqual(run(new Bpe({ ...PLAIN, merges }, vocabulary), "ab"), [4]);
    assert.deepEqual(run(new Bpe({ ...PLAIN, merges }, vocabulary), "aba"), [0, 3]);
  });
});

describe("Unigram", () => {
  const UNKNOWN = 0;
  const scored = fc.tuple(wordSets, fc.array(fc.double({ min: -20, max: 0, noNaN: true }), { minLength: 61, maxLength: 61 }));

  function modelOf(tokens: readonly string[], scores: readonly number[], byteIds?: readonly number[]): Unigram {
    const spec = { type: "Unigram", unknownId: UNKNOWN, scores: Float64Array.from(scores), byteIds } as const;
    return new Unigram(spec, vocabularyOf(tokens).vocabulary);
  }

  it("finds a segmentation with the highest score", () => {
    fc.assert(
      fc.property(scored, fc.string({ unit: letters, minLength: 1, maxLength: 10 }), ([found, values], piece) => {
        const tokens = ["<unk>", ...found];
        const scores = tokens.map((_, id) => values[id] ?? 0);
        const unknown = Math.min(...scores) - 10;
        const characters = Array.from(piece);
        /** The best score of what begins at each character, over all segmentations. */
        const best = new Array<number>(characters.length + 1).fill(-Infinity);
        best[characters.length] = 0;
        for (let start = characters.length - 1; start >= 0; start--) {
          for (let end = start + 1; end <= characters.length; end++) {
            const id = tokens.indexOf(characters.slice(start, end).join(""));
            const score = id > UNKNOWN ? scores[id]! : end === start + 1 ? unknown : -Infinity;
            best[start] = Math.max(best[start]!, score + best[end]!);
          }
        }
        // An unknown token stands for one or more unknown characters; the known tokens around it do not determine how many, but the score
        // does.
        const ids = run(modelOf(tokens, scores), piece);
        const known = ids.filter((id) => id !== UNKNOWN);
        const knownLength = known.reduce((sum, id) => sum + Array.from(tokens[id]!).length, 0);
        const score = known.reduce((sum, id) => sum + scores[id]!, 0) + (characters.length - knownLength) * unknown;
        assert.ok(Math.abs(score - best[0]!) < 1e-9, `${String(score)} against ${String(best[0])}`);
        assert.ok(!ids.some((id, i) => id === UNKNOWN && ids[i + 1] === UNKNOWN), "unknown characters are joined");
      }),
    );
  });

  it("joins unknown characters, or spells them if it has every byte", () => {
    const tokens = ["<unk>", "a", "<0xC3>", "<0xA9>"];
    const byteIds = new Array<number>(256).fill(NO_TOKEN);
    byteIds[0xc3] = 2;
    byteIds[0xa9] = 3;
    const scores = [0, -1, -2, -2];
    assert.deepEqual(run(modelOf(tokens, scores), "aééxa"), [1, UNKNOWN, 1]);
    assert.deepEqual(run(modelOf(tokens, scores, byteIds), "aéa"), [1, 2, 3, 1]);
    assert.deepEqual(run(modelOf(tokens, scores, byteIds), "aéxa"), [1, UNKNOWN, 1]);
    assert.deepEqual(run(modelOf(tokens, scores, byteIds), "<unk>"), [UNKNOWN]);
  });

  it("handles a million characters", () => {
    const ids = run(modelOf(["<unk>", "a", "aaa"], [0, -2, -3]), "a".repeat(1_000_000));
    assert.equal(ids.length, 333_334);
  });
});
