import { onAbort } from "../core/abort";
import { loadPackage } from "../core/optional-package";
import { invalid, requireString, unescapePart } from "../core/validate";
import type { CheckedFilter } from "../sparse-index/filter";
import type { SparseVector } from "../sparse-matrix";
import type { Prepared, Rejection } from "./bulk";
import { prune } from "./documents";
import type { CheckedSearch, DocumentLimits } from "./documents";
import { datesUnsupported, EngineError, messageOf, requestError } from "./errors";
import { nonZeros } from "./json-lines";
import { objectAt } from "./json-object";
import type { Payload } from "./json-object";
import { RemoteEngine, requireName, requireOneOf } from "./remote-engine";
import type { NewDocument } from "./remote-engine";
import type { EngineHit, EngineStats, RemoteEngineOptions } from "./types";

/** The part of pg's Pool that the adapter uses. */
export interface PgPool {
  connect(): Promise<PgConnection>;
  end(): Promise<void>;
}

export interface PgConnection {
  query(text: string, values?: unknown[]): Promise<PgResult>;
  /** @param destroy closes the connection instead of returning it to the pool */
  release(destroy?: boolean): void;
}

export interface PgResult {
  readonly rows: Record<string, unknown>[];
  readonly rowCount: number | null;
}

export interface PgvectorOptions extends RemoteEngineOptions {
  /** postgres://user:password@host/database */
  readonly connectionString?: string;
  /** A configured Pool, instead of `connectionString`. The caller ends it. */
  readonly pool?: PgPool;
  /** Name of the table, such as "documents" or "search.documents". */
  readonly table: string;
  readonly dimension: number;
  /**
   * The index that ensureIndex() creates. "hnsw" is fast and approximate, and supports at most 1,000 weights per document. "none" (the
   * default) scans the table, is exact, and supports 16,000. Longer vectors are pruned to their largest weights, with a warning in the
   * report.
   */
  readonly index?: "none" | "hnsw";
}

interface Row {
  readonly id: string;
  readonly vector: string;
  readonly payload: string | null;
}

/** Maximum number of weights in a sparsevec, and in an HNSW index over sparsevec. */
const MAX_WEIGHTS = 16_000;
const MAX_INDEXED_WEIGHTS = 1000;
const MAX_EF_SEARCH = 1000;
const MIN_EF_SEARCH = 40;
/** An entry of a primary key must fit in a third of a page. */
const MAX_ID_BYTES = 2600;

/** A table of PostgreSQL with pgvector (0.7 or later) and its type sparsevec. Requires the package pg. */
export class PgvectorEngine extends RemoteEngine<Row> {
  readonly name = "pgvector";
  readonly #options: PgvectorOptions;
  readonly #table: string;
  readonly #indexName: string;
  readonly #maxWeights: number;
  #pool: Promise<PgPool> | undefined;

  constructor(options: PgvectorOptions) {
    super(options, ["connectionString", "pool", "table", "index"]);
    requireOneOf(options.pool, "pool", options.connectionString, "connectionString");
    if (options.connectionString !== undefined) {
      requireString(options.connectionString, "connectionString");
      unescapePart(options.connectionString, "connectionString");
    }
    if ((options.dimension as number | undefined) === undefined) throw invalid("dimension", undefined, "the model's embeddingDimension");
    if (options.index !== undefined && options.index !== "hnsw" && (options.index as string) !== "none") {
      throw invalid("index", options.index, '"none" or "hnsw"');
    }
    const table = requireName(
      options.table,
      "table",
      /^[A-Za-z_]\w{0,50}(\.[A-Za-z_]\w{0,50})?$/,
      'a name such as "documents" or "schema.documents"',
    );
    this.#table = table.split(".").map(quote).join(".");
    this.#indexName = quote(`${table.split(".").at(-1) ?? ""}_hnsw`);
    this.#maxWeights = options.index === "hnsw" ? MAX_INDEXED_WEIGHTS : MAX_WEIGHTS;
    this.#options = options;
  }

  protected async createIndex(): Promise<void> {
    const { index, dimension } = this.#options;
    const table = this.#table;
    await this.#run(undefined, async (connection) => {
      // Checked first, since creating an extension requires privileges that not every user has.
      const { rowCount } = await connection.query("SELECT 1 FROM pg_extension WHERE extname = 'vector'");
      if (rowCount === 0) await connection.query("CREATE EXTENSION IF NOT EXISTS vector");
      await connection.query(
        `CREATE TABLE IF NOT EXISTS ${table} (id text PRIMARY KEY, vector sparsevec(${dimension}) NOT NULL, payload jsonb)`,
      );
      const { rows } = await connection.query(
        `SELECT format_type(atttypid, atttypmod) AS type FROM pg_attribute WHERE attrelid = '${table}'::regclass AND attname = 'vector' AND NOT attisdropped`,
      );
      const found = rows[0]?.["type"];
      if (typeof found !== "string" || !found.endsWith(`sparsevec(${dimension})`)) {
        const problem = `the column "vector" of the table ${table} is ${typeof found === "string" ? found : "missing"}, not sparsevec(${dimension}); use another table.`;
        throw new EngineError(this.name, "ERR_ENGINE_REFUSED", problem);
      }
      if (index === "hnsw") {
        await connection.query(`CREATE INDEX IF NOT EXISTS ${this.#indexName} ON ${table} USING hnsw (vector sparsevec_ip_ops)`);
      }
    });
  }

  protected async readStats(): Promise<EngineStats> {
    const sql = `SELECT count(*)::int8 AS documents, pg_total_relation_size('${this.#table}'::regclass)::int8 AS bytes FROM ${this.#table}`;
    const { rows } = await this.#run(undefined, (connection) => connection.query(sql));
    return { documents: Number(rows[0]?.["documents"]), bytes: Number(rows[0]?.["bytes"]) };
  }

  protected async closeClient(): Promise<void> {
    if (this.#options.pool === undefined) await (await this.#pool)?.end();
  }

  protected limits(): DocumentLimits {
    return { idBytes: MAX_ID_BYTES, negative: true, empty: true };
  }

  protected body({ id, vector, payload, payloadJson }: NewDocument, warn: (warning: string) => void): { body: Row; bytes: number } {
    const kept = prune(vector, this.#maxWeights);
    if (kept !== vector) {
      const limit = `${this.#options.index === "hnsw" ? "an HNSW index" : "sparsevec"} holds at most ${this.#maxWeights} weights`;
      warn(`${limit}: kept the largest of ${vector.values.length}; set maxActiveDims when encoding to choose the number`);
    }
    const body = { id, vector: literal(kept), payload: payload === undefined ? null : payloadJson };
    return { body, bytes: id.length + body.vector.length + payloadJson.length };
  }

  protected async write(batch: readonly Prepared<Row>[], signal: AbortSignal | undefined): Promise<readonly Rejection[]> {
    const columns = [batch.map(({ id }) => id), batch.map(({ body }) => body.vector), batch.map(({ body }) => body.payload)];
    const sql =
      `INSERT INTO ${this.#table} (id, vector, payload) ` +
      "SELECT id, vector::sparsevec, payload::jsonb FROM unnest($1::text[], $2::text[], $3::text[]) AS rows(id, vector, payload) " +
      "ON CONFLICT (id) DO UPDATE SET vector = excluded.vector, payload = excluded.payload";
    await this.#run(signal, (connection) => connection.query(sql, columns));
    return [];
  }

  /** Nothing to do: searches see everything that is committed. */
  protected refresh(): Promise<void> {
    return Promise.resolve();
  }

  protected async remove(ids: readonly string[]): Promise<number> {
    const { rowCount } = await this.#run(undefined, (connection) =>
      connection.query(`DELETE FROM ${this.#table} WHERE id = ANY($1::text[])`, [ids]),
    );
    return rowCount ?? 0;
  }

  protected async find({ query, topK, filter, signal }: CheckedSearch): Promise<EngineHit[]> {
    const kept = prune(query, this.#maxWeights);
    const values: unknown[] = [literal(kept), topK];
    const where = filter === undefined ? "" : ` WHERE ${condition(filter, values)}`;
    const sql = `SELECT id, payload, -(vector <#> $1::sparsevec) AS score FROM ${this.#table}${where} ORDER BY vector <#> $1::sparsevec LIMIT $2`;
    const { rows } = await this.#run(signal, (connection) =>
      this.#options.index === "hnsw" ? searchIndex(connection, topK, sql, values) : connection.query(sql, values),
    );
    return rows.flatMap((row) => {
      const { id, score, payload } = row;
      if (typeof id !== "string" || typeof score !== "number" || Number.isNaN(score)) throw this.badAnswer("a row has no id or no score");
      const object = objectAt(payload);
      return score > 0 ? [{ id, score, ...(object === undefined ? {} : { payload: object }) }] : [];
    });
  }

  protected translate(error: unknown): EngineError {
    const state = objectAt(error)?.["code"];
    const code = codeOfState(typeof state === "string" ? state : "");
    const extension = state === "42704" || state === "58P01" || state === "0A000" ? " The server needs pgvector 0.7 or later." : "";
    return requestError(this.name, code, `${messageOf(error)}.${extension}`.replace("..", "."), { cause: error });
  }

  #run<T>(signal: AbortSignal | undefined, use: (connection: PgConnection) => Promise<T>): Promise<T> {
    return this.request(signal, async (requestSignal) => {
      this.#pool ??= this.#connect().catch((error: unknown) => {
        this.#pool = undefined;
        throw error;
      });
      const connection = await (await this.#pool).connect();
      // An abandoned query must not block the next user of the connection.
      let released = false;
      const release = (destroy: boolean): void => {
        if (!released) connection.release(destroy);
        released = true;
      };
      onAbort(requestSignal, () => {
        release(true);
      });
      try {
        const result = await use(connection);
        release(false);
        return result;
      } catch (error) {
        // A connection in an unknown state, or inside a failed transaction, must not be reused.
        release(true);
        throw error;
      }
    });
  }

  async #connect(): Promise<PgPool> {
    if (this.#options.pool !== undefined) return this.#options.pool;
    const { Pool } = await loadPackage("pg", () => import("pg"));
    const pool = new Pool({ connectionString: this.#options.connectionString });
    // The pool replaces idle connections that the server closed.
    pool.on("error", () => undefined);
    return pool;
  }
}

/** Searches with ef_search of at least topK, and continues through the graph (iterative scan) while the filter leaves too few hits. */
async function searchIndex(connection: PgConnection, topK: number, sql: string, values: unknown[]): Promise<PgResult> {
  await connection.query("BEGIN READ ONLY");
  await connection.query(`SET LOCAL hnsw.ef_search = ${Math.min(MAX_EF_SEARCH, Math.max(MIN_EF_SEARCH, topK))}`);
  await connection.query("SET LOCAL hnsw.iterative_scan = strict_order");
  const result = await connection.query(sql, values);
  await connection.query("COMMIT");
  return result;
}

/**
 * Translates a filter to an SQL condition with JSON paths, whose lax mode unwraps arrays.
 * @param values the query parameters, which it extends
 */
function condition(filter: CheckedFilter, values: unknown[]): string {
  const test = (path: readonly string[], predicate: string, variables: Payload): string => {
    const steps = path.map((part) => `.${JSON.stringify(part)}`).join("");
    values.push(`$${steps} ? (${predicate})`, JSON.stringify(variables));
    // A document without a payload has no fields.
    return `coalesce(jsonb_path_exists(payload, $${values.length - 1}::jsonpath, $${values.length}::jsonb), false)`;
  };
  switch (filter.kind) {
    case "and":
    case "or":
      return `(${filter.filters.map((one) => condition(one, values)).join(filter.kind === "and" ? " AND " : " OR ")})`;
    case "not":
      return `(NOT ${condition(filter.filter, values)})`;
    case "in": {
      const names = filter.values.map((_, i) => `@ == $v${i}`);
      return test(filter.field, names.join(" || "), Object.fromEntries(filter.values.map((value, i) => [`v${i}`, value])));
    }
    case "dates":
      throw datesUnsupported("pgvector");
    case "exists":
      return test(filter.field, '@ != null || @.type() == "object"', {});
    case "prefix":
      return test(filter.field, "@ starts with $prefix", { prefix: filter.prefix });
    case "range": {
      const signs = { gt: ">", gte: ">=", lt: "<", lte: "<=" } as const;
      const bounds = Object.keys(filter.range) as (keyof typeof signs)[];
      return test(filter.field, bounds.map((name) => `@ ${signs[name]} $${name}`).join(" && "), { ...filter.range });
    }
  }
}

/** A sparsevec literal, such as {1:0.5,7:2}/30522; dimensions start at 1. */
function literal(vector: SparseVector): string {
  const entries = Array.from(nonZeros(vector), ([dimension, weight]) => `${dimension + 1}:${weight}`);
  return `{${entries.join(",")}}/${vector.size}`;
}

function quote(name: string): string {
  return `"${name}"`;
}

/** @param state SQLSTATE, or Node's error code of a failed connection */
function codeOfState(state: string): EngineError["code"] {
  if (!/^[0-9A-Z]{5}$/.test(state)) return "ERR_ENGINE_UNAVAILABLE";
  if (state === "42P01" || state === "3F000") return "ERR_ENGINE_INDEX_NOT_FOUND";
  if (state === "42501" || state.startsWith("28")) return "ERR_ENGINE_AUTH";
  // Connection exceptions, insufficient resources, operator intervention, and transaction conflicts.
  if (/^(08|53|57P|40001|40P01|55P03)/.test(state)) return "ERR_ENGINE_UNAVAILABLE";
  return "ERR_ENGINE_REFUSED";
}
