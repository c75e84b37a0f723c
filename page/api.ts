/** Requests to the server that the page came from. */

export interface Model {
  readonly name: string;
  readonly kind: "encoder" | "cross-encoder";
  readonly device: string;
  readonly dtype?: string;
  readonly max_input_length: number;
}

export type Mode = "hybrid" | "sparse" | "lexical";

/** What GET /info says that the page needs. */
export interface Info {
  readonly version: string;
  readonly needs_key: boolean;
  readonly max_concurrent_requests: number;
  /** Texts in a request; null for any number. */
  readonly max_client_batch_size: number | null;
  readonly models: readonly Model[];
  readonly search: {
    /** Route of the collection, or of the sample. */
    readonly path: string;
    readonly is_sample: boolean;
    readonly modes: readonly Mode[];
    readonly documents?: number;
    readonly passages?: number;
    readonly model?: string;
    /** Name of the cross-encoder that reranks. */
    readonly reranker?: string;
  };
}

export interface Answer<T> {
  readonly value: T;
  readonly headers: Headers;
}

/** Times that a request is sent again which the server had no room for. */
const RETRIES = 4;
/** Milliseconds to wait before, if the server does not say. */
const PAUSE = 1000;

/** Errors: Error with the server's message, or what it says of a server that does not answer. @param path relative to the page */
export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  const response = await ask(path, {}, signal);
  return parsed(await textOf(response)) as T;
}

/** The text of an answer that is not JSON. Errors: as for get(). */
export async function getText(path: string, signal?: AbortSignal): Promise<string> {
  return textOf(await ask(path, {}, signal));
}

/** Waits for its turn among the requests of this page. Errors: as for get(). */
export async function post<T>(path: string, body: object, signal?: AbortSignal): Promise<Answer<T>> {
  const init = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  return inTurn(async () => {
    for (let sent = 0; ; sent++) {
      const response = await ask(path, init, signal);
      if (response.status !== 429 || sent === RETRIES) return { value: parsed(await textOf(response)) as T, headers: response.headers };
      const seconds = Number(response.headers.get("retry-after") ?? "");
      // Not all at the same time again.
      await pause((seconds > 0 ? 1000 * Math.min(seconds, 5) : PAUSE) * (0.5 + Math.random()), signal);
    }
  });
}

let room = Infinity;
let running = 0;
const waiting: (() => void)[] = [];

/** A page alone must not exceed what the server does at the same time. */
export function limitRequests(count: number): void {
  room = Math.max(1, count);
}

async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  if (running >= room) {
    await new Promise<void>((resolve) => {
      waiting.push(resolve);
    });
  } else running++;
  try {
    return await work();
  } finally {
    const next = waiting.shift();
    if (next === undefined) running--;
    else next();
  }
}

function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    });
  });
}

async function ask(path: string, init: RequestInit, signal?: AbortSignal): Promise<Response> {
  signal?.throwIfAborted();
  try {
    return await fetch(path, signal === undefined ? init : { ...init, signal });
  } catch (error) {
    if (signal?.aborted === true) throw error;
    throw new Error("The server does not answer: it has ended, or the network is down.", { cause: error });
  }
}

async function textOf(response: Response): Promise<string> {
  const text = await response.text();
  if (response.ok) return text;
  if (response.status === 401) throw new Error("The server asks for a key: load the page again to be asked for it.");
  throw new Error(messageOf(text) ?? `The server answers with status ${response.status}.`);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error("The answer is not JSON: is there something else than sparse-rerank at this address?", { cause: error });
  }
}

/** The message of a failure in any of the server's shapes. */
function messageOf(text: string): string | undefined {
  try {
    const { error, message } = JSON.parse(text) as { error?: string | { message?: string }; message?: string };
    return typeof error === "object" ? error.message : (error ?? message);
  } catch {
    return undefined;
  }
}
