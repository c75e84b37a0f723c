import { chunksOf } from "../core/chunks";
import { invalid, requireControls, requireMethod, requirePath, requirePositiveInteger, requireRecord } from "../core/validate";
import { SparseRerankError } from "../errors";
import type { Progress } from "../options";
import { requireRetriever, retrieveChecked, sparseRetriever } from "../retrieval/retriever";
import type { Retrieved, Retriever } from "../retrieval/retriever";
import type { SparseEncoder } from "../sparse-encoder";
import { SparseIndex } from "../sparse-index/sparse-index";
import type { SparseMatrix } from "../sparse-matrix";
import { readCorpus, readQueries } from "./beir";
import type { TextWithId } from "./beir";
import { judgedQueries, measureRankings, requireCutoffs, requireIgnoreIdenticalIds } from "./metrics";
import type { Judgments, MeasureOptions, MeasuresAtCutoffs, Rankings } from "./metrics";
import { readJudgments } from "./qrels";

export interface EvaluateOptions extends MeasureOptions {
  /** Name of a file in qrels/; default "test". */
  readonly split?: string;
  /** Cutoffs of the measures; default 1, 3, 5, 10 and 100. Retrieval depth is the largest, but at least 100, so that ties are complete. */
  readonly at?: readonly number[];
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
}

export interface EvaluateEncoderOptions extends EvaluateOptions {
  /** Keeps the k largest weights of each document. */
  readonly maxActiveDims?: number;
  /** Creates the retriever to evaluate instead of the encoder alone, such as a second stage or a hybrid, once the corpus is indexed. */
  readonly retriever?: (sparse: Retriever, texts: ReadonlyMap<string, string>) => Retriever | Promise<Retriever>;
}

export interface Evaluation {
  /** Number of queries with a relevant document: the measures are means over them. */
  readonly queries: number;
  readonly measures: MeasuresAtCutoffs;
  /** Query id -> document ids, best first. */
  readonly rankings: Rankings;
}

export interface EncoderEvaluation extends Evaluation {
  readonly documents: number;
  /** Number of documents longer than the model's maximum, which were truncated. */
  readonly truncated: number;
  /** Mean number of nonzero weights. */
  readonly activeDims: { readonly queries: number; readonly documents: number };
  /**
   * Expected number of multiplications for a random query and a random document of the collection: the sum over dimensions of the share of
   * queries times the share of documents in which the dimension is active (Formal et al., 2021, after Paria et al., 2020).
   */
  readonly flops: number;
  /** Queries with the same text as the document of the same id: the reason for `ignoreIdenticalIds`. */
  readonly identicalQueries: number;
}

const OPTIONS = ["split", "at", "ignoreIdenticalIds", "onProgress", "signal"];
const DEFAULT_CUTOFFS = [1, 3, 5, 10, 100];
/** A tie that continues below the depth is shared only by its documents above it. */
const MIN_DEPTH = 100;
const BLOCK = 1024;
const QUERIES_PER_CALL = 256;

/**
 * Measures a sparse encoder on a folder in BEIR's layout: encodes the corpus ("title text"), indexes it exactly in memory and searches for
 * each judged query.
 *
 * Errors: ERR_FILE_NOT_FOUND, ERR_FILE_UNREADABLE, ERR_INVALID_ARGUMENT (a malformed line, no judged query), ERR_DUPLICATE_ID (in the corpus or the queries), ERR_ABORTED.
 */
export async function evaluateEncoder(
  folder: string,
  encoder: SparseEncoder,
  options: EvaluateEncoderOptions = {},
): Promise<EncoderEvaluation> {
  requireRecord(options, "options", [...OPTIONS, "maxActiveDims", "retriever"]);
  requireMethod(encoder, "encodeDocument", "encoder", "a SparseEncoder");
  if (options.maxActiveDims !== undefined) requirePositiveInteger(options.maxActiveDims, "maxActiveDims");
  const index = SparseIndex.create({ dimension: encoder.embeddingDimension });
  try {
    return await evaluateWith(index, folder, encoder, options);
  } finally {
    await index.close();
  }
}

async function evaluateWith(
  index: SparseIndex,
  folder: string,
  encoder: SparseEncoder,
  options: EvaluateEncoderOptions,
): Promise<EncoderEvaluation> {
  const { judgments, queries } = await readTask(folder, options);
  const documentUse = new DimensionUse(encoder.embeddingDimension);
  const texts = new Map<string, string>();
  const queryTexts = new Map(queries.map(({ id, text }) => [id, text]));
  let identicalQueries = 0;
  const control = options.signal === undefined ? {} : { signal: options.signal };
  const keep = options.maxActiveDims === undefined ? {} : { maxActiveDims: options.maxActiveDims };
  let truncated = 0;
  let readBytes = 0;
  let total: number | undefined;
  const corpus = readCorpus(folder, {
    onRead: (bytes, fileBytes) => {
      readBytes += bytes;
      total = documentUse.rows === 0 ? undefined : Math.round((documentUse.rows * fileBytes) / readBytes);
    },
  });
  for await (const block of chunksOf(corpus, BLOCK)) {
    const vectors = await encoder.encodeDocument(
      block.map(({ text }) => text),
      { ...control, ...keep },
    );
    await index.add(
      block.map(({ id }) => id),
      vectors,
    );
    for (const { id, text } of block) {
      texts.set(id, options.retriever === undefined ? "" : text);
      if (isTextOf(queryTexts.get(id), text)) identicalQueries++;
    }
    truncated += vectors.truncated.length;
    documentUse.add(vectors);
    options.onProgress?.({ stage: "index", done: documentUse.rows, ...(total === undefined ? {} : { total }) });
  }
  const queryUse = new DimensionUse(encoder.embeddingDimension);
  queryUse.add(
    await encoder.encodeQuery(
      queries.map(({ text }) => text),
      control,
    ),
  );
  const sparse = sparseRetriever({ encoder, index, text: (id) => texts.get(id) });
  const retriever = options.retriever === undefined ? sparse : await options.retriever(sparse, texts);
  const evaluation = await runQueries(retriever, queries, judgments, options);
  return {
    ...evaluation,
    documents: documentUse.rows,
    truncated,
    activeDims: { queries: queryUse.mean, documents: documentUse.mean },
    flops: queryUse.products(documentUse),
    identicalQueries,
  };
}

/**
 * Measures any retriever on the queries of a folder in BEIR's layout, whose corpus the retriever already has. Tied documents share their
 * ranks, as in measureRankings(). Errors: as for evaluateEncoder().
 */
export async function evaluateRetriever(folder: string, retriever: Retriever, options: EvaluateOptions = {}): Promise<Evaluation> {
  requireRecord(options, "options", OPTIONS);
  requireRetriever(retriever, "retriever");
  const { judgments, queries } = await readTask(folder, options);
  return runQueries(retriever, queries, judgments, options);
}

async function readTask(folder: string, options: EvaluateOptions): Promise<{ judgments: Judgments; queries: TextWithId[] }> {
  requirePath(folder, "folder");
  requireControls(options);
  requireIgnoreIdenticalIds(options.ignoreIdenticalIds);
  const { at = DEFAULT_CUTOFFS, split = "test" } = options;
  requireCutoffs(at);
  requirePath(split, "split");
  if (/[\\/]/.test(split)) throw invalid("split", split, 'the name of a file in qrels/ without its extension, such as "test"');
  const judgments = await readJudgments(folder, split);
  const queries = (await readQueries(folder)).filter(({ id }) => judgments.has(id));
  if (queries.length > 0) return { judgments, queries };
  throw new SparseRerankError(
    "ERR_INVALID_ARGUMENT",
    `No query of ${folder}/queries.jsonl has a judgment; the ids of both files must be the same.`,
  );
}

async function runQueries(
  retriever: Retriever,
  queries: readonly TextWithId[],
  judgments: Judgments,
  { at = DEFAULT_CUTOFFS, ignoreIdenticalIds = false, signal, onProgress }: EvaluateOptions,
): Promise<Evaluation> {
  const rankings = new Map<string, readonly Retrieved[]>();
  // One more, in case one is left out.
  const depth = Math.min(Number.MAX_SAFE_INTEGER, Math.max(MIN_DEPTH, ...at) + (ignoreIdenticalIds ? 1 : 0));
  const options = { topK: depth, ...(signal === undefined ? {} : { signal }) };
  for await (const block of chunksOf(queries, QUERIES_PER_CALL)) {
    const lists = await retrieveChecked(
      retriever,
      block.map(({ text }) => text),
      options,
    );
    block.forEach(({ id }, i) =>
      rankings.set(
        id,
        (lists[i] ?? []).filter((hit) => !ignoreIdenticalIds || hit.id !== id),
      ),
    );
    onProgress?.({ stage: "search", done: rankings.size, total: queries.length });
  }
  const measures = measureRankings(judgments, rankings, at);
  const most = Math.max(...at);
  const ids = Array.from(rankings, ([query, hits]) => [query, hits.slice(0, most).map(({ id }) => id)] as const);
  return { queries: judgedQueries(judgments).length, measures, rankings: new Map(ids) };
}

/** Whether the document has this text, with or without a title before it. */
function isTextOf(query: string | undefined, document: string): boolean {
  const text = query?.trim() ?? "";
  return text !== "" && (document.trim() === text || document.trim().endsWith(` ${text}`));
}

/** Counts the rows in which each dimension is active. */
class DimensionUse {
  rows = 0;
  #weights = 0;
  readonly #counts: Float64Array;

  constructor(dimension: number) {
    this.#counts = new Float64Array(dimension);
  }

  get mean(): number {
    return this.rows === 0 ? 0 : this.#weights / this.rows;
  }

  add({ rows, indices, values }: SparseMatrix): void {
    this.rows += rows;
    indices.forEach((dimension, i) => {
      if (values[i] === 0) return;
      this.#weights++;
      this.#counts[dimension] = (this.#counts[dimension] ?? 0) + 1;
    });
  }

  products(other: DimensionUse): number {
    const pairs = this.rows * other.rows;
    return pairs === 0 ? 0 : this.#counts.reduce((sum, count, i) => sum + count * (other.#counts[i] ?? 0), 0) / pairs;
  }
}
