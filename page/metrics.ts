/** Reads GET /metrics: Prometheus's text format, as prom-client writes it. */

/** "te_request_count{method=\"single\"}" -> value */
export type Samples = ReadonlyMap<string, number>;

export function readSamples(text: string): Samples {
  const samples = new Map<string, number>();
  for (const line of text.split("\n")) {
    const at = line.lastIndexOf(" ");
    if (line.startsWith("#") || at <= 0) continue;
    const value = Number(line.slice(at + 1));
    if (!Number.isNaN(value)) samples.set(line.slice(0, at), value);
  }
  return samples;
}

/** The sum over the labels of a metric. */
export function total(samples: Samples, name: string): number {
  let sum = 0;
  for (const [key, value] of samples) if (key === name || key.startsWith(`${name}{`)) sum += value;
  return sum;
}

/** What a server did between two readings. */
export interface Activity {
  readonly seconds: number;
  /** Requests that succeeded and failed. */
  readonly succeeded: number;
  readonly failed: number;
  /** Texts and tokens that ran through the models. */
  readonly texts: number;
  readonly tokens: number;
  readonly requestsPerSecond: number;
  readonly textsPerSecond: number;
  /** Milliseconds of a request that succeeded, on average; undefined without any. The parts of a request may overlap. */
  readonly latency: Readonly<Record<"total" | "tokenization" | "queue" | "inference", number>> | undefined;
  /** Now. */
  readonly inProgress: number;
  readonly residentBytes: number;
  readonly eventLoopMs: number;
}

const DURATIONS = {
  total: "te_request_duration",
  tokenization: "te_request_tokenization_duration",
  queue: "te_request_queue_duration",
  inference: "te_request_inference_duration",
} as const;

/** Whether a server has begun to count again, so that differences between two readings mean nothing. */
export function hasRestarted(before: Samples, after: Samples): boolean {
  const started = "process_start_time_seconds";
  if (total(before, started) !== total(after, started)) return true;
  return ["te_request_success", "te_request_failure", "te_batch_next_size_sum"].some((name) => total(after, name) < total(before, name));
}

/** @param before an empty map for all since the start */
export function activity(before: Samples, after: Samples, seconds: number): Activity {
  const added = (name: string): number => total(after, name) - total(before, name);
  const succeeded = added("te_request_success");
  const texts = added("te_batch_next_size_sum");
  const mean = (name: string): number => (1000 * added(`${name}_sum`)) / succeeded;
  return {
    seconds,
    succeeded,
    failed: added("te_request_failure"),
    texts,
    tokens: added("te_batch_next_tokens_sum"),
    requestsPerSecond: succeeded / seconds,
    textsPerSecond: texts / seconds,
    latency:
      succeeded > 0
        ? {
            total: mean(DURATIONS.total),
            tokenization: mean(DURATIONS.tokenization),
            queue: mean(DURATIONS.queue),
            inference: mean(DURATIONS.inference),
          }
        : undefined,
    inProgress: total(after, "te_queue_size"),
    residentBytes: total(after, "process_resident_memory_bytes"),
    eventLoopMs: 1000 * total(after, "nodejs_eventloop_lag_p99_seconds"),
  };
}
