import { createHash } from "node:crypto";

import { isErrorNamed } from "../core/error-code";
import { loadPackage } from "../core/optional-package";
import { invalid, requireAddress, requireString } from "../core/validate";
import type { CheckedFilter } from "../sparse-index/filter";
import type { Prepared, Rejection } from "./bulk";
import type { CheckedSearch, DocumentLimits } from "./documents";
import { codeOfStatus, EngineError, messageOf, requestError, shorten, unsupportedFilter } from "./errors";
import { nonZeros } from "./json-lines";
import { objectAt } from "./json-object";
import type { Payload } from "./json-object";
import { RemoteEngine, requireName, requireOneOf } from "./remote-engine";
import type { NewDocument } from "./remote-engine";
import type { EngineHit, EngineStats, RemoteEngineOptions } from "./types";

/** The part of QdrantClient that the adapter uses. */
export interface QdrantClientLike {
  collectionExists(name: string): Promise<{ exists: boolean }>;
  createCollection(name: string, options: object): Promise<unknown>;
  getCollection(name: string): Promise<unknown>;
  upsert(name: string, options: { wait: boolean; points: QdrantPoint[] }): Promise<unknown>;
  query(name: string, options: object): Promise<unknown>;
  retrieve(name: string, options: object): Promise<unknown>;
  delete(name: string, options: { wait: boolean; points: string[] }): Promise<unknown>;
  count(name: string, options: { exact: boolean }): Promise<{ count: number }>;
}

export interface QdrantPoint {
  readonly id: string;
  readonly vector: Record<string, { indices: number[]; values: number[] }>;
  readonly payload: { readonly id: string; readonly payload?: Payload };
}

export interface QdrantOptions extends RemoteEngineOptions {
  /** Address of the server. */
  readonly url?: string;
  readonly apiKey?: string;
  /** A configured QdrantClient, instead of `url`. */
  readonly client?: QdrantClientLike;
  readonly collection: string;
  /** Name of the sparse vector in the collection. Default "text". */
  readonly vector?: string;
  /**
   * "idf" makes Qdrant multiply query weights by inverse document frequencies, for models without them; it changes scores. Default "none".
   */
  readonly modifier?: "idf" | "none";
  /** Keep the inverted index and the payloads of a new collection on disk. Default false. */
  readonly onDisk?: boolean;
}

const COLLECTION_NAME = /^[^<>:"/\\|?*\p{Cc}]{1,255}$/u;
const PLAIN_KEY = /^[\w-]+$/;

/**
 * A collection of Qdrant (1.10 or later) with a named sparse vector. Requires @qdrant/js-client-rest. Qdrant allows only numbers and UUIDs
 * as point ids, so the id of a point is a UUID derived from the document's id, which is stored in the payload of the point.
 */
export class QdrantEngine extends RemoteEngine<QdrantPoint> {
  readonly name = "Qdrant";
  readonly #options: QdrantOptions;
  readonly #collection: string;
  readonly #vector: string;
  #client: Promise<QdrantClientLike> | undefined;

  constructor(options: QdrantOptions) {
    super(options, ["url", "apiKey", "client", "collection", "vector", "modifier", "onDisk"]);
    requireOneOf(options.client, "client", options.url, "url");
    if (options.url !== undefined) requireAddress(options.url, "url", ["http:", "https:"]);
    for (const name of ["apiKey", "vector"] as const) {
      if (options[name] !== undefined) requireString(options[name], name);
    }
    if (options.modifier !== undefined && options.modifier !== "idf" && (options.modifier as string) !== "none") {
      throw invalid("modifier", options.modifier, '"idf" or "none"');
    }
    if (options.onDisk !== undefined && typeof options.onDisk !== "boolean") throw invalid("onDisk", options.onDisk, "a boolean");
    this.#collection = requireName(
      options.collection,
      "collection",
      COLLECTION_NAME,
      'a collection name of at most 255 characters, without < > : " / \\ | ? * and control characters',
    );
    this.#vector = options.vector ?? "text";
    this.#options = options;
  }

  protected async createIndex(): Promise<void> {
    const { exists } = await this.#call((client) => client.collectionExists(this.#collection));
    if (!exists) {
      const { onDisk: on_disk = false, modifier = "none" } = this.#options;
      const sparse_vectors = { [this.#vector]: { index: { on_disk }, modifier } };
      try {
        await this.#call((client) => client.createCollection(this.#collection, { sparse_vectors, on_disk_payload: on_disk }));
        return;
      } catch (error) {
        // Another process may have created it in the meantime.
        const now = await this.#call((client) => client.collectionExists(this.#collection)).catch(() => ({ exists: false }));
        if (!now.exists) throw error;
      }
    }
    await this.#requireSameLayout();
  }

  protected async readStats(): Promise<EngineStats> {
    const { count } = await this.#call((client) => client.count(this.#collection, { exact: true }));
    return { documents: count };
  }

  /** Nothing to do: the client holds no connections open. */
  protected closeClient(): Promise<void> {
    return Promise.resolve();
  }

  protected limits(): DocumentLimits {
    return { idBytes: 65_536, negative: true, empty: true };
  }

  protected body({ id, vector, payload, payloadJson }: NewDocument): { body: QdrantPoint; bytes: number } {
    const sparse = sparseOf(vector);
    const body = { id: pointId(id), vector: { [this.#vector]: sparse }, payload: { id, ...(payload === undefined ? {} : { payload }) } };
    return { body, bytes: 120 + id.length + payloadJson.length + 18 * sparse.indices.length };
  }

  protected async write(batch: readonly Prepared<QdrantPoint>[], signal: AbortSignal | undefined): Promise<readonly Rejection[]> {
    const points = batch.map(({ body }) => body);
    const result = await this.#call((client) => client.upsert(this.#collection, { wait: true, points }), signal);
    const status = objectAt(result)?.["status"];
    if (status !== "completed") throw this.badAnswer(`the update is not completed (status ${String(status)})`);
    return [];
  }

  /** Nothing to do: writes wait until they are applied. */
  protected refresh(): Promise<void> {
    return Promise.resolve();
  }

  protected async remove(ids: readonly string[]): Promise<number> {
    const points = ids.map(pointId);
    const existing = await this.#call((client) =>
      client.retrieve(this.#collection, { ids: points, with_payload: false, with_vector: false }),
    );
    if (!Array.isArray(existing)) throw this.badAnswer("it is no list of points");
    if (existing.length > 0) await this.#call((client) => client.delete(this.#collection, { wait: true, points }));
    return existing.length;
  }

  protected async find({ query, topK, filter, signal }: CheckedSearch): Promise<EngineHit[]> {
    const request = {
      query: sparseOf(query),
      using: this.#vector,
      limit: topK,
      with_payload: true,
      ...(filter === undefined ? {} : { filter: this.#filter(filter) }),
    };
    const answer = await this.#call((client) => client.query(this.#collection, request), signal);
    const points = objectAt(answer)?.["points"];
    if (!Array.isArray(points)) throw this.badAnswer("it has no points");
    return points.map((point: unknown) => {
      const score = objectAt(point)?.["score"];
      const id = objectAt(point, "payload")?.["id"];
      if (typeof score !== "number" || typeof id !== "string") throw this.badAnswer("a point has no score, or no id in its payload");
      const payload = objectAt(point, "payload", "payload");
      return { id, score, ...(payload === undefined ? {} : { payload }) };
    });
  }

  protected translate(error: unknown): EngineError {
    const status = objectAt(error)?.["status"];
    if (isErrorNamed(error, "SyntaxError")) return this.badAnswer(messageOf(error));
    const said = objectAt(error, "data", "status")?.["error"];
    const problem = typeof said === "string" ? shorten(said) : messageOf(error);
    const retryAfter = Number(objectAt(error)?.["retry_after"]);
    // The client reports 429 with a separate error class, which has no status.
    const code = codeOfStatus(Number.isFinite(retryAfter) ? 429 : typeof status === "number" ? status : undefined);
    return requestError(this.name, code, problem, { cause: error, ...(retryAfter > 0 ? { retryAfterMs: retryAfter * 1000 } : {}) });
  }

  #filter(filter: CheckedFilter): object {
    switch (filter.kind) {
      case "and":
        return { must: filter.filters.map((one) => this.#filter(one)) };
      case "or":
        return { should: filter.filters.map((one) => this.#filter(one)) };
      case "not":
        return { must_not: [this.#filter(filter.filter)] };
      case "range":
        return { must: [{ key: this.#key(filter.field), range: filter.range }] };
      case "dates": {
        const bounds = Object.entries(filter.range as Record<string, number>).map(([name, bound]) => [name, new Date(bound).toISOString()]);
        return { must: [{ key: this.#key(filter.field), range: Object.fromEntries(bounds) as object }] };
      }
      case "exists":
        return { must_not: [{ is_empty: { key: this.#key(filter.field) } }] };
      case "prefix":
        throw unsupportedFilter(this.name, "it asks how a string begins", "Store the beginning in a field of its own.");
      case "in": {
        const key = this.#key(filter.field);
        const strings = filter.values.filter((value) => typeof value === "string");
        const others = filter.values.filter((value) => typeof value !== "string");
        const should = [
          ...(strings.length === 0 ? [] : [{ key, match: { any: strings } }]),
          // `match` supports only integers.
          ...others.map((value) => (typeof value === "number" ? { key, range: { gte: value, lte: value } } : { key, match: { value } })),
        ];
        return { should };
      }
    }
  }

  #key(path: readonly string[]): string {
    const parts = path.map((part) => {
      if (PLAIN_KEY.test(part)) return part;
      if (!/["\\]/.test(part)) return `"${part}"`;
      throw unsupportedFilter(this.name, `the field ${JSON.stringify(part)} contains a quote or a backslash`, "Rename it in the payloads.");
    });
    return ["payload", ...parts].join(".");
  }

  async #requireSameLayout(): Promise<void> {
    const info = await this.#call((client) => client.getCollection(this.#collection));
    const found = objectAt(info, "config", "params", "sparse_vectors", this.#vector);
    const requested = this.#options.modifier;
    const modifier = typeof found?.["modifier"] === "string" ? found["modifier"] : "none";
    let problem;
    if (found === undefined) problem = `has no sparse vector "${this.#vector}"`;
    else if (requested !== undefined && modifier !== requested) problem = `has the modifier ${modifier}, not ${requested}`;
    if (problem === undefined) return;
    throw new EngineError(this.name, "ERR_ENGINE_REFUSED", `the collection "${this.#collection}" ${problem}; use another collection.`);
  }

  #call<T>(run: (client: QdrantClientLike) => Promise<T>, signal?: AbortSignal): Promise<T> {
    return this.request(signal, async () => {
      this.#client ??= this.#connect().catch((error: unknown) => {
        this.#client = undefined;
        throw error;
      });
      return run(await this.#client);
    });
  }

  async #connect(): Promise<QdrantClientLike> {
    if (this.#options.client !== undefined) return this.#options.client;
    const { QdrantClient } = await loadPackage("@qdrant/js-client-rest", () => import("@qdrant/js-client-rest"));
    const { url = "", apiKey } = this.#options;
    return new QdrantClient({ url, checkCompatibility: false, ...(apiKey === undefined ? {} : { apiKey }) });
  }
}

function sparseOf(vector: Parameters<typeof nonZeros>[0]): { indices: number[]; values: number[] } {
  const entries = [...nonZeros(vector)];
  return { indices: entries.map(([dimension]) => dimension), values: entries.map(([, weight]) => weight) };
}

/** A UUID of version 8 (RFC 9562, custom) derived from the id, so that equal ids map to the same point. */
function pointId(id: string): string {
  const hash = createHash("sha256").update(id).digest().subarray(0, 16);
  hash[6] = ((hash[6] ?? 0) & 0x0f) | 0x80;
  hash[8] = ((hash[8] ?? 0) & 0x3f) | 0x80;
  return hash.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
