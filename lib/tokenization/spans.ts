/** Maps each token of a text to the part of the text that it came from. */

import type { TextTokenizer } from "./tokenizer";

/** UTF-16 units [start, end). */
export interface TokenSpan {
  readonly start: number;
  readonly end: number;
}

const WORD = /\S+/gu;

/** Ways to split a text so that its parts may tokenize separately to the tokens of the whole, the finest first. */
const CUTS = [
  // Words, and every other character separately: WordPiece after BERT's pre-tokenizer.
  { part: /[^\s\p{P}\p{S}\p{sc=Han}]+|\S/gu, withSpace: false },
  // Runs between white space: Unigram.
  { part: WORD, withSpace: false },
  // Runs together with the white space before them: byte-level BPE.
  { part: WORD, withSpace: true },
];

/**
 * Returns a span for each id: that of the word that the token belongs to, or undefined for special tokens at both ends. Returns undefined
 * if the words do not tokenize separately to the tokens of the text, as with normalizers that look past a word.
 *
 * @param ids of the text, including special tokens; may be truncated
 */
export async function spansOf(
  tokenizer: TextTokenizer,
  text: string,
  ids: Uint32Array,
  signal?: AbortSignal,
): Promise<(TokenSpan | undefined)[] | undefined> {
  for (const { part, withSpace } of CUTS) {
    const spans: TokenSpan[] = [];
    for (const { 0: word, index } of text.matchAll(part)) {
      if (spans.push({ start: index, end: index + word.length }) > ids.length) break;
    }
    const starts = withSpace ? [0, ...spans.map(({ end }) => end)] : spans.map(({ start }) => start);
    const batch = await tokenizer.encode(
      spans.map(({ end }, i) => text.slice(starts[i], end)),
      { addSpecialTokens: false, signal },
    );
    const located = spans.flatMap((span, i) => new Array<TokenSpan>((batch.offsets[i + 1] ?? 0) - (batch.offsets[i] ?? 0)).fill(span));
    const aligned = align(batch.ids, ids, located);
    if (aligned !== undefined) return aligned;
  }
  return undefined;
}

/** Special tokens may come before and after; those after begin where the tokens of the words end or the text was cut. */
function align(words: Int32Array, ids: Uint32Array, spans: readonly TokenSpan[]): (TokenSpan | undefined)[] | undefined {
  for (let before = 0; before <= Math.min(2, ids.length); before++) {
    let count = 0;
    while (count < words.length && before + count < ids.length && words[count] === ids[before + count]) count++;
    const behind = ids.length - before - count;
    if (behind > 2 || (count === 0 && words.length > 0)) continue;
    return Array.from(ids, (_, i) => (i >= before && i < before + count ? spans[i - before] : undefined));
  }
  return undefined;
}
