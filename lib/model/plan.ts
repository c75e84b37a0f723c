/** The model plan: a checkpoint's transformer, its graph and how it executes, checked before anything is loaded. */

import type { ExecutionPlan } from "../architectures/execution-plan";
import type { ExportedGraph, Graph, MaskedLanguageModel } from "../architectures/types";
import type { SpladePooling, TransformerPart } from "../checkpoint/types";
import { SparseRerankError } from "../errors";
import type { LoadOptions } from "../options";
import type { TextTokenizer } from "../tokenization/tokenizer";

/** A model plan: checked but not loaded. */
export interface TransformerPlan {
  readonly part: TransformerPart;
  readonly graph: Graph | ExportedGraph;
  /** For SPLADE; its decoder belongs to `graph`. */
  readonly head?: { readonly graph: MaskedLanguageModel; readonly pooling: SpladePooling };
  /** If the graph depends on token ids: builds the graph to run instead of `graph`, which then only defines the limits. */
  readonly complete?: (tokenizer: TextTokenizer) => Promise<Graph>;
  readonly execution: ExecutionPlan;
}

/**
 * The maximum sequence length in tokens, including special tokens. Errors: ERR_INVALID_ARGUMENT (the options exceed the number of
 * positions).
 */
export function maxSeqLengthOf({ part, graph }: TransformerPlan, options: LoadOptions): number {
  const positions = graph.maxPositions ?? Number.MAX_SAFE_INTEGER;
  if (options.maxSeqLength !== undefined) {
    if (options.maxSeqLength > positions) {
      throw new SparseRerankError(
        "ERR_INVALID_ARGUMENT",
        `maxSeqLength ${String(options.maxSeqLength)} exceeds the ${String(positions)} positions of ${part.config.file}.`,
      );
    }
    return options.maxSeqLength;
  }
  return Math.min(part.maxSeqLength ?? positions, positions);
}
