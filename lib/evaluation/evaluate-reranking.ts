import {
  invalid,
  requireControls,
  requireMethod,
  requirePositiveInteger,
  requireRecord,
  requireString,
  requireTexts,
} from "../core/validate";
import type { CrossEncoder, Pair } from "../cross-encoder";
import { SparseRerankError } from "../errors";
import type { WorkOptions } from "../options";
import { measureTies, tiesOf } from "./ties";
import type { Tie } from "./ties";

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
  /** The measures of `documents` in the given order; absent if no sample has any. */
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
 * their gains in nDCG and count as one step in MAP (scikit-learn's ndcg_score and average_precision_score). In MRR they share their ranks
 * too: it is the mean over all orders of the tied documents, where the reference uses whichever order its sort leaves. A sample without a
 * positive among its documents counts as 0.
 *
 * Errors: ERR_INVALID_ARGUMENT (also if the model returns NaN), and those of CrossEncoder.predict().
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
  requireMethod(encoder, "predict", "encoder", "a CrossEncoder");
  if (encoder.numLabels !== 1) {
    throw new SparseRerankError("ERR_INVALID_ARGUMENT", `A reranker has one label; this model has ${encoder.numLabels}.`);
  }
  const judged = samples.map((sample) => judge(sample, alwaysRerankPositives));
  const pairs = samples.flatMap(({ query }, i) =>
    hasRelevant(judged[i]) ? (judged[i]?.documents ?? []).map((text): Pair => [query, text]) : [],
  );
  const { data } = await encoder.predict(pairs, predictOptions);
  let next = 0;
  const reranked = judged.map((sample, i) => {
    if (!hasRelevant(sample)) return NOTHING;
    const scores = data.subarray(next, (next += sample.documents.length));
    if (scores.includes(NaN)) {
      throw new SparseRerankError("ERR_INVALID_ARGUMENT", `samples[${i}] has a score that is NaN: the model or its activation is broken.`);
    }
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

/** Positives that the first stage missed come last, where the reference places them. */
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
  const scored = relevant.map((isRelevant, i) => ({ gain: isRelevant ? 1 : 0, score: scores[i] ?? 0 }));
  const ties = tiesOf(scored.sort((a, b) => (a.score < b.score ? 1 : a.score > b.score ? -1 : 0)));
  const positives = scored.filter(({ gain }) => gain > 0).length;
  const { mrr, ndcg } = measureTies(ties, new Array<number>(positives).fill(1), at);
  return { map: averagePrecision(ties, positives), mrr, ndcg };
}

/** Same as scikit-learn's average_precision_score over the whole list: a tie is one step. */
function averagePrecision(ties: readonly Tie[], positives: number): number {
  let precision = 0;
  let seen = 0;
  let found = 0;
  for (const tie of ties) {
    const hits = tie.filter((gain) => gain > 0).length;
    seen += tie.length;
    found += hits;
    precision += (hits / positives) * (found / seen);
  }
  return precision;
}

function mean(measures: readonly RerankingMeasures[]): RerankingMeasures {
  const of = (name: keyof RerankingMeasures): number => measures.reduce((sum, each) => sum + each[name], 0) / measures.length;
  return { map: of("map"), mrr: of("mrr"), ndcg: of("ndcg") };
}

function listOf(positive: string | readonly string[]): readonly string[] {
  return typeof positive === "string" ? [positive] : positive;
}
