/** What of a query a passage has. */

import type { Analyzer } from "../lexical/analyzer";
import type { RankedHit } from "../retrieval/retrieve-and-rerank";
import type { NativeTermRows } from "../native/contract";
import type { Span } from "../retrieval/passage-windows";
import type { SparseEncoder, TokenWeight } from "../sparse-encoder";
import type { SparseVector } from "../sparse-matrix";
import { intersectionWith } from "../sparse-ops";
import { modelText } from "./record";
import type { View } from "./view";

/** Punctuation has weights too, but nobody looks for it. */
const LETTER = /[\p{L}\p{N}]/u;

/** For each hit, the tokens of the query's vector that the passage's has, with the products of both weights. */
export async function matchedTokens(
  view: View,
  encoder: SparseEncoder,
  query: SparseVector,
  hits: readonly RankedHit[],
  signal: AbortSignal,
): Promise<TokenWeight[][]> {
  if (hits.length === 0) return [];
  const { indptr, indices, values } = await view.vectors(
    hits.map(({ id }) => id),
    signal,
  );
  const matching = intersectionWith(query);
  return hits.map((_, i) => {
    const part = (array: Uint32Array | Float32Array): unknown => array.subarray(indptr[i], indptr[i + 1]);
    const vector: SparseVector = { indices: part(indices) as Uint32Array, values: part(values) as Float32Array, size: query.size };
    return encoder.decode(matching(vector));
  });
}

/** The distinct terms of the rows, in their order. */
export function distinctTerms({ terms: { offsets, bytes } }: NativeTermRows): Set<string> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return new Set(Array.from({ length: offsets.length - 1 }, (_, i) => buffer.toString("utf8", offsets[i], offsets[i + 1])));
}

/** Units of a text that is analyzed in one go: about a millisecond. A whole book lets other events through. */
const MAX_AT_ONCE = 16_384;

/** The terms of the query that a text has, in the query's order. */
export async function matchedTerms(analyzer: Analyzer, query: ReadonlySet<string>, text: string, signal: AbortSignal): Promise<string[]> {
  const terms = text.length <= MAX_AT_ONCE ? analyzer.terms(text) : distinctTerms(await analyzer.termRows([text], { signal }));
  const found = new Set<string>();
  for (const term of terms) if (query.has(term)) found.add(term);
  return [...query].filter((term) => found.has(term));
}

/** A passage, and what it was searched for. */
export interface MarkedPassage {
  /** Where it begins in its document. */
  readonly start: number;
  readonly text: string;
  readonly title: string | undefined;
  readonly vector?: SparseVector;
  readonly terms?: ReadonlySet<string>;
}

/** The words of a passage that matched, in the document's units; ascending, without overlap. */
export async function highlightsOf(
  { encoder, analyzer }: { readonly encoder: SparseEncoder | undefined; readonly analyzer: Analyzer | undefined },
  { start, text, title, vector, terms }: MarkedPassage,
  signal: AbortSignal,
): Promise<Span[]> {
  // Not push(...), since there may be more than the stack has room for.
  const spans: Span[] = terms === undefined ? [] : (analyzer?.spans(text) ?? []).filter(({ term }) => terms.has(term));
  if (vector !== undefined && encoder !== undefined) {
    const prefix = modelText(title, "").length;
    const traced = await encoder.trace(modelText(title, text), { signal });
    const wanted = new Set(vector.indices);
    for (const [i, source] of traced.sources.entries()) {
      if (source === undefined || source.start < prefix || !wanted.has(traced.vector.indices[i] ?? -1)) continue;
      const span = { start: source.start - prefix, end: source.end - prefix };
      if (LETTER.test(text.slice(span.start, span.end))) spans.push(span);
    }
  }
  return joined(spans).map((span) => ({ start: start + span.start, end: start + span.end }));
}

/** Spans without overlap that cover the same units. */
function joined(spans: readonly Span[]): Span[] {
  const result: { start: number; end: number }[] = [];
  for (const { start, end } of spans.toSorted((a, b) => a.start - b.start || a.end - b.end)) {
    const last = result.at(-1);
    if (last === undefined || start >= last.end) result.push({ start, end });
    else last.end = Math.max(last.end, end);
  }
  return result;
}
