/** How texts become the terms that BM25 counts. */

import stem from "wink-porter2-stemmer";

import { normalize } from "../core/normalize";

/** Lucene's list for English. */
const STOP_WORDS = new Set(
  "a an and are as at be but by for if in into is it no not of on or such that the their then there these they this to was will with".split(
    " ",
  ),
);
/** A longer word is several terms, cut after every 255 units as Lucene does: the stemmer takes time in proportion to the square of the length. */
const WORD = /[\p{L}\p{M}\p{N}]{1,255}/gu;
/** Most words of a text are frequent ones. */
const MAX_CACHED_STEMS = 1 << 16;
const stems = new Map<string, string>();

/** English: words of letters and digits in lower case, without Lucene's stop words, stemmed by Porter2. */
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
