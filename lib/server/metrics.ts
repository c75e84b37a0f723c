/** Metrics for Prometheus, with the names of text-embeddings-inference, so that its dashboards work. */

import type * as Prometheus from "prom-client";

import type { Refusal } from "./failures";
import type { Timings } from "./timings";

/** Seconds. */
const DURATIONS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];
const TOKENS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536];
const TEXTS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096];

/** Memory, event loop, garbage collection: their observers cannot be removed, so all servers of a process share them. */
let ofProcess: Prometheus.Registry | undefined;

function collectOfProcess({
  Registry,
  collectDefaultMetrics,
}: Pick<typeof Prometheus, "Registry" | "collectDefaultMetrics">): Prometheus.Registry {
  const register = new Registry();
  collectDefaultMetrics({ register });
  return register;
}

/** How many texts a request has: one by itself, or a list. */
export type Method = "single" | "batch";

/** The metrics of one server. */
export class Metrics {
  readonly #registry: Prometheus.Registry;
  readonly #count: Prometheus.Counter<"method">;
  readonly #success: Prometheus.Counter<"method">;
  readonly #failure: Prometheus.Counter<"err">;
  readonly #durations: Readonly<Record<"total" | "tokenization" | "queue" | "inference", Prometheus.Histogram>>;
  readonly #inputLength: Prometheus.Histogram;
  readonly #batchSize: Prometheus.Histogram;
  readonly #batchTokens: Prometheus.Histogram;

  /** @param queued the number of requests in progress */
  constructor({ Counter, Gauge, Histogram, Registry, collectDefaultMetrics }: typeof Prometheus, queued: () => number) {
    const own = new Registry();
    const registers = [own];
    const histogram = (name: string, help: string, buckets: number[]): Prometheus.Histogram =>
      new Histogram({ name, help, buckets, registers });
    this.#count = new Counter({ name: "te_request_count", help: "Requests that were admitted", labelNames: ["method"], registers });
    this.#success = new Counter({ name: "te_request_success", help: "Requests that succeeded", labelNames: ["method"], registers });
    this.#failure = new Counter({ name: "te_request_failure", help: "Requests that failed, by reason", labelNames: ["err"], registers });
    this.#durations = {
      total: histogram("te_request_duration", "Seconds of a request", DURATIONS),
      tokenization: histogram("te_request_tokenization_duration", "Seconds of tokenization in a request", DURATIONS),
      queue: histogram("te_request_queue_duration", "Seconds that a request waited for the model", DURATIONS),
      inference: histogram("te_request_inference_duration", "Seconds of the model in a request", DURATIONS),
    };
    this.#inputLength = histogram("te_request_input_length", "Mean tokens of the texts of a tokenized batch", TOKENS);
    this.#batchSize = histogram("te_batch_next_size", "Texts that run together", TEXTS);
    this.#batchTokens = histogram("te_batch_next_tokens", "Tokens that run together", TOKENS);
    const gauge = new Gauge({
      name: "te_queue_size",
      help: "Requests in progress",
      registers,
      collect: () => {
        gauge.set(queued());
      },
    });
    ofProcess ??= collectOfProcess({ Registry, collectDefaultMetrics });
    this.#registry = Registry.merge([own, ofProcess]);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  started(method: Method): void {
    this.#count.inc({ method });
  }

  succeeded(method: Method, timings: Timings): void {
    this.#success.inc({ method });
    this.#durations.total.observe(timings.total / 1000);
    for (const part of ["tokenization", "queue", "inference"] as const) this.#durations[part].observe(timings[part] / 1000);
    for (const length of timings.lengths) this.#inputLength.observe(length);
    for (const { texts, tokens } of timings.batches) {
      this.#batchSize.observe(texts);
      this.#batchTokens.observe(tokens);
    }
  }

  failed({ status, type }: Pick<Refusal, "status" | "type">): void {
    this.#failure.inc({ err: status === 499 ? "canceled" : status === 413 ? "batch_size" : type });
  }
}
