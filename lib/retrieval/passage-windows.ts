/** Splits long documents into overlapping windows that a cross-encoder reads whole. */

import { requirePositiveInteger, requireRecord, invalid } from "../core/validate";
import type { CrossEncoder } from "../cross-encoder";

export interface WindowOptions {
  /** The most tokens of a window; default: what the query leaves of the model's maximum. */
  readonly tokens?: number;
  /** Share of a window that the next one repeats, from 0 to below 1; default 0.25. */
  readonly overlap?: number;
  /** How a document's score follows from those of its windows: the highest, or the mean of the n highest. Default "max". */
  readonly aggregate?: "max" | { readonly meanOfTop: number };
}

/** A part of a text: its UTF-16 units [start, end). */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** A word, or part of a long one, since scripts without spaces have no other boundary. */
const PIECE = /\S{1,24}/gu;
const DEFAULT_OVERLAP = 0.25;

export function checkWindows(options: WindowOptions): void {
  requireRecord(options, "windows", ["tokens", "overlap", "aggregate"]);
  const { tokens, overlap, aggregate } = options;
  if (tokens !== undefined) requirePositiveInteger(tokens, "windows.tokens");
  if (overlap !== undefined && (typeof overlap !== "number" || !(overlap >= 0 && overlap < 1))) {
    throw invalid("windows.overlap", overlap, "a number of at least 0 and below 1");
  }
  if (aggregate === undefined || aggregate === "max") return;
  requireRecord(aggregate, "windows.aggregate", ["meanOfTop"]);
  requirePositiveInteger(aggregate.meanOfTop, "windows.aggregate.meanOfTop");
}

/** Tokens of a document that fit next to the query: a pair has at most twice the special tokens of a text. */
export async function roomBeside(query: string, encoder: CrossEncoder): Promise<number> {
  const [special = new Uint32Array(0), read = new Uint32Array(0)] = await encoder.tokenize(["", query]);
  return Math.max(1, encoder.maxSeqLength - read.length - special.length);
}

/**
 * Windows of whole words, of at most `room` tokens, over the whole text; a text that fits is one window. Words are tokenized one by one, so
 * a window may have slightly fewer tokens than fit.
 */
export async function windowsOfText(
  text: string,
  room: number,
  encoder: CrossEncoder,
  { tokens, overlap = DEFAULT_OVERLAP }: WindowOptions,
): Promise<Span[]> {
  const size = Math.min(room, tokens ?? room);
  // Each with the white space before it.
  let behind = 0;
  const pieces = Array.from(text.matchAll(PIECE), (match): Span => ({ start: behind, end: (behind = match.index + match[0].length) }));
  const [special = new Uint32Array(0), ...read] = await encoder.tokenize(["", ...pieces.map(({ start, end }) => text.slice(start, end))]);
  const counts = read.map((ids) => ids.length - special.length);
  const spans: Span[] = [];
  for (let first = 0; first < pieces.length;) {
    const end = endOfWindow(counts, first, size);
    spans.push({ start: pieces[first]?.start ?? 0, end: pieces[end - 1]?.end ?? text.length });
    if (end === pieces.length) break;
    first = Math.max(first + 1, startOfOverlap(counts, end, size * overlap));
  }
  return spans.length === 0 ? [{ start: 0, end: text.length }] : spans;
}

/** The score of a document and the index of its highest-scoring window. */
export function aggregateWindows(
  scores: readonly number[],
  aggregate: WindowOptions["aggregate"] = "max",
): { readonly score: number; readonly best: number } {
  const best = scores.reduce((at, score, i) => (score > (scores[at] ?? 0) ? i : at), 0);
  if (aggregate === "max") return { score: scores[best] ?? 0, best };
  const top = scores.toSorted((a, b) => b - a).slice(0, aggregate.meanOfTop);
  return { score: top.reduce((sum, score) => sum + score, 0) / top.length, best };
}

/** The index after the last piece that fits; a window has at least one piece. */
function endOfWindow(counts: readonly number[], first: number, size: number): number {
  let end = first;
  let used = 0;
  while (end < counts.length && (end === first || used + (counts[end] ?? 0) <= size)) used += counts[end++] ?? 0;
  return end;
}

function startOfOverlap(counts: readonly number[], end: number, size: number): number {
  let start = end;
  let used = 0;
  while (start > 0 && used + (counts[start - 1] ?? 0) <= size) used += counts[--start] ?? 0;
  return start;
}
