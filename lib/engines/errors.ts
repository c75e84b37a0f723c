import { messageOf as errorMessage, isError } from "../core/error-code";
import { SparseRerankError } from "../errors";
import type { ErrorCode } from "../errors";
import type { UpsertReport } from "./types";

/** An error of a search engine. */
export class EngineError extends SparseRerankError {
  /** Name of the engine, such as "OpenSearch". */
  readonly engine: string;
  /** For upsert(): which documents were written before the error, and which were not. */
  readonly report?: UpsertReport;
  /** Wait that the server requested before a retry. */
  readonly retryAfterMs?: number;

  constructor(engine: string, code: ErrorCode, message: string, options: EngineErrorOptions = {}) {
    super(code, `${engine}: ${message}`, options.cause === undefined ? {} : { cause: options.cause });
    this.engine = engine;
    if (options.report !== undefined) this.report = options.report;
    if (options.retryAfterMs !== undefined) this.retryAfterMs = options.retryAfterMs;
  }

  /** A copy of the error with the report of a larger operation. */
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

/** Maps an HTTP status to an error code. @param status undefined if the connection failed */
export function codeOfStatus(status: number | undefined): ErrorCode {
  if (status === undefined || status === 408 || status === 429 || status >= 500) return "ERR_ENGINE_UNAVAILABLE";
  if (status === 401 || status === 403) return "ERR_ENGINE_AUTH";
  if (status === 404) return "ERR_ENGINE_INDEX_NOT_FOUND";
  if (status === 413) return "ERR_ENGINE_LIMIT";
  return "ERR_ENGINE_REFUSED";
}

const REMEDIES: Readonly<Partial<Record<ErrorCode, string>>> = {
  ERR_ENGINE_UNAVAILABLE: "Check that the server is running, reachable and not overloaded, then call again: writes can be repeated safely.",
  ERR_ENGINE_AUTH: "Check the credentials passed to the client, and the permissions of that user.",
  ERR_ENGINE_INDEX_NOT_FOUND: "Call ensureIndex() first, or check the name.",
  ERR_ENGINE_RESPONSE: "Check which server answers at that address: it may be a proxy or an unsupported version.",
};

/** Creates the error of a request, with the remedy of its code. @param problem reason given by the server or the connection */
export function requestError(engine: string, code: ErrorCode, problem: string, options: EngineErrorOptions = {}): EngineError {
  const remedy = REMEDIES[code];
  return new EngineError(engine, code, `${withStop(problem)}${remedy === undefined ? "" : ` ${remedy}`}`, options);
}

/** @param remedy how to express the filter in a way that the engine supports */
export function unsupportedFilter(engine: string, problem: string, remedy: string): EngineError {
  return new EngineError(engine, "ERR_FILTER_UNSUPPORTED", `the filter cannot be expressed: ${withStop(problem)} ${remedy}`);
}

/** Payloads hold dates as strings, which engines compare letter by letter. */
export function datesUnsupported(engine: string): EngineError {
  return unsupportedFilter(engine, "it compares dates", "Store them as numbers (date.getTime()) and compare those.");
}

/** The message of a client's error, shortened: servers may return whole stack traces. */
export function messageOf(error: unknown): string {
  const text = errorMessage(error);
  const cause = isError(error) && isError(error.cause) && error.cause.message !== "" ? ` (${error.cause.message})` : "";
  return shorten(`${text === "" ? nameOf(error) : text}${cause}`);
}

const MAX_MESSAGE = 600;

export function shorten(text: string): string {
  return text.length > MAX_MESSAGE ? `${text.slice(0, MAX_MESSAGE)}…` : text;
}

/** For errors without a message, such as the AggregateError of a connection refused on all addresses of a host. */
function nameOf(error: unknown): string {
  const code = (error as { readonly code?: unknown } | null)?.code;
  if (typeof code === "string") return code;
  return isError(error) ? error.name : "an unknown error";
}

function withStop(text: string): string {
  return /[.!?…]$/.test(text) ? text : `${text}.`;
}
