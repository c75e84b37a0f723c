/**
 * Events for node:diagnostics_channel, in the asynchronous context of the call that they report on. A server may find its request by the
 * call's signal instead, since an AsyncLocalStorage slows every promise of the process down before Node 24. Nothing is measured for a channel
 * without subscribers. docs/deploying.md#observing describes them.
 */

import { channel } from "node:diagnostics_channel";
import { performance } from "node:perf_hooks";

interface TimedEvent {
  /** On the clock of performance.now(), in milliseconds. */
  readonly startTime: number;
  /** In milliseconds. */
  readonly duration: number;
}

/** `sparse-rerank:load`: a model was loaded. */
export interface LoadEvent extends TimedEvent {
  /** As passed to load(). */
  readonly model: string;
  readonly device: string;
  readonly dtype: string;
}

interface CallEvent extends TimedEvent {
  /** The signal that the call was given. */
  readonly signal: AbortSignal | undefined;
}

/** `sparse-rerank:tokenize`: texts or pairs of a call were tokenized. */
export interface TokenizeEvent extends CallEvent {
  readonly model: string;
  readonly texts: number;
  /** In UTF-16 units. */
  readonly characters: number;
  /** Special tokens included. */
  readonly tokens: number;
}

/** `sparse-rerank:queue`: how long texts or pairs of a call waited for the thread pool. */
export interface QueueEvent extends CallEvent {
  readonly model: string;
}

/** `sparse-rerank:inference`: the model ran over texts or pairs of a call. */
export interface InferenceEvent extends CallEvent {
  readonly model: string;
  readonly texts: number;
  readonly tokens: number;
  /** The part in the transformer, in milliseconds summed over threads. */
  readonly bodyTime: number;
  /** The part in the head, and in reading results, in milliseconds summed over threads. */
  readonly headTime: number;
}

/** `sparse-rerank:search`: an index or a collection was searched. */
export interface SearchEvent extends TimedEvent {
  /** The folder; undefined for an index in memory or a file. */
  readonly index: string | undefined;
  readonly queries: number;
}

/** The events by their channels. */
export interface DiagnosticsEvents {
  readonly "sparse-rerank:load": LoadEvent;
  readonly "sparse-rerank:tokenize": TokenizeEvent;
  readonly "sparse-rerank:queue": QueueEvent;
  readonly "sparse-rerank:inference": InferenceEvent;
  readonly "sparse-rerank:search": SearchEvent;
}

const channels = {
  load: channel("sparse-rerank:load"),
  tokenize: channel("sparse-rerank:tokenize"),
  queue: channel("sparse-rerank:queue"),
  inference: channel("sparse-rerank:inference"),
  search: channel("sparse-rerank:search"),
};

type Kind = keyof typeof channels;
/** An event without its time. */
export type Described<K extends Kind> = Omit<DiagnosticsEvents[`sparse-rerank:${K}`], keyof TimedEvent>;

/** Runs `work` and, if it succeeds, publishes an event with its time. */
export function observed<K extends Kind, R>(kind: K, work: () => Promise<R>, describe: (result: R) => Described<K>): Promise<R> {
  return channels[kind].hasSubscribers ? timed(kind, work, describe) : work();
}

async function timed<K extends Kind, R>(kind: K, work: () => Promise<R>, describe: (result: R) => Described<K>): Promise<R> {
  const startTime = performance.now();
  const result = await work();
  channels[kind].publish({ ...describe(result), startTime, duration: performance.now() - startTime });
  return result;
}

/**
 * Publishes what a run that has just ended took.
 *
 * @param times see NativeTimes
 */
export function publishRun(run: Pick<InferenceEvent, "model" | "texts" | "tokens" | "signal">, times: Float64Array): void {
  if (!channels.queue.hasSubscribers && !channels.inference.hasSubscribers) return;
  const [queued = 0, ran = 0, bodyTime = 0, headTime = 0] = times;
  const ended = performance.now();
  const { model, signal } = run;
  channels.queue.publish({ model, signal, startTime: ended - ran - queued, duration: queued } satisfies QueueEvent);
  channels.inference.publish({ ...run, bodyTime, headTime, startTime: ended - ran, duration: ran } satisfies InferenceEvent);
}
