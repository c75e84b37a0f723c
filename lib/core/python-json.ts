/** Parses JSON as Python's json module does, for the files of a checkpoint other than tokenizer.json and weight headers. */

import { randomUUID } from "node:crypto";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const MINUS = "-";

/**
 * Like JSON.parse, but accepts NaN, Infinity and -Infinity as numbers. Linear in the length of the text.
 * @throws SyntaxError
 */
export function parsePythonJson(text: string): unknown {
  if (!/NaN|Infinity/.test(text)) return JSON.parse(text);
  // The marker is an object, so it cannot be a key, and its name occurs in no file.
  const nan = randomUUID();
  const json = replaceLiterals(text, `{"${nan}":0}`);
  return JSON.parse(json, (_key, value: unknown) => (isRecord(value) && Object.hasOwn(value, nan) ? NaN : value));
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

/** Replaces literals outside strings. Spaces separate the numbers from adjacent digits, so that invalid JSON stays invalid. */
function replaceLiterals(text: string, nan: string): string {
  const parts: string[] = [];
  let copied = 0;
  const replace = (at: number, literal: string, replacement: string): number => {
    parts.push(text.slice(copied, at), replacement);
    return (copied = at + literal.length);
  };
  for (let i = 0; i < text.length;) {
    if (text.charCodeAt(i) === QUOTE) i = endOfString(text, i);
    else if (text.startsWith("NaN", i)) i = replace(i, "NaN", nan);
    else if (text.startsWith("Infinity", i)) i = replace(i, "Infinity", text[i - 1] === MINUS ? "1e999 " : " 1e999 ");
    else i++;
  }
  return parts.join("") + text.slice(copied);
}

function endOfString(text: string, begin: number): number {
  let i = begin + 1;
  while (i < text.length && text.charCodeAt(i) !== QUOTE) i += text.charCodeAt(i) === BACKSLASH ? 2 : 1;
  return i + 1;
}
