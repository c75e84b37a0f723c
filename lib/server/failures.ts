/** What a request that fails is answered with: a status, and a body in the shape of the contract that the client speaks. */

import { codeOf, messageOf } from "../core/error-code";
import { SparseRerankError } from "../errors";
import type { ErrorCode } from "../errors";

/**
 * The shape of a route's errors: "tei" has `error` and `error_type` (also read by Elasticsearch), "cohere" `message` and `detail` (the
 * latter as of Jina and Voyage), "openai" the nested `error` of OpenAI and vLLM.
 */
export type Contract = "tei" | "cohere" | "openai";

/** Those of text-embeddings-inference up to "empty", and those that it has no name for. */
export type FailureType =
  | "unhealthy"
  | "backend"
  | "overloaded"
  | "validation"
  | "tokenizer"
  | "empty"
  | "unauthorized"
  | "forbidden"
  | "not_found"
  | "method_not_allowed"
  | "internal";

/** A request that is not served. The message is sent to the client. */
export class Refusal extends Error {
  readonly status: number;
  readonly type: FailureType;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, type: FailureType, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.type = type;
    this.headers = headers;
  }
}

/** A value of the wrong kind, an unknown name, a count out of range. */
export function invalidRequest(message: string): Refusal {
  return new Refusal(422, "validation", message);
}

export function overloaded(message: string): Refusal {
  return new Refusal(429, "overloaded", message, { "retry-after": "1" });
}

/** The reason with which the work of a client that has gone is aborted. */
export class Disconnected extends Error {}

/** Codes that speak of the caller's input. A message of our own stands for those that quote texts or name files. */
const OF_INPUT: Partial<Record<ErrorCode, readonly [status: number, type: FailureType, message?: string]>> = {
  ERR_INVALID_ARGUMENT: [422, "validation"],
  ERR_NOT_SUPPORTED: [422, "validation"],
  ERR_DUPLICATE_ID: [422, "validation"],
  ERR_DIMENSION_MISMATCH: [422, "validation"],
  ERR_INVALID_TOKENIZER: [422, "tokenizer", "A text contains a token that the model has no embedding for."],
  ERR_TOO_LARGE: [413, "validation", "A text needs more memory or time than the server has for it."],
  ERR_READ_ONLY: [403, "forbidden"],
};

/** Of a message: some quote a name from the request. */
const MAX_MESSAGE = 500;

/** What the client is told. Anything unexpected is "internal error" to the client, and whole only in the log. */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  if (error instanceof SparseRerankError) {
    if (error.cause instanceof Refusal) return error.cause;
    const [status, type, message = error.message.slice(0, MAX_MESSAGE)] = OF_INPUT[error.code] ?? [];
    if (status !== undefined && type !== undefined) return new Refusal(status, type, message);
    if (error.code === "ERR_DISPOSED") return new Refusal(503, "unhealthy", "The server is shutting down.");
    if (error.code === "ERR_ABORTED") return new Refusal(499, "backend", "The request was canceled.");
    if (error.code === "ERR_INTERNAL") return new Refusal(500, "internal", "Internal error.");
    return new Refusal(424, "backend", `The model or the collection failed: ${error.code}.`);
  }
  return ofFramework(error) ?? new Refusal(500, "internal", "Internal error.");
}

/** Fastify's own errors: a body that is too large, of another type, or not JSON. */
function ofFramework(error: unknown): Refusal | undefined {
  if (!codeOf(error).startsWith("FST_")) return undefined;
  const { statusCode: status = 500 } = error as { readonly statusCode?: number };
  if (status >= 500) return undefined;
  if (status === 413) return new Refusal(413, "validation", "The body is larger than the server's payload limit.", { connection: "close" });
  if (status === 415) return new Refusal(415, "validation", "The body must have the content type application/json.");
  return new Refusal(status, status === 404 ? "not_found" : "validation", messageOf(error));
}

/** The status and the JSON of a failure. Cohere and OpenAI answer invalid requests with 400. */
export function answerOf(refusal: Refusal, contract: Contract): { readonly status: number; readonly body: string } {
  const { message, type } = refusal;
  const status = contract !== "tei" && refusal.status === 422 ? 400 : refusal.status;
  return { status, body: JSON.stringify(bodyOf(contract, message, type, status)) };
}

function bodyOf(contract: Contract, message: string, type: FailureType, status: number): object {
  if (contract === "tei") return { error: message, error_type: type };
  if (contract === "cohere") return { message, detail: message };
  return { error: { message, type: status < 500 ? "invalid_request_error" : "server_error", param: null, code: type } };
}
