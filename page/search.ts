/** A search with everything that the page shows of it, from the routes that any client may use. */

import type { ShownHit, StageName } from "../lib/page/contract";
import { EARLIER_HITS, earlierSearches, readText, shownHits } from "../lib/page/shown-hits";
import type { FoundHit } from "../lib/page/shown-hits";
import type { ExplainedText, Explanation } from "../lib/retrieval/explain";
import { post } from "./api";
import type { Info, Mode } from "./api";

export interface Setting {
  readonly mode: Mode;
  readonly rerank: boolean;
}

export interface Found {
  readonly query: string;
  readonly setting: Setting;
  readonly hits: readonly ShownHit[];
  readonly expansion: ExplainedText | undefined;
  /** Milliseconds of the server for the search itself. */
  readonly milliseconds: number;
  /** The request, to copy. */
  readonly request: object;
  /** The answer, to copy. */
  readonly answer: object;
}

export interface SearchAnswer {
  readonly hits: readonly FoundHit[];
}

let opened: Promise<unknown> | undefined;

/** Waits until the sample is encoded, which else would count as time of the first search. Errors: as for post(). */
export async function openSample({ search: { path } }: Info): Promise<void> {
  opened ??= post(path, { query: "a", top_k: 1, mode: "lexical", rerank: false });
  try {
    await opened;
  } catch (error) {
    opened = undefined;
    throw error;
  }
}

/** Errors: as for post(). */
export async function search(info: Info, query: string, setting: Setting, topK: number, signal: AbortSignal): Promise<Found> {
  const { mode, rerank } = setting;
  const { path, reranker } = info.search;
  const isReranked = rerank && reranker !== undefined;
  const request = { query, top_k: topK, mode, rerank: isReranked, highlight: true };
  const wantsModel = mode !== "lexical";
  if (info.search.is_sample) await openSample(info);
  const [answer, expansion, ...earlier] = await Promise.all([
    post<SearchAnswer>(path, request, signal),
    wantsModel ? explainQuery(info, query, signal) : undefined,
    ...earlierSearches(mode, isReranked).map(async ({ stage, mode: of }): Promise<[StageName, string[]]> => {
      const { value } = await post<SearchAnswer>(path, { query, top_k: EARLIER_HITS, mode: of, rerank: false }, signal);
      return [stage, value.hits.map(({ id }) => id)];
    }),
  ]);
  return {
    query,
    setting,
    hits: shownHits(answer.value.hits, new Map(earlier)),
    expansion,
    milliseconds: Number(answer.headers.get("x-compute-time") ?? 0),
    request,
    answer: answer.value,
  };
}

async function explainQuery(info: Info, query: string, signal: AbortSignal): Promise<ExplainedText> {
  const { value } = await post<ExplainedText>("explain", { query, ...named(info) }, signal);
  return value;
}

/** Why a hit matches. Errors: as for post(). */
export async function explainHit(info: Info, query: string, hit: ShownHit, signal?: AbortSignal): Promise<Explanation> {
  const { value } = await post<Explanation>("explain", { query, document: readText(hit), ...named(info) }, signal);
  return value;
}

/** The model of the collection. */
function named({ search: { model } }: Info): object {
  return model === undefined ? {} : { model };
}
