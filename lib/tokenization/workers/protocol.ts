import { isError, isErrorNamed, messageOf } from "../../core/error-code";
import { SparseRerankError } from "../../errors";
import type { ErrorCode } from "../../errors";
import type { TokenizerOptions } from "../files/compile";
import type { EncodeSettings, TokenizerDefinition } from "../pipeline/definition";
import type { TokenBatch } from "../pipeline/token-batch";

/** From the JS thread to the worker. "open" and "close" get no reply. */
export type WorkerMessage =
  | { readonly type: "compile"; readonly request: number; readonly options: TokenizerOptions }
  | { readonly type: "open"; readonly tokenizer: number; readonly definition: TokenizerDefinition }
  | { readonly type: "close"; readonly tokenizer: number }
  | {
      readonly type: "encode";
      readonly request: number;
      readonly tokenizer: number;
      readonly texts: readonly string[];
      readonly settings: EncodeSettings;
    };

export type WorkerReply =
  { readonly request: number; readonly result: TokenizerDefinition | TokenBatch } | { readonly request: number; readonly failure: Failure };

/** An error in a form that postMessage can carry. */
export interface Failure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly cause: unknown;
}

export function describeFailure(error: unknown): Failure {
  if (error instanceof SparseRerankError) return { code: error.code, message: error.message, cause: cloneable(error.cause) };
  // V8 throws a RangeError when an array or a string would be too long.
  const code = isErrorNamed(error, "RangeError") ? "ERR_TOO_LARGE" : "ERR_INTERNAL";
  return { code, message: `Tokenization failed: ${messageOf(error)}`, cause: cloneable(error) };
}

function cloneable(cause: unknown): unknown {
  return isError(cause) ? new Error(cause.message) : undefined;
}

export function failureError({ code, message, cause }: Failure): SparseRerankError {
  return new SparseRerankError(code, message, cause === undefined ? undefined : { cause });
}
