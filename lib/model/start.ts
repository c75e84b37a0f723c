/** Builds a running native model with its tokenizer from a checkpoint's transformer and its graph. */

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
import { DynamicBatcher } from "./dynamic-batcher";
import { describeExport, describeModel } from "./native-spec";
import type { TransformerPlan } from "./plan";
import { tokenizerWorkers } from "./tokenizer-workers";
import { memoryOfWeights, requireMemoryForWeights } from "./weights-memory";

export interface RunningTransformer {
  readonly tokenizer: TextTokenizer;
  readonly model: NativeModel;
  /** On a GPU. */
  readonly batcher: DynamicBatcher | undefined;
  /** Whether runs can continue from a prefix. */
  readonly continues: boolean;
  /** In tokens, including special tokens. */
  readonly maxSeqLength: number;
  /**
   * Converts a batch of texts to the model's input. Errors: ERR_TOO_LARGE (a text needs more memory than available), ERR_INVALID_TOKENIZER
   * (a text contains an added token without an embedding).
   * @param text returns the text of a sequence, for the message
   */
  readonly admit: (batch: TokenBatch, text: (sequence: number) => string) => NativeSequences;
}

/** As many as a group has at most (kMaxTokens of native/inference/sequence_groups.h). */
const MAX_BATCH_TOKENS = 16_384;

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
    // Packing the weights cannot be interrupted: an abort takes effect when packing has ended.
    withCancel(undefined, async () =>
      "file" in graph
        ? native().openModel(describeExport(graph, plan))
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
  // A GPU reports itself when it is out of memory, and groups are then made smaller.
  const limits = { bytesPerSequence: bytesOf(plan), limit: execution.backend === "sequences" ? native().memoryLimit() : Infinity };
  return {
    tokenizer,
    model,
    batcher: execution.backend === "groups" ? new DynamicBatcher(execution.maxBatchTokens ?? MAX_BATCH_TOKENS) : undefined,
    continues: execution.backend === "sequences" && !("file" in graph) && graph.prefix !== undefined,
    maxSeqLength,
    admit: (batch, text) => {
      requireEmbeddedTokens(tokenizer, graph.vocabularySize, batch, text);
      return admit(limits, batch, text);
    },
  };
}

/** Both results, or the first failure once both have settled; a result that succeeded is then disposed. */
async function both<A extends { dispose(): void }, B extends { dispose(): void }>(a: Promise<A>, b: Promise<B>): Promise<[A, B]> {
  const [first, second] = await Promise.allSettled([a, b]);
  if (first.status === "fulfilled" && second.status === "fulfilled") return [first.value, second.value];
  if (first.status === "fulfilled") first.value.dispose();
  if (second.status === "fulfilled") second.value.dispose();
  throw first.status === "rejected" ? first.reason : (second as PromiseRejectedResult).reason;
}
