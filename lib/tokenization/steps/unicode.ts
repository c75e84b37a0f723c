import { normalize } from "../../core/normalize";
import type { NormalizationForm } from "../../core/normalize";
import {
  CLUSTERING as CLUSTERING_RANGES,
  CONTROLS,
  LATER,
  LETTERS,
  NONSPACING_MARKS,
  NUMBERS,
  PUNCTUATION as PUNCTUATION_RANGES,
  SPACES,
} from "./unicode-ranges";

/** Bits of characterClass(). */
export const SPACE = 1;
export const LETTER = 2;
export const NUMBER = 4;
export const PUNCTUATION = 8;
export const CONTROL = 16;
export const NONSPACING_MARK = 32;
/** A character whose normalization was defined after the reference's tables. */
export const LATER_CHARACTER = 64;
/** May join the previous or next character into one grapheme. */
export const CLUSTERING = 128;

const CODE_POINTS = 0x110000;

/** One byte per code point (1.1 MB): the splitters look up every character of every text. */
const classes = buildClasses();

function buildClasses(): Uint8Array {
  const table = new Uint8Array(CODE_POINTS);
  const mark = (ranges: string, bit: number): void => {
    let last = 0;
    for (const word of ranges.split(" ")) {
      const [gap = "", extra = "0"] = word.split(":");
      const first = last + Number.parseInt(gap, 36);
      last = first + Number.parseInt(extra, 36);
      for (let codePoint = first; codePoint <= last; codePoint++) table[codePoint] = (table[codePoint] ?? 0) | bit;
    }
  };
  mark(SPACES, SPACE);
  mark(LETTERS, LETTER);
  mark(NUMBERS, NUMBER);
  mark(PUNCTUATION_RANGES, PUNCTUATION);
  mark(CONTROLS, CONTROL);
  mark(NONSPACING_MARKS, NONSPACING_MARK);
  mark(LATER, LATER_CHARACTER);
  mark(CLUSTERING_RANGES, CLUSTERING);
  return table;
}

export function characterClass(codePoint: number): number {
  return classes[codePoint] ?? 0;
}

/** UTF-16 units of a code point. */
export function unitsOf(codePoint: number): number {
  return codePoint > 0xffff ? 2 : 1;
}

/** The code point at a unit of a well-formed text; the position must be in range. */
export function codePointAt(text: string, position: number): number {
  const unit = text.charCodeAt(position);
  return unit >= 0xd800 && unit < 0xdc00 ? (((unit & 0x3ff) << 10) | (text.charCodeAt(position + 1) & 0x3ff)) + 0x10000 : unit;
}

/** The blocks that BERT splits into single characters. Later additions to Han in planes 2 and 3 are not among them. */
export function isChineseCharacter(codePoint: number): boolean {
  return (
    codePoint >= 0x3400 &&
    (codePoint <= 0x4dbf ||
      (codePoint >= 0x4e00 && codePoint <= 0x9fff) ||
      (codePoint >= 0xf900 && codePoint <= 0xfaff) ||
      (codePoint >= 0x20000 && codePoint <= 0x2a6df) ||
      (codePoint >= 0x2a700 && codePoint <= 0x2b81f) ||
      (codePoint >= 0x2b920 && codePoint <= 0x2ceaf) ||
      (codePoint >= 0x2f800 && codePoint <= 0x2fa1f))
  );
}

/** Replaces lone surrogates by U+FFFD: they have no UTF-8 form, so no tokenizer has ids for them. */
export function wellFormed(text: string): string {
  return LONE_SURROGATE.test(text) ? text.replace(LONE_SURROGATES, "\uFFFD") : text;
}

const LONE_SURROGATE = /\p{Surrogate}/u;
const LONE_SURROGATES = /\p{Surrogate}/gu;

/**
 * Like String.prototype.normalize, except that a character unknown to the reference's tables is unchanged and separates its neighbors, as
 * an unassigned code point does.
 */
export function normalizeForm(text: string, form: NormalizationForm): string {
  let result = "";
  let copied = 0;
  for (let i = 0; i < text.length;) {
    const unit = text.charCodeAt(i);
    if (unit < FIRST_LATER) {
      i++;
      continue;
    }
    const codePoint = codePointAt(text, i);
    const next = i + unitsOf(codePoint);
    if ((characterClass(codePoint) & LATER_CHARACTER) !== 0) {
      result += normalize(text.slice(copied, i), form) + text.slice(i, next);
      copied = next;
    }
    i = next;
  }
  return result + normalize(text.slice(copied), form);
}

/** The lowest code point of LATER_CHARACTER. */
const FIRST_LATER = 0x7fd;

/**
 * Lower-cases each character independently. String.prototype.toLowerCase differs only in writing a capital sigma at the end of a
 * word as ς.
 */
export function lowerCase(text: string): string {
  return text.replaceAll("Σ", "σ").toLowerCase();
}

export function trimStart(text: string): string {
  let start = 0;
  while (start < text.length && isSpaceUnit(text.charCodeAt(start))) start++;
  return text.slice(start);
}

export function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && isSpaceUnit(text.charCodeAt(end - 1))) end--;
  return text.slice(0, end);
}

/** Every White_Space character is one unit. */
export function isSpaceUnit(unit: number): boolean {
  return (characterClass(unit) & SPACE) !== 0;
}
