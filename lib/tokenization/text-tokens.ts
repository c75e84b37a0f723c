/** The tokens of a text with their strings and places. */

import { sequencesOf } from "./pipeline/token-batch";
import { spansOf } from "./spans";
import type { TokenSpan } from "./spans";
import type { EncodeTextOptions, TextTokenizer } from "./tokenizer";

/** A token of a text, as the model reads it. */
export interface TextToken {
  readonly id: number;
  /** As in the vocabulary: with its mark of a word's beginning or continuation. */
  readonly token: string;
  /** Added by the tokenizer, such as [CLS]. */
  readonly special: boolean;
  /** UTF-16 units [start, end) of the text; undefined for special tokens, and where the place is not known. */
  readonly start?: number;
  readonly end?: number;
}

/** Marks of WordPiece's continuations, of Unigram's and of byte-level BPE's beginnings. */
const MARK = /^(?:##|▁|Ġ)/;

export async function textTokens(tokenizer: TextTokenizer, texts: readonly string[], options: EncodeTextOptions): Promise<TextToken[][]> {
  const [batch, empty] = await Promise.all([tokenizer.encode(texts, options), tokenizer.encode([""])]);
  const special = new Set(empty.ids);
  const found: TextToken[][] = [];
  for (const [i, ids] of sequencesOf(batch).entries()) {
    const tokens = Array.from(ids, (id) => tokenizer.token(id) ?? `[${String(id)}]`);
    const spans = placesOf(tokens, (await spansOf(tokenizer, texts[i] ?? "", ids, options.signal)) ?? []);
    found.push(tokens.map((token, k) => ({ id: ids[k] ?? 0, token, special: special.has(ids[k] ?? -1), ...spans[k] })));
  }
  return found;
}

/** Spans of tokens from those of their words: a word of several tokens is divided if the lengths of their strings add up to its own. */
function placesOf(tokens: readonly string[], words: readonly (TokenSpan | undefined)[]): (TokenSpan | undefined)[] {
  const places = new Array<TokenSpan | undefined>(tokens.length).fill(undefined);
  for (let first = 0; first < tokens.length;) {
    const word = words[first];
    const next = endOfWord(words, first, tokens.length);
    if (word !== undefined) divide(word, tokens.slice(first, next)).forEach((place, k) => (places[first + k] = place));
    first = next;
  }
  return places;
}

/** The first token after those of the word of the token `first`. */
function endOfWord(words: readonly (TokenSpan | undefined)[], first: number, count: number): number {
  const start = words[first]?.start;
  let next = first + 1;
  if (start === undefined) return next;
  while (next < count && words[next]?.start === start) next++;
  return next;
}

function divide(word: TokenSpan, tokens: readonly string[]): (TokenSpan | undefined)[] {
  if (tokens.length === 1) return [word];
  const ends: number[] = [];
  let end = word.start;
  for (const token of tokens) ends.push((end += token.replace(MARK, "").length));
  if (end !== word.end) return [];
  return ends.map((each, k) => {
    const start = ends[k - 1] ?? word.start;
    // A mark alone stands for a blank before the word.
    return start === each ? undefined : { start, end: each };
  });
}
