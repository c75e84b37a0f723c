import {
  invalid,
  requireControls,
  requireFunction,
  requireMethod,
  requirePositiveInteger,
  requireRecord,
  requireString,
  requireTexts,
} from "../core/validate";
import type { CrossEncoder, Pair } from "../cross-encoder";
import { SparseRerankError } from "../errors";
import type { Progress } from "../options";
import { checkFilter } from "../sparse-index/filter";
import type { Filter } from "../sparse-index/filter";
import { Deadline } from "./deadline";
import { checkFusion, fuse } from "./fusion";
import type { FusionOptions } from "./fusion";
import { aggregateWindows, checkWindows, roomBeside, windowsOfText } from "./passage-windows";
import type { Span, WindowOptions } from "./passage-windows";
import { checkRetrieve, mapConcurrently, optional, requireRetriever, retrieveChecked, textOfPayload } from "./retriever";
import type { Retrieved, RetrieveOptions, Retriever } from "./retriever";

export interface RetrieveAndRerankOptions {
  /** The first stage. The lists of several retrievers are fused. */
  readonly retrievers: Retriever | readonly Retriever[];
  /** How to fuse several lists; default: reciprocal rank fusion. */
  readonly fusion?: FusionOptions;
  /** The second stage, a model with one label. Without one, the result is in the first stage's order. */
  readonly reranker?: CrossEncoder;
  /**
   * Returns the text of a hit whose retriever provides none; default: its payload if that is a string, else the string in the payload's
   * field "text".
   */
  readonly text?: (id: string, payload: unknown) => string | undefined | Promise<string | undefined>;
  /** Scores long documents in windows. Without it, the model reads only their beginning. */
  readonly windows?: WindowOptions;
}

export interface SearchOptions {
  /** Number of hits to return; default 10. */
  readonly topK?: number;
  /** Number of hits to request from each retriever; default 100. */
  readonly retrieve?: number;
  /** Number of the first stage's best hits to rerank; default 100. */
  readonly rerank?: number;
  /** Restricts the hits to matching documents. Every retriever gets it and honors it, or rejects the search. */
  readonly filter?: Filter;
  /** Time limit in milliseconds, after which the result is what is known by then: see SearchResult. Default: no limit. */
  readonly timeBudgetMs?: number;
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
}

export interface RankedHit {
  readonly id: string;
  /** The score of the last stage that scored the document. */
  readonly score: number;
  readonly scores: {
    /** By the name of each retriever that found the document. */
    readonly retrievers: Readonly<Record<string, number>>;
    /** After fusion; with one retriever, its score. */
    readonly retrieval: number;
    readonly reranker?: number;
  };
  readonly text?: string;
  readonly payload?: unknown;
  /** With `windows`, the part of `text` that scored best. */
  readonly span?: Span;
}

export interface SearchResult {
  /**
   * Reranked documents by descending score, then the others in the order of the first stage.
   */
  readonly hits: readonly RankedHit[];
  /** False if the time budget ended before every stage had finished. */
  readonly complete: boolean;
  /** Number of documents that the reranker scored. */
  readonly reranked: number;
  /** Retrievers that had not answered when the time budget ended. */
  readonly unanswered: readonly string[];
}

/** The state after a stage: what stream() yields. */
export interface SearchUpdate extends SearchResult {
  readonly stage: "retrieved" | "reranking" | "reranked";
}

const OPTIONS = ["retrievers", "fusion", "reranker", "text", "windows"];
const SEARCH_OPTIONS = ["topK", "retrieve", "rerank", "filter", "timeBudgetMs", "onProgress", "signal"];
const DEFAULT_TOP_K = 10;
const DEFAULT_DEPTH = 100;
/** Documents scored together: few enough to keep a time budget, enough to use all threads. */
const BLOCK = 16;

interface Found {
  readonly hits: readonly RankedHit[];
  readonly unanswered: readonly string[];
}

/**
 * Search in two stages: retrievers find candidates, and a cross-encoder reorders the best of them (Nogueira and Cho, 2019, arXiv
 * 1901.04085). It owns nothing: whoever created the reranker and the retrievers closes them.
 */
export class RetrieveAndRerank implements Retriever {
  readonly name = "retrieve-and-rerank";
  readonly #retrievers: readonly Retriever[];
  readonly #options: RetrieveAndRerankOptions;

  /** Errors: ERR_INVALID_ARGUMENT. */
  constructor(options: RetrieveAndRerankOptions) {
    requireRecord(options, "options", OPTIONS);
    const { retrievers, reranker } = options;
    this.#retrievers = Array.isArray(retrievers) ? retrievers : [retrievers as Retriever];
    this.#options = options;
    if (this.#retrievers.length === 0) throw invalid("retrievers", retrievers, "a retriever, or an array of at least one");
    this.#retrievers.forEach((retriever, i) => {
      requireRetriever(retriever, `retrievers[${i}]`);
    });
    if (new Set(this.#retrievers.map(({ name }) => name)).size < this.#retrievers.length) {
      throw new SparseRerankError("ERR_INVALID_ARGUMENT", "Two retrievers have the same name; scores are kept by name.");
    }
    if (options.fusion !== undefined) checkFusion(options.fusion, this.#retrievers.length);
    if (options.text !== undefined) requireFunction(options.text, "text");
    if (options.windows !== undefined) checkWindows(options.windows);
    if (reranker !== undefined) requireMethod(reranker, "predict", "reranker", "a CrossEncoder");
    if (reranker !== undefined && reranker.numLabels !== 1) {
      throw new SparseRerankError("ERR_INVALID_ARGUMENT", `The reranker must have one label; this model has ${reranker.numLabels}.`);
    }
  }

  /**
   * The best documents for a query.
   *
   * Errors: ERR_INVALID_ARGUMENT (also for a candidate without a text, by its id), ERR_ABORTED, and those of the retrievers and the reranker.
   */
  async search(query: string, options: SearchOptions = {}): Promise<SearchResult> {
    let last: SearchUpdate | undefined;
    for await (const update of this.stream(query, options)) last = update;
    const { hits = [], complete = false, reranked = 0, unanswered = [] } = last ?? {};
    return { hits, complete, reranked, unanswered };
  }

  /**
   * Yields the first stage's hits at once, then better orders as documents are reranked; the last update equals the result of search().
   * Errors: as for search().
   */
  async *stream(query: string, options: SearchOptions = {}): AsyncGenerator<SearchUpdate, void, undefined> {
    requireString(query, "query");
    checkSearch(options);
    const deadline = new Deadline(options.timeBudgetMs, options.signal);
    try {
      yield* this.#updates(query, options, deadline);
    } finally {
      deadline.end();
    }
  }

  async *#updates(query: string, options: SearchOptions, deadline: Deadline): AsyncGenerator<SearchUpdate, void, undefined> {
    const found = await this.#retrieve(query, options, deadline);
    const candidates = found.hits.slice(0, options.rerank ?? DEFAULT_DEPTH);
    const update = (stage: SearchUpdate["stage"], scored: readonly RankedHit[], complete: boolean): SearchUpdate => ({
      stage,
      hits: merge(scored, found.hits).slice(0, options.topK ?? DEFAULT_TOP_K),
      complete: complete && found.unanswered.length === 0,
      reranked: scored.length,
      unanswered: found.unanswered,
    });
    const { reranker } = this.#options;
    yield update("retrieved", [], reranker === undefined);
    if (reranker === undefined) return;
    const scored: RankedHit[] = [];
    const room = this.#options.windows === undefined ? 0 : await roomBeside(query, reranker);
    for (let start = 0; start < candidates.length && !deadline.passed; start += BLOCK) {
      const block = candidates.slice(start, start + BLOCK);
      const hits = await deadline.race((signal) => this.#score(query, block, reranker, room, signal));
      if (hits === undefined) break;
      scored.push(...hits);
      options.onProgress?.({ stage: "predict", done: scored.length, total: candidates.length });
      if (scored.length < candidates.length) yield update("reranking", scored, false);
    }
    yield update("reranked", scored, scored.length === candidates.length);
  }

  /** Runs search() for several queries, a few at a time; `timeBudgetMs` applies to each. */
  async rankMany(queries: readonly string[], options: SearchOptions = {}): Promise<SearchResult[]> {
    requireTexts(queries, "queries");
    checkSearch(options);
    return mapConcurrently(queries, (query) => this.search(query, options), options.signal);
  }

  /** Implements Retriever, so that both stages can be evaluated or serve as a first stage; retrieves as deep as requested. */
  async retrieve(queries: readonly string[], options: RetrieveOptions): Promise<Retrieved[][]> {
    const { topK } = checkRetrieve(queries, options);
    const results = await this.rankMany(queries, { ...options, retrieve: Math.max(topK, DEFAULT_DEPTH) });
    return results.map(({ hits }) =>
      hits.map(({ id, score, text, payload }) => ({ id, score, ...optional("text", text), ...optional("payload", payload) })),
    );
  }

  async #retrieve(query: string, options: SearchOptions, deadline: Deadline): Promise<Found> {
    const { retrieve: topK = DEFAULT_DEPTH, filter } = options;
    const answers = await Promise.all(
      this.#retrievers.map((retriever) =>
        deadline.race(
          async (signal) => (await retrieveChecked(retriever, [query], { topK, signal, ...optional("filter", filter) }))[0] ?? [],
        ),
      ),
    );
    const lists = answers.map((answer) => answer ?? []);
    const unanswered = this.#retrievers.filter((_, i) => answers[i] === undefined).map(({ name }) => name);
    const fused = lists.length === 1 ? (lists[0] ?? []) : fuse(lists, this.#options.fusion);
    const byId = new Map<string, [name: string, hit: Retrieved][]>();
    lists.forEach((list, l) => {
      const name = this.#retrievers[l]?.name ?? "";
      for (const hit of list) {
        const known = byId.get(hit.id);
        if (known === undefined) byId.set(hit.id, [[name, hit]]);
        else known.push([name, hit]);
      }
    });
    const hits = fused.map(({ id, score }): RankedHit => {
      const found = byId.get(id) ?? [];
      return {
        id,
        score,
        scores: { retrievers: Object.fromEntries(found.map(([name, hit]) => [name, hit.score])), retrieval: score },
        ...optional("text", found.find(([, hit]) => hit.text !== undefined)?.[1].text),
        ...optional("payload", found.find(([, hit]) => hit.payload !== undefined)?.[1].payload),
      };
    });
    options.onProgress?.({ stage: "search", done: lists.length - unanswered.length, total: lists.length });
    return { hits, unanswered };
  }

  async #score(
    query: string,
    block: readonly RankedHit[],
    reranker: CrossEncoder,
    room: number,
    signal: AbortSignal,
  ): Promise<RankedHit[]> {
    const { windows } = this.#options;
    const texts = await Promise.all(block.map((hit) => this.#textOf(hit)));
    const spans =
      windows === undefined
        ? texts.map((text): Span[] => [{ start: 0, end: text.length }])
        : await Promise.all(texts.map((text) => windowsOfText(text, room, reranker, windows)));
    const pairs = texts.flatMap((text, i) => (spans[i] ?? []).map(({ start, end }): Pair => [query, text.slice(start, end)]));
    const { data } = await reranker.predict(pairs, { signal });
    let next = 0;
    return block.map((hit, i): RankedHit => {
      const own = spans[i] ?? [];
      const { score, best } = aggregateWindows(Array.from(data.subarray(next, (next += own.length))), windows?.aggregate);
      const scored = { ...hit, text: texts[i] ?? "", score, scores: { ...hit.scores, reranker: score } };
      return windows === undefined ? scored : { ...scored, ...optional("span", own[best]) };
    });
  }

  async #textOf({ id, text, payload }: RankedHit): Promise<string> {
    const found: unknown = text ?? (await (this.#options.text ?? textOfPayload)(id, payload));
    if (typeof found === "string") return found;
    throw new SparseRerankError(
      "ERR_INVALID_ARGUMENT",
      `Document ${JSON.stringify(id)} has no text to rerank: make its retriever return one, store payloads with a field "text", or use the option text of RetrieveAndRerank.`,
    );
  }
}

/** Scored documents by score, ties in the order of the first stage, then the others in their order. */
function merge(scored: readonly RankedHit[], retrieved: readonly RankedHit[]): RankedHit[] {
  const ids = new Set(scored.map(({ id }) => id));
  return [...scored.toSorted((a, b) => b.score - a.score), ...retrieved.filter(({ id }) => !ids.has(id))];
}

function checkSearch(options: SearchOptions): void {
  requireRecord(options, "options", SEARCH_OPTIONS);
  requireControls(options);
  for (const name of ["topK", "retrieve", "rerank"] as const) {
    if (options[name] !== undefined) requirePositiveInteger(options[name], name);
  }
  if (options.filter !== undefined) checkFilter(options.filter);
  const { timeBudgetMs } = options;
  if (timeBudgetMs !== undefined && (typeof timeBudgetMs !== "number" || !(timeBudgetMs > 0))) {
    throw invalid("timeBudgetMs", timeBudgetMs, "a number above 0");
  }
}
