import { isErrorNamed } from "../core/error-code";
import { loadPackage } from "../core/optional-package";
import { invalid, requireString } from "../core/validate";
import type { CheckedFilter } from "../sparse-index/filter";
import type { Prepared, Rejection } from "./bulk";
import type { CheckedSearch, DocumentLimits } from "./documents";
import { datesUnsupported, EngineError, messageOf, requestError, unsupportedFilter } from "./errors";
import { nonZeros } from "./json-lines";
import { objectAt } from "./json-object";
import type { Payload } from "./json-object";
import { RemoteEngine, requireName, requireOneOf } from "./remote-engine";
import type { NewDocument } from "./remote-engine";
import type { EngineHit, EngineStats, RemoteEngineOptions } from "./types";

/** The part of MilvusClient that the adapter uses. Every response has a status. */
export interface MilvusClientLike {
  hasCollection(request: { collection_name: string }): Promise<unknown>;
  createCollection(request: object): Promise<unknown>;
  describeCollection(request: { collection_name: string }): Promise<unknown>;
  createIndex(request: object): Promise<unknown>;
  loadCollection(request: { collection_name: string }): Promise<unknown>;
  upsert(request: object): Promise<unknown>;
  query(request: object): Promise<unknown>;
  delete(request: object): Promise<unknown>;
  search(request: object): Promise<unknown>;
  closeConnection(): Promise<unknown>;
}

export interface MilvusOptions extends RemoteEngineOptions {
  /** Address of the server, such as "localhost:19530". */
  readonly address?: string;
  /** "user:password", or an API key. */
  readonly token?: string;
  /** A configured MilvusClient, instead of `address`. The caller closes it. */
  readonly client?: MilvusClientLike;
  readonly collection: string;
  /** Index type of a new collection. Default "SPARSE_INVERTED_INDEX". Since Milvus 2.5.4, `algorithm` replaces SPARSE_WAND. */
  readonly indexType?: "SPARSE_INVERTED_INDEX" | "SPARSE_WAND";
  /** Query algorithm of a SPARSE_INVERTED_INDEX, since Milvus 2.5.4. Default: the server's. */
  readonly algorithm?: "DAAT_MAXSCORE" | "DAAT_WAND" | "TAAT_NAIVE";
}

interface Entity {
  readonly id: string;
  readonly vector: Record<string, number>;
  readonly payload: Payload;
}

const MAX_ID_BYTES = 512;
/** Milvus' maximum for limit (and offset + limit). */
const MAX_TOP_K = 16_384;
const NAME = /^[A-Za-z_]\w{0,254}$/;
/** gRPC status codes: UNAVAILABLE, DEADLINE_EXCEEDED and RESOURCE_EXHAUSTED; UNAUTHENTICATED and PERMISSION_DENIED. */
const GRPC_BUSY = [14, 4, 8];
const GRPC_AUTH = [16, 7];

/**
 * A collection of Milvus (2.4 or later) with the fields id (VarChar), vector (SparseFloatVector) and payload (JSON). Requires
 * @zilliz/milvus2-sdk-node. Weights must not be negative.
 */
export class MilvusEngine extends RemoteEngine<Entity> {
  readonly name = "Milvus";
  protected override readonly maxHits = MAX_TOP_K;
  readonly #options: MilvusOptions;
  readonly #collection: { readonly collection_name: string };
  #client: Promise<MilvusClientLike> | undefined;

  constructor(options: MilvusOptions) {
    super(options, ["address", "token", "client", "collection", "indexType", "algorithm"]);
    requireOneOf(options.client, "client", options.address, "address");
    for (const name of ["address", "token"] as const) {
      if (options[name] !== undefined) requireString(options[name], name);
    }
    if (!["SPARSE_INVERTED_INDEX", "SPARSE_WAND", undefined].includes(options.indexType)) {
      throw invalid("indexType", options.indexType, '"SPARSE_INVERTED_INDEX" or "SPARSE_WAND"');
    }
    if (!["DAAT_MAXSCORE", "DAAT_WAND", "TAAT_NAIVE", undefined].includes(options.algorithm)) {
      throw invalid("algorithm", options.algorithm, '"DAAT_MAXSCORE", "DAAT_WAND" or "TAAT_NAIVE"');
    }
    const name = requireName(options.collection, "collection", NAME, "at most 255 letters, digits and _, not starting with a digit");
    this.#collection = { collection_name: name };
    this.#options = options;
  }

  protected async createIndex(): Promise<void> {
    const { value: exists } = await this.#call((client) => client.hasCollection(this.#collection));
    if (exists === true) await this.#requireSameLayout();
    else await this.#create();
    await this.#call((client) => client.loadCollection(this.#collection));
  }

  protected async readStats(): Promise<EngineStats> {
    const request = { ...this.#collection, filter: "", output_fields: ["count(*)"], consistency_level: "Strong" };
    const { data } = await this.#call((client) => client.query(request));
    const count = Array.isArray(data) ? Number(objectAt(data[0])?.["count(*)"]) : NaN;
    if (!Number.isInteger(count)) throw this.badAnswer("it has no count");
    return { documents: count };
  }

  protected async closeClient(): Promise<void> {
    if (this.#options.client === undefined) await (await this.#client)?.closeConnection();
  }

  protected limits(): DocumentLimits {
    return { idBytes: MAX_ID_BYTES, negative: false, empty: false };
  }

  protected body({ id, vector, payload = {}, payloadJson }: NewDocument): { body: Entity; bytes: number } {
    const entries = Array.from(nonZeros(vector), ([dimension, weight]) => [String(dimension), weight] as const);
    return { body: { id, vector: Object.fromEntries(entries), payload }, bytes: id.length + payloadJson.length + 8 * entries.length };
  }

  protected async write(batch: readonly Prepared<Entity>[], signal: AbortSignal | undefined): Promise<readonly Rejection[]> {
    const data = batch.map(({ body }) => body);
    const { err_index: rejected, upsert_cnt: count } = await this.#call((client) => client.upsert({ ...this.#collection, data }), signal);
    if (Array.isArray(rejected) && rejected.length > 0) {
      const reason = `${this.name}: the entity was rejected`;
      return rejected.map((at) => ({ at: Number(at), code: "ERR_ENGINE_REFUSED" as const, reason }));
    }
    if (Number(count) !== batch.length) throw this.badAnswer(`it reports ${String(count)} of ${batch.length} entities`);
    return [];
  }

  /** Nothing to do: searches use strong consistency. */
  protected refresh(): Promise<void> {
    return Promise.resolve();
  }

  protected async remove(ids: readonly string[]): Promise<number> {
    const request = {
      ...this.#collection,
      filter: `id in ${JSON.stringify(ids)}`,
      output_fields: ["id"],
      limit: ids.length,
      consistency_level: "Strong",
    };
    const { data } = await this.#call((client) => client.query(request));
    if (!Array.isArray(data)) throw this.badAnswer("it has no list of entities");
    if (data.length > 0) await this.#call((client) => client.delete({ ...this.#collection, ids }));
    return data.length;
  }

  protected async find({ query, topK, filter, signal }: CheckedSearch): Promise<EngineHit[]> {
    const request = {
      ...this.#collection,
      anns_field: "vector",
      data: Object.fromEntries(nonZeros(query)),
      limit: topK,
      output_fields: ["id", "payload"],
      metric_type: "IP",
      consistency_level: "Strong",
      ...(filter === undefined ? {} : { filter: condition(filter) }),
    };
    const { results } = await this.#call((client) => client.search(request), signal);
    if (!Array.isArray(results)) throw this.badAnswer("it has no results");
    return results.map((hit: unknown) => {
      const { id, score } = objectAt(hit) ?? {};
      if (typeof id !== "string" || typeof score !== "number") throw this.badAnswer("a hit has no id or no score");
      const payload = objectAt(hit, "payload") ?? {};
      return { id, score, ...(Object.keys(payload).length === 0 ? {} : { payload }) };
    });
  }

  protected translate(error: unknown): EngineError {
    // The client throws some responses unchanged.
    const status = objectAt(error, "status");
    if (status !== undefined) return this.#statusError(status);
    if (isErrorNamed(error, "TypeError")) return this.badAnswer(messageOf(error));
    const grpc = objectAt(error)?.["code"];
    if (typeof grpc !== "number") {
      // The client validates values itself and throws a plain Error.
      const lost = /connect|timeout|deadline|unavailable|closed/i.test(messageOf(error));
      return requestError(this.name, lost ? "ERR_ENGINE_UNAVAILABLE" : "ERR_ENGINE_REFUSED", messageOf(error), { cause: error });
    }
    const code = GRPC_BUSY.includes(grpc) ? "ERR_ENGINE_UNAVAILABLE" : GRPC_AUTH.includes(grpc) ? "ERR_ENGINE_AUTH" : "ERR_ENGINE_REFUSED";
    return requestError(this.name, code, messageOf(error), { cause: error });
  }

  async #create(): Promise<void> {
    const { indexType = "SPARSE_INVERTED_INDEX", algorithm } = this.#options;
    const fields = [
      { name: "id", data_type: "VarChar", is_primary_key: true, max_length: MAX_ID_BYTES },
      { name: "vector", data_type: "SparseFloatVector" },
      { name: "payload", data_type: "JSON" },
    ];
    await this.#call((client) => client.createCollection({ ...this.#collection, fields }));
    const params = algorithm === undefined ? {} : { inverted_index_algo: algorithm };
    const index = { field_name: "vector", index_name: "vector", index_type: indexType, metric_type: "IP", params };
    await this.#call((client) => client.createIndex({ ...this.#collection, ...index }));
  }

  async #requireSameLayout(): Promise<void> {
    const answer = await this.#call((client) => client.describeCollection(this.#collection));
    const fields = objectAt(answer, "schema")?.["fields"];
    const types = new Map(
      (Array.isArray(fields) ? fields : []).map((field: unknown) => [objectAt(field)?.["name"], objectAt(field)?.["data_type"]]),
    );
    if (types.get("id") === "VarChar" && types.get("vector") === "SparseFloatVector" && types.get("payload") === "JSON") return;
    const found = Array.from(types, ([name, type]) => `${String(name)} ${String(type)}`).join(", ");
    throw new EngineError(
      this.name,
      "ERR_ENGINE_REFUSED",
      `the collection "${this.#collection.collection_name}" has the fields ${found}, not id VarChar, vector SparseFloatVector, payload JSON; use another collection.`,
    );
  }

  /** Calls the client and returns the response if its status is a success. */
  #call(run: (client: MilvusClientLike) => Promise<unknown>, signal?: AbortSignal): Promise<Payload> {
    return this.request(signal, async () => {
      this.#client ??= this.#connect().catch((error: unknown) => {
        this.#client = undefined;
        throw error;
      });
      const answer = objectAt(await run(await this.#client)) ?? {};
      // Some responses consist only of a status.
      const status = objectAt(answer, "status") ?? answer;
      if (status["error_code"] === "Success" || status["error_code"] === undefined) return answer;
      throw this.#statusError(status);
    });
  }

  #statusError({ error_code: name, code, reason, retriable }: Payload): EngineError {
    const said = typeof reason === "string" && reason !== "" ? reason : String(name);
    if (code === 100 || /collection not found|can't find collection/i.test(said)) {
      return requestError(this.name, "ERR_ENGINE_INDEX_NOT_FOUND", said);
    }
    const busy = retriable === true || name === "RateLimit" || name === "ForceDeny" || /rate limit|not ready|unavailable/i.test(said);
    return requestError(this.name, busy ? "ERR_ENGINE_UNAVAILABLE" : "ERR_ENGINE_REFUSED", said);
  }

  async #connect(): Promise<MilvusClientLike> {
    if (this.#options.client !== undefined) return this.#options.client;
    const { MilvusClient } = await loadPackage("@zilliz/milvus2-sdk-node", () => import("@zilliz/milvus2-sdk-node"));
    const { address = "", token } = this.#options;
    const client = new MilvusClient({ address, maxRetries: 0, ...(token === undefined ? {} : { token }) });
    // The constructor connects. An unhandled rejection would end the process; later calls report the failure.
    client.connectPromise.catch(() => undefined);
    return client;
  }
}

/** Translates a filter to a boolean expression of Milvus over the JSON field. */
function condition(filter: CheckedFilter): string {
  switch (filter.kind) {
    case "and":
    case "or":
      return filter.filters.map((one) => `(${condition(one)})`).join(` ${filter.kind} `);
    case "not":
      return `not (${condition(filter.filter)})`;
    case "in": {
      const key = jsonKey(filter.field);
      const tests = filter.values.map((value) => `${key} == ${JSON.stringify(value)} or json_contains(${key}, ${JSON.stringify(value)})`);
      return ifExists(key, tests.join(" or "));
    }
    case "dates":
      throw datesUnsupported("Milvus");
    case "exists":
      throw unsupportedFilter("Milvus", "null and no field cannot be told apart", "Leave out fields without a value, or store a flag.");
    case "prefix":
      throw unsupportedFilter("Milvus", "it asks how a string begins", "Store the beginning in a field of its own.");
    case "range": {
      const signs = { gt: ">", gte: ">=", lt: "<", lte: "<=" } as const;
      const bounds = Object.entries(filter.range) as [keyof typeof signs, number][];
      const key = jsonKey(filter.field);
      return ifExists(key, bounds.map(([name, bound]) => `${key} ${signs[name]} ${bound}`).join(" and "));
    }
  }
}

/** Makes a comparison with a missing field false. On its own it is neither true nor false, and nor is its negation. */
function ifExists(key: string, test: string): string {
  return `exists ${key} and (${test})`;
}

function jsonKey(path: readonly string[]): string {
  return `payload${path.map((part) => `[${JSON.stringify(part)}]`).join("")}`;
}
