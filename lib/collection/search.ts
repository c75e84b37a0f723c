/** Collection.search(): both sides, fusion, reranking, and hits of documents from hits of passages. */

import { invalid, requireControls, requirePositiveInteger, requireRecord, requireString } from "../core/validate";
import type { CrossEncoder } from "../cross-encoder";
import { SparseRerankError } from "../errors";
import type { Analyzer } from "../lexical/analyzer";
import { withCancel } from "../native/cancellation";
import type { NativeFilter, NativeHits, NativeRows, NativeTermRows } from "../native/contract";
import { MAX_TOP_K } from "../native/snapshot";
import { unpackStrings } from "../native/strings";
import { checkFusion } from "../retrieval/fusion";
import type { FusionOptions } from "../retrieval/fusion";
import { RetrieveAndRerank } from "../retrieval/retrieve-and-rerank";
import type { RankedHit } from "../retrieval/retrieve-and-rerank";
import { optional } from "../retrieval/retriever";
import type { Retriever } from "../retrieval/retriever";
import type { SparseEncoder } from "../sparse-encoder";
import type { Metadata } from "../sparse-index/metadata";
import type { SparseVector } from "../sparse-matrix";
import { highlightsOf, matchesOf } from "./matches";
import { bothOf } from "./prepare";
import { modelText, spansOf } from "./record";
import type { DocumentRecord } from "./record";
import type { CollectionHit, CollectionSearchOptions, CollectionSearchResult, FacetCount, SearchMode } from "./types";
import { checkCollectionFilter } from "./view";
import type { CheckedCollectionFilter, View } from "./view";

/** What a collection searches with. */
export interface Sides {
  readonly encoder: SparseEncoder | undefined;
  readonly analyzer: Analyzer | undefined;
  readonly reranker: CrossEncoder | undefined;
}

/** Options after checkSearch. */
export interface CheckedSearch {
  readonly topK: number;
  readonly offset: number;
  readonly filter: CheckedCollectionFilter | undefined;
  readonly mode: SearchMode;
  readonly fusion: FusionOptions | undefined;
  /** Number of passages; 0 for no reranking. */
  readonly rerank: number;
  readonly collapse: "document" | "passage";
  readonly highlight: boolean;
  readonly facets: readonly (readonly [field: string, limit: number])[] | undefined;
  /** When the time budget ends, as performance.now() tells it. */
  readonly deadline: number | undefined;
}

const OPTIONS = [...["topK", "offset", "filter", "mode", "fusion", "rerank", "collapse", "highlight", "facets", "timeBudgetMs"], "signal"];
const MODES: readonly SearchMode[] = ["hybrid", "sparse", "lexical"];
const DEFAULT_TOP_K = 10;
/** Passages that the reranker scores, and the least that each side retrieves. */
const DEFAULT_DEPTH = 100;
/** How much more is retrieved when the passages found are of too few documents. */
const DEEPENING = 4;

/** Validates the options and completes them. Errors: ERR_INVALID_ARGUMENT, ERR_NOT_SUPPORTED (a side that the collection does not have). */
export function checkSearch(query: string, options: CollectionSearchOptions, sides: Sides): CheckedSearch {
  requireString(query, "query");
  requireRecord(options, "options", OPTIONS);
  requireControls(options);
  const {
    topK = DEFAULT_TOP_K,
    offset = 0,
    mode = defaultMode(sides),
    fusion,
    collapse = "document",
    highlight = false,
    timeBudgetMs,
  } = options;
  requirePositiveInteger(topK, "topK");
  if (!Number.isSafeInteger(offset) || offset < 0) throw invalid("offset", offset, "an integer of at least 0");
  if (!MODES.includes(mode)) throw invalid("mode", mode, MODES.map((one) => `"${one}"`).join(", "));
  requireSides(mode, sides);
  if (fusion !== undefined) {
    if (mode !== "hybrid") throw invalid("fusion", fusion, `absent with the mode "${mode}", which has one ranking`);
    checkFusion(fusion, 2);
  }
  if (!["document", "passage"].includes(collapse)) throw invalid("collapse", collapse, '"document" or "passage"');
  if (typeof highlight !== "boolean") throw invalid("highlight", highlight, "a boolean");
  if (timeBudgetMs !== undefined && (typeof timeBudgetMs !== "number" || !(timeBudgetMs > 0))) {
    throw invalid("timeBudgetMs", timeBudgetMs, "a number above 0");
  }
  const filter = checkCollectionFilter(options.filter);
  const rerank = checkRerank(options.rerank, sides);
  const deadline = timeBudgetMs === undefined ? undefined : performance.now() + timeBudgetMs;
  return { topK, offset, filter, mode, fusion, rerank, collapse, highlight, facets: checkFacets(options.facets), deadline };
}

/** Runs a search on one view of the collection. Errors: those of the models; ERR_INDEX_CORRUPT, ERR_ABORTED. */
export async function search<M extends Metadata>(
  view: View,
  sides: Sides,
  query: string,
  options: CheckedSearch,
  signal: AbortSignal,
): Promise<CollectionSearchResult<M>> {
  const filter = await view.compile(options.filter, signal);
  const sparse = options.mode === "lexical" ? undefined : new SparseSide(view, sides.encoder as SparseEncoder, filter);
  const lexical = options.mode === "sparse" ? undefined : new LexicalSide(view, sides.analyzer as Analyzer, filter);
  const wanted = options.offset + options.topK;
  const isEnough = (hits: NativeHits, depth: number): boolean =>
    hits.ids.length < depth || (options.collapse === "passage" ? hits.ids.length : countDocuments(view, hits.ids)) >= wanted;
  const retrievers = [sparse, lexical].filter((side) => side !== undefined).map((side) => deepRetriever(side, query, wanted, isEnough));
  const records = new RecordCache(view, signal);
  const pipeline = new RetrieveAndRerank({
    retrievers,
    ...optional("fusion", options.fusion),
    ...(options.rerank === 0 ? {} : { reranker: sides.reranker as CrossEncoder }),
    text: async (id) => (await records.passage(id)).modelText,
  });
  const { hits, complete, reranked, unanswered } = await pipeline.search(query, {
    topK: MAX_TOP_K,
    retrieve: MAX_TOP_K,
    ...(options.rerank === 0 ? {} : { rerank: options.rerank }),
    ...optional("timeBudgetMs", options.deadline && Math.max(options.deadline - performance.now(), Number.MIN_VALUE)),
    signal,
  });
  const collapsed = options.collapse === "passage" ? hits : bestOfDocuments(view, hits);
  const shown = collapsed.slice(options.offset, wanted);
  const [, matches] = await bothOf(
    records.load(shown.map(({ id }) => view.layout.parse(id).document)),
    matchesOf(
      view,
      shown.map(({ id }) => id),
      { encoder: sparse?.encoder, vector: sparse?.vector, terms: lexical?.rows?.terms },
      signal,
    ),
  );
  const terms = options.highlight && lexical?.rows ? new Set(unpackStrings(lexical.rows.terms)) : undefined;
  const found: CollectionHit<M>[] = [];
  for (const [i, hit] of shown.entries()) {
    const { document, index, record, start, end, text } = await records.passage(hit.id);
    const marks = { start, text, title: record.title, ...optional("vector", sparse?.vector), ...optional("terms", terms) };
    found.push({
      id: document,
      score: hit.score,
      scores: scoresOf(hit, options.mode),
      passage: { index, start, end, text },
      ...optional("title", record.title),
      ...optional("metadata", record.metadata as M | undefined),
      matched: matches[i] ?? {},
      ...(options.highlight ? { highlights: await highlightsOf(sides, marks, signal) } : {}),
    });
  }
  const facets = options.facets && (await countFacets(view, options.facets, filter, sparse, lexical, signal));
  return { hits: found, complete, reranked, unanswered, ...optional("facets", facets) };
}

/** A side of the search, after its query is encoded or analyzed. */
interface Side {
  readonly name: string;
  retrieve(query: string, depth: number, signal: AbortSignal | undefined): Promise<NativeHits>;
}

class SparseSide implements Side {
  readonly name = "sparse";
  vector: SparseVector | undefined;

  constructor(
    readonly view: View,
    readonly encoder: SparseEncoder,
    readonly filter: NativeFilter | undefined,
  ) {}

  get rows(): NativeRows | undefined {
    const { vector } = this;
    return vector && { indptr: Uint32Array.of(0, vector.indices.length), indices: vector.indices, values: vector.values };
  }

  async retrieve(query: string, depth: number, signal: AbortSignal | undefined): Promise<NativeHits> {
    this.vector ??= await this.encoder.encodeQuery(query, optional("signal", signal));
    const rows = this.rows as NativeRows;
    return withCancel(signal, (cancel) =>
      this.view.snapshot.search(rows, depth, { ...optional("filter", this.filter), ...optional("cancel", cancel) }),
    );
  }
}

class LexicalSide implements Side {
  readonly name = "lexical";
  rows: NativeTermRows | undefined;

  constructor(
    readonly view: View,
    readonly analyzer: Analyzer,
    readonly filter: NativeFilter | undefined,
  ) {}

  async retrieve(query: string, depth: number, signal: AbortSignal | undefined): Promise<NativeHits> {
    const rows = (this.rows ??= await this.analyzer.termRows([query], optional("signal", signal)));
    return withCancel(signal, (cancel) =>
      this.view.snapshot.searchTerms(rows, depth, { ...optional("filter", this.filter), ...optional("cancel", cancel) }),
    );
  }
}

/** Retrieves until the passages are of enough documents, or there are no more. */
function deepRetriever(side: Side, query: string, wanted: number, isEnough: (hits: NativeHits, depth: number) => boolean): Retriever {
  return {
    name: side.name,
    async retrieve(_queries, { signal }) {
      for (let depth = Math.max(DEFAULT_DEPTH, wanted); ; depth *= DEEPENING) {
        const limit = Math.min(depth, MAX_TOP_K);
        const hits = await side.retrieve(query, limit, signal);
        if (limit === MAX_TOP_K || isEnough(hits, limit)) return [hits.ids.map((id, i) => ({ id, score: hits.scores[i] ?? 0 }))];
      }
    },
  };
}

interface Passage {
  readonly document: string;
  readonly index: number;
  readonly record: DocumentRecord;
  readonly start: number;
  readonly end: number;
  readonly text: string;
  readonly modelText: string;
}

/** The documents of passages, each read once. */
class RecordCache {
  readonly #view: View;
  readonly #signal: AbortSignal;
  readonly #records = new Map<string, Promise<DocumentRecord | undefined>>();

  constructor(view: View, signal: AbortSignal) {
    this.#view = view;
    this.#signal = signal;
  }

  /** Reads those that are not there yet, together. */
  async load(ids: readonly string[]): Promise<void> {
    const missing = [...new Set(ids)].filter((id) => !this.#records.has(id));
    const all = this.#view.records(missing, this.#signal);
    for (const [i, id] of missing.entries()) {
      const one = all.then((records) => records[i]);
      // Awaited below, or by whoever asks for it.
      one.catch(() => undefined);
      this.#records.set(id, one);
    }
    await all;
  }

  /** @param id of the passage in the index */
  async passage(id: string): Promise<Passage> {
    const { document, passage: index } = this.#view.layout.parse(id);
    if (!this.#records.has(document)) await this.load([document]);
    const record = await this.#records.get(document);
    const span = record && spansOf(record)[index];
    if (record === undefined || span === undefined) {
      throw new SparseRerankError(
        "ERR_INDEX_CORRUPT",
        `The collection's index is damaged: the document of ${JSON.stringify(id)} is missing.`,
      );
    }
    const text = record.text.slice(span.start, span.end);
    return { document, index, record, ...span, text, modelText: modelText(record.title, text) };
  }
}

function defaultMode({ encoder, analyzer }: Sides): SearchMode {
  return analyzer === undefined ? "sparse" : encoder === undefined ? "lexical" : "hybrid";
}

function requireSides(mode: SearchMode, { encoder, analyzer }: Sides): void {
  if (mode !== "sparse" && analyzer === undefined) {
    const problem = `The mode "${mode}" needs a lexical side, which this collection does not have; create one with the option lexical.`;
    throw new SparseRerankError("ERR_NOT_SUPPORTED", problem);
  }
  if (mode !== "lexical" && encoder === undefined) {
    const problem = `The mode "${mode}" needs the option encoder of Collection.open(): the model that the collection was made with.`;
    throw new SparseRerankError("ERR_INVALID_ARGUMENT", problem);
  }
}

function checkRerank(rerank: unknown, { reranker }: Sides): number {
  if (rerank === undefined) return reranker === undefined ? 0 : DEFAULT_DEPTH;
  if (rerank === false) return 0;
  if (rerank !== true) requirePositiveInteger(rerank, "rerank");
  if (reranker !== undefined) return rerank === true ? DEFAULT_DEPTH : rerank;
  throw new SparseRerankError("ERR_INVALID_ARGUMENT", "rerank needs the option reranker of Collection.open().");
}

function checkFacets(facets: CollectionSearchOptions["facets"]): CheckedSearch["facets"] {
  if (facets === undefined) return undefined;
  if (typeof facets !== "object" || (facets as unknown) === null) throw invalid("facets", facets, "an object of fields and their limits");
  requireRecord(facets, "facets", Object.keys(facets));
  return Object.entries(facets).map(([field, limit]) => {
    requireString(field, "The name of a field of facets");
    requirePositiveInteger(limit, `facets.${field}`);
    return [field, Math.min(limit, MAX_TOP_K)] as const;
  });
}

async function countFacets(
  view: View,
  facets: NonNullable<CheckedSearch["facets"]>,
  filter: NativeFilter | undefined,
  sparse: SparseSide | undefined,
  lexical: LexicalSide | undefined,
  signal: AbortSignal,
): Promise<Record<string, FacetCount[]>> {
  const counted: [string, FacetCount[]][] = [];
  for (const [field, limit] of facets) {
    const hits = { ...optional("query", sparse?.rows), ...optional("terms", lexical?.rows) };
    counted.push([field, await view.facet(field, limit, { ...hits, ...optional("filter", filter), signal })]);
  }
  return Object.fromEntries(counted);
}

function countDocuments(view: View, ids: readonly string[]): number {
  return new Set(ids.map((id) => view.layout.parse(id).document)).size;
}

function bestOfDocuments(view: View, hits: readonly RankedHit[]): RankedHit[] {
  const seen = new Set<string>();
  return hits.filter(({ id }) => {
    const { document } = view.layout.parse(id);
    const isFirst = !seen.has(document);
    seen.add(document);
    return isFirst;
  });
}

function scoresOf({ scores: { retrievers, retrieval, reranker } }: RankedHit, mode: SearchMode): CollectionHit["scores"] {
  const scores = new Map(Object.entries(retrievers));
  return {
    ...optional("sparse", scores.get("sparse")),
    ...optional("lexical", scores.get("lexical")),
    ...(mode === "hybrid" ? { fused: retrieval } : {}),
    ...optional("reranker", reranker),
  };
}
