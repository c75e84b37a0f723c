/** The interface of all search engines: switching to another one changes only the line that constructs it. */

import type { ErrorCode } from "../errors";
import type { Progress } from "../options";
import type { Filter } from "../sparse-index/filter";
import type { SparseMatrix, SparseVector } from "../sparse-matrix";
import type { Payload } from "./json-object";

/**
 * An index of vectors in a search engine. `close()` waits for running calls; `dispose()` aborts them. Afterwards every call rejects with
 * ERR_DISPOSED.
 */
export interface SearchEngine extends Disposable, AsyncDisposable {
  /** Name of the engine in messages, such as "OpenSearch". */
  readonly name: string;

  /**
   * Creates the index (collection, table) if it does not exist. Rejects if it exists with a different layout; an existing index is never
   * changed.
   *
   * Errors of this and all other methods are EngineErrors: ERR_ENGINE_UNAVAILABLE, ERR_ENGINE_AUTH, ERR_ENGINE_REFUSED,
   * ERR_ENGINE_RESPONSE, ERR_CLIENT_NOT_FOUND.
   */
  ensureIndex(): Promise<void>;

  /**
   * Writes one document per row of `vectors`. An existing id is replaced, so a call can be repeated safely after any failure.
   *
   * Documents that the engine cannot store are listed in `failed` of the report; all others are written. The call rejects only for errors
   * that affect all documents (the server stays down, rejected credentials, a missing index, an abort); the error's `report` lists what was
   * written before.
   *
   * Errors: ERR_INVALID_ARGUMENT, ERR_DUPLICATE_ID, ERR_DIMENSION_MISMATCH (before anything is written); those of ensureIndex();
   * ERR_ENGINE_INDEX_NOT_FOUND, ERR_ABORTED.
   *
   * @param ids [vectors.rows] distinct non-empty strings
   * @param payloads [vectors.rows] one per document, or undefined
   */
  upsert(
    ids: readonly string[],
    vectors: SparseMatrix,
    payloads?: readonly (Payload | undefined)[],
    options?: UpsertOptions,
  ): Promise<UpsertReport>;

  /** Deletes documents and resolves to the number that existed. Unknown ids are ignored. */
  delete(ids: readonly string[]): Promise<number>;

  /**
   * Finds the documents with the largest dot products, in descending order. A document that shares no dimension with the query is not a
   * hit.
   *
   * Errors: those of upsert(), ERR_ENGINE_LIMIT (the query exceeds a limit of the engine), ERR_FILTER_UNSUPPORTED.
   */
  search(query: SparseVector, options: EngineSearchOptions): Promise<EngineHit[]>;

  stats(): Promise<EngineStats>;

  /** Waits for running calls, then closes the client unless the caller passed it. */
  close(): Promise<void>;

  /** Rejects running calls with ERR_DISPOSED (for upsert() with its report) and closes the client unless the caller passed it. */
  dispose(): void;
}

export interface EngineHit {
  readonly id: string;
  readonly score: number;
  readonly payload?: Payload;
}

export interface EngineSearchOptions {
  /** Maximum number of hits. */
  readonly topK: number;
  readonly filter?: Filter;
  /** Return the payload of each hit. Default true. */
  readonly withPayload?: boolean;
  readonly signal?: AbortSignal;
}

export interface EngineStats {
  readonly documents: number;
  /** Size in the engine, if it reports one. */
  readonly bytes?: number;
}

export interface UpsertOptions {
  /** Maximum number of documents in a request. Default 500. */
  readonly batchSize?: number;
  /** Approximate maximum size of a request. Default 5 MiB. */
  readonly batchBytes?: number;
  /** Number of concurrent requests. Default 4. */
  readonly concurrency?: number;
  /** Number of retries, with exponential backoff, if the server is busy or unreachable. Default 6. */
  readonly maxRetries?: number;
  /** Wait until searches find the documents. Default true. */
  readonly refresh?: boolean;
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
}

export interface UpsertReport {
  /** Number of documents written. */
  readonly succeeded: number;
  /** Documents that were not written, or may not have been. */
  readonly failed: readonly FailedDocument[];
  /** Documents that were changed to fit limits of the engine (pruned vectors). */
  readonly warnings: readonly DocumentWarning[];
  /** Number of requests that were retried. */
  readonly retries: number;
}

export interface FailedDocument {
  readonly id: string;
  readonly code: ErrorCode;
  /** The reason given by the engine, or the problem with the document and its remedy. */
  readonly reason: string;
}

export interface DocumentWarning {
  readonly id: string;
  readonly warning: string;
}

/** Options of all engines over a network. */
export interface RemoteEngineOptions {
  /** The model's embeddingDimension. Vectors of another dimension are rejected. */
  readonly dimension?: number;
  /** Timeout of a request in milliseconds. Default 30,000. */
  readonly timeoutMs?: number;
}
