import { toByteAlphabet } from "./byte-alphabet";
import { applyBehavior, compilePattern, findCharacters, findMatches, invert } from "./pattern";
import type { PartFinder, PatternSpec, SplitBehavior } from "./pattern";
import { characterClass, codePointAt, isSpaceUnit, LETTER, NUMBER, PUNCTUATION, SPACE, unitsOf } from "./unicode";

export type PreTokenizerSpec =
  | { readonly type: "Bert" }
  | { readonly type: "Whitespace" }
  | { readonly type: "WhitespaceSplit" }
  | { readonly type: "ByteLevel"; readonly addPrefixSpace: boolean; readonly useRegex: boolean }
  | { readonly type: "Metaspace"; readonly replacement: string; readonly prepend: "always" | "first" | "never"; readonly split: boolean }
  | { readonly type: "Split"; readonly pattern: PatternSpec; readonly behavior: SplitBehavior; readonly invert: boolean }
  | { readonly type: "Punctuation"; readonly behavior: SplitBehavior }
  | { readonly type: "Digits"; readonly individual: boolean }
  | { readonly type: "CharDelimiterSplit"; readonly delimiter: string }
  | { readonly type: "FixedLength"; readonly length: number };

/**
 * Receives the pieces of a text in order.
 * @param isFirst whether the piece starts at the start of the text
 * @returns false to stop: the rest is not needed
 */
export type PieceSink = (piece: string, isFirst: boolean) => boolean;

/** Splits a text into non-empty pieces. Returns false if the sink stopped it. */
export type PreTokenizer = (text: string, isFirst: boolean, sink: PieceSink) => boolean;

/** Combines a sequence of pre-tokenizers into one function; without any, a text is one piece. */
export function buildPreTokenizer(specs: readonly PreTokenizerSpec[]): PreTokenizer {
  const whole: PreTokenizer = (text, isFirst, sink) => text === "" || sink(text, isFirst);
  return specs.map(buildStep).reduceRight<PreTokenizer>((rest, step) => {
    if (rest === whole) return step;
    return (text, isFirst, sink) => step(text, isFirst, (piece, pieceIsFirst) => rest(piece, pieceIsFirst, sink));
  }, whole);
}

function buildStep(spec: PreTokenizerSpec): PreTokenizer {
  switch (spec.type) {
    case "Bert":
      return splitBert;
    case "Whitespace":
      return splitByParts(invert(findMatches(WORDS)), "Removed");
    case "WhitespaceSplit":
      return splitAtWhitespace;
    case "ByteLevel":
      return buildByteLevel(spec);
    case "Metaspace":
      return buildMetaspace(spec);
    case "Split": {
      const find = findMatches(compilePattern(spec.pattern));
      return splitByParts(spec.invert ? invert(find) : find, spec.behavior);
    }
    case "Punctuation":
      return splitByParts(findCharacters(isPunctuation), spec.behavior);
    case "Digits":
      return splitByParts(findCharacters(isNumeric), spec.individual ? "Isolated" : "Contiguous");
    case "CharDelimiterSplit": {
      const delimiter = spec.delimiter.codePointAt(0);
      return splitByParts(
        findCharacters((codePoint) => codePoint === delimiter),
        "Removed",
      );
    }
    case "FixedLength":
      return (text, isFirst, sink) => splitFixedLength(text, isFirst, spec.length, sink);
  }
}

function splitByParts(find: PartFinder, behavior: SplitBehavior): PreTokenizer {
  return (text, isFirst, sink) =>
    applyBehavior(find(text), behavior).every(({ start, end }) => start === end || sink(text.slice(start, end), isFirst && start === 0));
}

function isPunctuation(codePoint: number): boolean {
  return (characterClass(codePoint) & PUNCTUATION) !== 0;
}

const NUMERIC = /\p{N}/u;

function isNumeric(codePoint: number): boolean {
  return NUMERIC.test(String.fromCodePoint(codePoint));
}

/** \w+|[^\w\s]+ as Rust's regex crate interprets it. */
const WORDS = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]+|[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}\p{White_Space}]+/gu;

/** Splits at white space, and makes each punctuation character a piece. */
function splitBert(text: string, isFirst: boolean, sink: PieceSink): boolean {
  let begin = 0;
  const flush = (end: number): boolean => begin === end || sink(text.slice(begin, end), isFirst && begin === 0);
  for (let i = 0; i < text.length;) {
    const codePoint = codePointAt(text, i);
    const next = i + unitsOf(codePoint);
    const properties = characterClass(codePoint);
    if ((properties & (SPACE | PUNCTUATION)) !== 0) {
      if (!flush(i)) return false;
      if ((properties & PUNCTUATION) !== 0 && !sink(text.slice(i, next), isFirst && i === 0)) return false;
      begin = next;
    }
    i = next;
  }
  return flush(text.length);
}

function splitAtWhitespace(text: string, isFirst: boolean, sink: PieceSink): boolean {
  for (let i = 0; i < text.length;) {
    while (i < text.length && isSpaceUnit(text.charCodeAt(i))) i++;
    const begin = i;
    while (i < text.length && !isSpaceUnit(text.charCodeAt(i))) i++;
    if (i > begin && !sink(text.slice(begin, i), isFirst && begin === 0)) return false;
  }
  return true;
}

function buildMetaspace({ replacement, prepend, split }: PreTokenizerSpec & { readonly type: "Metaspace" }): PreTokenizer {
  return (text, isFirst, sink) => {
    const replaced = text.replaceAll(" ", replacement);
    const prefixed = !replaced.startsWith(replacement) && (prepend === "always" || (prepend === "first" && isFirst));
    const marked = prefixed ? replacement + replaced : replaced;
    if (!split) return marked === "" || sink(marked, isFirst);
    for (let begin = 0; begin < marked.length;) {
      const next = marked.indexOf(replacement, begin + 1);
      const end = next === -1 ? marked.length : next;
      if (!sink(marked.slice(begin, end), isFirst && begin === 0)) return false;
      begin = end;
    }
    return true;
  };
}

/** GPT-2's pre-tokenizer; nextByteLevelPiece() implements its pattern by hand. */
function buildByteLevel({ addPrefixSpace, useRegex }: PreTokenizerSpec & { readonly type: "ByteLevel" }): PreTokenizer {
  return (text, isFirst, sink) => {
    if (text === "") return true;
    const spaced = addPrefixSpace && !text.startsWith(" ") ? ` ${text}` : text;
    if (!useRegex) return sink(toByteAlphabet(spaced), isFirst);
    for (let begin = 0; begin < spaced.length;) {
      const end = nextByteLevelPiece(spaced, begin);
      if (!sink(toByteAlphabet(spaced.slice(begin, end)), isFirst && begin === 0)) return false;
      begin = end;
    }
    return true;
  };
}

const CONTRACTIONS = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"];
const APOSTROPHE = 0x27;
const BLANK = 0x20;
const WORD_CLASSES = SPACE | LETTER | NUMBER;

/**
 * Where the match of GPT-2's pattern that starts at `begin` ends:
 * 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 */
function nextByteLevelPiece(text: string, begin: number): number {
  const first = text.charCodeAt(begin);
  if (first === APOSTROPHE) {
    const contraction = CONTRACTIONS.find((suffix) => text.startsWith(suffix, begin));
    if (contraction !== undefined) return begin + contraction.length;
  }
  const start = first === BLANK && begin + 1 < text.length ? begin + 1 : begin;
  const kind = characterClass(codePointAt(text, start)) & WORD_CLASSES;
  if (kind !== SPACE) return endOfClass(text, start, kind);
  const end = endOfClass(text, begin, SPACE);
  // White space before a word leaves its last character to the word.
  return end === text.length || end === begin + 1 ? end : end - 1;
}

/** The end of the longest run of characters that are all in the given class of WORD_CLASSES, or all in none. */
function endOfClass(text: string, start: number, kind: number): number {
  let end = start;
  while (end < text.length) {
    const codePoint = codePointAt(text, end);
    if ((characterClass(codePoint) & WORD_CLASSES) !== kind) break;
    end += unitsOf(codePoint);
  }
  return end;
}

function splitFixedLength(text: string, isFirst: boolean, length: number, sink: PieceSink): boolean {
  for (let begin = 0; begin < text.length;) {
    let end = begin;
    for (let count = 0; count < length && end < text.length; count++) end += unitsOf(codePointAt(text, end));
    if (!sink(text.slice(begin, end), isFirst && begin === 0)) return false;
    begin = end;
  }
  return true;
}
