/**
 * Bulk writing: splits documents into batches by count and size, sends several at a time and retries, until each document is written or has
 * failed.
 */

import { setTimeout as wait } from "node:timers/promises";

import { abortError, throwIfAborted } from "../core/abort";
import { invalid, requireControls, requirePositiveInteger, requireRecord } from "../core/validate";
import { SparseRerankError } from "../errors";
import type { ErrorCode } from "../errors";
import { EngineError, isRetryable, messageOf } from "./errors";
import type { DocumentWarning, FailedDocument, UpsertOptions, UpsertReport } from "./types";

/** A document in the form that an adapter sends. */
export interface Prepared<T> {
  readonly id: string;
  readonly body: T;
  /** Approximate size in a request. */
  readonly bytes: number;
}

/** Why a document of a batch was not written although the request succeeded. */
export interface Rejection {
  /** Position in the batch. */
  readonly at: number;
  readonly code: ErrorCode;
  readonly reason: string;
}

export interface BulkTask<T> {
  readonly engine: string;
  readonly count: number;
  /** Document i, or why the engine cannot store it. */
  readonly prepare: (i: number) => Prepared<T> | FailedDocument;
  /** Sends one request. Throws EngineError if no document of the batch is known to be written. */
  readonly send: (batch: readonly Prepared<T>[], signal: AbortSignal | undefined) => Promise<readonly Rejection[]>;
  readonly warnings: DocumentWarning[];
}

const DEFAULT_BATCH_SIZE = 500;
const DEFAULT_BATCH_BYTES = 5 * 2 ** 20;
const DEFAULT_CONCURRENCY = 4;
const DEFAULT_MAX_RETRIES = 6;
const FIRST_WAIT_MS = 200;
const MAX_WAIT_MS = 30_000;
const UPSERT_OPTIONS = ["batchSize", "batchBytes", "concurrency", "maxRetries", "refresh", "onProgress", "signal"];

/** @param more names of further options of the call */
export function checkUpsertOptions(options: UpsertOptions, more: readonly string[] = []): void {
  requireRecord(options, "options", [...UPSERT_OPTIONS, ...more]);
  requireControls(options);
  for (const name of ["batchSize", "batchBytes", "concurrency"] as const) {
    if (options[name] !== undefined) requirePositiveInteger(options[name], name);
  }
  const { maxRetries, refresh } = options;
  if (maxRetries !== undefined && (!Number.isInteger(maxRetries) || maxRetries < 0))
    throw invalid("maxRetries", maxRetries, "a non-negative integer");
  if (refresh !== undefined && typeof refresh !== "boolean") throw invalid("refresh", refresh, "a boolean");
}

/** Runs a task. Errors: EngineError with the report, for errors that stop all documents, including ERR_ABORTED. */
export function runBulk<T>(task: BulkTask<T>, options: UpsertOptions): Promise<UpsertReport> {
  return new BulkRun(task, options).run();
}

class BulkRun<T> {
  readonly #task: BulkTask<T>;
  readonly #options: UpsertOptions;
  readonly #failed: FailedDocument[] = [];
  #next = 0;
  #succeeded = 0;
  #retries = 0;
  #fatal: Error | undefined;

  constructor(task: BulkTask<T>, options: UpsertOptions) {
    this.#task = task;
    this.#options = options;
  }

  async run(): Promise<UpsertReport> {
    const concurrency = Math.min(this.#options.concurrency ?? DEFAULT_CONCURRENCY, this.#task.count);
    const lanes = Array.from({ length: concurrency }, () => this.#work());
    await Promise.all(lanes);
    if (this.#fatal === undefined) return this.#report();
    throw this.#withReport(this.#fatal);
  }

  async #work(): Promise<void> {
    for (let batch = this.#take(); batch.length > 0; batch = this.#take()) await this.#write(batch);
  }

  /** The next batch. Documents are prepared only when they are about to be sent. */
  #take(): Prepared<T>[] {
    const { batchSize = DEFAULT_BATCH_SIZE, batchBytes = DEFAULT_BATCH_BYTES, signal } = this.#options;
    if (signal?.aborted === true) this.#fatal ??= abortError(signal);
    const batch: Prepared<T>[] = [];
    let bytes = 0;
    while (this.#fatal === undefined && this.#next < this.#task.count && batch.length < batchSize && bytes < batchBytes) {
      const document = this.#task.prepare(this.#next++);
      if ("body" in document) {
        batch.push(document);
        bytes += document.bytes;
      } else {
        this.#failed.push(document);
      }
    }
    return batch;
  }

  async #write(documents: readonly Prepared<T>[]): Promise<void> {
    const { maxRetries = DEFAULT_MAX_RETRIES, signal } = this.#options;
    let batch = documents;
    for (let attempt = 0; batch.length > 0; attempt++) {
      try {
        if (this.#fatal !== undefined) throw this.#fatal;
        if (attempt > 0) this.#retries++;
        const rejections = await this.#task.send(batch, signal);
        batch = this.#settle(batch, rejections, attempt < maxRetries);
        if (batch.length > 0) await pause(attempt, undefined, signal);
      } catch (error) {
        const problem = asEngineError(this.#task.engine, error);
        if (isRetryable(problem.code) && attempt < maxRetries && this.#fatal === undefined) {
          const stopped = await pause(attempt, problem.retryAfterMs, signal).catch((reason: unknown) => reason);
          if (stopped === undefined) continue;
        }
        await this.#giveUp(batch, problem);
        return;
      }
    }
  }

  /** Records written and failed documents, and returns those to send again. */
  #settle(batch: readonly Prepared<T>[], rejections: readonly Rejection[], mayRetry: boolean): readonly Prepared<T>[] {
    const again: Prepared<T>[] = [];
    for (const { at, code, reason } of rejections) {
      const document = batch[at];
      if (document === undefined) continue;
      if (isRetryable(code) && mayRetry) again.push(document);
      else this.#failed.push({ id: document.id, code, reason });
    }
    this.#succeeded += batch.length - rejections.length;
    this.#options.onProgress?.({ stage: "index", done: this.#succeeded, total: this.#task.count });
    return again;
  }

  async #giveUp(batch: readonly Prepared<T>[], problem: SparseRerankError): Promise<void> {
    const isAboutContent = problem.code === "ERR_ENGINE_REFUSED" || problem.code === "ERR_ENGINE_LIMIT";
    if (isAboutContent && batch.length > 1) {
      // Some engines reject a whole request because of one document: bisection finds it.
      const middle = batch.length >> 1;
      await this.#write(batch.slice(0, middle));
      await this.#write(batch.slice(middle));
      return;
    }
    for (const { id } of batch) this.#failed.push({ id, code: problem.code, reason: problem.message });
    if (!isAboutContent) this.#fatal ??= problem;
  }

  #report(): UpsertReport {
    return { succeeded: this.#succeeded, failed: this.#failed, warnings: this.#task.warnings, retries: this.#retries };
  }

  /** Adds the report, which lists every document; documents that were never sent have `problem` as their reason. */
  #withReport(problem: Error): EngineError {
    const code = problem instanceof SparseRerankError ? problem.code : "ERR_INTERNAL";
    for (; this.#next < this.#task.count; this.#next++) {
      const document = this.#task.prepare(this.#next);
      this.#failed.push("body" in document ? { id: document.id, code, reason: `not sent: ${problem.message}` } : document);
    }
    const counts = `${this.#succeeded} of ${this.#task.count} documents were written; the error's report lists the others.`;
    const message = problem.message.replace(`${this.#task.engine}: `, "");
    const cause = code === "ERR_ABORTED" ? problem.cause : problem;
    return new EngineError(this.#task.engine, code, `${message} ${counts}`, { cause, report: this.#report() });
  }
}

/** Exponential backoff with full jitter, so that clients that failed together do not retry together. */
async function pause(attempt: number, retryAfterMs: number | undefined, signal: AbortSignal | undefined): Promise<void> {
  const bound = Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** attempt);
  const milliseconds = Math.min(MAX_WAIT_MS, retryAfterMs ?? 0) + Math.random() * bound;
  try {
    await wait(milliseconds, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    throwIfAborted(signal);
    throw error;
  }
}

/** An unexpected error becomes ERR_INTERNAL, which is not retried. */
function asEngineError(engine: string, error: unknown): SparseRerankError & { readonly retryAfterMs?: number } {
  return error instanceof SparseRerankError ? error : new EngineError(engine, "ERR_INTERNAL", messageOf(error), { cause: error });
}
