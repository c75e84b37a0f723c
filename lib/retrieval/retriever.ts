/** First stages: anything that finds documents for the text of a query. */

import { throwIfAborted } from "../core/abort";
import {
  describe,
  invalid,
  requireControls,
  requireFunction,
  requireMethod,
  requirePositiveInteger,
  requireRecord,
  requireString,
  requireTexts,
} from "../core/validate";
import { SparseRerankError } from "../errors";
import type { SparseEncoder } from "../sparse-encoder";
import { checkFilter } from "../sparse-index/filter";
import type { Filter } from "../sparse-index/filter";
import type { SparseVector } from "../sparse-matrix";

export interface Retrieved {
  readonly id: string;
  readonly score: number;
  /** The text for a reranker, if the retriever has it. */
  readonly text?: string;
  readonly payload?: unknown;
}

export interface RetrieveOptions {
  /** The most hits per query. */
  readonly topK: number;
  /** Restricts the hits to matching documents. */
  readonly filter?: Filter;
  readonly signal?: AbortSignal;
}

/**
 * One list of hits for each query, best first. Ids are distinct within a list. A retriever that has no fields to filter by rejects a filter,
 * with ERR_NOT_SUPPORTED for instance; it must not ignore one.
 */
export interface Retriever {
  /** The name in results and messages: "sparse", "bm25". */
  readonly name: string;
  retrieve(queries: readonly string[], options: RetrieveOptions): Promise<readonly (readonly Retrieved[])[]>;
}

/** Searches with sparse query vectors: a SparseIndex, or the adapter of a search engine. */
export interface SparseSearch {
  search(
    query: SparseVector,
    options: { readonly topK: number; readonly filter?: Filter; readonly withPayload?: boolean; readonly signal?: AbortSignal },
  ): Promise<readonly { readonly id: string; readonly score: number; readonly payload?: unknown }[]>;
}

export interface SparseRetrieverOptions {
  readonly encoder: SparseEncoder;
  readonly index: SparseSearch;
  /** Default "sparse". */
  readonly name?: string;
  /** Returns the text of a hit, for rerankers; default: its payload if that is a string, else the string in the payload's field "text". */
  readonly text?: (id: string, payload: unknown) => string | undefined;
  /** Restricts the hits to matching documents, together with the filter of a request. */
  readonly filter?: Filter;
  /** Whether hits include the payloads stored in the index; default true. */
  readonly withPayload?: boolean;
}

/** Queries sent to a search engine at a time. */
const CONCURRENCY = 8;

/** Encodes queries and searches for them. Errors: ERR_INVALID_ARGUMENT; calls reject like the encoder's and the index's. */
export function sparseRetriever(options: SparseRetrieverOptions): Retriever {
  requireRecord(options, "options", ["encoder", "index", "name", "text", "filter", "withPayload"]);
  const { encoder, index, name = "sparse", text = textOfPayload, filter, withPayload = true } = options;
  requireMethod(encoder, "encodeQuery", "encoder", "a SparseEncoder");
  requireMethod(index, "search", "index", "a SparseIndex, or an engine with search()");
  requireString(name, "name");
  requireFunction(text, "text");
  if (filter !== undefined) checkFilter(filter);
  if (typeof withPayload !== "boolean") throw invalid("withPayload", withPayload, "a boolean");
  return {
    name,
    async retrieve(queries, retrieveOptions) {
      const { topK, signal, filter: requested } = checkRetrieve(queries, retrieveOptions);
      const control = signal === undefined ? {} : { signal };
      const both = filter === undefined || requested === undefined ? (filter ?? requested) : { and: [filter, requested] };
      const vectors = await encoder.encodeQuery(queries, control);
      return mapConcurrently(
        [...vectors],
        async (vector) => {
          const hits = await index.search(vector, { topK, withPayload, ...optional("filter", both), ...control });
          return hits.map(({ id, score, payload }) => ({
            id,
            score,
            ...optional("text", text(id, payload)),
            ...optional("payload", payload),
          }));
        },
        signal,
      );
    },
  };
}

/** Calls a retriever and validates its result, since it may be the user's own. */
export async function retrieveChecked(
  retriever: Retriever,
  queries: readonly string[],
  options: RetrieveOptions,
): Promise<readonly (readonly Retrieved[])[]> {
  throwIfAborted(options.signal);
  const lists: unknown = await retriever.retrieve(queries, options);
  if (!Array.isArray(lists) || lists.length !== queries.length) {
    const found = Array.isArray(lists) ? `${lists.length} lists` : describe(lists);
    throw bad(retriever, `returned ${found} for ${queries.length} queries; it must return one list of hits per query`);
  }
  for (const list of lists as readonly unknown[]) requireHits(retriever, list);
  return (lists as readonly (readonly Retrieved[])[]).map((list) => list.slice(0, options.topK));
}

/** Validates the arguments of every retriever in this package. */
export function checkRetrieve(queries: readonly string[], options: RetrieveOptions): RetrieveOptions {
  requireTexts(queries, "queries");
  requireRecord(options, "options", ["topK", "filter", "signal"]);
  requirePositiveInteger(options.topK, "topK");
  if (options.filter !== undefined) checkFilter(options.filter);
  requireControls(options);
  return options;
}

/** The text for a reranker of a document that has only a payload. */
export function textOfPayload(_id: string, payload: unknown): string | undefined {
  const text: unknown = typeof payload === "object" && payload !== null && "text" in payload ? payload.text : payload;
  return typeof text === "string" ? text : undefined;
}

export function requireRetriever(value: unknown, name: string): asserts value is Retriever {
  const { name: its, retrieve } = (typeof value === "object" && value !== null ? value : {}) as Partial<Retriever>;
  if (typeof its !== "string" || typeof retrieve !== "function")
    throw invalid(name, value, "a retriever: an object with name and retrieve()");
}

/** Returns results in the order of the items; `work` runs for a few of them at a time. */
export async function mapConcurrently<T, R>(
  items: readonly T[],
  work: (item: T) => Promise<R>,
  signal: AbortSignal | undefined,
): Promise<R[]> {
  const results: R[] = [];
  const pending = items.entries();
  const worker = async (): Promise<void> => {
    for (const [i, item] of pending) {
      throwIfAborted(signal);
      results[i] = await work(item);
    }
  };
  await Promise.all(Array.from({ length: Math.min(CONCURRENCY, items.length) }, worker));
  return results;
}

/** Makes an undefined property absent. */
export function optional<K extends string, V>(key: K, value: V | undefined): Partial<Readonly<Record<K, V>>> {
  return value === undefined ? {} : ({ [key]: value } as Partial<Readonly<Record<K, V>>>);
}

function requireHits(retriever: Retriever, list: unknown): void {
  if (!Array.isArray(list)) throw bad(retriever, `returned ${describe(list)} for a query; expected an array of hits`);
  const seen = new Set<string>();
  for (const hit of list as readonly Partial<Retrieved>[]) {
    if (typeof hit.id !== "string" || typeof hit.score !== "number" || Number.isNaN(hit.score)) {
      throw bad(retriever, "returned a hit without an id (a string) and a score (a number)");
    }
    if (seen.has(hit.id)) throw bad(retriever, `returned the id ${JSON.stringify(hit.id)} twice for one query`);
    seen.add(hit.id);
  }
}

function bad(retriever: Retriever, problem: string): SparseRerankError {
  return new SparseRerankError("ERR_INVALID_ARGUMENT", `The retriever "${retriever.name}" ${problem}.`);
}
