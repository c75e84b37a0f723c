/** Cuts texts by their number of tokens. */

import type { TextTokenizer } from "../tokenization/tokenizer";

/**
 * The longest beginning of each text that has at most so many tokens by itself, found by bisection: the number of tokens grows with the
 * text, except that a word's next letter may join two tokens. Where a token has less than a character, the character is left out.
 *
 * Errors: those of TextTokenizer.encode.
 */
export async function beginnings(
  tokenizer: TextTokenizer,
  texts: readonly string[],
  maxTokens: number,
  signal: AbortSignal,
): Promise<string[]> {
  if (maxTokens >= (tokenizer.maxLength ?? Infinity)) return [...texts];
  const fits = async (parts: readonly string[]): Promise<boolean[]> => {
    const { offsets } = await tokenizer.encode(parts, { addSpecialTokens: false, signal });
    return parts.map((_, i) => (offsets[i + 1] ?? 0) - (offsets[i] ?? 0) <= maxTokens);
  };
  const whole = await fits(texts);
  /** Of each text that is too long, units that fit and units that do not. */
  const ranges = texts.map((text, i) => ({ text, fits: whole[i] === true ? text.length : 0, exceeds: text.length }));
  for (;;) {
    const open = ranges.flatMap((range) => {
      const middle = characterStart(range.text, Math.ceil((range.fits + range.exceeds) / 2));
      const place = middle > range.fits ? middle : nextCharacter(range.text, range.fits);
      return place < range.exceeds ? [{ range, place }] : [];
    });
    if (open.length === 0) return ranges.map(({ text, fits: end }) => text.slice(0, end));
    const found = await fits(open.map(({ range, place }) => range.text.slice(0, place)));
    open.forEach(({ range, place }, i) => (found[i] === true ? (range.fits = place) : (range.exceeds = place)));
  }
}

/** The place, or the one before it if the place is inside a surrogate pair. */
function characterStart(text: string, place: number): number {
  return isPair(text, place - 1) ? place - 1 : place;
}

function nextCharacter(text: string, place: number): number {
  return place + (isPair(text, place) ? 2 : 1);
}

function isPair(text: string, place: number): boolean {
  return (text.codePointAt(place) ?? 0) > 0xffff;
}
