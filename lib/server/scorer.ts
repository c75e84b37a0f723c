/** Scores of query-document pairs, for all contracts: by a cross-encoder, or without one by the dot product of sparse vectors. */

import type { Pair } from "../cross-encoder";
import { SparseRerankError } from "../errors";
import type { SparseEncoder } from "../sparse-encoder";
import { SparseMatrix } from "../sparse-matrix";
import type { ServedModel } from "./models";
import type { ScoreKind } from "./options";

export interface ScoreOptions {
  /** Of a cross-encoder. Dot products stay as they are: a sigmoid would make the larger ones equal. */
  readonly kind: ScoreKind;
  readonly batchSize?: number;
  readonly signal: AbortSignal;
}

export interface Scores {
  /** In the order of the pairs. */
  readonly scores: Float32Array;
  /** Positions of the pairs that were longer than the model reads. */
  readonly truncated: Uint32Array;
}

export interface Ranked {
  readonly index: number;
  readonly score: number;
}

export async function scorePairs(served: ServedModel, pairs: readonly Pair[], { kind, ...work }: ScoreOptions): Promise<Scores> {
  if (served.kind === "encoder") return dotProducts(served.model, pairs, work);
  const { data, truncated } = await served.model.predict(pairs, { ...work, activation: kind === "raw" ? "identity" : "sigmoid" });
  return { scores: data, truncated };
}

/** By descending score; equal scores keep their order. */
export function ranked(scores: Float32Array, topK = scores.length): Ranked[] {
  const order = Array.from(scores, (score, index) => ({ index, score }));
  return order.sort((a, b) => b.score - a.score || a.index - b.index).slice(0, topK);
}

async function dotProducts(encoder: SparseEncoder, pairs: readonly Pair[], work: Omit<ScoreOptions, "kind">): Promise<Scores> {
  const queries = [...new Set(pairs.map(([query]) => query))];
  const [left, right] = await Promise.all([
    encoder.encodeQuery(queries, work),
    encoder.encodeDocument(
      pairs.map(([, document]) => document),
      work,
    ),
  ]);
  const rowOf = new Map(queries.map((query, row) => [query, row]));
  const cut = new Set(left.truncated);
  const rows = pairs.map(([query]) => rowOf.get(query) ?? 0);
  const documents = new Set(right.truncated);
  const truncated = Uint32Array.from(rows.flatMap((row, i) => (cut.has(row) || documents.has(i) ? [i] : [])));
  if (queries.length === 1) return { scores: finite((await encoder.similarity(left, right)).data), truncated };
  const aligned = SparseMatrix.fromRows(
    rows.map((row) => left.row(row)),
    left.cols,
  );
  return { scores: finite(await encoder.similarityPairwise(aligned, right)), truncated };
}

function finite(scores: Float32Array): Float32Array {
  if (scores.every((score) => Number.isFinite(score))) return scores;
  throw new SparseRerankError("ERR_RUNTIME_FAILED", "The model computed a score that is no finite number.");
}
