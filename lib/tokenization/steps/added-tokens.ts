import { escapeRegExp } from "./pattern";
import { isSpaceUnit } from "./unicode";

/** A token that is matched in the text itself, before the model sees it. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly singleWord: boolean;
  /** Also consumes the white space before it. */
  readonly leftStrip: boolean;
  readonly rightStrip: boolean;
  /** Is matched in the normalized text, in its own normalized form. */
  readonly normalized: boolean;
  readonly special: boolean;
}

/** Receives the parts of a text in order: an added token's id, or the text between (never empty). Returns false to stop. */
export interface PartSink {
  token(id: number): boolean;
  text(part: string, isFirst: boolean): boolean;
}

const WORD_BEFORE = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]$/u;
const WORD_AFTER = /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]/u;
/** A character has at most two UTF-16 units. */
const CHARACTER = 2;

/** Finds added tokens: the leftmost match first, the longest of those at one place. */
export class AddedTokenFinder {
  readonly #tokens: ReadonlyMap<string, AddedToken>;
  readonly #expression: RegExp | undefined;

  /**
   * @param tokens by the form to search for
   * @throws SyntaxError if there are too many for one regular expression
   */
  constructor(tokens: ReadonlyMap<string, AddedToken>) {
    this.#tokens = tokens;
    const forms = [...tokens.keys()].toSorted((a, b) => b.length - a.length);
    this.#expression = forms.length === 0 ? undefined : new RegExp(forms.map(escapeRegExp).join("|"), "gu");
    // V8 compiles the expression, and may reject it, only when it first runs.
    this.#expression?.test("");
  }

  /** @returns false if the sink stopped the split */
  split(text: string, isFirst: boolean, sink: PartSink): boolean {
    let begin = 0;
    const flush = (end: number): boolean => begin >= end || sink.text(text.slice(begin, end), isFirst && begin === 0);
    for (const match of this.#expression === undefined ? [] : text.matchAll(this.#expression)) {
      const token = this.#tokens.get(match[0]);
      const end = match.index + match[0].length;
      if (token === undefined || (token.singleWord && isInsideWord(text, match.index, end))) continue;
      const start = token.leftStrip ? Math.max(begin, spacesBefore(text, match.index)) : match.index;
      if (!flush(start) || !sink.token(token.id)) return false;
      begin = token.rightStrip ? spacesAfter(text, end) : end;
    }
    return flush(text.length);
  }
}

function isInsideWord(text: string, start: number, end: number): boolean {
  return WORD_BEFORE.test(text.slice(Math.max(0, start - CHARACTER), start)) || WORD_AFTER.test(text.slice(end, end + CHARACTER));
}

function spacesBefore(text: string, position: number): number {
  while (position > 0 && isSpaceUnit(text.charCodeAt(position - 1))) position--;
  return position;
}

function spacesAfter(text: string, position: number): number {
  while (position < text.length && isSpaceUnit(text.charCodeAt(position))) position++;
  return position;
}
