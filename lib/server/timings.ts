/**
 * How long the parts of a request take, from the events that the library publishes (docs/deploying.md): each event belongs to the request
 * whose signal its call was given.
 */

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

/** By the signal that a request gives to the calls of its work. */
const requests = new WeakMap<AbortSignal, Timings>();
let isSubscribed = false;

/** Adds the events of calls with this signal to a request's timings. */
export function observe(signal: AbortSignal, timings: Timings): void {
  subscribe();
  requests.set(signal, timings);
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
    const event = message as Partial<Numbers> & { readonly signal?: AbortSignal };
    const timings = event.signal === undefined ? undefined : requests.get(event.signal);
    if (timings === undefined) return;
    const number = (value: unknown): number => (typeof value === "number" && Number.isFinite(value) ? value : 0);
    add(timings, { duration: number(event.duration), texts: number(event.texts), tokens: number(event.tokens) });
  });
}
