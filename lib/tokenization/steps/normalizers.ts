import type { NormalizationForm } from "../../core/normalize";
import { SparseRerankError } from "../../errors";
import { toByteAlphabet } from "./byte-alphabet";
import { Charsmap } from "./charsmap";
import { compilePattern } from "./pattern";
import type { PatternSpec } from "./pattern";
import {
  characterClass,
  codePointAt,
  CONTROL,
  isChineseCharacter,
  LATER_CHARACTER,
  lowerCase,
  NONSPACING_MARK,
  normalizeForm,
  SPACE,
  trimEnd,
  trimStart,
  unitsOf,
} from "./unicode";

export interface BertNormalizerSpec {
  readonly type: "Bert";
  readonly cleanText: boolean;
  readonly chineseCharacters: boolean;
  readonly stripAccents: boolean;
  readonly lowercase: boolean;
}

export type NormalizerSpec =
  | BertNormalizerSpec
  | { readonly type: "Lowercase" }
  | { readonly type: "Form"; readonly form: NormalizationForm }
  | { readonly type: "Strip"; readonly left: boolean; readonly right: boolean }
  | { readonly type: "StripAccents" }
  | { readonly type: "Replace"; readonly pattern: PatternSpec; readonly content: string }
  | { readonly type: "Prepend"; readonly prefix: string }
  | { readonly type: "Nmt" }
  | { readonly type: "ByteLevel" }
  | { readonly type: "Precompiled"; readonly charsmap: Uint8Array };

export type Normalizer = (text: string) => string;

/** Limit on how many times longer a text may become. NFKC followed by bytes turns one unit into 54. */
const MAX_GROWTH = 256;
/** Up to this length, in units, texts may grow without that limit. */
const ALWAYS_ALLOWED = 1 << 16;

/**
 * Combines a sequence of normalizers into one function; undefined if there are none. It throws ERR_TOO_LARGE if the text becomes more than
 * 256 times as long and longer than 65,536 units.
 */
export function buildNormalizer(specs: readonly NormalizerSpec[]): Normalizer | undefined {
  const steps = specs.map(buildStep);
  if (steps.length === 0) return undefined;
  return (text) => {
    const limit = limitFor(text);
    return steps.reduce((normalized, step) => {
      const result = step(normalized, limit);
      requireAtMost(limit, result.length);
      return result;
    }, text);
  };
}

function limitFor(text: string): number {
  return Math.max(ALWAYS_ALLOWED, text.length * MAX_GROWTH);
}

function requireAtMost(limit: number, length: number): void {
  if (length <= limit) return;
  throw new SparseRerankError(
    "ERR_TOO_LARGE",
    `The tokenizer's normalizers make a text more than ${String(MAX_GROWTH)} times as long and longer than the limit of ${String(ALWAYS_ALLOWED)} units.`,
  );
}

function buildStep(spec: NormalizerSpec): (text: string, limit: number) => string {
  switch (spec.type) {
    case "Bert":
      return (text) => normalizeBert(text, spec);
    case "Lowercase":
      return lowerCase;
    case "Form":
      return (text) => normalizeForm(text, spec.form);
    case "Strip":
      return (text) => {
        const rest = spec.left ? trimStart(text) : text;
        return spec.right ? trimEnd(rest) : rest;
      };
    case "StripAccents":
      return stripAccents;
    case "Replace": {
      const expression = compilePattern(spec.pattern);
      return (text, limit) => {
        let added = 0;
        return text.replaceAll(expression, () => {
          requireAtMost(limit, (added += spec.content.length));
          return spec.content;
        });
      };
    }
    case "Prepend":
      return (text) => (text === "" ? "" : spec.prefix + text);
    case "Nmt":
      return normalizeNmt;
    case "ByteLevel":
      return toByteAlphabet;
    case "Precompiled": {
      const charsmap = new Charsmap(spec.charsmap);
      return (text) => charsmap.normalize(text);
    }
  }
}

const PLAIN_ASCII = /^[ -~]*$/;

function normalizeBert(text: string, spec: BertNormalizerSpec): string {
  if (PLAIN_ASCII.test(text)) return spec.lowercase ? text.toLowerCase() : text;
  let normalized = text;
  if (spec.cleanText || spec.chineseCharacters) normalized = rewrite(normalized, (codePoint) => cleaned(codePoint, spec));
  if (spec.stripAccents) normalized = rewrite(normalizeForm(normalized, "NFD"), withoutMark);
  return spec.lowercase ? lowerCase(normalized) : normalized;
}

function cleaned(codePoint: number, spec: BertNormalizerSpec): string | undefined {
  if (spec.cleanText) {
    const properties = characterClass(codePoint);
    if ((properties & CONTROL) !== 0) return "";
    if ((properties & SPACE) !== 0) return " ";
  }
  return spec.chineseCharacters && isChineseCharacter(codePoint) ? ` ${String.fromCodePoint(codePoint)} ` : undefined;
}

function withoutMark(codePoint: number): string | undefined {
  return (characterClass(codePoint) & NONSPACING_MARK) !== 0 ? "" : undefined;
}

/** Replaces the characters for which `replacement` returns a string. */
function rewrite(text: string, replacement: (codePoint: number) => string | undefined): string {
  let result = "";
  let copied = 0;
  for (let i = 0; i < text.length;) {
    const codePoint = codePointAt(text, i);
    const next = i + unitsOf(codePoint);
    const replaced = replacement(codePoint);
    if (replaced !== undefined) {
      result += text.slice(copied, i) + replaced;
      copied = next;
    }
    i = next;
  }
  return result + text.slice(copied);
}

/** U+1CF2 and U+1CF3 still were marks in the Unicode version of the reference's tables. */
const MARKS = /[\p{M}\u1CF2\u1CF3]/gu;

function stripAccents(text: string): string {
  return text.replace(MARKS, (mark) => ((characterClass(codePointAt(mark, 0)) & LATER_CHARACTER) === 0 ? "" : mark));
}

/* eslint-disable no-control-regex -- this normalizer exists to handle control characters */
const NMT_REMOVED = /[\x01-\x08\x0B\x0E-\x1F\x7F\x8F\x9F]/g;
const NMT_SPACES = /[\t\n\f\r\u1680\u200B-\u200F\u2028\u2029\u2581\uFEFF\uFFFD]/g;
/* eslint-enable no-control-regex */

function normalizeNmt(text: string): string {
  return text.replace(NMT_REMOVED, "").replace(NMT_SPACES, " ");
}
