/** From a checkpoint's transformer and its graph to a running native model with its tokenizer. */

import { throwIfAborted } from "../core/abort";
import { withCancel } from "../native/cancellation";
import type { NativeModel, NativeSequences } from "../native/contract";
import { withRemedy } from "../native/cuda";
import { native } from "../native/load";
import { loadRuntime } from "../native/runtime-library";
import { requireEmbeddedTokens, requireEmbeddings } from "../tokenization/require-embeddings";
import type { TokenBatch } from "../tokenization/pipeline/token-batch";
import { TextTokenizer } from "../tokenization/tokenizer";
import { admit, bytesOf } from "./admission";
import { describeExport, describeModel } from "./native-spec";
import type { TransformerPlan } from "./plan";
import { tokenizerWorkers } from "./tokenizer-workers";
import { memoryOfWeights, requireMemoryForWeights } from "./weights-memory";

export interface RunningTransformer {
  readonly tokenizer: TextTokenizer;
  readonly model: NativeModel;
  /** Tokens, special tokens included. */
  readonly maxSeqLength: number;
  /**
   * What the model takes of a batch of texts. Errors: ERR_TOO_LARGE for a text that needs more memory than there is, ERR_INVALID_TOKENIZER for
   * one with an added token that has no embedding.
   * @param text the text of a sequence, to name it by
   */
  readonly admit: (batch: TokenBatch, text: (sequence: number) => string) => NativeSequences;
}

/** @param maxSeqLength see maxSeqLengthOf */
export async function startTransformer(plan: TransformerPlan, maxSeqLength: number, signal?: AbortSignal): Promise<RunningTransformer> {
  const { part, graph, complete, execution } = plan;
  loadRuntime();
  if (!("file" in graph)) requireMemoryForWeights(part.folder, memoryOfWeights(graph, plan));
  throwIfAborted(signal);
  const reading = { folder: part.folder, maxLength: maxSeqLength, lowerCase: part.lowerCase };
  const loading = TextTokenizer.load(reading, tokenizerWorkers(execution, native().threads()));
  const [tokenizer, model] = await both(
    loading,
    // Packing the weights cannot be interrupted: an abort takes effect when it has ended.
    withCancel(undefined, async () =>
      "file" in graph
        ? native().openModel(describeExport(graph))
        : withRemedy(async () => native().createModel(describeModel(complete === undefined ? graph : await complete(await loading), plan))),
    ),
  );
  try {
    throwIfAborted(signal);
    requireEmbeddings(tokenizer, graph.vocabularySize, part.folder);
  } catch (error) {
    tokenizer.dispose();
    model.dispose();
    throw error;
  }
  // A GPU reports when it has no memory, and then groups become smaller.
  const limits = { bytesPerSequence: bytesOf(plan), limit: execution.backend === "sequences" ? native().memoryLimit() : Infinity };
  return {
    tokenizer,
    model,
    maxSeqLength,
    admit: (batch, text) => {
      requireEmbeddedTokens(tokenizer, graph.vocabularySize, batch, text);
      return admit(limits, batch, text);
    },
  };
}

/** Both results, or the first failure once neither is running; what succeeded is disposed then. */
async function both<A extends { dispose(): void }, B extends { dispose(): void }>(a: Promise<A>, b: Promise<B>): Promise<[A, B]> {
  const [first, second] = await Promise.allSettled([a, b]);
  if (first.status === "fulfilled" && second.status === "fulfilled") return [first.value, second.value];
  if (first.status === "fulfilled") first.value.dispose();
  if (second.status === "fulfilled") second.value.dispose();
  throw first.status === "rejected" ? first.reason : (second as PromiseRejectedResult).reason;
}
