import { translatePattern } from "./huggingface";
import { rewriteOniguruma } from "./oniguruma";
import { codePointAt, unitsOf } from "./unicode";

/** A pattern as tokenizer.json writes it: a literal string, or an Oniguruma regular expression. */
export type PatternSpec = { readonly literal: string } | { readonly regex: string };

/** What happens to the matching parts. */
export type SplitBehavior = "Removed" | "Isolated" | "Contiguous" | "MergedWithPrevious" | "MergedWithNext";

export const SPLIT_BEHAVIORS: readonly SplitBehavior[] = ["Removed", "Isolated", "Contiguous", "MergedWithPrevious", "MergedWithNext"];

/** A part of a text, in UTF-16 units: [start, end). */
interface Part {
  readonly start: number;
  readonly end: number;
  readonly matches: boolean;
}

export type PartFinder = (text: string) => Part[];

/** Finds the matches of an expression (with flag g) and the text between them. */
export function findMatches(expression: RegExp): PartFinder {
  return (text) => {
    const parts: Part[] = [];
    let end = 0;
    for (const match of text.matchAll(expression)) {
      if (match.index > end) parts.push({ start: end, end: match.index, matches: false });
      end = match.index + match[0].length;
      parts.push({ start: match.index, end, matches: true });
    }
    if (end < text.length) parts.push({ start: end, end: text.length, matches: false });
    return parts;
  };
}

/** @throws SyntaxError */
export function compilePattern(spec: PatternSpec): RegExp {
  return "regex" in spec ? translatePattern(rewriteOniguruma(spec.regex)) : new RegExp(escapeRegExp(spec.literal), "gu");
}

export function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}

/** Treats each character that `matches` accepts as a match. */
export function findCharacters(matches: (codePoint: number) => boolean): PartFinder {
  return (text) => {
    const parts: Part[] = [];
    let begin = 0;
    for (let i = 0; i < text.length;) {
      const codePoint = codePointAt(text, i);
      const next = i + unitsOf(codePoint);
      if (matches(codePoint)) {
        if (begin < i) parts.push({ start: begin, end: i, matches: false });
        parts.push({ start: i, end: next, matches: true });
        begin = next;
      }
      i = next;
    }
    if (begin < text.length) parts.push({ start: begin, end: text.length, matches: false });
    return parts;
  };
}

export function invert(find: PartFinder): PartFinder {
  return (text) => find(text).map(({ start, end, matches }) => ({ start, end, matches: !matches }));
}

/** Calls back with the start and end of each remaining piece, in order. */
export function applyBehavior(
  parts: readonly Part[],
  behavior: SplitBehavior,
): readonly { readonly start: number; readonly end: number }[] {
  switch (behavior) {
    case "Removed":
      return parts.filter((part) => !part.matches);
    case "Isolated":
      return parts;
    case "Contiguous":
      return join(parts, (previous, part) => previous.matches === part.matches);
    case "MergedWithPrevious":
      return join(parts, (previous, part) => part.matches && !previous.matches);
    case "MergedWithNext":
      return join(parts, (previous, part) => previous.matches && !part.matches);
  }
}

function join(parts: readonly Part[], belongs: (previous: Part, part: Part) => boolean): { start: number; end: number }[] {
  const pieces: { start: number; end: number }[] = [];
  parts.forEach((part, i) => {
    const previous = parts[i - 1];
    const last = pieces.at(-1);
    if (previous !== undefined && last !== undefined && belongs(previous, part)) last.end = part.end;
    else pieces.push({ start: part.start, end: part.end });
  });
  return pieces;
}
