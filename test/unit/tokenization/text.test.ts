/** Processing of a text before the model: normalizers, pre-tokenizers, added tokens; and after it: templates and truncation. */

import assert from "node:assert/strict";

import fc from "fast-check";

import { truncatePair } from "../../../dist/tokenization/pipeline/template";
import { Charsmap, CharsmapError } from "../../../dist/tokenization/steps/charsmap";
import { buildNormalizer } from "../../../dist/tokenization/steps/normalizers";
import type { NormalizerSpec } from "../../../dist/tokenization/steps/normalizers";
import { buildPreTokenizer } from "../../../dist/tokenization/steps/pre-tokenizers";
import type { PreTokenizerSpec } from "../../../dist/tokenization/steps/pre-tokenizers";
import { LETTER, NUMBER, PUNCTUATION, SPACE, characterClass, lowerCase } from "../../../dist/tokenization/steps/unicode";
import { loadFixture, readFixture, sequences, tokensOf, typeIds, withTokenizer, wordLevel } from "../../support/tokenization-support";

const anyText = fc.string({ unit: "binary", maxLength: 40 });

function normalize(text: string, ...specs: NormalizerSpec[]): string {
  return buildNormalizer(specs)?.(text) ?? text;
}

function split(text: string, ...specs: PreTokenizerSpec[]): string[] {
  const pieces: string[] = [];
  buildPreTokenizer(specs)(text, true, (piece) => {
    pieces.push(piece);
    return true;
  });
  return pieces;
}

describe("character classes", () => {
  it("agree with JavaScript's in everything that Unicode has not changed since", () => {
    for (let codePoint = 0; codePoint < 0x3000; codePoint++) {
      const character = String.fromCodePoint(codePoint);
      const properties = characterClass(codePoint);
      assert.equal((properties & SPACE) !== 0, /\p{White_Space}/u.test(character), `space ${codePoint.toString(16)}`);
      if ((properties & LETTER) !== 0) assert.match(character, /\p{L}/u);
      if ((properties & NUMBER) !== 0) assert.match(character, /\p{N}/u);
      if (codePoint < 0x600) assert.equal((properties & PUNCTUATION) !== 0, /[\p{P}$+<=>^`|~]/u.test(character), codePoint.toString(16));
    }
  });

  it("lower-case a final sigma like any other", () => {
    assert.equal(lowerCase("ΟΔΟΣ ΣΣ"), "οδοσ σσ");
    fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => lowerCase(text) === Array.from(text).map(lowerCase).join("")));
  });
});

describe("normalizers", () => {
  const bert = { type: "Bert", cleanText: true, chineseCharacters: true, stripAccents: true, lowercase: true } as const;

  it("Bert: each option", () => {
    const text = "É\u0000\t東\u200b";
    const off = { ...bert, cleanText: false, chineseCharacters: false, stripAccents: false, lowercase: false };
    assert.equal(normalize(text, bert), "e  東 ");
    assert.equal(normalize(text, off), text);
    assert.equal(normalize(text, { ...off, cleanText: true }), "É 東");
    assert.equal(normalize(text, { ...off, chineseCharacters: true }), "É\u0000\t 東 \u200b");
    assert.equal(normalize(text, { ...off, stripAccents: true }), "E\u0000\t東\u200b");
    assert.equal(normalize(text, { ...off, lowercase: true }), "é\u0000\t東\u200b");
    assert.equal(normalize("𠀀 𪜀", bert).trim(), "𠀀   𪜀");
  });

  it("every other kind", () => {
    assert.equal(normalize(" \u00a0 a ", { type: "Strip", left: true, right: false }), "a ");
    assert.equal(normalize(" a \u3000", { type: "Strip", left: false, right: true }), " a");
    assert.equal(normalize("e\u0301ﬁ", { type: "Form", form: "NFC" }), "éﬁ");
    assert.equal(normalize("éﬁ", { type: "Form", form: "NFKD" }), "e\u0301fi");
    assert.equal(normalize("e\u0301\u093e", { type: "StripAccents" }), "e");
    assert.equal(normalize("a  b", { type: "Replace", pattern: { regex: "\\s+" }, content: "$&" }), "a$&b");
    assert.equal(normalize("a.b", { type: "Replace", pattern: { literal: "." }, content: "" }), "ab");
    assert.equal(normalize("a", { type: "Prepend", prefix: "▁" }), "▁a");
    assert.equal(normalize("", { type: "Prepend", prefix: "▁" }), "");
    assert.equal(normalize("a\u0001\u200bb", { type: "Nmt" }), "a b");
    assert.equal(normalize("é b", { type: "ByteLevel" }), "Ã©Ġb");
    assert.equal(normalize("AΣ", { type: "Lowercase" }, { type: "Prepend", prefix: "A" }), "Aaσ");
  });

  it("leave characters newer than the reference's tables unchanged", () => {
    const todhri = "\u{105D2}\u0307";
    assert.equal(normalize(todhri, { type: "Form", form: "NFC" }), todhri);
    assert.equal(normalize(`e\u0301${todhri}`, { type: "Form", form: "NFC" }), `é${todhri}`);
  });
});

describe("precompiled charsmap", () => {
  const { normalizer } = readFixture("splade-xlmr", "tokenizer.json") as { normalizer: { precompiled_charsmap: string } };
  const bytes = new Uint8Array(Buffer.from(normalizer.precompiled_charsmap, "base64"));
  const charsmap = new Charsmap(bytes);

  it("replaces like sentencepiece's nmt_nfkc", () => {
    for (const [text, expected] of [
      ["ＡＢＣ ﬁ ①", "ABC fi 1"],
      ["a\u0001b\u200bc\r\nd", "ab c d"],
      ["e\u0301", "é"],
      // A cluster of up to five bytes is replaced as a whole, although only its beginning is a key.
      ["\uff41\u0306", "a"],
      ["e\u0301\u0302", "é"],
      ["\u200b\u0306", " \u0306"],
      ["\u0958\u093c", "\u0915\u093c\u093c"],
      ["㌔", "キロ"],
      ["", ""],
    ] as const) {
      assert.equal(charsmap.normalize(text), expected, JSON.stringify(text));
    }
  });

  it("accepts any text, and does not depend on what follows a blank between letters", () => {
    fc.assert(
      fc.property(anyText, anyText, (a, b) => {
        assert.equal(charsmap.normalize(`${a}x y${b}`), charsmap.normalize(`${a}x `) + charsmap.normalize(`y${b}`));
      }),
    );
  });

  it("never reads past the bytes of a broken file", () => {
    const edits = fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 200 });
    const lengths = fc.oneof(fc.constant(bytes.length), fc.nat(bytes.length), fc.nat(64));
    fc.assert(
      fc.property(edits, lengths, anyText, (changes, length, text) => {
        const broken = bytes.slice(0, length);
        for (const [at, byte] of changes) if (at < length) broken[at] = byte;
        let map: Charsmap;
        try {
          map = new Charsmap(broken);
        } catch (error) {
          assert.ok(error instanceof CharsmapError);
          return;
        }
        assert.equal(typeof map.normalize(`${text} ＡＢＣ e\u0301 ①`), "string");
      }),
      { numRuns: 300 },
    );
  });

  it("tolerates units that point anywhere", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(0xffffffff), { minLength: 1, maxLength: 64 }), anyText, (units, text) => {
        const body = Buffer.from(Uint32Array.from([units.length * 4, ...units]).buffer);
        assert.equal(typeof new Charsmap(Buffer.concat([body, Buffer.from("a\0bc\0")])).normalize(text), "string");
      }),
    );
  });

  for (const [what, broken] of [
    ["shorter than its header", new Uint8Array(3)],
    ["a trie longer than the file", Uint8Array.of(255, 255, 255, 127, 0, 0, 0, 0)],
    ["an empty trie", new Uint8Array(8)],
    ["replacements that are not UTF-8", Uint8Array.of(4, 0, 0, 0, 0, 0, 0, 0, 0xff)],
    ["a replacement without end", Buffer.concat([Uint8Array.of(4, 0, 0, 0, 0, 0, 0, 0), Buffer.alloc(2000, "x")])],
  ] as const) {
    it(`rejects ${what}`, () => {
      assert.throws(() => new Charsmap(broken), CharsmapError);
    });
  }
});

describe("pre-tokenizers", () => {
  it("every kind", () => {
    const text = "Hey, you  don't 42!";
    assert.deepEqual(split(text, { type: "Bert" }), ["Hey", ",", "you", "don", "'", "t", "42", "!"]);
    assert.deepEqual(split(text, { type: "Whitespace" }), ["Hey", ",", "you", "don", "'", "t", "42", "!"]);
    assert.deepEqual(split(text, { type: "WhitespaceSplit" }), ["Hey,", "you", "don't", "42!"]);
    assert.deepEqual(split("ab12", { type: "Digits", individual: true }), ["ab", "1", "2"]);
    assert.deepEqual(split("ab12c", { type: "Digits", individual: false }), ["ab", "12", "c"]);
    assert.deepEqual(split("a_b__c", { type: "CharDelimiterSplit", delimiter: "_" }), ["a", "b", "c"]);
    assert.deepEqual(split("a𝔘bcd", { type: "FixedLength", length: 2 }), ["a𝔘", "bc", "d"]);
    assert.deepEqual(split("é x", { type: "ByteLevel", addPrefixSpace: false, useRegex: false }), ["Ã©Ġx"]);
    assert.deepEqual(split("a b", { type: "Metaspace", replacement: "▁", prepend: "never", split: false }), ["a▁b"]);
    assert.deepEqual(split("a  b ", { type: "Metaspace", replacement: "▁", prepend: "always", split: true }), ["▁a", "▁", "▁b", "▁"]);
  });

  it("splits bytes like GPT-2's pattern", () => {
    const pattern = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;
    const unit = fc.constantFrom("a", "é", "漢", "1", "½", "'", "s", "t", "l", "ll", "re", " ", "\n", "\u00a0", "!", "👍", "\u0301");
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 20 }), (text) => {
        const expected = Array.from(text.matchAll(pattern), ([piece]) => normalize(piece, { type: "ByteLevel" }));
        assert.deepEqual(split(text, { type: "ByteLevel", addPrefixSpace: false, useRegex: true }), expected);
      }),
      { numRuns: 1000 },
    );
  });

  it("treats matches as each behavior specifies", () => {
    const behaviors = {
      Removed: ["a", "b", "c"],
      Isolated: ["-", "a", "-", "-", "b", "c", "-"].join(" ").replace("b c", "b - c").split(" "),
      Contiguous: ["-", "a", "--", "b", "-", "c", "-"],
      MergedWithPrevious: ["-", "a-", "-", "b-", "c-"],
      MergedWithNext: ["-a", "-", "-b", "-c", "-"],
    } as const;
    for (const [behavior, expected] of Object.entries(behaviors)) {
      const spec = { type: "Split", pattern: { literal: "-" }, behavior: behavior as keyof typeof behaviors, invert: false } as const;
      assert.deepEqual(split("-a--b-c-", spec), expected, behavior);
    }
    assert.deepEqual(split("-a--b", { type: "Split", pattern: { regex: "\\w" }, behavior: "Removed", invert: true }), ["a", "b"]);
    assert.deepEqual(split("a!?b", { type: "Punctuation", behavior: "MergedWithPrevious" }), ["a!", "?", "b"]);
  });

  it("tracks the beginning of the text through a sequence", () => {
    const metaspace = { type: "Metaspace", replacement: "▁", prepend: "first", split: true } as const;
    assert.deepEqual(split("ab", { type: "FixedLength", length: 1 }, metaspace), ["▁a", "b"]);
    assert.deepEqual(split(" ab", { type: "WhitespaceSplit" }, metaspace), ["ab"]);
  });

  it("loses no character and stops on request", () => {
    const specs: PreTokenizerSpec[] = [
      { type: "ByteLevel", addPrefixSpace: false, useRegex: true },
      { type: "FixedLength", length: 3 },
      { type: "Punctuation", behavior: "Contiguous" },
      { type: "Metaspace", replacement: " ", prepend: "never", split: true },
    ];
    fc.assert(
      fc.property(anyText, fc.constantFrom(...specs), fc.nat(5), (text, spec, limit) => {
        const pieces = split(text, spec);
        assert.equal(pieces.join(""), spec.type === "ByteLevel" ? normalize(text, { type: "ByteLevel" }) : text);
        assert.ok(!pieces.includes(""));
        const some: string[] = [];
        buildPreTokenizer([spec])(text, true, (piece) => some.push(piece) <= limit);
        assert.deepEqual(some, pieces.slice(0, limit + 1));
      }),
    );
  });
});

describe("added tokens", () => {
  const token = (id: number, content: string, flags: object = {}): object => ({ id, content, special: true, normalized: false, ...flags });
  const tokens = (files: ReturnType<typeof wordLevel>, text: string): Promise<(string | undefined)[]> =>
    withTokenizer(files, (tokenizer) => tokensOf(tokenizer, text));

  it("are found in words, the longest first, and keep the ids of the vocabulary", async () => {
    const files = wordLevel(["a", "b", "<x>"], { added_tokens: [token(3, "<x>"), token(4, "<x>y"), token(5, "<")] });
    assert.deepEqual(await tokens(files, "a<x>b<x>ya<"), ["a", "<x>", "b", "<x>y", "a", "<"]);
    await withTokenizer(files, async (tokenizer) => {
      assert.equal(tokenizer.vocabularySize, 6);
      assert.deepEqual(sequences(await tokenizer.encode(["<x> <x>y <"])), [[3, 4, 5]]);
    });
  });

  it("consume white space, or stand alone, according to their flags", async () => {
    const pre_tokenizer = { type: "Split", pattern: { Regex: "." }, behavior: "Isolated", invert: false };
    const files = wordLevel(["a", " "], {
      pre_tokenizer,
      added_tokens: [token(3, "<l>", { lstrip: true }), token(4, "<r>", { rstrip: true }), token(5, "w", { single_word: true })],
    });
    assert.deepEqual(await tokens(files, "a  <l>  a"), ["a", "<l>", " ", " ", "a"]);
    assert.deepEqual(await tokens(files, "a  <r>  a"), ["a", " ", " ", "<r>", "a"]);
    assert.deepEqual(await tokens(files, "<r>  <l>a"), ["<r>", "<l>", "a"]);
    assert.deepEqual(await tokens(files, "w aw w"), ["w", " ", "a", "?", " ", "w"]);
  });

  it("are matched in the normalized text, in normalized form", async () => {
    const normalizer = { type: "Lowercase" };
    const files = wordLevel(["a"], {
      normalizer,
      added_tokens: [token(2, "Q", { normalized: true }), token(3, "R", { normalized: false })],
    });
    assert.deepEqual(await tokens(files, "aqQaRr"), ["a", "q", "q", "a", "R", "?"]);
  });

  it("are ordinary text with split_special_tokens", async () => {
    const files = { ...wordLevel(["a"], { added_tokens: [token(2, "<x>")] }), "tokenizer_config.json": { split_special_tokens: true } };
    assert.deepEqual(await tokens(files, "a <x>"), ["a", "?"]);
  });
});

describe("truncation", () => {
  it("cuts the longer text of a pair first, and gives it the odd token", () => {
    for (const [first, second, room, expected] of [
      [3, 4, 7, [3, 4]],
      [3, 10, 8, [3, 5]],
      [10, 3, 8, [5, 3]],
      [10, 10, 7, [3, 4]],
      [11, 10, 7, [4, 3]],
      [10, 11, 7, [3, 4]],
      [9, 2, 0, [0, 0]],
      [9, 0, 4, [4, 0]],
    ] as const) {
      assert.deepEqual(truncatePair(first, second, room), expected);
    }
  });

  it("of pairs fills the room, and never cuts a text of at most half of it", () => {
    fc.assert(
      fc.property(fc.nat(40), fc.nat(40), fc.nat(40), (first, second, room) => {
        const [keptFirst, keptSecond] = truncatePair(first, second, room);
        assert.equal(keptFirst + keptSecond, Math.min(first + second, room));
        assert.ok(keptFirst <= first && keptSecond <= second);
        if (first <= room / 2) assert.equal(keptFirst, first);
        if (second <= room / 2) assert.equal(keptSecond, second);
      }),
    );
  });

  const limits = fc.integer({ min: 4, max: 24 });
  const someWords = fc
    .array(fc.constantFrom("import", "module", "x", "[SEP]", "über", "!"), { maxLength: 30 })
    .map((list) => list.join(" "));

  it("keeps the beginning of each text, and reports which inputs were truncated", async () => {
    const whole = await loadFixture("splade-bert");
    await fc.assert(
      fc.asyncProperty(fc.array(someWords, { maxLength: 5 }), limits, fc.boolean(), async (texts, maxLength, addSpecialTokens) => {
        const cut = await loadFixture("splade-bert", { maxLength });
        const full = sequences(await whole.encode(texts, { addSpecialTokens }));
        const batch = await cut.encode(texts, { addSpecialTokens });
        const last = addSpecialTokens ? 1 : 0;
        const expected = full.map((ids) =>
          ids.length <= maxLength ? ids : [...ids.slice(0, maxLength - last), ...ids.slice(ids.length - last)],
        );
        assert.deepEqual(sequences(batch), expected);
        assert.deepEqual(
          [...batch.truncated],
          full.flatMap((ids, i) => (ids.length > maxLength ? [i] : [])),
        );
        cut.dispose();
      }),
      { numRuns: 60 },
    );
    whole.dispose();
  });

  it("of pairs agrees with the lengths of the whole texts", async () => {
    const whole = await loadFixture("ce-roberta-nli");
    await fc.assert(
      fc.asyncProperty(someWords, someWords, limits, async (query, document, maxLength) => {
        const cut = await loadFixture("ce-roberta-nli", { maxLength });
        const [first, second] = sequences(await whole.encode([query, document], { addSpecialTokens: false })) as [number[], number[]];
        const [keptFirst, keptSecond] = truncatePair(first.length, second.length, maxLength - 4);
        const batch = await cut.encodePairs([[query, document]]);
        assert.deepEqual(sequences(batch), [[0, ...first.slice(0, keptFirst), 2, 2, ...second.slice(0, keptSecond), 2]]);
        assert.deepEqual([...batch.truncated], keptFirst + keptSecond < first.length + second.length ? [0] : []);
        cut.dispose();
      }),
      { numRuns: 60 },
    );
    whole.dispose();
  });

  it("of pairs with limits of each text is that of texts cut to them, on both sides", async () => {
    const words = "one two three four five six seven eight nine".split(" ");
    const few = fc.array(fc.constantFrom(...words), { maxLength: 20 });
    const limit = fc.option(fc.integer({ min: 1, max: 12 }), { nil: Infinity });
    await fc.assert(
      fc.asyncProperty(few, few, limit, limit, fc.integer({ min: 1, max: 15 }), fc.boolean(), async (a, b, ofA, ofB, maxLength, left) => {
        const files = { ...wordLevel(words), "tokenizer_config.json": { truncation_side: left ? "left" : "right" } };
        const cut = (text: string[], most: number): string => (left ? text.slice(-most) : text.slice(0, most)).join(" ");
        await withTokenizer(
          files,
          async (tokenizer) => {
            const limited = await tokenizer.encodePairs([[a.join(" "), b.join(" ")]], { limits: [ofA, ofB] });
            assert.deepEqual(limited, await tokenizer.encodePairs([[cut(a, ofA), cut(b, ofB)]]));
          },
          maxLength,
        );
      }),
      { numRuns: 300 },
    );
  });
});

describe("templates", () => {
  const words = ["a", "b", "X", "Y"];
  const special = { X: { id: "X", ids: [3, 4], tokens: ["X", "Y"] } };
  const types = { "tokenizer_config.json": { model_input_names: ["input_ids", "token_type_ids"] } };

  it("insert special tokens and type ids as specified", async () => {
    const post_processor = {
      type: "Sequence",
      processors: [
        { type: "ByteLevel", add_prefix_space: true, trim_offsets: true },
        {
          type: "TemplateProcessing",
          single: [{ SpecialToken: { id: "X", type_id: 3 } }, { Sequence: { id: "A", type_id: 2 } }],
          pair: [{ Sequence: { id: "B", type_id: 1 } }, { SpecialToken: { id: "X", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
          special_tokens: special,
        },
      ],
    };
    await withTokenizer({ ...wordLevel(words, { post_processor }), ...types }, async (tokenizer) => {
      const single = await tokenizer.encode(["a b"]);
      assert.deepEqual([sequences(single), typeIds(single)], [[[3, 4, 1, 2]], [[3, 3, 2, 2]]]);
      const pair = await tokenizer.encodePairs([["a", "b b"]]);
      assert.deepEqual([sequences(pair), typeIds(pair)], [[[2, 2, 3, 4, 1]], [[1, 1, 0, 0, 0]]]);
      const bare = await tokenizer.encodePairs([["a", "b"]], { addSpecialTokens: false });
      assert.deepEqual([sequences(bare), typeIds(bare)], [[[2, 1]], [[1, 0]]]);
    });
  });

  for (const [type, pair, pairTypes] of [
    ["BertProcessing", [3, 1, 4, 2, 4], [0, 0, 0, 1, 1]],
    ["RobertaProcessing", [3, 1, 4, 4, 2, 4], [0, 0, 0, 0, 0, 0]],
  ] as const) {
    it(type, async () => {
      const post_processor = { type, cls: ["X", 3], sep: ["Y", 4], trim_offsets: true, add_prefix_space: false };
      await withTokenizer({ ...wordLevel(words, { post_processor }), ...types }, async (tokenizer) => {
        assert.deepEqual(sequences(await tokenizer.encode(["a", ""])), [
          [3, 1, 4],
          [3, 4],
        ]);
        const batch = await tokenizer.encodePairs([["a", "b"]]);
        assert.deepEqual([sequences(batch), typeIds(batch)], [[pair], [pairTypes]]);
      });
    });
  }

  it("are absent without a post-processor; type ids are absent for a model without that input", async () => {
    await withTokenizer({ ...wordLevel(words), ...types }, async (tokenizer) => {
      const batch = await tokenizer.encodePairs([["a", "b"]]);
      assert.deepEqual([sequences(batch), typeIds(batch)], [[[1, 2]], [[0, 1]]]);
    });
    await withTokenizer(wordLevel(words), async (tokenizer) => {
      const batch = await tokenizer.encodePairs([["a", "b"]]);
      assert.equal(batch.typeIds, undefined);
    });
  });
});
