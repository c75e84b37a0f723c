/** What runs of a model on texts have in common: their place among other calls, their abort, and the events about them. */

import { callersSignal } from "../core/abort";
import { observed, publishRun } from "../core/diagnostics";
import type { NativeRunOptions, NativeSequences, NativeTimes, NativeTurn } from "../native/contract";
import { native } from "../native/load";
import type { Priority, TruncationSide } from "../options";
import type { TokenBatch } from "../tokenization/pipeline/token-batch";
import { runAlone } from "./dynamic-batcher";
import type { Work } from "./dynamic-batcher";
import type { RunningTransformer } from "./start";

export interface RunOptions {
  /** The model's name, for events. */
  readonly model: string;
  readonly priority?: Priority | undefined;
  /** From announce(). Undefined: the texts are a call of their own. */
  readonly turn?: NativeTurn | undefined;
  /** Default: that of the tokenizer. */
  readonly truncationSide?: TruncationSide | undefined;
  readonly signal?: AbortSignal | undefined;
}

type Texts = readonly (string | readonly [string, string])[];

const PRIORITIES = { high: 1, normal: 0, low: -1 } as const satisfies Record<Priority, number>;

/** Characters of a token, roughly. Only the order of calls depends on it. */
const CHARACTERS_OF_TOKEN = 4;
const SPECIAL_TOKENS = 3;

/** Announces a call whose texts run in several batches, so that these keep the call's place. Returns their turn. */
export function announce(texts: Texts, maxSeqLength: number): NativeTurn {
  let tokens = 0;
  for (const text of texts) tokens += Math.min(maxSeqLength, SPECIAL_TOKENS + Math.ceil(lengthOf(text) / CHARACTERS_OF_TOKEN));
  return native().arrive(tokens);
}

/** Tokenizes texts and publishes an event about it. */
export function tokenized(
  { model, signal }: Pick<RunOptions, "model" | "signal">,
  texts: Texts,
  tokenize: () => Promise<TokenBatch>,
): Promise<TokenBatch> {
  return observed("tokenize", tokenize, ({ ids }) => ({
    model,
    signal: callersSignal(signal),
    texts: texts.length,
    tokens: ids.length,
    characters: texts.reduce((sum, text) => sum + lengthOf(text), 0),
  }));
}

/** Runs a batch and publishes events about it. Errors: ERR_ABORTED, those of the run. */
export async function runBatch<R extends { readonly times: NativeTimes }>(
  { batcher }: RunningTransformer,
  work: Work<R>,
  sequences: NativeSequences,
  options: RunOptions,
): Promise<R> {
  const { model, signal } = options;
  const schedule = scheduleOf(options);
  const running = batcher === undefined ? runAlone(work, sequences, schedule, signal) : batcher.run(work, sequences, schedule, signal);
  const result = await running;
  const { ids, offsets } = sequences;
  publishRun({ model, texts: offsets.length - 1, tokens: ids.length, signal: callersSignal(signal) }, result.times);
  return result;
}

export function scheduleOf({ priority = "normal", turn }: RunOptions): NativeRunOptions {
  return { priority: PRIORITIES[priority], ...(turn === undefined ? {} : { turn }) };
}

function lengthOf(text: Texts[number]): number {
  return typeof text === "string" ? text.length : text[0].length + text[1].length;
}
