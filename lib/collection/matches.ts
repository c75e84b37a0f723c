/** What of a query a passage has. */

import type { Analyzer } from "../lexical/analyzer";
import type { NativeRows, NativeStrings } from "../native/contract";
import { unpackStrings } from "../native/strings";
import type { Span } from "../retrieval/passage-windows";
import { optional } from "../retrieval/retriever";
import type { SparseEncoder, TokenWeight } from "../sparse-encoder";
import type { SparseVector } from "../sparse-matrix";
import { intersectionWith } from "../sparse-ops";
import { modelText } from "./record";
import type { CollectionHit } from "./types";
import type { View } from "./view";

/** Punctuation has weights too, but nobody looks for it. */
const LETTER = /[\p{L}\p{N}]/u;

/** A query as each side has it. */
export interface SearchedQuery {
  /** The model that made the vector. */
  readonly encoder: SparseEncoder | undefined;
  readonly vector: SparseVector | undefined;
  readonly terms: NativeStrings | undefined;
}

/**
 * For each passage, the tokens of the query's vector that the passage's has, with the products of both weights, and the terms of the query that
 * it has, in the query's order.
 *
 * @param ids of the passages in the index
 */
export async function matchesOf(
  view: View,
  ids: readonly string[],
  { encoder, vector: query, terms }: SearchedQuery,
  signal: AbortSignal,
): Promise<CollectionHit["matched"][]> {
  if (ids.length === 0) return [];
  const { vectors, matched } = await view.read(ids, { vectors: query !== undefined, ...optional("terms", terms), signal });
  const words = terms === undefined ? [] : unpackStrings(terms);
  const matching = query && intersectionWith(query);
  const tokensOf = (row: SparseVector): TokenWeight[] | undefined => matching && encoder?.decode(matching(row));
  return ids.map((_, i) => ({
    ...optional("sparse", query && vectors && tokensOf(rowOf(vectors, i, query.size))),
    ...optional("lexical", matched && words.filter((_word, j) => matched[i * words.length + j] === 1)),
  }));
}

function rowOf({ indptr, indices, values }: NativeRows, i: number, size: number): SparseVector {
  const [start, end] = [indptr[i], indptr[i + 1]];
  return { indices: indices.subarray(start, end), values: values.subarray(start, end), size };
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
