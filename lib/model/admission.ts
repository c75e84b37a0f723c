/** Estimates the working memory of texts, and rejects texts that need too much. */

import { headFloats } from "../architectures/splade-head";
import type { GraphLimits } from "../architectures/types";
import { SparseRerankError } from "../errors";
import type { NativeSequences } from "../native/contract";
import type { TokenBatch } from "../tokenization/pipeline/token-batch";
import type { TransformerPlan } from "./plan";
import { FLOAT_BYTES, gigabytes } from "./weights-memory";

/** Working memory in bytes of a sequence of a given length, alone or in a group. */
export function bytesOf({ graph, head, execution }: TransformerPlan): GraphLimits["bytesPerSequence"] {
  if (execution.backend === "sequences") return graph.bytesPerSequence;
  const share = execution.floats === "fp32" ? 1 : 0.5;
  // The body's working memory is free when the head starts.
  const ofHead = head === undefined ? 0 : FLOAT_BYTES * headFloats(head.graph, head.pooling);
  return (length) => share * Math.max(graph.bytesPerSequence(length), ofHead * length);
}

interface Limits extends Pick<GraphLimits, "bytesPerSequence"> {
  readonly limit: number;
}

export function admit({ bytesPerSequence, limit }: Limits, batch: TokenBatch, text: (sequence: number) => string): NativeSequences {
  const { offsets } = batch;
  const bytes = new Float64Array(offsets.length - 1);
  for (let i = 0; i < bytes.length; i++) {
    const length = (offsets[i + 1] ?? 0) - (offsets[i] ?? 0);
    const needed = bytesPerSequence(length);
    if (needed > limit) {
      throw new SparseRerankError(
        "ERR_TOO_LARGE",
        `A text of ${String(length)} tokens (${JSON.stringify(text(i).slice(0, SHOWN))}…) needs about ${gigabytes(needed)} of working memory; ` +
          `the limit is ${gigabytes(limit)}. Load the model with a smaller maxSeqLength, or raise the limit with configure({ memoryLimit }).`,
      );
    }
    bytes[i] = needed;
  }
  return { ...batch, bytes };
}

/** Characters of a text that an error message quotes. */
const SHOWN = 40;
