/** Terms of texts against Intl.Segmenter, Snowball (PyPI's snowballstemmer 2.2.0), bm25s and Lucene; test/data/lexical has the programs that wrote their results. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";

import fc from "fast-check";

import { createAnalyzer } from "../../../dist/lexical/analyzer";
import type { Analyzer } from "../../../dist/lexical/analyzer";
import { LANGUAGES, loadStemmer } from "../../../dist/lexical/languages";
import { checkLexicalOptions } from "../../../dist/lexical/options";
import type { LexicalOptions } from "../../../dist/lexical/options";
import type { TermRows } from "../../../dist/lexical/term-counter";
import { WordScanner } from "../../../dist/lexical/words";
import { bm25Scores } from "./bm25-reference";

const REFERENCE = path.join(__dirname, "../../data/lexical");
const scanner = new WordScanner();
const segmenter = new Intl.Segmenter("en", { granularity: "word" });

function reference(name: string): unknown {
  return JSON.parse(readFileSync(path.join(REFERENCE, name), "utf8"));
}

function words(text: string): string[] {
  const found: string[] = [];
  for (let from = 0; from < text.length;) {
    const length = scanner.blockLength(text, from);
    const count = scanner.scan(text, from, length);
    for (let i = 0; i < count; i++) found.push(text.slice(from + scanner.bounds[2 * i]!, from + scanner.bounds[2 * i + 1]!));
    from += length;
  }
  return found;
}

function segments(text: string): string[] {
  return Array.from(segmenter.segment(text)).flatMap(({ segment, isWordLike }) => (isWordLike === true ? [segment] : []));
}

function analyzer(options: LexicalOptions = {}): Analyzer {
  return createAnalyzer(checkLexicalOptions(options));
}

/** Each row as an object from terms to counts. */
function rowsOf({ terms, indptr, indices, counts }: TermRows): Record<string, number>[] {
  const names = Array.from(terms.offsets.subarray(1), (end, i) => Buffer.from(terms.bytes.subarray(terms.offsets[i], end)).toString());
  assert.equal(new Set(names).size, names.length);
  return Array.from(indptr.subarray(1), (end, i) => {
    const entries = Array.from(
      { length: end - indptr[i]! },
      (_, k) => [names[indices[indptr[i]! + k]!]!, counts[indptr[i]! + k]!] as const,
    );
    assert.equal(new Set(entries.map(([name]) => name)).size, entries.length);
    return Object.fromEntries(entries);
  });
}

describe("words", () => {
  it("are those of Intl.Segmenter: every character of the basic plane, between letters, digits and underscores", () => {
    for (let unit = 1; unit < 0x10000; unit++) {
      const c = String.fromCharCode(unit);
      const text = [`a${c}b`, `1${c}2`, `${c}a`, `a${c}`, `${c}${c}`, `_${c}_`, `1${c}a`].join(" ");
      assert.deepEqual(words(text), segments(text), unit.toString(16));
    }
  });

  it("are those of Intl.Segmenter: any sequence of characters with a rule of their own", () => {
    const unit = fc.constantFrom(
      ...Array.from("aZé1٣_'.,:;·’‘\u2024\u0387\u055f\u2027\u2044\u066c\u0301\u00ad\u200d\u200c\u200b\u2060\ufeff\u202f‿ \n\t-ΣжԱა"),
      ...Array.from('\u0600ب\u064bह\u093fத漢字かカーｶ０Ａ．한ㄱᄀไทยລາວខ្មែរမြန်אב"⓪Ⓐ™❤\ufe0f\u20e3\u2028\u0085'),
      ...["😀", "👩\u200d👩", "🇩🇪", "𝐀", "𠀀", "\ud800", "\udc00"],
    );
    fc.assert(
      fc.property(fc.array(unit, { maxLength: 24 }), (units) => {
        const text = units.join("");
        assert.deepEqual(words(text), segments(text));
      }),
      { numRuns: 5000 },
    );
    const texts = fc.oneof(fc.string({ unit: "binary", maxLength: 60 }), fc.string({ unit: "grapheme", maxLength: 60 }));
    fc.assert(
      fc.property(texts, (text) => {
        assert.deepEqual(words(text), segments(text));
      }),
      { numRuns: 2000 },
    );
  });

  it("are those of Intl.Segmenter in the texts of the fixtures", () => {
    const { texts } = reference("lucene.json") as { texts: string[] };
    const pages = ["README.md", "docs/sparse-index.md", "docs/search.md"].map((page) =>
      readFileSync(path.join(__dirname, "../../..", page), "utf8"),
    );
    for (const text of [...texts, ...pages]) assert.deepEqual(words(text), segments(text));
  });

  it("have at most 255 units, and no half of a character", () => {
    assert.deepEqual(
      words(`${"b".repeat(600)} dogs`).map(({ length }) => length),
      [255, 255, 90, 4],
    );
    const long = words("𝐀".repeat(400));
    assert.deepEqual([long.join(""), Math.max(...long.map(({ length }) => length))], ["𝐀".repeat(400), 254]);
    // A run without any space is cut after 1024 units.
    for (const unit of ["a", "東京都", "สวัสดี", "😀", "\u0301"])
      assert.ok(!words(unit.repeat(5000)).some((word) => /\p{Surrogate}/u.test(word)));
  });
});

describe("stemmers", () => {
  const stems = reference("stems.json") as Record<string, string>;

  it("there is a reference for each", () => {
    assert.deepEqual(Object.keys(stems).sort(), [...LANGUAGES].sort());
  });

  for (const [language, pairs] of Object.entries(stems)) {
    it(`${language}: as Snowball 2.2`, () => {
      const stem = loadStemmer(language as (typeof LANGUAGES)[number]);
      for (const pair of pairs.split(" ")) {
        const [word = "", expected = ""] = pair.split(":");
        assert.equal(stem(word), expected, word);
      }
      assert.equal(stem("e".repeat(65)), "e".repeat(65));
    });
  }
});

describe("analyzer", () => {
  it("gives words in lower case, without stop words, stemmed", () => {
    const english = analyzer();
    assert.deepEqual(english.terms("The runners' dogs are NOT running in 3.14 state-of-the-art cafés."), [
      ...["runner", "dog", "are", "run", "3.14", "state", "art", "café"].filter((word) => word !== "are"),
    ]);
    assert.deepEqual(analyzer({ stopWords: false, stemming: false }).terms("The Who"), ["the", "who"]);
    assert.deepEqual(analyzer({ stopWords: ["WHO"] }).terms("The Who"), ["the"]);
    assert.deepEqual(analyzer({ language: "french" }).terms("L’homme et l'eau"), ["homm", "eau"]);
    assert.deepEqual(analyzer({ language: "german" }).terms("die Häuser"), ["haus"]);
    assert.deepEqual(analyzer({ language: "turkish", stemming: false }).terms("ISPARTA İzmir"), ["ısparta", "izmir"]);
    assert.deepEqual(analyzer({ stemming: false }).terms("İstanbul ΟΔΟΣ ﬁne ＡＢＣ e\u0301 co\u00adop Java™ x²"), [
      ...["istanbul", "οδος", "fine", "abc", "é", "coop", "java", "x"],
    ]);
    assert.deepEqual(english.spans("a dog, Dogs"), [
      { term: "dog", start: 2, end: 5 },
      { term: "dog", start: 7, end: 11 },
    ]);
  });

  it("counts the terms of many texts as terms() gives them", async () => {
    const text = fc
      .array(fc.constantFrom("dog", "Dogs", "the", " ", ". ", "東京", "ran", "runs", "é", "1.5"), { maxLength: 40 })
      .map((parts) => parts.join(" "));
    await fc.assert(
      fc.asyncProperty(fc.array(text, { maxLength: 6 }), fc.array(text, { maxLength: 6 }), async (first, second) => {
        const given = analyzer();
        const custom = analyzer({ analyzer: (one) => given.terms(one) });
        // Batches at once share the words that are known.
        const batches = await Promise.all([first, second, first].map((texts) => given.termRows(texts)));
        for (const [i, texts] of [first, second, first].entries()) {
          const expected = texts.map((one) => {
            const counts: Record<string, number> = {};
            for (const term of given.terms(one)) counts[term] = (counts[term] ?? 0) + 1;
            return counts;
          });
          assert.deepEqual(rowsOf(batches[i]!), expected);
          assert.deepEqual(rowsOf(await custom.termRows(texts)), expected);
        }
      }),
      { numRuns: 60 },
    );
  });

  it("keeps its results when more words come than it remembers", async () => {
    const given = analyzer({ stemming: false });
    const all = Array.from({ length: 150_000 }, (_, i) => `w${i % 75_000}`);
    const [row] = rowsOf(await given.termRows([all.join(" ")]));
    assert.equal(Object.keys(row!).length, 75_000);
    assert.ok(Object.values(row!).every((count) => count === 2));
  });

  it("lets other events through, and ends when it is told to", async () => {
    const given = analyzer();
    const texts = ["words of English prose and more of them. ".repeat(20_000), "東京都に住んでいます".repeat(500), "x".repeat(2_000_000)];
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    await given.termRows(texts);
    clearInterval(timer);
    assert.ok(turns >= 3, String(turns));
    await assert.rejects(given.termRows(texts, { signal: AbortSignal.abort() }), { code: "ERR_ABORTED" });
  });

  it("tells what an index must keep", () => {
    const { settings } = analyzer({ language: "greek", k1: 1 });
    assert.deepEqual(
      { ...settings },
      {
        k1: 1,
        b: 0.75,
        language: "greek",
        stemming: true,
        stopWords: "none",
        unicode: `ICU ${process.versions["icu"]}, Unicode ${process.versions["unicode"]}`,
      },
    );
    assert.notEqual(analyzer().settings.stopWords, analyzer({ stopWords: ["a"] }).settings.stopWords);
    assert.deepEqual({ ...analyzer({ analyzer: () => [] }).settings }, { k1: 1.2, b: 0.75, language: "custom" });
  });

  it("reports that the package of a language's stemmer is missing, and how to install it", () => {
    const program = `
      const Module = require("node:module");
      const resolve = Module._resolveFilename;
      Module._resolveFilename = (name, ...others) => resolve(name.replace(/^@orama.stemmers/, "@orama/stemmers-that-are-not-there"), ...others);
      const { loadStemmer } = require("./dist/lexical/languages");
      console.log(loadStemmer("english")("dogs"));
      try { loadStemmer("german"); } catch (error) { console.log(error.code, error.message); }`;
    const printed = execFileSync(process.execPath, ["-e", program], { cwd: path.join(__dirname, "../../.."), encoding: "utf8" });
    assert.equal(
      printed.trim(),
      "dog\nERR_CLIENT_NOT_FOUND The package @orama/stemmers is not installed; run: npm install @orama/stemmers",
    );
  });

  it("refuses bad options and bad terms", async () => {
    for (const bad of [
      ...[
        { language: "klingon" },
        { stopWords: 1 },
        { stopWords: [1] },
        { stemming: "yes" },
        { k1: -1 },
        { k1: NaN },
        { k1: 1001 },
        { b: 1.1 },
        { analyzer: 1 },
      ],
      ...[{ analyser: () => [] }, { analyzer: () => [], language: "german" }, null, "english"],
    ]) {
      assert.throws(() => checkLexicalOptions(bad as LexicalOptions), { code: "ERR_INVALID_ARGUMENT" }, JSON.stringify(bad));
    }
    assert.throws(() => checkLexicalOptions({ language: "greek", stopWords: true }), { code: "ERR_NOT_SUPPORTED", message: /stopWords/ });
    for (const terms of [undefined, 1, "text", [1], [""], ["x".repeat(65_536)], ["\ud800".repeat(30_000)]]) {
      const given = analyzer({ analyzer: () => terms as string[] });
      assert.throws(() => given.terms("x"), { code: "ERR_INVALID_ARGUMENT" });
      await assert.rejects(given.termRows(["x"]), { code: "ERR_INVALID_ARGUMENT" });
    }
    assert.deepEqual(rowsOf(await analyzer({ analyzer: () => ["\ud800", "\udfff"] }).termRows(["x"])), [{ "\ufffd": 2 }]);
  });
});

describe("BM25", () => {
  it("of bm25s: method lucene", () => {
    const { cases, documents, queries, scores } = reference("bm25.json") as {
      cases: { k1: number; b: number }[];
      documents: number[][];
      queries: number[][];
      scores: number[][];
    };
    cases.forEach((parameters, i) => {
      queries.forEach((query, j) => {
        const expected = scores[i * queries.length + j]!;
        bm25Scores(documents, query, parameters).forEach((score, d) => {
          assert.ok(Math.abs(score - expected[d]!) < 1e-5, `${i} ${j} ${d}`);
        });
      });
    });
  });

  it("of Lucene: the terms of StandardAnalyzer, the scores of BM25Similarity", () => {
    const { texts, terms, queries, scores } = reference("lucene.json") as {
      texts: string[];
      terms: string[][];
      queries: string[];
      scores: number[][];
    };
    const standard = analyzer({ stemming: false, stopWords: false });
    const documents = texts.map((text) => standard.terms(text));
    assert.deepEqual(documents, terms);
    // The lengths of longer documents are rounded there.
    assert.ok(documents.every(({ length }) => length <= 39));
    queries.forEach((query, j) => {
      bm25Scores(documents, standard.terms(query), { k1: 1.2, b: 0.75 }).forEach((score, d) => {
        assert.ok(Math.abs(score - scores[j]![d]!) < 1e-5, `${query}: ${texts[d]}`);
      });
    });
  });
});
