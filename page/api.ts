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

/** Errors: Error with the server's message. @param path relative to the page */
export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  const response = await fetch(path, signal === undefined ? {} : { signal });
  return (await read(response)) as T;
}

/** Errors: as for get(). */
export async function post<T>(path: string, body: object, signal?: AbortSignal): Promise<Answer<T>> {
  const response = await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    ...(signal === undefined ? {} : { signal }),
  });
  return { value: (await read(response)) as T, headers: response.headers };
}

async function read(response: Response): Promise<unknown> {
  const text = await response.text();
  if (response.ok) return JSON.parse(text);
  throw new Error(messageOf(text) ?? `The server answered with ${response.status}.`);
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
