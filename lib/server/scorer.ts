/** Scores of query-document pairs, for all contracts: by a cross-encoder, or without one by the dot product of sparse vectors. */

import { descendingOrder } from "../core/order";
import type { Pair, PredictOptions } from "../cross-encoder";
import { SparseRerankError } from "../errors";
import type { TokenizeOptions } from "../options";
import type { SparseEncoder } from "../sparse-encoder";
import { SparseMatrix } from "../sparse-matrix";
import { invalidRequest } from "./failures";
import type { ServedModel } from "./models";
import type { ScoreKind } from "./options";

export interface ScoreOptions {
  /** Of a cross-encoder. Dot products stay as they are: a sigmoid would make the larger ones equal. */
  readonly kind: ScoreKind;
  /** The most tokens of a query and of a document, special tokens not counted; 0 for no limit. */
  readonly maxQueryTokens?: number | undefined;
  readonly maxDocumentTokens?: number | undefined;
  /** The end at which long texts are cut. Default: that of the model. */
  readonly truncationSide?: "left" | "right" | undefined;
  readonly batchSize?: number;
  readonly signal: AbortSignal;
}

type Work = Pick<PredictOptions, "maxQueryTokens" | "maxDocumentTokens" | "truncationSide" | "batchSize"> & {
  readonly signal: AbortSignal;
};

export interface Scores {
  /** In the order of the pairs. */
  readonly scores: Float32Array;
  /** What orders equal scores: logits, since a sigmoid reaches 1. */
  readonly ties: Float32Array;
  /** Positions of the pairs that were longer than the model reads. */
  readonly truncated: Uint32Array;
}

export interface Ranked {
  readonly index: number;
  readonly score: number;
}

/** Errors: those of predict() and encode(), Refusal (422: limits of tokens from the left, for a sparse encoder). */
export async function scorePairs(
  served: ServedModel,
  pairs: readonly Pair[],
  { kind, maxQueryTokens, maxDocumentTokens, truncationSide, ...rest }: ScoreOptions,
): Promise<Scores> {
  const work: Work = {
    ...rest,
    ...limit("maxQueryTokens", maxQueryTokens),
    ...limit("maxDocumentTokens", maxDocumentTokens),
    ...(truncationSide === undefined ? {} : { truncationSide }),
  };
  if (served.kind === "encoder") return dotProducts(served.model, pairs, work);
  const activation = kind === "raw" ? "identity" : "sigmoid";
  const { data, logits = data, truncated } = await served.model.predict(pairs, { ...work, activation, scores: "logits" });
  return { scores: data, ties: logits, truncated };
}

function limit<K extends string>(name: K, tokens: number | undefined): Partial<Record<K, number>> {
  return tokens === undefined || tokens === 0 ? {} : ({ [name]: tokens } as Record<K, number>);
}

/** By descending score; equal scores as in CrossEncoder.rank(). */
export function ranked({ scores, ties }: Scores, topK?: number): Ranked[] {
  return descendingOrder(scores, ties)
    .slice(0, topK)
    .map((index) => ({ index, score: scores[index] ?? 0 }));
}

async function dotProducts(
  encoder: SparseEncoder,
  pairs: readonly Pair[],
  { maxQueryTokens, maxDocumentTokens, ...work }: Work,
): Promise<Scores> {
  if (work.truncationSide === "left" && (maxQueryTokens ?? maxDocumentTokens) !== undefined) {
    throw invalidRequest("max_tokens_per_doc and max_tokens_per_query cannot be combined with truncation_direction left for this model.");
  }
  const queries = [...new Set(pairs.map(([query]) => query))];
  const documents = pairs.map(([, document]) => document);
  const [leftTexts, rightTexts] = await Promise.all([
    cutTexts(encoder, queries, maxQueryTokens, { task: "query", signal: work.signal }),
    cutTexts(encoder, documents, maxDocumentTokens, { task: "document", signal: work.signal }),
  ]);
  const [left, right] = await Promise.all([encoder.encodeQuery(leftTexts, work), encoder.encodeDocument(rightTexts, work)]);
  const rowOf = new Map(queries.map((query, row) => [query, row]));
  const cutQueries = new Set(left.truncated);
  const rows = pairs.map(([query]) => rowOf.get(query) ?? 0);
  const cutDocuments = new Set(right.truncated);
  const truncated = Uint32Array.from(rows.flatMap((row, i) => (cutQueries.has(row) || cutDocuments.has(i) ? [i] : [])));
  const scores = finite(await products(encoder, left, right, rows));
  return { scores, ties: scores, truncated };
}

/** One query for all documents, or the query of row rows[i] for document i. */
async function products(encoder: SparseEncoder, left: SparseMatrix, right: SparseMatrix, rows: readonly number[]): Promise<Float32Array> {
  if (left.rows === 1) return (await encoder.similarity(left, right)).data;
  const aligned = SparseMatrix.fromRows(
    rows.map((row) => left.row(row)),
    left.cols,
  );
  return encoder.similarityPairwise(aligned, right);
}

/**
 * The beginnings of texts, up to so many tokens: a sparse encoder has no option for it. A text whose tokens have no known places stays
 * whole.
 */
async function cutTexts(
  encoder: SparseEncoder,
  texts: readonly string[],
  maxTokens: number | undefined,
  options: Pick<TokenizeOptions, "task" | "signal">,
): Promise<readonly string[]> {
  if (maxTokens === undefined || maxTokens >= encoder.maxSeqLength) return texts;
  const tokens = await encoder.textTokens(texts, { ...options, addSpecialTokens: false });
  return texts.map((text, i) => {
    const own = tokens[i] ?? [];
    const end = own.length <= maxTokens ? undefined : own.slice(0, maxTokens).findLast((token) => token.end !== undefined)?.end;
    return end === undefined ? text : text.slice(0, end);
  });
}

function finite(scores: Float32Array): Float32Array {
  if (scores.every((score) => Number.isFinite(score))) return scores;
  throw new SparseRerankError("ERR_RUNTIME_FAILED", "The model computed a score that is no finite number.");
}
