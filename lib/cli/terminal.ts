/** What views are made of: text that is safe for a terminal, colours where a person sees them, widths as a terminal counts them. */

import { once } from "node:events";
import { styleText } from "node:util";

type Style = Parameters<typeof styleText>[0];

const MIN_COLUMNS = 40;
const MAX_COLUMNS = 120;

/** Marks and format characters take no column, East Asian wide ones and emoji take two. */
const ZERO_WIDTH = /[\p{M}\p{Cf}]/u;
const WIDE = /[\p{sc=Han}\p{sc=Hangul}\p{sc=Hira}\p{sc=Kana}\p{Emoji_Presentation}\u3000-\u303e\uff01-\uff60]/u;
/**
 * C0, DEL and C1 controls move the cursor or begin escape sequences, direction marks reorder what stands beside them, and half a surrogate pair is
 * no character.
 */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;
/** What JSON.stringify leaves as it is of the controls, line separators and direction marks. */
const UNSAFE_IN_JSON = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** FORCE_COLOR and NO_COLOR say what they say, if not empty; else colours go to terminals. */
export function hasColour(stream: { readonly isTTY?: boolean }): boolean {
  const force = process.env["FORCE_COLOR"] ?? "";
  if (force !== "") return force !== "0";
  if ((process.env["NO_COLOR"] ?? "") !== "") return false;
  return stream.isTTY === true && process.env["TERM"] !== "dumb";
}

/** Text for stdout, styled if it shows colours. */
export function paint(style: Style, text: string): string {
  return hasColour(process.stdout) ? styleText(style, text, { validateStream: false }) : text;
}

/** Writes a line to stdout, and waits while its reader is slow. Text from outside goes through printable() first, objects through writeJson(). */
export async function writeLine(line: string): Promise<void> {
  if (!process.stdout.write(`${line}\n`)) await once(process.stdout, "drain");
}

/** Writes an object as a line of JSON. */
export function writeJson(value: object): Promise<void> {
  return writeLine(safeJson(JSON.stringify(value)));
}

/** JSON that parses to the same value and has no character that a terminal obeys. */
export function safeJson(json: string): string {
  return json.replace(UNSAFE_IN_JSON, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

export function columns(): number {
  return Math.max(MIN_COLUMNS, Math.min(process.stdout.columns || MAX_COLUMNS, MAX_COLUMNS));
}

/**
 * Text from outside (names, ids, texts, reasons, messages) on one line and safe for a terminal: white space becomes a space; control characters,
 * direction marks and halves of surrogate pairs are left out.
 */
export function printable(text: string): string {
  return text.replace(/\s+/gu, " ").replace(UNPRINTABLE, "").trim();
}

/** printable() for each line. Lines after the first keep their indentation, which is two spaces at least: none looks like a first one. */
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

/** The text, or as much of it as fits and an ellipsis. */
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

/** A horizontal bar of `share` of `width`, in eighths of a column; something shows for any positive share. */
export function bar(share: number, width: number): string {
  const clamped = Math.max(0, Math.min(1, share));
  const eighths = Math.max(clamped > 0 ? 1 : 0, Math.round(clamped * width * 8));
  return "█".repeat(Math.floor(eighths / 8)) + (["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8] ?? "");
}

/** 12,345 */
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

/** A warning about truncated inputs. */
export function cutMessage(count: number, noun: string, maxSeqLength: number): string {
  return `${counted(count, noun)} longer than ${maxSeqLength} tokens: only the beginning was encoded.`;
}
