import type { CrossEncoder, Pair } from "../cross-encoder";
import { SparseRerankError } from "../errors";
import { invalid, requireControls, requirePositiveInteger, requireRecord, requireString, requireTexts } from "../internal/validate";
import type { WorkOptions } from "../options";

/** A query with its relevant texts and either the others (`negative`) or a first stage's ranking (`documents`, best first). */
export interface RerankingSample {
  readonly query: string;
  readonly positive: string | readonly string[];
  readonly negative?: readonly string[];
  readonly documents?: readonly string[];
}

export interface RerankingEvaluationOptions extends Pick<WorkOptions, "batchSize" | "promptName" | "onProgress" | "signal"> {
  /** Cutoff of MRR and nDCG; default 10. */
  readonly at?: number;
  /** Also score positives that `documents` lacks; default true. */
  readonly alwaysRerankPositives?: boolean;
}

export interface RerankingMeasures {
  readonly map: number;
  readonly mrr: number;
  readonly ndcg: number;
}

export interface RerankingEvaluation extends RerankingMeasures {
  /** The measures of `documents` as they came; absent when no sample has any. */
  readonly base?: RerankingMeasures;
}

interface Judged {
  readonly documents: readonly string[];
  readonly relevant: readonly boolean[];
}

const OPTIONS = ["batchSize", "promptName", "onProgress", "signal", "at", "alwaysRerankPositives"];
const NOTHING: RerankingMeasures = { map: 0, mrr: 0, ndcg: 0 };

/**
 * Means over samples of MAP, MRR@k and nDCG@k, as sentence-transformers' CrossEncoderRerankingEvaluator computes them: documents with equal scores share
 * their gains in nDCG and count as one step in MAP (scikit-learn's ndcg_score and average_precision_score). A sample without a positive among its documents counts as 0.
 *
 * Errors: ERR_INVALID_ARGUMENT, and those of CrossEncoder.predict().
 */
export async function evaluateReranking(
  samples: readonly RerankingSample[],
  encoder: CrossEncoder,
  options: RerankingEvaluationOptions = {},
): Promise<RerankingEvaluation> {
  requireRecord(options, "options", OPTIONS);
  requireControls(options);
  const { at = 10, alwaysRerankPositives = true, ...predictOptions } = options;
  requirePositiveInteger(at, "at");
  if (typeof alwaysRerankPositives !== "boolean") throw invalid("alwaysRerankPositives", alwaysRerankPositives, "a boolean");
  requireSamples(samples);
  if (encoder.numLabels !== 1) {
    throw new SparseRerankError("ERR_INVALID_ARGUMENT", `A reranker has one label; this model has ${encoder.numLabels}.`);
  }
  const judged = samples.map((sample) => judge(sample, alwaysRerankPositives));
  const pairs = samples.flatMap(({ query }, i) =>
    hasRelevant(judged[i]) ? (judged[i]?.documents ?? []).map((text): Pair => [query, text]) : [],
  );
  const { data } = await encoder.predict(pairs, predictOptions);
  let next = 0;
  const reranked = judged.map((sample) => {
    if (!hasRelevant(sample)) return NOTHING;
    const scores = data.subarray(next, (next += sample.documents.length));
    return measure(sample.relevant, scores, at);
  });
  const base = samples.flatMap((sample) => (sample.documents === undefined ? [] : [measureBase(sample, sample.documents, at)]));
  return { ...mean(reranked), ...(base.length === 0 ? {} : { base: mean(base) }) };
}

function requireSamples(samples: unknown): void {
  if (!Array.isArray(samples) || samples.length === 0) throw invalid("samples", samples, "an array of at least one sample");
  (samples as readonly RerankingSample[]).forEach(requireSample);
}

function requireSample(sample: RerankingSample, i: number): void {
  requireRecord(sample, `samples[${i}]`, ["query", "positive", "negative", "documents"]);
  requireString(sample.query, `samples[${i}].query`);
  if (typeof sample.positive !== "string") requireTexts(sample.positive, `samples[${i}].positive`);
  if ((sample.negative === undefined) === (sample.documents === undefined)) {
    throw new SparseRerankError("ERR_INVALID_ARGUMENT", `samples[${i}] must have exactly one of "negative" and "documents".`);
  }
  requireTexts(sample.negative ?? sample.documents, `samples[${i}].${sample.negative === undefined ? "documents" : "negative"}`);
}

function judge({ positive, negative, documents }: RerankingSample, alwaysRerankPositives: boolean): Judged {
  const positives = listOf(positive);
  if (documents !== undefined && !alwaysRerankPositives) return { documents, relevant: documents.map((text) => positives.includes(text)) };
  const others = negative ?? (documents ?? []).filter((text) => !positives.includes(text));
  return { documents: [...positives, ...others], relevant: [...positives.map(() => true), ...others.map(() => false)] };
}

function hasRelevant(sample: Judged | undefined): boolean {
  return sample?.relevant.includes(true) === true;
}

/** Positives that the first stage missed stand at the end, as the reference places them. */
function measureBase({ positive }: RerankingSample, documents: readonly string[], at: number): RerankingMeasures {
  const positives = listOf(positive);
  const relevant = documents.map((text) => positives.includes(text));
  const found = relevant.filter(Boolean).length;
  if (found === 0) return NOTHING;
  const all = [...relevant, ...new Array<boolean>(Math.max(0, positives.length - found)).fill(true)];
  return measure(
    all,
    all.map((_, i) => all.length - i),
    at,
  );
}

function measure(relevant: readonly boolean[], scores: ArrayLike<number>, at: number): RerankingMeasures {
  const order = Array.from(relevant, (_, i) => i).sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0) || a - b);
  const first = order.slice(0, at).findIndex((i) => relevant[i]);
  const groups = groupTies(order, relevant, scores);
  const positives = relevant.filter(Boolean).length;
  const ideal = Array.from({ length: Math.min(positives, at) }, (_, i) => discount(i)).reduce((sum, value) => sum + value, 0);
  let gain = 0;
  let precision = 0;
  let seen = 0;
  let found = 0;
  for (const { size, hits } of groups) {
    for (let i = seen; i < Math.min(seen + size, at); i++) gain += (hits / size) * discount(i);
    seen += size;
    found += hits;
    precision += (hits / positives) * (found / seen);
  }
  return { map: precision, mrr: first < 0 ? 0 : 1 / (first + 1), ndcg: gain / ideal };
}

function groupTies(order: readonly number[], relevant: readonly boolean[], scores: ArrayLike<number>): { size: number; hits: number }[] {
  const groups: { size: number; hits: number }[] = [];
  order.forEach((document, rank) => {
    const previous = order[rank - 1];
    const group = groups.at(-1);
    const hit = relevant[document] === true ? 1 : 0;
    if (group !== undefined && previous !== undefined && scores[previous] === scores[document]) {
      group.size++;
      group.hits += hit;
    } else {
      groups.push({ size: 1, hits: hit });
    }
  });
  return groups;
}

function discount(rank: number): number {
  return 1 / Math.log2(rank + 2);
}

function mean(measures: readonly RerankingMeasures[]): RerankingMeasures {
  const of = (name: keyof RerankingMeasures): number => measures.reduce((sum, each) => sum + each[name], 0) / measures.length;
  return { map: of("map"), mrr: of("mrr"), ndcg: of("ndcg") };
}

function listOf(positive: string | readonly string[]): readonly string[] {
  return typeof positive === "string" ? [positive] : positive;
}
