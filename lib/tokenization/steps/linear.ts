/** Which tokenizers take time linear in the length of any text: only these run on the JS thread and without a time limit. */

import type { AddedToken } from "./added-tokens";
import type { NormalizerSpec } from "./normalizers";
import type { PatternSpec } from "./pattern";
import type { PreTokenizerSpec } from "./pre-tokenizers";

/** Runs of SentencePiece's mark for white space. */
export const MARK_RUNS = "▁+";

/** Patterns of published tokenizers whose matches are words with at most one blank before them. */
const WORD_PATTERNS: ReadonlySet<string> = new Set([
  // GPT-2.
  String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`,
  String.raw`'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`,
  // cl100k and Llama 3, Qwen 2, o200k.
  String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
  String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
  String.raw`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
]);

/** Patterns of published tokenizers. Each visits every part of a text a few times at most. */
const KNOWN_PATTERNS: ReadonlySet<string> = new Set([
  ...WORD_PATTERNS,
  // DeBERTa, and SentencePiece's runs of white space.
  String.raw`\s{2,}|[\n\r\t]`,
  " {2,}",
  MARK_RUNS,
]);
/** A single character class, optionally repeated. */
const ONE_CLASS = /^(?:\\[sdwSDWnrt]|\\p\{\w+\}|\[[\w\s.,;:!?]+\])\+?$/;
/** Searching for a literal takes up to its length for each character. */
const MAX_LITERAL = 256;
const MAX_ADDED_TOKENS = 4096;
const MAX_STEPS = 16;

export interface TextSteps {
  readonly normalizers: readonly NormalizerSpec[];
  readonly preTokenizers: readonly PreTokenizerSpec[];
  readonly addedTokens: readonly AddedToken[];
}

export function isLinear({ normalizers, preTokenizers, addedTokens }: TextSteps): boolean {
  const patterns = [...normalizers, ...preTokenizers].flatMap((step) => ("pattern" in step ? [step.pattern] : []));
  return (
    normalizers.length + preTokenizers.length <= MAX_STEPS &&
    patterns.every(isLinearPattern) &&
    addedTokens.length <= MAX_ADDED_TOKENS &&
    addedTokens.every(({ content }) => content.length <= MAX_LITERAL)
  );
}

function isLinearPattern(pattern: PatternSpec): boolean {
  return "literal" in pattern ? pattern.literal.length <= MAX_LITERAL : isKnownPattern(pattern.regex) || ONE_CLASS.test(pattern.regex);
}

export function isKnownPattern(regex: string): boolean {
  return KNOWN_PATTERNS.has(regex);
}

/** Whether a text's pieces before a blank between two letters do not depend on what follows. */
export function splitsAtBlanks(regex: string): boolean {
  return WORD_PATTERNS.has(regex);
}
