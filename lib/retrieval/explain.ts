import { requireMethod } from "../core/validate";
import { checkTokenizeOptions } from "../options";
import type { TokenizeOptions } from "../options";
import type { SparseEncoder, TracedText } from "../sparse-encoder";
import { intersection } from "../sparse-ops";
import type { Span } from "./passage-windows";

/** A token that query and document share. */
export interface Contribution {
  readonly token: string;
  readonly id: number;
  /** Its share of the score: query · document. */
  readonly contribution: number;
  readonly query: number;
  readonly document: number;
  /** Whether the token occurs in the text itself; otherwise the model added it. */
  readonly inQuery: boolean;
  readonly inDocument: boolean;
  /** The words that the two weights come from, if known. */
  readonly querySpan?: Span;
  readonly documentSpan?: Span;
}

/** A part of a text and its contribution to the score. */
export interface WeightedSpan extends Span {
  readonly contribution: number;
}

export interface Explanation {
  readonly query: string;
  readonly document: string;
  /** Sum of the contributions. */
  readonly score: number;
  /** By descending contribution. */
  readonly contributions: readonly Contribution[];
  /** Words of each text with a contribution, in text order. */
  readonly querySpans: readonly WeightedSpan[];
  readonly documentSpans: readonly WeightedSpan[];
}

/** A weight of a text's vector. */
export interface ExplainedToken {
  readonly token: string;
  readonly id: number;
  readonly weight: number;
  /** Whether the token occurs in the text itself; otherwise the model added it. */
  readonly literal: boolean;
  /** The word that the weight comes from, if known. */
  readonly span?: Span;
}

export interface ExplainedText {
  readonly text: string;
  readonly task: "query" | "document";
  /** By descending weight. */
  readonly tokens: readonly ExplainedToken[];
}

/**
 * The weights of a text, and the words that they come from.
 *
 * Errors: ERR_INVALID_ARGUMENT, ERR_ABORTED, ERR_DISPOSED, ERR_RUNTIME_FAILED.
 */
export async function explainText(
  encoder: SparseEncoder,
  text: string,
  { task, signal }: { readonly task: "query" | "document"; readonly signal?: AbortSignal },
): Promise<ExplainedText> {
  const traced = await encoder.trace(text, { task, ...(signal === undefined ? {} : { signal }) });
  const at = positionsOf(traced);
  const tokens = encoder.decode(traced.vector).map(({ token, id, weight }): ExplainedToken => {
    const span = traced.sources[at.get(id) ?? -1];
    return { token, id, weight, literal: traced.literal.has(id), ...(span === undefined ? {} : { span }) };
  });
  return { text, task, tokens };
}

/**
 * Explains why a document matches a query: every token in both vectors, the words of the two texts that its weights come from, and whether
 * it occurs in them or was added by the model.
 *
 * Errors: ERR_INVALID_ARGUMENT, ERR_ABORTED, ERR_DISPOSED, ERR_RUNTIME_FAILED.
 */
export async function explain(
  encoder: SparseEncoder,
  query: string,
  document: string,
  options: Pick<TokenizeOptions, "signal"> = {},
): Promise<Explanation> {
  requireMethod(encoder, "trace", "encoder", "a SparseEncoder");
  checkTokenizeOptions(options, ["signal"]);
  const left = await encoder.trace(query, { ...options, task: "query" });
  const right = await encoder.trace(document, { ...options, task: "document" });
  const leftAt = positionsOf(left);
  const rightAt = positionsOf(right);
  const contributions = encoder.decode(intersection(left.vector, right.vector)).map(({ token, id, weight }): Contribution => {
    const l = leftAt.get(id) ?? -1;
    const r = rightAt.get(id) ?? -1;
    const querySpan = left.sources[l];
    const documentSpan = right.sources[r];
    return {
      token,
      id,
      contribution: weight,
      query: left.vector.values[l] ?? 0,
      document: right.vector.values[r] ?? 0,
      inQuery: left.literal.has(id),
      inDocument: right.literal.has(id),
      ...(querySpan === undefined ? {} : { querySpan }),
      ...(documentSpan === undefined ? {} : { documentSpan }),
    };
  });
  return {
    query,
    document,
    score: contributions.reduce((sum, { contribution }) => sum + contribution, 0),
    contributions,
    querySpans: weigh(contributions, "querySpan"),
    documentSpans: weigh(contributions, "documentSpan"),
  };
}

function positionsOf({ vector }: TracedText): ReadonlyMap<number, number> {
  return new Map(Array.from(vector.indices, (id, i) => [id, i]));
}

function weigh(contributions: readonly Contribution[], side: "querySpan" | "documentSpan"): WeightedSpan[] {
  const spans = new Map<number, WeightedSpan>();
  for (const each of contributions) {
    const span = each[side];
    if (span === undefined) continue;
    spans.set(span.start, { ...span, contribution: (spans.get(span.start)?.contribution ?? 0) + each.contribution });
  }
  return [...spans.values()].sort((a, b) => a.start - b.start);
}
