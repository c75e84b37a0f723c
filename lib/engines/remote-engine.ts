import { jsonOf } from "../core/json-value";
import { ManagedResource } from "../core/managed-resource";
import { invalid, MAX_TIMER_MS, requirePositiveInteger, requireRecord, requireString } from "../core/validate";
import { SparseRerankError } from "../errors";
import type { SparseMatrix, SparseVector } from "../sparse-matrix";
import { checkUpsertOptions, runBulk } from "./bulk";
import type { Prepared, Rejection } from "./bulk";
import { checkDocuments, checkIds, checkSearch, limitProblem } from "./documents";
import type { CheckedSearch, DocumentLimits } from "./documents";
import { EngineError, messageOf } from "./errors";
import type { Payload } from "./json-object";
import { DEFAULT_TIMEOUT_MS, withinTime } from "./request";
import type {
  DocumentWarning,
  EngineHit,
  EngineSearchOptions,
  EngineStats,
  RemoteEngineOptions,
  SearchEngine,
  UpsertOptions,
  UpsertReport,
} from "./types";

/** One document to store. */
export interface NewDocument {
  readonly id: string;
  readonly vector: SparseVector;
  readonly payload: Payload | undefined;
  /** The payload as JSON; "{}" if there is none. */
  readonly payloadJson: string;
}

/** Maximum number of ids in a delete request. */
const DELETE_BATCH = 1000;

/**
 * Base class of all engines over a network: validation, bulk writing and timeouts. `Body` is the form of a document in the engine's
 * requests.
 */
export abstract class RemoteEngine<Body> extends ManagedResource implements SearchEngine {
  abstract readonly name: string;
  protected readonly dimension: number | undefined;
  protected readonly timeoutMs: number;
  /** Maximum number of hits that the engine returns for a query. */
  protected readonly maxHits: number = Infinity;

  /** @param known the names of all options of the engine */
  protected constructor(options: RemoteEngineOptions, known: readonly string[]) {
    super();
    requireRecord(options, "options", ["dimension", "timeoutMs", ...known]);
    if (options.dimension !== undefined) requirePositiveInteger(options.dimension, "dimension");
    if (options.timeoutMs !== undefined) requirePositiveInteger(options.timeoutMs, "timeoutMs");
    this.dimension = options.dimension;
    // Some clients get their own timeout, one second longer.
    this.timeoutMs = Math.min(options.timeoutMs ?? DEFAULT_TIMEOUT_MS, MAX_TIMER_MS - 1000);
  }

  protected abstract createIndex(): Promise<void>;
  protected abstract readStats(): Promise<EngineStats>;
  /** Closes the client if this engine created it. */
  protected abstract closeClient(): Promise<void>;
  protected abstract limits(): DocumentLimits | Promise<DocumentLimits>;
  /** @param warn reports that the document was changed to fit a limit */
  protected abstract body(document: NewDocument, warn: (warning: string) => void): { readonly body: Body; readonly bytes: number };
  protected abstract write(batch: readonly Prepared<Body>[], signal: AbortSignal | undefined): Promise<readonly Rejection[]>;
  /** Waits until searches see all written documents. */
  protected abstract refresh(signal: AbortSignal | undefined): Promise<void>;
  protected abstract find(search: CheckedSearch): Promise<EngineHit[]>;
  /** Deletes documents and returns how many of them existed. */
  protected abstract remove(ids: readonly string[]): Promise<number>;

  ensureIndex(): Promise<void> {
    return this.run(() => this.createIndex());
  }

  stats(): Promise<EngineStats> {
    return this.run(() => this.readStats());
  }

  upsert(
    ids: readonly string[],
    vectors: SparseMatrix,
    payloads?: readonly (Payload | undefined)[],
    options: UpsertOptions = {},
  ): Promise<UpsertReport> {
    return this.run((running) => {
      checkUpsertOptions(options);
      return this.#upsert(ids, vectors, payloads, { ...options, signal: running.signal(options.signal) });
    });
  }

  delete(ids: readonly string[]): Promise<number> {
    return this.run(async () => {
      const distinct = [...new Set(checkIds(ids))];
      let deleted = 0;
      for (let i = 0; i < distinct.length; i += DELETE_BATCH) deleted += await this.remove(distinct.slice(i, i + DELETE_BATCH));
      if (deleted > 0) await this.refresh(undefined);
      return deleted;
    });
  }

  search(query: SparseVector, options: EngineSearchOptions): Promise<EngineHit[]> {
    return this.run(async () => {
      const { topK, ...search } = checkSearch(query, options, this.dimension);
      // An empty query has no hits, and several engines reject it.
      if (search.query.values.every((value) => value === 0)) return [];
      const hits = await this.find({ ...search, topK: Math.min(topK, this.maxHits) });
      if (topK > this.maxHits && hits.length >= this.maxHits) {
        throw this.limitError(`topK is ${topK}, but the server returns at most ${this.maxHits} hits; lower topK.`);
      }
      return search.withPayload ? hits : hits.map(({ id, score }) => ({ id, score }));
    });
  }

  protected override async release(): Promise<void> {
    try {
      await this.closeClient();
    } catch (error) {
      throw this.#toEngineError(error);
    }
  }

  /** Runs one request with the timeout, and converts errors of the client to EngineErrors. */
  protected request<T>(signal: AbortSignal | undefined, send: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return this.runPart(async (running) => {
      try {
        return await withinTime({ engine: this.name, timeoutMs: this.timeoutMs, signal: running.signal(signal) }, send);
      } catch (error) {
        throw this.#toEngineError(error);
      }
    });
  }

  /** Converts an error of the client. */
  protected abstract translate(error: unknown): EngineError;

  protected limitError(problem: string): EngineError {
    return new EngineError(this.name, "ERR_ENGINE_LIMIT", problem);
  }

  /** The error for a response without the documented shape. */
  protected badAnswer(what: string): EngineError {
    return new EngineError(
      this.name,
      "ERR_ENGINE_RESPONSE",
      `the response is invalid: ${what}. Check which server answers at that address: it may be a proxy or an unsupported version.`,
    );
  }

  #toEngineError(error: unknown): SparseRerankError {
    return error instanceof SparseRerankError ? error : this.translate(error);
  }

  async #upsert(
    ids: readonly string[],
    vectors: SparseMatrix,
    payloads: readonly (Payload | undefined)[] | undefined,
    options: UpsertOptions,
  ): Promise<UpsertReport> {
    const documents = checkDocuments(ids, vectors, payloads, this.dimension);
    const limits = await this.limits();
    const warnings: DocumentWarning[] = [];
    const prepare = (i: number): Prepared<Body> | { id: string; code: "ERR_ENGINE_LIMIT" | "ERR_INVALID_ARGUMENT"; reason: string } => {
      const id = documents.ids[i] ?? "";
      const vector = documents.vectors.row(i);
      const problem = limitProblem(id, vector, limits);
      if (problem !== undefined) return { id, code: "ERR_ENGINE_LIMIT", reason: `${this.name}: ${problem}` };
      const payload = documents.payloads[i];
      let payloadJson;
      try {
        payloadJson = jsonOf(payload ?? {}, `payloads[${i}]`);
      } catch (error) {
        return { id, code: "ERR_INVALID_ARGUMENT", reason: messageOf(error) };
      }
      const warn = (warning: string): void => void warnings.push({ id, warning });
      return { id, ...this.body({ id, vector, payload, payloadJson }, warn) };
    };
    const send = (batch: readonly Prepared<Body>[], signal: AbortSignal | undefined): Promise<readonly Rejection[]> =>
      this.write(batch, signal);
    const report = await runBulk({ engine: this.name, count: documents.ids.length, prepare, send, warnings }, options);
    if (options.refresh !== false && report.succeeded > 0) await this.#refresh(report, options.signal);
    return report;
  }

  async #refresh(report: UpsertReport, signal: AbortSignal | undefined): Promise<void> {
    try {
      await this.refresh(signal);
    } catch (error) {
      const code = error instanceof SparseRerankError ? error.code : "ERR_INTERNAL";
      const message = `the documents were written, but may not be searchable yet: ${messageOf(error)}`;
      throw new EngineError(this.name, code, message, { cause: error, report });
    }
  }
}

/** Validates a name that is used in paths or statements of an engine. */
export function requireName(value: unknown, name: string, pattern: RegExp, expected: string): string {
  requireString(value, name);
  if (!pattern.test(value))
    throw new SparseRerankError("ERR_INVALID_ARGUMENT", `${name} must be ${expected}, not ${JSON.stringify(value)}.`);
  return value;
}

/** Requires exactly one of two options: the caller's client, or an address to connect to. */
export function requireOneOf(first: unknown, firstName: string, second: unknown, secondName: string): void {
  if ((first === undefined) === (second === undefined)) {
    throw invalid(`${firstName} or ${secondName}`, undefined, `given: exactly one of ${firstName} and ${secondName}`);
  }
}
