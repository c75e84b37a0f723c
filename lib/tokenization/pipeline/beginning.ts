/** The prefix of a long text that decides its first tokens, so that no thread reads and no message carries the rest. */

import { isKnownPattern, MARK_RUNS, splitsAtBlanks } from "../steps/linear";
import { buildNormalizer } from "../steps/normalizers";
import type { NormalizerSpec } from "../steps/normalizers";
import type { PreTokenizerSpec } from "../steps/pre-tokenizers";
import type { TokenizerDefinition } from "./definition";

const LETTER = /[A-Za-z]/;
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BLANK = 0x20;

/**
 * Whether a text may be cut before any blank between two ASCII letters, because nothing after it changes the tokens before it. That holds
 * when no normalizer and no added token matches across such a blank, and a pre-tokenizer splits there.
 */
export function cutsAtBlanks({ normalizers, preTokenizers, addedTokens }: TokenizerDefinition): boolean {
  if (!normalizers.every(isLocal)) return false;
  const normalize = buildNormalizer(normalizers) ?? ((text: string): string => text);
  const between = (letter: string): string | undefined => /[A-Za-z]([^A-Za-z]+)[A-Za-z]$/.exec(normalize(`${letter} ${letter}`))?.[1];
  const blank = between("a");
  if (blank === undefined || Array.from(LETTERS).some((letter) => between(letter) !== blank)) return false;
  const reachesOver = (form: string): boolean =>
    /[A-Za-z]\s/.test(form) || Array.from(LETTERS).some((letter) => form.includes(letter + blank));
  if (addedTokens.some(({ content }) => reachesOver(content) || reachesOver(normalize(content)))) return false;
  const cutter = preTokenizers.find((spec) => !(blank === " " && passesOver(spec)));
  return cutter !== undefined && cutsBefore(cutter, blank);
}

/** Whether the normalizer changes the text between two letters independently of the rest, and leaves letters alone. */
function isLocal(spec: NormalizerSpec): boolean {
  switch (spec.type) {
    case "Replace":
      return "literal" in spec.pattern ? !LETTER.test(spec.pattern.literal) : isKnownPattern(spec.pattern.regex);
    case "ByteLevel":
      return false;
    default:
      return true;
  }
}

/** Whether the pre-tokenizer neither splits at a blank nor looks past one. */
function passesOver(spec: PreTokenizerSpec): boolean {
  return spec.type === "Punctuation" || spec.type === "Digits";
}

function cutsBefore(spec: PreTokenizerSpec, blank: string): boolean {
  switch (spec.type) {
    case "Bert":
    case "Whitespace":
    case "WhitespaceSplit":
      return blank === " ";
    case "ByteLevel":
      return blank === " " && spec.useRegex;
    case "Metaspace":
      return spec.split && (blank === " " || blank.startsWith(spec.replacement));
    case "Split":
      if ("literal" in spec.pattern || spec.invert) return false;
      if (spec.pattern.regex === MARK_RUNS) return spec.behavior === "MergedWithNext" && blank === "▁";
      return spec.behavior === "Isolated" && blank === " " && splitsAtBlanks(spec.pattern.regex);
    default:
      return false;
  }
}

/** A prefix of at least `units` units and less than twice as many; undefined if there is no place to cut. */
export function beginningOf(text: string, units: number): string | undefined {
  const end = Math.min(2 * units, text.length - 1);
  for (let i = units; i < end; i++) {
    if (text.charCodeAt(i) === BLANK && isLetter(text.charCodeAt(i - 1)) && isLetter(text.charCodeAt(i + 1))) return text.slice(0, i);
  }
  return undefined;
}

function isLetter(unit: number): boolean {
  const lower = unit | 0x20;
  return lower >= 0x61 && lower <= 0x7a;
}
