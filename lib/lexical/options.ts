/** The options of lexical search. */

import { createHash } from "node:crypto";

import { SparseRerankError } from "../errors";
import { invalid, requireFunction, requireRecord, requireTexts } from "../core/validate";
import { LANGUAGES } from "./languages";
import type { LexicalLanguage } from "./languages";
import { STOP_WORDS } from "./stop-words";
import { UNICODE_VERSION } from "./words";

export interface LexicalOptions {
  /** Of the stemmer and the stop words; default "english". */
  readonly language?: LexicalLanguage;
  /**
   * Words that are not searched for: true for the language's list, or a list of your own. Default: the language's list, where there is one (Danish,
   * Dutch, English, Finnish, French, German, Hungarian, Italian, Norwegian, Portuguese, Russian, Spanish, Swedish).
   */
  readonly stopWords?: boolean | readonly string[];
  /** Whether forms of a word count as one: "connected" as "connection"; default true. Give false for texts of several languages. */
  readonly stemming?: boolean;
  /** How slowly a term's weight saturates with its count, from 0 to 1000; default 1.2. */
  readonly k1?: number;
  /** How much the length of a document counts, from 0 to 1; default 0.75. */
  readonly b?: number;
  /** The terms of a text, in place of the words in lower case, without stop words, stemmed. It must give the same terms whenever it is called. */
  readonly analyzer?: (text: string) => Iterable<string>;
}

/** Options after checkLexicalOptions. */
export interface CheckedLexicalOptions {
  readonly k1: number;
  readonly b: number;
  readonly analyzer:
    | { readonly kind: "custom"; readonly terms: (text: string) => Iterable<string> }
    | { readonly kind: "words"; readonly language: LexicalLanguage; readonly stemming: boolean; readonly stopWords: readonly string[] };
}

/** What an index keeps, to be compared with what it is opened with: terms of other settings would not be found. */
export interface LexicalSettings {
  readonly k1: number;
  readonly b: number;
  /** "custom" for the function `analyzer`, of which nothing more is known. */
  readonly language: LexicalLanguage | "custom";
  readonly stemming?: boolean;
  /** "none", or the SHA-256 of the sorted list. */
  readonly stopWords?: string;
  /** The version of Unicode and ICU, which cut words: another one may cut some words otherwise, Chinese, Japanese and Thai ones above all. */
  readonly unicode?: string;
}

/** Far above any useful value; the same limit as in native/index/bm25.h. */
const MAX_K1 = 1000;

/** Errors: ERR_INVALID_ARGUMENT, ERR_NOT_SUPPORTED (`stopWords: true` for a language without a list). */
export function checkLexicalOptions(options: LexicalOptions, name = "lexical"): CheckedLexicalOptions {
  requireRecord(options, name, ["language", "stopWords", "stemming", "k1", "b", "analyzer"]);
  const { language = "english", stopWords, stemming = true, k1 = 1.2, b = 0.75, analyzer } = options;
  if (typeof k1 !== "number" || !(k1 >= 0 && k1 <= MAX_K1)) throw invalid(`${name}.k1`, k1, `a number from 0 to ${MAX_K1}`);
  if (typeof b !== "number" || !(b >= 0 && b <= 1)) throw invalid(`${name}.b`, b, "a number from 0 to 1");
  if (analyzer !== undefined) {
    requireFunction(analyzer, `${name}.analyzer`);
    const unused = (["language", "stopWords", "stemming"] as const).find((key) => options[key] !== undefined);
    if (unused !== undefined) {
      const problem = `${name} has both analyzer and ${unused}: a function takes the place of all that ${unused} is for; leave one of them out.`;
      throw new SparseRerankError("ERR_INVALID_ARGUMENT", problem);
    }
    return { k1, b, analyzer: { kind: "custom", terms: analyzer } };
  }
  if (!LANGUAGES.includes(language)) throw invalid(`${name}.language`, language, `one of ${LANGUAGES.join(", ")}`);
  if (typeof stemming !== "boolean") throw invalid(`${name}.stemming`, stemming, "a boolean");
  return { k1, b, analyzer: { kind: "words", language, stemming, stopWords: stopWordsOf(language, stopWords, `${name}.stopWords`) } };
}

/** The settings of checked options. */
export function lexicalSettings({ k1, b, analyzer }: CheckedLexicalOptions): LexicalSettings {
  if (analyzer.kind === "custom") return { k1, b, language: "custom" };
  const { language, stemming } = analyzer;
  const list = [...new Set(analyzer.stopWords)].sort().join("\n");
  const stopWords = list === "" ? "none" : createHash("sha256").update(list).digest("hex");
  return { k1, b, language, stemming, stopWords, unicode: UNICODE_VERSION };
}

function stopWordsOf(language: LexicalLanguage, given: unknown, name: string): readonly string[] {
  if (given === false) return [];
  if (given === true || given === undefined) {
    const list = STOP_WORDS[language];
    if (list === undefined && given === true) {
      const problem = `There is no list of stop words for ${language}. Give ${name} a list of your own, or false.`;
      throw new SparseRerankError("ERR_NOT_SUPPORTED", problem);
    }
    return list?.trim().split(/\s+/) ?? [];
  }
  requireTexts(given, name);
  return [...given];
}
