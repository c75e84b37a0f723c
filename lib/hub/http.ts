/**
 * HTTP for the hub: redirects followed by hand (the token stays with the hub), time limits for silence instead of for the whole transfer, and
 * failures sorted into what is worth another attempt and what is not.
 */

import { setTimeout as sleep } from "node:timers/promises";

import { abortError, eitherSignal, throwIfAborted } from "../core/abort";
import { codeOf, isError, messageOf } from "../core/error-code";
import { SparseRerankError } from "../errors";
import { proxyHint } from "./proxy";
import type { Fetch } from "./proxy";

export interface RetryPolicy {
  /** How often a request may fail in a row. */
  readonly attempts: number;
  /** The first pause; doubled from failure to failure. */
  readonly baseDelayMs: number;
  readonly maxDelayMs: number;
  /** Longest silence of the server, before an answer as well as within it. */
  readonly silenceMs: number;
}

export const DEFAULT_POLICY: RetryPolicy = { attempts: 5, baseDelayMs: 500, maxDelayMs: 60_000, silenceMs: 30_000 };

export interface Connection {
  /** Of the hub, without a slash at the end. */
  readonly endpoint: string;
  readonly token: string | undefined;
  readonly policy: RetryPolicy;
  readonly signal: AbortSignal | undefined;
  readonly fetch: Fetch;
}

/** A failure that another attempt may cure: no connection, a timeout, a broken transfer, an overloaded server. */
export class HubNetworkError extends SparseRerankError {
  /** What the server asked for by Retry-After. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, options: { readonly cause?: unknown; readonly retryAfterMs?: number | undefined } = {}) {
    super("ERR_HUB_NETWORK", message, options.cause === undefined ? {} : { cause: options.cause });
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** An answer whose status is not a redirect. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** Where it came from, without the query, which may hold a signature. */
  readonly source: string;
  /** Whether the hub itself answered, not a host that it sent us to. */
  readonly fromHub: boolean;
  /** The body. Ends with an error when the server falls silent or the connection breaks. */
  chunks(): AsyncGenerator<Uint8Array>;
  /** Ends the connection; needed unless `chunks` was read to its end. */
  discard(): void;
}

const MAX_REDIRECTS = 10;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const USER_AGENT = `sparse-rerank node/${process.versions.node}`;

/** One attempt at a GET. Statuses are the caller's business, except that a busy or broken server is a HubNetworkError. */
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
 * Calls `attempt` until it succeeds or fails for good.
 * @param attempt gets a function that it calls when it moved forward: failures before that no longer count.
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
      // Jitter keeps clients that failed together from coming back together.
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

const CHECK_ENDPOINT = "Check HF_ENDPOINT, and whether a proxy stands between.";

async function send(connection: Connection, url: URL, fromHub: boolean, headers: Readonly<Record<string, string>>): Promise<Answer> {
  const { signal: userSignal, policy } = connection;
  const source = withoutQuery(url);
  const silence = new Silence(policy.silenceMs);
  const signal = eitherSignal(silence.signal, userSignal);
  const failure = (error: unknown): Error => {
    silence.stop();
    if (userSignal?.aborted === true) return abortError(userSignal);
    const what = silence.signal.aborted ? `was silent for ${policy.silenceMs / 1000} s` : `failed (${reasonOf(error)})`;
    return new HubNetworkError(`The connection to ${source} ${what}. Check the network; ${proxyHint()}.`, { cause: error });
  };
  let response: Response;
  try {
    // identity: sizes and ranges must count the bytes of the file.
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
      // The body is not wanted, and an error of a stream that nobody reads is nobody's.
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
          // The consumer's own time is not the server's silence.
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

/** A signal that fires when nothing was heard for a while. */
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

/** A 403 from elsewhere means that a signed address has expired: the hub gives a fresh one. */
function isTransient({ status, fromHub }: Answer): boolean {
  return status === 408 || status === 429 || status >= 500 || (status === 403 && !fromHub);
}

function busy(answer: Answer): HubNetworkError {
  answer.discard();
  const retryAfterMs = parseRetryAfter(answer.headers.get("retry-after"));
  const wait = retryAfterMs === undefined ? "" : ` and asks to wait ${Math.ceil(retryAfterMs / 1000)} s`;
  const hint = answer.status === 429 ? "Try again later; a token (HF_TOKEN) has higher limits." : "Try again later.";
  return new HubNetworkError(`${answer.source} answered with status ${answer.status}${wait}. ${hint}`, { retryAfterMs });
}

/** Seconds, or a date. */
function parseRetryAfter(value: string | null): number | undefined {
  if (value === null) return undefined;
  const milliseconds = /^\d+$/.test(value.trim()) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(milliseconds) ? Math.max(0, milliseconds) : undefined;
}

/** fetch() hides the reason in the cause. */
function reasonOf(error: unknown): string {
  const cause = isError(error) && isError(error.cause) ? error.cause : error;
  const code = codeOf(cause);
  return code === "UNKNOWN" ? messageOf(cause) : code;
}

function withoutQuery(url: URL): string {
  return url.origin + url.pathname;
}
