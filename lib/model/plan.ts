/** The model plan: a checkpoint's transformer, its graph and how it executes, checked before anything is loaded. */

import type { ExecutionPlan } from "../architectures/execution-plan";
import type { ExportedGraph, Graph, MaskedLanguageModel } from "../architectures/types";
import type { SpladePooling, TransformerPart } from "../checkpoint/types";
import { SparseRerankError } from "../errors";
import type { LoadOptions } from "../options";
import type { TextTokenizer } from "../tokenization/tokenizer";

/** A model that is checked but not loaded. */
export interface TransformerPlan {
  readonly part: TransformerPart;
  readonly graph: Graph | ExportedGraph;
  /** For SPLADE; the decoder belongs to `graph`. */
  readonly head?: { readonly graph: MaskedLanguageModel; readonly pooling: SpladePooling };
  /** Where the graph depends on ids of tokens: what runs instead of `graph`, which then only has its limits. */
  readonly complete?: (tokenizer: TextTokenizer) => Promise<Graph>;
  readonly execution: ExecutionPlan;
}

/** Tokens, special tokens included. Errors: ERR_INVALID_ARGUMENT when the options ask for more than there are positions. */
export function maxSeqLengthOf({ part, graph }: TransformerPlan, options: LoadOptions): number {
  const positions = graph.maxPositions ?? Number.MAX_SAFE_INTEGER;
  if (options.maxSeqLength !== undefined) {
    if (options.maxSeqLength > positions) {
      throw new SparseRerankError(
        "ERR_INVALID_ARGUMENT",
        `maxSeqLength ${String(options.maxSeqLength)} is more than the ${String(positions)} positions of ${part.config.file}.`,
      );
    }
    return options.maxSeqLength;
  }
  return Math.min(part.maxSeqLength ?? positions, positions);
}
