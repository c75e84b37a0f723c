/** What is to be run: a checkpoint's transformer and its graph, checked but not loaded. */

import type { WantedLayout } from "../architectures/layout";
import type { ExportedGraph, Graph, MaskedLanguageModel } from "../architectures/types";
import type { SpladePooling, TransformerPart } from "../checkpoint/types";
import { SparseRerankError } from "../errors";
import type { NativeCuda } from "../native/contract";
import type { LoadOptions } from "../options";
import type { TextTokenizer } from "../tokenization/tokenizer";

/** What is to be run, checked but not loaded. */
export interface TransformerPlan {
  readonly part: TransformerPart;
  readonly graph: Graph | ExportedGraph;
  /** For SPLADE; the decoder belongs to `graph`. */
  readonly head?: { readonly graph: MaskedLanguageModel; readonly pooling: SpladePooling };
  /** Where the graph depends on ids of tokens: what runs instead of `graph`, which then only tells its limits. */
  readonly complete?: (tokenizer: TextTokenizer) => Promise<Graph>;
  /** The linear layers run in 8 bits; `cacheFolder` keeps them. Not for graphs of someone else. */
  readonly int8?: { readonly cacheFolder: string | undefined };
  /** `graph` takes batches of sequences of different length; not for graphs of someone else. */
  readonly batches?: BatchPlan;
}

/** How a model runs batches of sequences of different length: what cards want. */
export interface BatchPlan extends WantedLayout {
  /** Absent for the CPU, which is slower so. */
  readonly cuda?: NativeCuda;
  /** Bytes for the weights and all that runs. */
  readonly memory: number;
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
