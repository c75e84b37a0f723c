/** Python's operations on texts. */

import type { Budget } from "./budget";
import { failed } from "./failure";
import { characters, isTrue } from "./values";
import type { Value } from "./values";

/** What str.strip() and str.split() take for white space: other characters than JavaScript's trim(). */
const SPACE = "\\t-\\r\\x1C-\\x20\\x85\\xA0\\u1680\\u2000-\\u200A\\u2028\\u2029\\u202F\\u205F\\u3000";
const IS_SPACE = new RegExp(`^[${SPACE}]$`);
const WORDS = new RegExp(`[^${SPACE}]+`, "g");
const LETTERS = /\p{L}[\p{L}\p{M}]*/gu;
const LINES = /\r\n|[\n\r\v\f\x1C-\x1E\x85\u2028\u2029]/g; // eslint-disable-line no-control-regex -- what str.splitlines() splits at

/** @param set the characters to remove; undefined for white space */
export function strip(text: string, set: string | undefined, left: boolean, right: boolean): string {
  const set_ = set === undefined ? undefined : new Set(set);
  const removes = (character: string): boolean => set_?.has(character) ?? IS_SPACE.test(character);
  let start = 0;
  let end = text.length;
  if (left) {
    for (let character = characterAt(text, start); start < end && removes(character); character = characterAt(text, start)) {
      start += character.length;
    }
  }
  if (right) {
    for (let character = lastCharacter(text, end); end > start && removes(character); character = lastCharacter(text, end)) {
      end -= character.length;
    }
  }
  return text.slice(start, end);
}

function characterAt(text: string, at: number): string {
  return at < text.length ? String.fromCodePoint(text.codePointAt(at) ?? 0) : "";
}

function lastCharacter(text: string, end: number): string {
  const pair = end >= 2 ? text.slice(end - 2, end) : "";
  return /^[\uD800-\uDBFF][\uDC00-\uDFFF]$/.test(pair) ? pair : text.slice(end - 1, end);
}

/** @param most number of cuts; -1 for all */
export function split(text: string, separator: string | undefined, most: number, budget: Budget): readonly string[] {
  if (separator === "") throw failed("split() has an empty separator");
  const parts: string[] = [];
  let at = 0;
  if (separator === undefined) {
    for (const { 0: word, index } of text.matchAll(WORDS)) {
      budget.step();
      if (most >= 0 && parts.length === most) return [...parts, text.slice(index)];
      parts.push(word);
    }
    return parts;
  }
  budget.search(text, separator);
  let cuts = most < 0 ? Infinity : most;
  for (let next = text.indexOf(separator); next !== -1 && cuts > 0; next = text.indexOf(separator, at)) {
    budget.step();
    parts.push(text.slice(at, next));
    at = next + separator.length;
    cuts--;
  }
  return [...parts, text.slice(at)];
}

/** split() from the end. */
export function splitRight(text: string, separator: string, most: number, budget: Budget): readonly string[] {
  const parts = split(text, separator, -1, budget);
  const kept = most < 0 ? 0 : Math.max(0, parts.length - 1 - most);
  return [parts.slice(0, kept + 1).join(separator), ...parts.slice(kept + 1)];
}

export function lines(text: string): readonly string[] {
  const found = text.split(LINES);
  return found.at(-1) === "" ? found.slice(0, -1) : found;
}

/** @param most number of replacements; -1 for all */
export function replace(text: string, from: string, to: string, most: number, budget: Budget): string {
  const parts = from === "" ? ["", ...characters(text), ""] : split(text, from, most, budget);
  if (from === "") budget.step(parts.length);
  const cuts = most < 0 ? parts.length - 1 : Math.min(most, parts.length - 1);
  budget.write(text.length + cuts * to.length);
  const joinedParts = parts.slice(0, cuts + 1).join(to);
  return joinedParts + parts.slice(cuts + 1).join(from);
}

export function capitalize(text: string): string {
  const [first = ""] = Array.from(text.slice(0, 2));
  return first.toUpperCase() + text.slice(first.length).toLowerCase();
}

/** str.title(): every run of letters. */
export function titleWords(text: string): string {
  return text.replace(LETTERS, capitalize);
}

/** The filter title: words begin behind white space, hyphens and opening brackets. */
export function titleFilter(text: string): string {
  return text
    .split(/([-\s({[<]+)/u)
    .map(capitalize)
    .join("");
}

/** The filter indent. */
export function indent(text: string, width: string, first: Value, blank: Value, budget: Budget): string {
  const all = `${text}\n`.split(/\r\n|[\n\r\v\f\x1C-\x1E\x85\u2028\u2029]/).slice(0, -1); // eslint-disable-line no-control-regex -- what str.splitlines() splits at
  budget.step(all.length);
  budget.write(text.length + width.length * all.length);
  if (isTrue(blank)) return (isTrue(first) ? width : "") + all.join(`\n${width}`);
  const [head = "", ...tail] = all;
  return (isTrue(first) ? width : "") + [head, ...tail.map((line) => (line === "" ? "" : width + line))].join("\n");
}
