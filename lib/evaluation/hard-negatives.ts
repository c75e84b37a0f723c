import { chunksOf } from "../core/chunks";
import { invalid, requireControls, requireMethod, requirePositiveInteger, requireRecord } from "../core/validate";
import type { CrossEncoder, Pair } from "../cross-encoder";
import { SparseRerankError } from "../errors";
import type { Progress } from "../options";
import type { SparseEncoder } from "../sparse-encoder";
import { SparseMatrix } from "../sparse-matrix";
import { similarityPairwise } from "../sparse-ops";
import { CandidateLists } from "./candidates";
import { formatNegatives } from "./hard-negative-output";
import type { MinedRow, NegativeFormat, QueryNegatives, ScoredText } from "./hard-negative-output";
import { unitRows } from "./unit-rows";

/** A query and a text that answers it. */
export interface PositivePair {
  readonly anchor: string;
  readonly positive: string;
}

export interface MineOptions {
  readonly encoder: SparseEncoder;
  /** Texts that may be negatives, in addition to the positives of other queries. Read once, in blocks, so it may be larger than memory. */
  readonly corpus?: Iterable<string> | AsyncIterable<string>;
  /** Rescores positives and candidates before a margin or maxScore compares them. A model with one label. */
  readonly crossEncoder?: CrossEncoder;
  /** Negatives per query; default 3. */
  readonly negatives?: number;
  /** Skips this many of the best negatives that pass; default 0. */
  readonly rangeMin?: number;
  /**
   * Ranks to consider; default: rangeMin + negatives (ten times as many with a margin or maxScore) + the largest number of positives of a
   * query.
   */
  readonly rangeMax?: number;
  /** Only negatives with at most this score. */
  readonly maxScore?: number;
  /** Only negatives with at least this score. */
  readonly minScore?: number;
  /** Only negatives scored at least this far below the query's lowest positive. */
  readonly absoluteMargin?: number;
  /**
   * Only negatives scored at most p − |p| · margin, where p is the score of the query's lowest positive: 0.05 is TopK-PercPos of
   * NV-Retriever (arXiv 2407.15831).
   */
  readonly relativeMargin?: number;
  /** Whether to take the best negatives (default) or a random sample of those in the range. */
  readonly samplingStrategy?: "top" | "random";
  /** Seed of the random sample; default 0. */
  readonly seed?: number;
  /** Makes positives candidates too; the output is then an n-tuple. */
  readonly includePositives?: boolean;
  /** Default "triplet". */
  readonly outputFormat?: NegativeFormat;
  readonly outputScores?: boolean;
  /** Names of the first two columns; default "anchor" and "positive". */
  readonly columns?: readonly [anchor: string, positive: string];
  /**
   * Compares vectors of length 1 (cosine), as the reference does with dense models; default false: the dot products that sparse models are
   * trained with.
   */
  readonly normalize?: boolean;
  readonly queryPrompt?: string;
  readonly corpusPrompt?: string;
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
}

export interface MinedNegatives {
  readonly rows: readonly MinedRow[];
  readonly statistics: {
    /** Number of distinct queries. */
    readonly queries: number;
    readonly negatives: number;
    /** Number of candidates that each condition removed, in this order. */
    readonly skipped: {
      readonly absoluteMargin: number;
      readonly relativeMargin: number;
      readonly maxScore: number;
      readonly minScore: number;
    };
    /** Queries with fewer negatives than requested. */
    readonly queriesWithTooFew: number;
  };
}

interface Query {
  readonly text: string;
  readonly positives: readonly string[];
}

type Settings = Required<Pick<MineOptions, "negatives" | "rangeMin" | "rangeMax">> & MineOptions;

const OPTIONS = [
  ...["encoder", "corpus", "crossEncoder", "negatives", "rangeMin", "rangeMax", "maxScore", "minScore", "absoluteMargin", "relativeMargin"],
  ...[
    "samplingStrategy",
    "seed",
    "includePositives",
    "outputFormat",
    "outputScores",
    "columns",
    "normalize",
    "queryPrompt",
    "corpusPrompt",
  ],
  ...["onProgress", "signal"],
];
const FORMATS: readonly NegativeFormat[] = ["triplet", "n-tuple", "labeled-pair", "labeled-list"];
const BLOCK = 1024;

/**
 * Finds texts that rank high for a query but are not its positives, as util.mine_hard_negatives of sentence-transformers does. Differences:
 * documents that share no dimension with a query are never its candidates, and random samples differ. Pairs and candidates are held in
 * memory, the corpus is not.
 *
 * Errors: ERR_INVALID_ARGUMENT, ERR_ABORTED, and those of the models.
 */
export async function mineHardNegatives(pairs: Iterable<PositivePair>, options: MineOptions): Promise<MinedNegatives> {
  requireRecord(options, "options", OPTIONS);
  const queries = groupPairs(pairs);
  const mostPositives = queries.reduce((most, { positives }) => Math.max(most, positives.length), 0);
  const settings = resolve(options, mostPositives);
  const { encoder, normalize = false } = options;
  const control = options.signal === undefined ? {} : { signal: options.signal };
  const prepare = (vectors: SparseMatrix): SparseMatrix => (normalize ? unitRows(vectors) : vectors);
  const corpusOptions = { ...control, ...(options.corpusPrompt === undefined ? {} : { prompt: options.corpusPrompt }) };
  const queryVectors = prepare(
    await encoder.encodeQuery(
      queries.map(({ text }) => text),
      { ...control, ...(options.queryPrompt === undefined ? {} : { prompt: options.queryPrompt }) },
    ),
  );
  const depth = Math.min(settings.rangeMax + mostPositives, Number.MAX_SAFE_INTEGER);
  const lists = new CandidateLists(queryVectors, depth);
  let done = 0;
  const positives = [...new Set(queries.flatMap((query) => query.positives))];
  for await (const block of chunksOf(chain(options.corpus ?? [], positives), BLOCK)) {
    const texts = [...new Set(block)];
    await lists.add(texts, prepare(await encoder.encodeDocument(texts, corpusOptions)), options.signal);
    done += block.length;
    options.onProgress?.({ stage: "encode", done });
  }
  const positiveVectors = prepare(await encoder.encodeDocument(positives, corpusOptions));
  const rowOf = new Map(positives.map((text, i) => [text, i]));
  const skipped = { absoluteMargin: 0, relativeMargin: 0, maxScore: 0, minScore: 0 };
  const random = seeded(options.seed ?? 0);
  const found: QueryNegatives[] = [];
  for (const [i, query] of queries.entries()) {
    const own = SparseMatrix.fromRows(
      query.positives.map((text) => positiveVectors.row(rowOf.get(text) ?? 0)),
      queryVectors.cols,
    );
    const repeated = SparseMatrix.fromRows(
      query.positives.map(() => queryVectors.row(i)),
      queryVectors.cols,
    );
    const scores = await similarityPairwise(repeated, own, "dot");
    const given = query.positives.map((text, p) => ({ text, score: scores[p] ?? 0 }));
    const scored = await rescore({ query: query.text, positives: given, negatives: lists.candidates(i) }, settings);
    found.push({ ...scored, negatives: choose(scored, settings, skipped, random) });
    options.onProgress?.({ stage: "predict", done: i + 1, total: queries.length });
  }
  const count = settings.negatives;
  const format = options.includePositives === true ? "n-tuple" : (options.outputFormat ?? "triplet");
  return {
    rows: formatNegatives(found, {
      format,
      count,
      scores: options.outputScores ?? false,
      columns: options.columns ?? ["anchor", "positive"],
    }),
    statistics: {
      queries: queries.length,
      negatives: found.reduce((sum, { negatives }) => sum + negatives.length, 0),
      skipped,
      queriesWithTooFew: found.filter(({ negatives }) => negatives.length < count).length,
    },
  };
}

/** The queries in order of first occurrence, each with its distinct positives. */
function groupPairs(pairs: Iterable<PositivePair>): Query[] {
  const groups = new Map<string, Set<string>>();
  let i = 0;
  for (const pair of pairs as Iterable<unknown>) {
    const { anchor, positive } = (typeof pair === "object" && pair !== null ? pair : {}) as Partial<PositivePair>;
    if (typeof anchor !== "string" || typeof positive !== "string")
      throw invalid(`pairs[${i}]`, pair, "an object with the strings anchor and positive");
    const group = groups.get(anchor) ?? new Set<string>();
    groups.set(anchor, group.add(positive));
    i++;
  }
  if (i === 0) throw new SparseRerankError("ERR_INVALID_ARGUMENT", "pairs is empty: there is no query to mine negatives for.");
  return Array.from(groups, ([text, positives]) => ({ text, positives: [...positives] }));
}

function resolve(options: MineOptions, mostPositives: number): Settings {
  requireControls(options);
  requireMethod(options.encoder, "encodeDocument", "encoder", "a SparseEncoder");
  if (options.crossEncoder !== undefined) requireMethod(options.crossEncoder, "predict", "crossEncoder", "a CrossEncoder");
  const { negatives = 3, rangeMin = 0, samplingStrategy = "top", outputFormat = "triplet" } = options;
  requirePositiveInteger(negatives, "negatives");
  if (!Number.isInteger(rangeMin) || rangeMin < 0) throw invalid("rangeMin", rangeMin, "an integer of at least 0");
  if (!["top", "random"].includes(samplingStrategy)) throw invalid("samplingStrategy", samplingStrategy, '"top" or "random"');
  if (!FORMATS.includes(outputFormat)) throw invalid("outputFormat", outputFormat, `one of ${FORMATS.join(", ")}`);
  for (const name of ["maxScore", "minScore", "absoluteMargin", "relativeMargin", "seed"] as const) {
    const value = options[name];
    if (value !== undefined && !Number.isFinite(value)) throw invalid(name, value, "a finite number");
  }
  const { crossEncoder } = options;
  if (crossEncoder !== undefined && crossEncoder.numLabels !== 1) {
    throw new SparseRerankError("ERR_INVALID_ARGUMENT", `crossEncoder must have one label; this model has ${crossEncoder.numLabels}.`);
  }
  const { rangeMax = rangeMin + negatives * (comparesScores(options) ? 10 : 1) + mostPositives } = options;
  requirePositiveInteger(rangeMax, "rangeMax");
  if (negatives > rangeMax - rangeMin) {
    throw new SparseRerankError(
      "ERR_INVALID_ARGUMENT",
      `The range from rangeMin ${rangeMin} to rangeMax ${rangeMax} cannot hold ${negatives} negatives; raise rangeMax, or lower negatives or rangeMin.`,
    );
  }
  return { ...options, negatives, rangeMin, rangeMax, samplingStrategy };
}

function comparesScores({ absoluteMargin, relativeMargin, maxScore }: MineOptions): boolean {
  return absoluteMargin !== undefined || relativeMargin !== undefined || maxScore !== undefined;
}

async function rescore(found: QueryNegatives, settings: Settings): Promise<QueryNegatives> {
  const { crossEncoder, signal } = settings;
  if (crossEncoder === undefined || !comparesScores(settings)) return found;
  const texts = [...found.positives, ...found.negatives].map(({ text }) => text);
  const { data } = await crossEncoder.predict(
    texts.map((text): Pair => [found.query, text]),
    signal === undefined ? {} : { signal },
  );
  const scored = texts.map((text, i): ScoredText => ({ text, score: data[i] ?? 0 }));
  return { ...found, positives: scored.slice(0, found.positives.length), negatives: scored.slice(found.positives.length) };
}

/** Applies the conditions in the reference's order, then the range, then the sampling. */
function choose(
  { positives, negatives }: QueryNegatives,
  settings: Settings,
  skipped: Record<keyof MinedNegatives["statistics"]["skipped"], number>,
  random: () => number,
): ScoredText[] {
  const { absoluteMargin, relativeMargin, maxScore, minScore } = settings;
  const own = new Set(settings.includePositives === true ? [] : positives.map(({ text }) => text));
  const lowest = Math.min(...positives.map(({ score }) => score));
  let left = negatives.filter(({ text }) => !own.has(text));
  const keep = (name: keyof typeof skipped, limit: number | undefined, passes: (score: number, limit: number) => boolean): void => {
    if (limit === undefined) return;
    const passed = left.filter(({ score }) => passes(score, limit));
    skipped[name] += left.length - passed.length;
    left = passed;
  };
  // In float32, like the scores.
  keep("absoluteMargin", absoluteMargin, (score, margin) => Math.fround(score + margin) <= lowest);
  keep("relativeMargin", relativeMargin, (score, margin) => score <= Math.fround(lowest - Math.fround(Math.abs(lowest) * margin)));
  keep("maxScore", maxScore, (score, limit) => score <= limit);
  keep("minScore", minScore, (score, limit) => score >= limit);
  const ranked = left.toSorted((a, b) => b.score - a.score).slice(settings.rangeMin, settings.rangeMax);
  if (settings.samplingStrategy !== "random") return ranked.slice(0, settings.negatives);
  const chosen = ranked.map((text, i) => ({ i, text, key: random() })).sort((a, b) => a.key - b.key);
  return chosen
    .slice(0, settings.negatives)
    .sort((a, b) => a.i - b.i)
    .map(({ text }) => text);
}

/** Mulberry32: 32 bits of state are enough to sample from a few hundred. */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

async function* chain(corpus: Iterable<unknown> | AsyncIterable<unknown>, positives: readonly string[]): AsyncGenerator<string> {
  let i = 0;
  for await (const text of corpus) {
    if (typeof text !== "string") throw invalid(`corpus[${i}]`, text, "a string");
    yield text;
    i++;
  }
  yield* positives;
}
