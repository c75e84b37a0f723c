/**
 * How long the parts of a request take, from the events that the library publishes (docs/deploying.md): each event belongs to the request
 * in whose asynchronous context it was published.
 */

import { AsyncLocalStorage } from "node:async_hooks";
import diagnostics from "node:diagnostics_channel";

/** What inference events report of a batch. */
export interface Batch {
  readonly texts: number;
  readonly tokens: number;
}

/** Sums over a request; durations in milliseconds. */
export class Timings {
  readonly started = performance.now();
  tokenization = 0;
  queue = 0;
  inference = 0;
  tokens = 0;
  /** UTF-16 units of the request's texts. */
  characters = 0;
  /** Mean tokens of a text, for each tokenized batch. */
  readonly lengths: number[] = [];
  readonly batches: Batch[] = [];

  get total(): number {
    return performance.now() - this.started;
  }
}

const requests = new AsyncLocalStorage<Timings>();
let isSubscribed = false;

/** Runs a request's work, whose events are added to its timings. */
export function timed<T>(timings: Timings, work: () => Promise<T>): Promise<T> {
  subscribe();
  return requests.run(timings, work);
}

/** Once per process. */
function subscribe(): void {
  if (isSubscribed) return;
  isSubscribed = true;
  on("sparse-rerank:tokenize", (timings, { duration, texts, tokens }) => {
    timings.tokenization += duration;
    timings.tokens += tokens;
    if (texts > 0) timings.lengths.push(tokens / texts);
  });
  on("sparse-rerank:queue", (timings, { duration }) => {
    timings.queue += duration;
  });
  on("sparse-rerank:inference", (timings, { duration, texts, tokens }) => {
    timings.inference += duration;
    timings.batches.push({ texts, tokens });
  });
}

interface Numbers {
  readonly duration: number;
  readonly texts: number;
  readonly tokens: number;
}

function on(channel: string, add: (timings: Timings, event: Numbers) => void): void {
  diagnostics.subscribe(channel, (message) => {
    const timings = requests.getStore();
    if (timings === undefined) return;
    const event = message as Partial<Numbers>;
    const number = (value: unknown): number => (typeof value === "number" && Number.isFinite(value) ? value : 0);
    add(timings, { duration: number(event.duration), texts: number(event.texts), tokens: number(event.tokens) });
  });
}
