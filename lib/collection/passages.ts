/** Cuts the text of a document into passages that the model reads whole. */

import type { Span } from "../retrieval/passage-windows";

/** The kind of boundary after a piece, by how well a passage may end there. */
const enum Border {
  Word,
  Line,
  Sentence,
  Paragraph,
}

interface Piece extends Span {
  readonly border: Border;
}

export interface PassageLimits {
  /** Tokens of a passage. */
  readonly maxTokens: number;
  /** Tokens of a passage that the next one repeats. */
  readonly overlap: number;
}

/** The number of tokens of each text; at least `MAX` where there are more than a model reads. */
export type CountTokens = (texts: readonly string[]) => Promise<readonly number[]>;

/** Two line breaks, with white space between and behind them. */
const PARAGRAPH_END = /(?:\r\n|\r(?!\n)|[\n\u0085\u2028\u2029])[^\S\n\r\u0085\u2028\u2029]*(?:\r\n|\r(?!\n)|[\n\u0085\u2028\u2029])\s*/g;
/** A longer paragraph is read in parts: Intl.Segmenter keeps a whole text in a copy. */
const MAX_PART = 16_384;
/** A word, or part of a long one, since scripts without spaces have no other boundary. */
const WORD = /\S{1,24}/gu;
const SENTENCE_END = /[.!?…。！？][\p{Pe}\p{Pf}"']*\s*$/u;

const sentences = new Intl.Segmenter("en", { granularity: "sentence" });

/**
 * Passages over the whole text, in order, each within the limit. A passage ends at the last paragraph that fits, if that leaves it half
 * full, else at a sentence, a line or a word. White space at its ends is left out.
 */
export async function cutText(text: string, limits: PassageLimits, countTokens: CountTokens): Promise<Span[]> {
  const { pieces, counts } = await countedPieces(text, limits.maxTokens, countTokens);
  const spans: Span[] = [];
  let end = 0;
  for (let first = 0; first < pieces.length;) {
    end = endOfPassage(pieces, counts, first, end, limits.maxTokens);
    spans.push(trimmed(text, pieces[first]?.start ?? 0, pieces[end - 1]?.end ?? text.length));
    if (end === pieces.length) break;
    // Behind the overlap there must be room for what comes next.
    const overlap = Math.min(limits.overlap, limits.maxTokens - (counts[end] ?? 0));
    first = Math.max(first + 1, startOfOverlap(counts, end, overlap));
  }
  return spans.length === 0 ? [{ start: 0, end: text.length }] : spans;
}

/** Sentences, and the words of those that are longer than a passage. */
async function countedPieces(
  text: string,
  maxTokens: number,
  countTokens: CountTokens,
): Promise<{ readonly pieces: readonly Piece[]; readonly counts: readonly number[] }> {
  const whole = [...sentencesOf(text)];
  const tokens = await countTokens(whole.map(({ start, end }) => text.slice(start, end)));
  const isLong = (_: Piece, i: number): boolean => (tokens[i] ?? 0) > maxTokens;
  const words = whole.filter(isLong).map((sentence) => wordsOf(text, sentence));
  const wordTokens = await countTokens(words.flat().map(({ start, end }) => text.slice(start, end)));
  const pieces: Piece[] = [];
  const counts: number[] = [];
  let next = 0;
  for (const [i, sentence] of whole.entries()) {
    const parts = isLong(sentence, i) ? (words.shift() ?? []) : [sentence];
    for (const part of parts) {
      pieces.push(part);
      counts.push(part === sentence ? (tokens[i] ?? 0) : (wordTokens[next++] ?? 0));
    }
  }
  return { pieces, counts };
}

/** Pieces that cover the text but for white space. */
function* sentencesOf(text: string): Generator<Piece> {
  let start = Math.max(0, text.search(/\S/));
  const gaps = Array.from(text.matchAll(PARAGRAPH_END), ({ index, 0: gap }) => ({ start: index, end: index + gap.length }));
  for (const { start: end, end: next } of [...gaps, { start: text.length, end: text.length }]) {
    for (let part = start; part < end;) {
      const partEnd = endOfPart(text, part, end);
      for (const { segment, index } of sentences.segment(text.slice(part, partEnd))) {
        if (segment.trim() === "") continue;
        const pieceEnd = part + index + segment.length;
        const border = pieceEnd === end ? Border.Paragraph : SENTENCE_END.test(segment) ? Border.Sentence : Border.Line;
        yield { start: part + index, end: pieceEnd, border };
      }
      part = partEnd;
    }
    start = Math.max(start, next);
  }
}

/** Behind the last white space, so that no word is cut if there is one. */
function endOfPart(text: string, start: number, end: number): number {
  if (end - start <= MAX_PART) return end;
  const slice = text.slice(start, start + MAX_PART);
  const blank = slice.search(/\s\S*$/);
  if (blank > 0) return start + blank + 1;
  // Not between the halves of a character.
  const last = slice.charCodeAt(MAX_PART - 1);
  return start + MAX_PART - (last >= 0xd800 && last < 0xdc00 ? 1 : 0);
}

function wordsOf(text: string, { start, end, border }: Piece): Piece[] {
  const words = Array.from(text.slice(start, end).matchAll(WORD), ({ index, 0: word }): Piece => {
    return { start: start + index, end: start + index + word.length, border: Border.Word };
  });
  const last = words.at(-1);
  if (last !== undefined) words[words.length - 1] = { ...last, border };
  return words;
}

/**
 * The index after the last piece of the passage that begins at `first`.
 *
 * @param fresh the first piece that no earlier passage has: the passage has it, so that it says something new
 */
function endOfPassage(pieces: readonly Piece[], counts: readonly number[], first: number, fresh: number, maxTokens: number): number {
  let used = counts.slice(first, fresh + 1).reduce((sum, count) => sum + count, 0);
  let end = fresh + 1;
  let best = end;
  let bestUsed = used;
  let bestBorder = pieces[fresh]?.border ?? Border.Word;
  for (; end < pieces.length && used + (counts[end] ?? 0) <= maxTokens; end++) {
    used += counts[end] ?? 0;
    const border = pieces[end]?.border ?? Border.Word;
    if (2 * bestUsed < maxTokens || border >= bestBorder) {
      best = end + 1;
      bestUsed = used;
      bestBorder = border;
    }
  }
  return end === pieces.length ? end : best;
}

function startOfOverlap(counts: readonly number[], end: number, overlap: number): number {
  let start = end;
  let used = 0;
  while (start > 0 && used + (counts[start - 1] ?? 0) <= overlap) used += counts[--start] ?? 0;
  return start;
}

function trimmed(text: string, start: number, end: number): Span {
  const slice = text.slice(start, end);
  return { start: start + slice.length - slice.trimStart().length, end: start + slice.trimEnd().length };
}
