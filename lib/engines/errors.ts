import { messageOf as errorMessage, isError } from "../core/error-code";
import { SparseRerankError } from "../errors";
import type { ErrorCode } from "../errors";
import type { UpsertReport } from "./types";

/** What went wrong with a search engine. */
export class EngineError extends SparseRerankError {
  /** "OpenSearch" */
  readonly engine: string;
  /** Of an upsert(): what was written before the error, and what was not. */
  readonly report?: UpsertReport;
  /** How long the server asks to wait. */
  readonly retryAfterMs?: number;

  constructor(engine: string, code: ErrorCode, message: string, options: EngineErrorOptions = {}) {
    super(code, `${engine}: ${message}`, options.cause === undefined ? {} : { cause: options.cause });
    this.engine = engine;
    if (options.report !== undefined) this.report = options.report;
    if (options.retryAfterMs !== undefined) this.retryAfterMs = options.retryAfterMs;
  }

  /** The same error with the report of a longer work. */
  withReport(report: UpsertReport): EngineError {
    return new EngineError(this.engine, this.code, this.message.slice(`${this.engine}: `.length), { cause: this.cause, report });
  }
}

export interface EngineErrorOptions {
  readonly cause?: unknown;
  readonly report?: UpsertReport;
  readonly retryAfterMs?: number;
}

/** Whether the same request may succeed later. */
export function isRetryable(code: ErrorCode): boolean {
  return code === "ERR_ENGINE_UNAVAILABLE" || code === "ERR_ENGINE_RESPONSE";
}

/** What an HTTP status says about a request; undefined is a connection that failed. */
export function codeOfStatus(status: number | undefined): ErrorCode {
  if (status === undefined || status === 408 || status === 429 || status >= 500) return "ERR_ENGINE_UNAVAILABLE";
  if (status === 401 || status === 403) return "ERR_ENGINE_AUTH";
  if (status === 404) return "ERR_ENGINE_INDEX_NOT_FOUND";
  if (status === 413) return "ERR_ENGINE_LIMIT";
  return "ERR_ENGINE_REFUSED";
}

const REMEDIES: Readonly<Partial<Record<ErrorCode, string>>> = {
  ERR_ENGINE_UNAVAILABLE: "Check that the server runs, is reachable and not overloaded, then call again: writes may be repeated.",
  ERR_ENGINE_AUTH: "Check the credentials that the client was given, and the rights of that user.",
  ERR_ENGINE_INDEX_NOT_FOUND: "Call ensureIndex() first, or check the name.",
  ERR_ENGINE_RESPONSE: "Check what answers at that address: a proxy, or a version of the server that this package does not know.",
};

/** An error of a request. @param problem what the server or the connection said */
export function requestError(engine: string, code: ErrorCode, problem: string, options: EngineErrorOptions = {}): EngineError {
  const remedy = REMEDIES[code];
  return new EngineError(engine, code, `${withStop(problem)}${remedy === undefined ? "" : ` ${remedy}`}`, options);
}

/** @param remedy how to say the same with what the engine has */
export function unsupportedFilter(engine: string, problem: string, remedy: string): EngineError {
  return new EngineError(engine, "ERR_FILTER_UNSUPPORTED", `the filter cannot be expressed: ${withStop(problem)} ${remedy}`);
}

/** What a client says in words; messages of servers may be whole stack traces. */
export function messageOf(error: unknown): string {
  const text = errorMessage(error);
  const cause = isError(error) && isError(error.cause) && error.cause.message !== "" ? ` (${error.cause.message})` : "";
  return shorten(`${text === "" ? nameOf(error) : text}${cause}`);
}

const MAX_MESSAGE = 600;

export function shorten(text: string): string {
  return text.length > MAX_MESSAGE ? `${text.slice(0, MAX_MESSAGE)}…` : text;
}

/** A connection refused on all addresses of a host is an AggregateError without a message. */
function nameOf(error: unknown): string {
  const code = (error as { readonly code?: unknown } | null)?.code;
  if (typeof code === "string") return code;
  return isError(error) ? error.name : "an unknown error";
}

function withStop(text: string): string {
  return /[.!?…]$/.test(text) ? text : `${text}.`;
}
