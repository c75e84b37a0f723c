/** Terminal output: sanitized text, colors if stdout is a terminal, and display widths. */

import { once } from "node:events";
import { styleText } from "node:util";

type Style = Parameters<typeof styleText>[0];

const MIN_COLUMNS = 40;
const MAX_COLUMNS = 120;

/** Combining marks and format characters occupy no column; wide East Asian characters and emoji occupy two. */
const ZERO_WIDTH = /[\p{M}\p{Cf}]/u;
const WIDE = /[\p{sc=Han}\p{sc=Hangul}\p{sc=Hira}\p{sc=Kana}\p{Emoji_Presentation}\u3000-\u303e\uff01-\uff60]/u;
/**
 * C0, DEL and C1 controls move the cursor or begin escape sequences, directional marks reorder adjacent text, and a lone surrogate is not a
 * character.
 */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;
/** Controls, line separators and directional marks that JSON.stringify does not escape. */
const UNSAFE_IN_JSON = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** Whether to write colors to a stream: as FORCE_COLOR or NO_COLOR demand (if not empty), otherwise if it is a terminal. */
export function hasColor(stream: { readonly isTTY?: boolean }): boolean {
  const force = process.env["FORCE_COLOR"] ?? "";
  if (force !== "") return force !== "0";
  if ((process.env["NO_COLOR"] ?? "") !== "") return false;
  return stream.isTTY === true && process.env["TERM"] !== "dumb";
}

/** Styles text for stdout if colors are enabled. */
export function paint(style: Style, text: string): string {
  return hasColor(process.stdout) ? styleText(style, text, { validateStream: false }) : text;
}

/** Writes a line to stdout and waits for a slow reader. Pass untrusted text through printable() first; write objects with writeJson(). */
export async function writeLine(line: string): Promise<void> {
  if (!process.stdout.write(`${line}\n`)) await once(process.stdout, "drain");
}

/** Writes an object as one line of JSON. */
export function writeJson(value: object): Promise<void> {
  return writeLine(safeJson(JSON.stringify(value)));
}

/** JSON for one line of a terminal. */
export function printableJson(value: object): string {
  return printable(JSON.stringify(value));
}

/** Escapes the characters in JSON that a terminal would interpret; the parsed value is unchanged. */
export function safeJson(json: string): string {
  return json.replace(UNSAFE_IN_JSON, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

export function columns(): number {
  return Math.max(MIN_COLUMNS, Math.min(process.stdout.columns || MAX_COLUMNS, MAX_COLUMNS));
}

/**
 * Sanitizes untrusted text (names, ids, texts, messages) for one line of a terminal: collapses white space to single spaces and removes
 * control characters, directional marks and lone surrogates.
 */
export function printable(text: string): string {
  return text.replace(/\s+/gu, " ").replace(UNPRINTABLE, "").trim();
}

/** Applies printable() to each line. Lines after the first are indented by at least two spaces, so that none looks like a new message. */
export function printableLines(text: string): string {
  const [first = "", ...others] = text.split("\n");
  const indented = others.map((line) => " ".repeat(Math.max(2, line.search(/[^ ]|$/))) + printable(line));
  return [printable(first), ...indented].join("\n");
}

export function displayWidth(text: string): number {
  let width = 0;
  for (const character of text) width += ZERO_WIDTH.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
  return width;
}

/** Shortens a text to `width` columns, with an ellipsis if it is cut. */
export function truncate(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  let kept = "";
  let room = width - 1;
  for (const character of text) {
    room -= displayWidth(character);
    if (room < 0) break;
    kept += character;
  }
  return `${kept}…`;
}

export function padEnd(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - displayWidth(text)));
}

/** A horizontal bar that fills `share` of `width`, in eighths of a column. Any positive share is visible. */
export function bar(share: number, width: number): string {
  const clamped = Math.max(0, Math.min(1, share));
  const eighths = Math.max(clamped > 0 ? 1 : 0, Math.round(clamped * width * 8));
  return "█".repeat(Math.floor(eighths / 8)) + (["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8] ?? "");
}

/** Formats an integer with thousands separators: "12,345". */
export function grouped(number: number): string {
  return Math.round(number).toLocaleString("en");
}

/** "1 text", "12,345 texts". */
export function counted(number: number, noun: string, plural = `${noun}s`): string {
  return `${grouped(number)} ${number === 1 ? noun : plural}`;
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

export function duration(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 90) return `${seconds.toFixed(0)} s`;
  return seconds < 5400 ? `${(seconds / 60).toFixed(0)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/** The warning about truncated inputs. */
export function cutMessage(count: number, noun: string, maxSeqLength: number): string {
  return `${counted(count, noun)} longer than ${maxSeqLength} tokens: only the beginning was encoded.`;
}
