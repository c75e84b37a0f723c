import { normalize } from "../core/normalize";
import { displayWidth, printable } from "./terminal";

export interface SnippetWord {
  readonly text: string;
  /** Whether the word contains one of the terms. */
  readonly matched: boolean;
}

interface Word {
  readonly text: string;
  readonly terms: readonly string[];
}

const ELLIPSIS: SnippetWord = { text: "…", matched: false };
/** Only the beginning of a longer text is searched. */
const MAX_CHARACTERS = 40_000;

/**
 * The part of a text, at most `width` columns wide, with the largest total weight of terms; each term counts once.
 *
 * @param terms weights by term, normalized by plain()
 */
export function snippet(text: string, terms: ReadonlyMap<string, number>, width: number): SnippetWord[] {
  const words = printable(text.slice(0, MAX_CHARACTERS))
    .split(" ")
    .map((word): Word => ({
      text: word,
      terms: plain(word)
        .split(/[^\p{L}\p{N}]+/u)
        .filter((term) => terms.has(term)),
    }));
  let most = 0;
  // The best snippets usually have adjacent starts; the middle one shows context on both sides of the terms.
  let first = 0;
  let last = 0;
  for (let start = 0; start < words.length; start++) {
    const weight = weightOf(words, start, endOf(words, start, width), terms);
    if (weight > most) {
      most = weight;
      first = start;
      last = start;
    } else if (weight === most && most > 0 && start === last + 1) {
      last = start;
    }
  }
  // A text that fits is shown from its beginning.
  const start = endOf(words, 0, width) === words.length ? 0 : Math.floor((first + last) / 2);
  const end = endOf(words, start, width);
  const shown = words.slice(start, end).map(({ text: word, terms: found }): SnippetWord => ({ text: word, matched: found.length > 0 }));
  return [...(start > 0 ? [ELLIPSIS] : []), ...shown, ...(end < words.length ? [ELLIPSIS] : [])];
}

/** Normalizes a word like an uncased vocabulary: lower case, without accents. */
export function plain(word: string): string {
  return normalize(word, "NFKD").replace(/\p{M}/gu, "").toLowerCase();
}

/** The end of the snippet that begins at `start`: at least one word, and as many as fit with an ellipsis on both sides. */
function endOf(words: readonly Word[], start: number, width: number): number {
  let room = width - 4;
  let end = start;
  while (end < words.length && (room > 0 || end === start)) {
    room -= displayWidth(words[end]?.text ?? "") + 1;
    if (room >= -1 || end === start) end++;
  }
  return end;
}

function weightOf(words: readonly Word[], start: number, end: number, terms: ReadonlyMap<string, number>): number {
  const found = new Set(words.slice(start, end).flatMap((word) => word.terms));
  return Array.from(found, (term) => terms.get(term) ?? 0).reduce((sum, weight) => sum + weight, 0);
}
