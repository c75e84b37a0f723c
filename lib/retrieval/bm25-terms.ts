/** How texts become the terms that BM25 counts. */

import stem from "wink-porter2-stemmer";

import { normalize } from "../core/normalize";

/** Lucene's list of English stop words. */
const STOP_WORDS = new Set(
  "a an and are as at be but by for if in into is it no not of on or such that the their then there these they this to was will with".split(
    " ",
  ),
);
/** A longer word is split after every 255 units, as in Lucene: the stemmer takes quadratic time in the length. */
const WORD = /[\p{L}\p{M}\p{N}]{1,255}/gu;
/** Bound of the cache: most words of a text are frequent ones. */
const MAX_CACHED_STEMS = 1 << 16;
const stems = new Map<string, string>();

/** English terms: lower-cased words of letters and digits, without Lucene's stop words, stemmed by Porter2. */
export function englishTerms(text: string): string[] {
  const words = normalize(text, "NFKC").toLowerCase().match(WORD) ?? [];
  return words.filter((word) => !STOP_WORDS.has(word)).map(stemmed);
}

function stemmed(word: string): string {
  const known = stems.get(word);
  if (known !== undefined) return known;
  if (stems.size === MAX_CACHED_STEMS) stems.clear();
  const result = stem(word);
  stems.set(word, result);
  return result;
}
