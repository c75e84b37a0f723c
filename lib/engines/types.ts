/** The interface that every search engine has here, so that moving from one to another changes the line that constructs it. */

import type { ErrorCode } from "../errors";
import type { Progress } from "../options";
import type { Filter } from "../sparse-index/filter";
import type { SparseMatrix, SparseVector } from "../sparse-matrix";
import type { Payload } from "./json-object";

/**
 * After `close()` and `dispose()` every call rejects with ERR_DISPOSED. `close()` waits for the calls that run; `dispose()` aborts them.
 */
export interface SearchEngine extends Disposable, AsyncDisposable {
  /** How messages call the engine: "OpenSearch". */
  readonly name: string;

  /**
   * Creates the index (collection, table) unless it exists. One that exists with another layout is refused, never changed.
   *
   * Errors, here and in all calls below, are EngineErrors: ERR_ENGINE_UNAVAILABLE, ERR_ENGINE_AUTH, ERR_ENGINE_REFUSED, ERR_ENGINE_RESPONSE,
   * ERR_CLIENT_NOT_FOUND.
   */
  ensureIndex(): Promise<void>;

  /**
   * Writes a document for each row of `vectors`; an id that exists is replaced, so that a call may be repeated after any failure.
   *
   * A document that the engine cannot take is in the report's `failed`; all others are written. Only what stops all documents rejects
   * (a server that stays down, refused credentials, no such index, an abort): the error's `report` tells what was written before.
   *
   * @param ids [vectors.rows] distinct non-empty strings
   * @param payloads [vectors.rows] one for each document, or undefined
   * Errors: ERR_INVALID_ARGUMENT, ERR_DUPLICATE_ID, ERR_DIMENSION_MISMATCH before anything is written; those of ensureIndex();
   * ERR_ENGINE_INDEX_NOT_FOUND, ERR_ABORTED.
   */
  upsert(
    ids: readonly string[],
    vectors: SparseMatrix,
    payloads?: readonly (Payload | undefined)[],
    options?: UpsertOptions,
  ): Promise<UpsertReport>;

  /** Settles with how many of the documents existed; unknown ids are passed over. */
  delete(ids: readonly string[]): Promise<number>;

  /**
   * The documents with the highest dot products, best first. A document that shares no dimension with the query is no hit.
   *
   * Errors: those of upsert(), ERR_ENGINE_LIMIT (a query above a limit of the engine), ERR_FILTER_UNSUPPORTED.
   */
  search(query: SparseVector, options: EngineSearchOptions): Promise<EngineHit[]>;

  stats(): Promise<EngineStats>;

  /** Waits for the calls that run, then closes the client, unless the caller gave it. */
  close(): Promise<void>;

  /** Rejects the calls that run with ERR_DISPOSED, of an upsert() with its report, and closes the client, unless the caller gave it. */
  dispose(): void;
}

export interface EngineHit {
  readonly id: string;
  readonly score: number;
  readonly payload?: Payload;
}

export interface EngineSearchOptions {
  /** Hits at most. */
  readonly topK: number;
  readonly filter?: Filter;
  /** Hits carry the payloads of their documents; default true. */
  readonly withPayload?: boolean;
  readonly signal?: AbortSignal;
}

export interface EngineStats {
  readonly documents: number;
  /** Size in the engine, where it tells. */
  readonly bytes?: number;
}

export interface UpsertOptions {
  /** Documents in one request at most; default 500. */
  readonly batchSize?: number;
  /** Bytes in one request, about; default 5 MiB. */
  readonly batchBytes?: number;
  /** Requests at a time; default 4. */
  readonly concurrency?: number;
  /** Attempts after the first for what a busy or unreachable server did not take, after growing random waits; default 6. */
  readonly maxRetries?: number;
  /** Wait until searches find the documents; default true. */
  readonly refresh?: boolean;
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
}

export interface UpsertReport {
  /** Documents written. */
  readonly succeeded: number;
  /** Documents that are not known to be written. */
  readonly failed: readonly FailedDocument[];
  /** Documents that were changed to fit the engine: pruned vectors. */
  readonly warnings: readonly DocumentWarning[];
  /** Requests that were sent again. */
  readonly retries: number;
}

export interface FailedDocument {
  readonly id: string;
  readonly code: ErrorCode;
  /** What the engine said, or what is wrong with the document and what to do. */
  readonly reason: string;
}

export interface DocumentWarning {
  readonly id: string;
  readonly warning: string;
}

/** Options that all engines over a network have. */
export interface RemoteEngineOptions {
  /** The model's embeddingDimension: vectors of another dimension are refused. */
  readonly dimension?: number;
  /** Milliseconds until a request counts as lost; default 30,000. */
  readonly timeoutMs?: number;
}
