/**
 * HTTP client for the hub. It follows redirects itself (the token is sent only to the hub), applies timeouts to silence instead of the
 * whole transfer, and classifies failures as retryable or final.
 */

import { setTimeout as sleep } from "node:timers/promises";

import { abortError, eitherSignal, throwIfAborted } from "../core/abort";
import { codeOf, isError, messageOf } from "../core/error-code";
import { SparseRerankError } from "../errors";
import { proxyHint } from "./proxy";
import type { Fetch } from "./proxy";

export interface RetryPolicy {
  /** Number of consecutive failures after which a request is given up. */
  readonly attempts: number;
  /** Delay after the first failure; it doubles with each further one. */
  readonly baseDelayMs: number;
  readonly maxDelayMs: number;
  /** Maximum time without data from the server, before and during a response. */
  readonly silenceMs: number;
}

export const DEFAULT_POLICY: RetryPolicy = { attempts: 5, baseDelayMs: 500, maxDelayMs: 60_000, silenceMs: 30_000 };

export interface Connection {
  /** Address of the hub, without a trailing slash. */
  readonly endpoint: string;
  readonly token: string | undefined;
  readonly policy: RetryPolicy;
  readonly signal: AbortSignal | undefined;
  readonly fetch: Fetch;
}

/** A failure that is worth a retry: no connection, a timeout, a broken transfer, an overloaded server. */
export class HubNetworkError extends SparseRerankError {
  /** Delay that the server requested with Retry-After. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, options: { readonly cause?: unknown; readonly retryAfterMs?: number | undefined } = {}) {
    super("ERR_HUB_NETWORK", message, options.cause === undefined ? {} : { cause: options.cause });
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** A response that is not a redirect. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** The address without the query, which may contain a signature. */
  readonly source: string;
  /** Whether the hub itself responded, and not a host that it redirected to. */
  readonly fromHub: boolean;
  /** The body. Throws if the server stops sending or the connection breaks. */
  chunks(): AsyncGenerator<Uint8Array>;
  /** Closes the connection. Required unless `chunks` is read to its end. */
  discard(): void;
}

const MAX_REDIRECTS = 10;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const USER_AGENT = `sparse-rerank node/${process.versions.node}`;

/** Sends a GET request once. The caller handles the status, except that transient failures throw HubNetworkError. */
export async function get(connection: Connection, address: string, headers: Readonly<Record<string, string>>): Promise<Answer> {
  const hub = new URL(connection.endpoint).origin;
  let url = new URL(address);
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const authorization = url.origin === hub && connection.token !== undefined ? { authorization: `Bearer ${connection.token}` } : {};
    const answer = await send(connection, url, url.origin === hub, { ...headers, ...authorization });
    if (!REDIRECTS.has(answer.status)) {
      if (isTransient(answer)) throw busy(answer);
      return answer;
    }
    answer.discard();
    url = redirectTarget(answer, url);
  }
  throw new SparseRerankError(
    "ERR_HUB_RESPONSE",
    `${withoutQuery(new URL(address))} redirects more than ${MAX_REDIRECTS} times. ${CHECK_ENDPOINT}`,
  );
}

/**
 * Calls `attempt` until it succeeds or its failure is final.
 * @param attempt gets a function to call on progress, which resets the failure count
 */
export async function withRetries<T>(connection: Connection, attempt: (advanced: () => void) => Promise<T>): Promise<T> {
  const { attempts, baseDelayMs, maxDelayMs } = connection.policy;
  let failures = 0;
  for (;;) {
    throwIfAborted(connection.signal);
    try {
      return await attempt(() => {
        failures = 0;
      });
    } catch (error) {
      if (!(error instanceof HubNetworkError) || ++failures >= attempts) throw error;
      const { retryAfterMs } = error;
      if (retryAfterMs !== undefined && retryAfterMs > maxDelayMs) throw error;
      // Jitter, so that clients that failed together do not retry together.
      const backOff = Math.min(maxDelayMs, baseDelayMs * 2 ** (failures - 1)) * (0.5 + Math.random() / 2);
      await pause(Math.max(retryAfterMs ?? 0, backOff), connection.signal);
    }
  }
}

export async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(milliseconds, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    throwIfAborted(signal);
    throw error;
  }
}

const CHECK_ENDPOINT = "Check HF_ENDPOINT and proxies.";

async function send(connection: Connection, url: URL, fromHub: boolean, headers: Readonly<Record<string, string>>): Promise<Answer> {
  const { signal: userSignal, policy } = connection;
  const source = withoutQuery(url);
  const silence = new Silence(policy.silenceMs);
  const signal = eitherSignal(silence.signal, userSignal);
  const failure = (error: unknown): Error => {
    silence.stop();
    if (userSignal?.aborted === true) return abortError(userSignal);
    const what = silence.signal.aborted ? `received no data for ${policy.silenceMs / 1000} s` : `failed (${reasonOf(error)})`;
    return new HubNetworkError(`The connection to ${source} ${what}. Check the network; ${proxyHint()}.`, { cause: error });
  };
  let response: Response;
  try {
    // identity: without compression, sizes and ranges count bytes of the file.
    response = await connection.fetch(url.href, {
      redirect: "manual",
      signal,
      headers: { "user-agent": USER_AGENT, "accept-encoding": "identity", ...headers },
    });
  } catch (error) {
    throw failure(error);
  }
  silence.restart();
  return {
    status: response.status,
    headers: response.headers,
    source,
    fromHub,
    discard: () => {
      silence.stop();
      // The body is not needed, so errors while canceling it are ignored.
      response.body?.cancel().catch(() => undefined);
    },
    async *chunks() {
      if (response.body === null) return;
      const reader = response.body.getReader();
      try {
        for (;;) {
          silence.restart();
          const read = await reader.read().catch((error: unknown) => {
            throw failure(error);
          });
          // Time spent in the consumer does not count as silence.
          silence.stop();
          if (read.done) return;
          yield read.value;
        }
      } finally {
        silence.stop();
        reader.cancel().catch(() => undefined);
      }
    },
  };
}

/** A signal that fires after a period without data. */
class Silence {
  readonly #controller = new AbortController();
  readonly #milliseconds: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(milliseconds: number) {
    this.#milliseconds = milliseconds;
    this.restart();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  restart(): void {
    this.stop();
    this.#timer = setTimeout(() => {
      this.#controller.abort();
    }, this.#milliseconds);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}

function redirectTarget(answer: Answer, from: URL): URL {
  const location = answer.headers.get("location");
  const target = location !== null && URL.canParse(location, from.href) ? new URL(location, from.href) : undefined;
  const allowed = target !== undefined && (target.protocol === "https:" || (target.protocol === "http:" && from.protocol === "http:"));
  if (!allowed) {
    throw new SparseRerankError(
      "ERR_HUB_RESPONSE",
      `${answer.source} redirects to ${target === undefined ? "no valid address" : withoutQuery(target)}; expected an https address. ${CHECK_ENDPOINT}`,
    );
  }
  return target;
}

/** A 403 from another host means that a signed address has expired; the hub issues a new one. */
function isTransient({ status, fromHub }: Answer): boolean {
  return status === 408 || status === 429 || status >= 500 || (status === 403 && !fromHub);
}

function busy(answer: Answer): HubNetworkError {
  answer.discard();
  const retryAfterMs = parseRetryAfter(answer.headers.get("retry-after"));
  const wait = retryAfterMs === undefined ? "" : ` and requests a wait of ${Math.ceil(retryAfterMs / 1000)} s`;
  const hint = answer.status === 429 ? "Try again later; a token (HF_TOKEN) has higher limits." : "Try again later.";
  return new HubNetworkError(`${answer.source} answered with status ${answer.status}${wait}. ${hint}`, { retryAfterMs });
}

/** Retry-After is a number of seconds or a date. */
function parseRetryAfter(value: string | null): number | undefined {
  if (value === null) return undefined;
  const milliseconds = /^\d+$/.test(value.trim()) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(milliseconds) ? Math.max(0, milliseconds) : undefined;
}

/** The reason of a failure of fetch() is in its cause. */
function reasonOf(error: unknown): string {
  const cause = isError(error) && isError(error.cause) ? error.cause : error;
  const code = codeOf(cause);
  return code === "UNKNOWN" ? messageOf(cause) : code;
}

function withoutQuery(url: URL): string {
  return url.origin + url.pathname;
}
