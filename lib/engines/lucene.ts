/** Base class of the OpenSearch and Elasticsearch adapters: requests to Lucene-based servers through either official client. */

import { isErrorNamed } from "../core/error-code";
import { invalid, requireAddress } from "../core/validate";
import type { CheckedFilter, FilterValue } from "../sparse-index/filter";
import type { SparseVector } from "../sparse-matrix";
import type { Prepared, Rejection } from "./bulk";
import type { CheckedSearch, DocumentLimits } from "./documents";
import { codeOfStatus, datesUnsupported, EngineError, messageOf, requestError, shorten, unsupportedFilter } from "./errors";
import { nonZeros } from "./json-lines";
import { objectAt } from "./json-object";
import { RemoteEngine, requireName, requireOneOf } from "./remote-engine";
import type { NewDocument } from "./remote-engine";
import type { EngineHit, EngineStats, RemoteEngineOptions } from "./types";

/** The part of the official clients that the adapters use. */
export interface LuceneClient {
  readonly transport: {
    request(params: LuceneRequest, options?: Record<string, unknown>): Promise<unknown>;
  };
  close(): Promise<void>;
}

export interface LuceneRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "DELETE";
  readonly path: string;
  readonly querystring?: Record<string, string>;
  readonly body?: object;
  readonly bulkBody?: string;
}

export interface LuceneOptions extends RemoteEngineOptions {
  /** Address of the server, with user and password if required. */
  readonly node?: string;
  /** A configured client, instead of `node`. The caller closes it. */
  readonly client?: LuceneClient;
  readonly index: string;
  /** Name of the vector field. Default "vector". */
  readonly field?: string;
  /** Settings of an index that ensureIndex() creates, such as { number_of_shards: 3 }. */
  readonly settings?: Record<string, unknown>;
  /**
   * Name of a dimension in the vector field. Default: its number. Needed only for an index that another program filled with tokens. A name
   * must not contain a dot.
   */
  readonly token?: (dimension: number) => string;
}

export const LUCENE_OPTIONS = ["node", "client", "index", "field", "settings", "token", "mode"];

/** Longer strings are not indexed, since Lucene rejects terms above 32,766 bytes. */
const MAX_KEYWORD = 8191;
const MAX_TERMS = 65_536;
/** The default of indices.query.bool.max_clause_count. */
const MAX_CLAUSES = 1024;
/** The default of index.max_result_window. */
const MAX_WINDOW = 10_000;
const INDEX_NAME = /^(?![-_+.])[^A-Z\\/*?"<>| ,#:]{1,255}$/;

/**
 * Fixes the type of payload fields: strings are keywords, and all numbers are doubles (otherwise a first value of 1 would create an integer
 * field).
 */
const PAYLOAD_TEMPLATES = [
  { strings: { path_match: "payload.*", match_mapping_type: "string", mapping: { type: "keyword", ignore_above: MAX_KEYWORD } } },
  { numbers: { path_match: "payload.*", match_mapping_type: "long", mapping: { type: "double" } } },
];

type Json = Record<string, unknown>;

export abstract class LuceneEngine extends RemoteEngine<string> {
  protected override readonly maxHits = MAX_WINDOW;
  protected readonly index: string;
  protected readonly field: string;
  readonly #settings: Record<string, unknown>;
  readonly #token: (dimension: number) => string;
  readonly #node: string | undefined;
  readonly #givenClient: LuceneClient | undefined;
  #client: Promise<LuceneClient> | undefined;
  #indexExists = false;

  protected constructor(options: LuceneOptions) {
    super(options, LUCENE_OPTIONS);
    requireOneOf(options.client, "client", options.node, "node");
    if (options.node !== undefined) requireAddress(options.node, "node", ["http:", "https:"]);
    this.index = requireName(options.index, "index", INDEX_NAME, "an index name in lower case, without spaces or special characters");
    this.field = requireName(
      options.field ?? "vector",
      "field",
      /^(?!payload$)[^.\s"]+$/,
      'a field name without dots or spaces, other than "payload"',
    );
    if (options.token !== undefined && typeof options.token !== "function") throw invalid("token", options.token, "a function");
    this.#settings = options.settings ?? {};
    this.#token = options.token ?? String;
    this.#node = options.node;
    this.#givenClient = options.client;
  }

  /** Creates a client from the optional peer dependency. */
  protected abstract connect(node: string): Promise<LuceneClient>;
  /** The mapping of the vector field, and the index settings that it requires. */
  protected abstract vectorMapping(): Promise<{ readonly mapping: Json; readonly settings: Json }>;
  /** The query for a vector. @param filter in the engine's query language */
  protected abstract vectorQuery(search: CheckedSearch, filter: Json | undefined): Promise<Json>;
  protected abstract searchParameters(): Promise<Record<string, string>>;

  protected async createIndex(): Promise<void> {
    const found = await this.fieldMapping();
    const { mapping, settings } = await this.vectorMapping();
    if (found !== undefined) {
      this.#requireSameType(found, mapping);
      return;
    }
    const properties = { [this.field]: mapping, payload: { type: "object", dynamic: true } };
    const body = {
      settings: { ...settings, ...this.#settings },
      mappings: { dynamic: "strict", dynamic_templates: PAYLOAD_TEMPLATES, properties },
    };
    try {
      await this.call({ method: "PUT", path: this.path(), body });
    } catch (error) {
      // Another process may have created it in the meantime.
      const existing = await this.fieldMapping().catch(() => undefined);
      if (existing === undefined) throw error;
      this.#requireSameType(existing, mapping);
    }
  }

  protected async readStats(): Promise<EngineStats> {
    const answer = await this.call({ method: "GET", path: this.path("_stats", "docs,store") });
    const primaries = objectAt(answer, "_all", "primaries");
    const documents = objectAt(primaries, "docs")?.["count"];
    const bytes = objectAt(primaries, "store")?.["size_in_bytes"];
    if (typeof documents !== "number") throw this.badAnswer("the index statistics have no count of documents");
    return { documents, ...(typeof bytes === "number" ? { bytes } : {}) };
  }

  protected async closeClient(): Promise<void> {
    if (this.#givenClient === undefined) await (await this.#client)?.close();
  }

  protected limits(): DocumentLimits {
    return { idBytes: 512, negative: false, empty: true };
  }

  protected body({ id, vector, payloadJson }: NewDocument): { body: string; bytes: number } {
    const source = `{${JSON.stringify(this.field)}:${JSON.stringify(this.tokens(vector))},"payload":${payloadJson}}`;
    const body = `{"index":{"_id":${JSON.stringify(id)}}}\n${source}\n`;
    return { body, bytes: Buffer.byteLength(body) };
  }

  protected async write(batch: readonly Prepared<string>[], signal: AbortSignal | undefined): Promise<readonly Rejection[]> {
    await this.#requireIndex();
    const bulkBody = batch.map(({ body }) => body).join("");
    const items = await this.#bulk(bulkBody, batch.length, signal);
    return items.flatMap(({ status, error }, at) => {
      if (status >= 200 && status < 300) return [];
      const code = status === 404 ? "ERR_ENGINE_INDEX_NOT_FOUND" : codeOfStatus(status);
      return [{ at, code, reason: `${this.name}: ${error}` }];
    });
  }

  protected async remove(ids: readonly string[]): Promise<number> {
    const lines = ids.map((id) => `{"delete":{"_id":${JSON.stringify(id)}}}\n`).join("");
    const items = await this.#bulk(lines, ids.length, undefined);
    const problem = items.findIndex(({ status }) => status !== 200 && status !== 404);
    if (problem >= 0) {
      const { status, error } = items[problem] ?? { status: 0, error: "" };
      throw requestError(this.name, codeOfStatus(status), `the document ${ids[problem] ?? ""} was not deleted: ${error}`);
    }
    return items.filter(({ status }) => status === 200).length;
  }

  protected async refresh(signal: AbortSignal | undefined): Promise<void> {
    await this.call({ method: "POST", path: this.path("_refresh") }, signal);
  }

  protected async find(search: CheckedSearch): Promise<EngineHit[]> {
    const filter = search.filter === undefined ? undefined : this.filterQuery(search.filter);
    const query = await this.vectorQuery(search, filter);
    const body = { size: search.topK, query, track_total_hits: false, _source: ["payload"] };
    const answer = await this.call(
      { method: "POST", path: this.path("_search"), querystring: await this.searchParameters(), body },
      search.signal,
    );
    this.#requireWhole(answer);
    const hits = objectAt(answer, "hits")?.["hits"];
    if (!Array.isArray(hits)) throw this.badAnswer("it has no hits.hits");
    return hits.map((hit: unknown) => this.#hit(hit));
  }

  /** The vector in the form of the vector field. */
  protected tokens(vector: SparseVector): Record<string, number> {
    const tokens: Record<string, number> = {};
    for (const [dimension, weight] of nonZeros(vector)) {
      const token = this.#token(dimension);
      if (token === "" || token.includes(".")) {
        throw this.limitError(
          `dimension ${dimension} has the name ${JSON.stringify(token)}, but feature names must not be empty or contain a dot; return another from \`token\`.`,
        );
      }
      tokens[token] = weight;
    }
    return tokens;
  }

  /** A query over rank_features that computes the dot product as a sum of linear functions. */
  protected rankFeaturesQuery({ query }: CheckedSearch, filter: Json | undefined): Json {
    const weights = Object.entries(this.tokens(query));
    if (weights.length > MAX_CLAUSES) {
      throw this.limitError(
        `the query has ${weights.length} weights, but a boolean query has at most ${MAX_CLAUSES} clauses; encode it with maxActiveDims: ${MAX_CLAUSES}.`,
      );
    }
    const should = weights.map(([token, boost]) => ({ rank_feature: { field: `${this.field}.${token}`, linear: {}, boost } }));
    return { bool: { should, minimum_should_match: 1, ...(filter === undefined ? {} : { filter }) } };
  }

  protected static filtered(query: Json, filter: Json | undefined): Json {
    return filter === undefined ? query : { bool: { must: [query], filter } };
  }

  protected filterQuery(filter: CheckedFilter): Json {
    switch (filter.kind) {
      case "and":
        return { bool: { filter: filter.filters.map((one) => this.filterQuery(one)) } };
      case "or":
        return { bool: { should: filter.filters.map((one) => this.filterQuery(one)), minimum_should_match: 1 } };
      case "not":
        return { bool: { must_not: [this.filterQuery(filter.filter)] } };
      case "range":
        return { range: { [payloadField(filter.field)]: filter.range } };
      case "in":
        this.#requireTerms(filter.values);
        return { terms: { [payloadField(filter.field)]: filter.values } };
      case "exists":
        return { exists: { field: payloadField(filter.field) } };
      case "prefix":
        return { prefix: { [payloadField(filter.field)]: filter.prefix } };
      case "dates":
        throw datesUnsupported(this.name);
    }
  }

  #requireTerms(values: readonly FilterValue[]): void {
    const long = values.find((value) => typeof value === "string" && value.length > MAX_KEYWORD);
    if (long !== undefined) {
      throw unsupportedFilter(this.name, `strings of more than ${MAX_KEYWORD} characters are not indexed`, "Compare a hash of it instead.");
    }
    if (values.length > MAX_TERMS) {
      throw unsupportedFilter(this.name, `it has ${values.length} values, but at most ${MAX_TERMS} are allowed`, "Split the search.");
    }
  }

  /** The type of the vector field, "none" if the index has no such field; undefined if the index does not exist. */
  protected async fieldMapping(): Promise<string | undefined> {
    let answer;
    try {
      answer = await this.call({ method: "GET", path: this.path("_mapping") });
    } catch (error) {
      if (error instanceof EngineError && error.code === "ERR_ENGINE_INDEX_NOT_FOUND") return undefined;
      throw error;
    }
    // For an alias, the response is keyed by the name of its index.
    const [mapping] = Object.values(answer);
    const type = objectAt(mapping, "mappings", "properties", this.field)?.["type"];
    return typeof type === "string" ? type : "none";
  }

  /** @returns the response body, an object */
  protected async call(params: LuceneRequest, signal?: AbortSignal): Promise<Json> {
    const answer = await this.request(signal, async (requestSignal) => {
      this.#client ??= this.#givenClient === undefined ? this.connect(this.#node ?? "") : Promise.resolve(this.#givenClient);
      const client = await this.#client.catch((error: unknown) => {
        this.#client = undefined;
        throw error;
      });
      // OpenSearch's client does not support signals: its own timeout frees the connection shortly after ours.
      const requestTimeout = this.timeoutMs + 1000;
      return client.transport.request(params, { meta: true, maxRetries: 0, requestTimeout, signal: requestSignal });
    });
    const body = objectAt(answer)?.["body"];
    if (typeof body !== "object" || body === null) throw this.badAnswer("it is not JSON");
    return body as Json;
  }

  protected path(...parts: readonly string[]): string {
    return `/${[encodeURIComponent(this.index), ...parts].join("/")}`;
  }

  protected translate(error: unknown): EngineError {
    const meta = objectAt(error, "meta");
    const status = [objectAt(error)?.["statusCode"], meta?.["statusCode"]].find((value) => typeof value === "number" && value > 0) as
      number | undefined;
    if (isErrorNamed(error, "SyntaxError") || objectAt(error)?.["name"] === "DeserializationError") return this.badAnswer(messageOf(error));
    const said = reasonOf(objectAt(meta?.["body"])?.["error"]);
    const retryAfter = Number(objectAt(meta, "headers")?.["retry-after"]);
    return requestError(this.name, codeOfStatus(status), said ?? messageOf(error), {
      cause: error,
      ...(Number.isFinite(retryAfter) && retryAfter > 0 ? { retryAfterMs: retryAfter * 1000 } : {}),
    });
  }

  async #bulk(bulkBody: string, count: number, signal: AbortSignal | undefined): Promise<{ status: number; error: string }[]> {
    const answer = await this.call({ method: "POST", path: this.path("_bulk"), bulkBody }, signal);
    const items = answer["items"];
    if (!Array.isArray(items) || items.length !== count) {
      throw this.badAnswer(`it reports ${Array.isArray(items) ? items.length : "no"} of ${count} operations`);
    }
    return items.map((item: unknown) => {
      const [result] = Object.values(objectAt(item) ?? {});
      const status = objectAt(result)?.["status"];
      if (typeof status !== "number") throw this.badAnswer("an operation has no status");
      return { status, error: reasonOf(objectAt(result)?.["error"]) ?? `status ${status}` };
    });
  }

  /** Without this check, a bulk request would create a missing index with dynamic field types. */
  async #requireIndex(): Promise<void> {
    if (this.#indexExists) return;
    if ((await this.fieldMapping()) === undefined) {
      throw requestError(this.name, "ERR_ENGINE_INDEX_NOT_FOUND", `there is no index "${this.index}"`);
    }
    this.#indexExists = true;
  }

  /** Rejects partial results: hits of a shard that failed or timed out would be missing. */
  #requireWhole(answer: Json): void {
    const failed = objectAt(answer, "_shards")?.["failed"];
    if (answer["timed_out"] !== true && failed === 0) return;
    const why = answer["timed_out"] === true ? "the search timed out" : `${String(failed)} shards failed`;
    const [failure] = (objectAt(answer, "_shards")?.["failures"] ?? []) as unknown[];
    const reason = reasonOf(objectAt(failure)?.["reason"]);
    throw requestError(
      this.name,
      "ERR_ENGINE_UNAVAILABLE",
      `only part of the index was searched: ${why}${reason === undefined ? "" : ` (${reason})`}`,
    );
  }

  #hit(hit: unknown): EngineHit {
    const { _id: id, _score: score } = objectAt(hit) ?? {};
    if (typeof id !== "string" || typeof score !== "number") throw this.badAnswer("a hit has no _id or _score");
    const payload = objectAt(hit, "_source", "payload");
    return { id, score, ...(payload === undefined ? {} : { payload }) };
  }

  #requireSameType(found: string, { type }: Json): void {
    if (found === type) return;
    throw new EngineError(
      this.name,
      "ERR_ENGINE_REFUSED",
      `the field "${this.field}" of the index "${this.index}" has the type ${found}, not ${String(type)}; use another index, or set the mode that it was created with.`,
    );
  }
}

function payloadField(path: readonly string[]): string {
  return ["payload", ...path].join(".");
}

/** The reasons in a server's error, from the outermost to the innermost, with their types. */
function reasonOf(error: unknown): string | undefined {
  if (typeof error === "string") return shorten(error);
  const parts: string[] = [];
  for (let at = objectAt(error), depth = 0; at !== undefined && depth < 3; at = objectAt(at, "caused_by"), depth++) {
    const { type, reason } = at;
    if (typeof reason === "string") parts.push(`${typeof type === "string" ? `${type}: ` : ""}${reason}`);
  }
  return parts.length === 0 ? undefined : shorten(parts.join(" ← "));
}
