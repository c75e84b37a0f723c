/** An external ONNX model of a repository instead of a graph built here. It may be of any family, since only its limits must be known. */

import { usablePositions } from "../checkpoint/limits";
import type { SpladePooling, TransformerPart } from "../checkpoint/types";
import { ConfigReader } from "./config";
import type { ExportedGraph } from "./types";
import { workingBytes } from "./working-set";

/** Attention without a fused operator stores the scores, their softmax and the mask for each pair of tokens. */
const PAIR_ARRAYS = 3;

/**
 * @param file absolute path of the ONNX file
 * @param pooling how to pool the logits of a masked language model; undefined for a classifier
 */
export function exportedGraph(
  { config: { file: configFile, json } }: TransformerPart,
  file: string,
  pooling?: SpladePooling,
): ExportedGraph {
  const config = new ConfigReader({ file: configFile, json });
  const vocabularySize = config.positiveInteger("vocab_size");
  // DistilBERT uses the first names.
  const hidden = config.positiveInteger(config.has("dim") ? "dim" : "hidden_size");
  const heads = config.positiveInteger(config.has("n_heads") ? "n_heads" : "num_attention_heads");
  const intermediate = config.positiveInteger(config.has("hidden_dim") ? "hidden_dim" : "intermediate_size");
  // The logits, and a copy if they are computed in another type.
  const perToken = pooling === undefined ? 0 : 2 * vocabularySize;
  return {
    file,
    pooling,
    vocabularySize,
    maxPositions: usablePositions({ file: configFile, json }),
    bytesPerSequence: (length) => workingBytes({ hidden, intermediate, perToken, perPair: PAIR_ARRAYS * heads }, length),
  };
}
