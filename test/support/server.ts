/** Servers for tests: on a free port, with small models, and a model whose calls end when the test says so. */

import path from "node:path";

import type { SparseEncoder } from "../../dist";
import { SparseMatrix } from "../../dist";
import { serve } from "../../dist/server";
import type { RunningServer, ServeOptions } from "../../dist/server";
import { FIXTURES } from "./retrieval-support";

export const RERANKER = path.join(FIXTURES, "ce-bert-minilm");
export const CLASSIFIER = path.join(FIXTURES, "ce-bert-multilabel");
export const QUERY = "what causes heart attacks?";
export const TEXTS = ["Sharks are fish that live in the sea.", "The heart pumps blood through the body.", "Bread is baked from flour."];

export interface Answer<T = unknown> {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly json: T;
}

/** A server and requests to it. */
export class Client {
  readonly server: RunningServer;

  private constructor(server: RunningServer) {
    this.server = server;
  }

  static async start(options: ServeOptions = {}): Promise<Client> {
    return new Client(await serve({ port: 0, ...options }));
  }

  get url(): string {
    return this.server.url;
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  post<T>(route: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Answer<T>> {
    return this.send<T>("POST", route, typeof body === "string" ? body : JSON.stringify(body), headers);
  }

  get<T>(route: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer<T>> {
    return this.send<T>("GET", route, undefined, headers);
  }

  async send<T>(
    method: string,
    route: string,
    body?: string | Uint8Array<ArrayBuffer>,
    headers: Readonly<Record<string, string>> = {},
    signal?: AbortSignal,
  ): Promise<Answer<T>> {
    const response = await fetch(this.url + route, {
      method,
      headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
      ...(body === undefined ? {} : { body }),
      ...(signal === undefined ? {} : { signal }),
    });
    const text = await response.text();
    const isJson = response.headers.get("content-type")?.startsWith("application/json") === true;
    return { status: response.status, headers: response.headers, text, json: (isJson ? JSON.parse(text) : undefined) as T };
  }

  close(): Promise<void> {
    return this.server.close({ graceMs: 1000 });
  }
}

/** A stand-in for a sparse encoder: its calls wait for release(), and note when their signal fires. */
export class HeldModel {
  readonly maxSeqLength = 512;
  readonly embeddingDimension = 4;
  readonly device = "cpu";
  readonly dtype = "fp32";
  readonly prompts = {};
  readonly model = { name: "held", fingerprint: "held" };
  started = 0;
  aborted = 0;
  readonly #waiting = new Set<() => void>();

  get asEncoder(): SparseEncoder {
    return this as unknown as SparseEncoder;
  }

  encode = (texts: readonly string[], { signal }: { readonly signal?: AbortSignal } = {}): Promise<SparseMatrix> => {
    this.started++;
    return new Promise((resolve, reject) => {
      const end = (): void => {
        this.#waiting.delete(end);
        resolve(
          SparseMatrix.fromRows(
            texts.map(() => ({ indices: [1], values: [1] })),
            4,
          ),
        );
      };
      this.#waiting.add(end);
      signal?.addEventListener("abort", () => {
        this.#waiting.delete(end);
        this.aborted++;
        reject(signal.reason as Error);
      });
    });
  };
  encodeQuery = this.encode;
  encodeDocument = this.encode;

  release(): void {
    for (const end of [...this.#waiting]) end();
  }

  async untilStarted(count: number): Promise<void> {
    await until(() => this.started >= count);
  }
}

/** Resolves when the condition holds; the test's own time limit ends the wait. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}
