import type { CausalScoring, SpladePooling, TensorInfo, TransformerPart } from "../checkpoint/types";
import type { EncodedGraph, GraphBuilder, GraphLayout, Value, Variants } from "./graph";
import type { Queries } from "./layers";

/** Limits of a graph on its input sequences. */
export interface GraphLimits {
  /** Number of rows in the embedding matrix; token ids must be smaller. */
  readonly vocabularySize: number;
  /** Maximum sequence length of the position embeddings; undefined if there is no limit. */
  readonly maxPositions: number | undefined;
  /**
   * Upper estimate of the memory, in bytes, that a run needs for one sequence of `length` tokens in addition to the weights, at the widest
   * point of the graph. It grows with length² if attention has a bias per pair of tokens (ALiBi, DeBERTa).
   */
  readonly bytesPerSequence: (length: number) => number;
}

/**
 * An ONNX graph with external weights: `weights` maps initializer names to tensors. Inputs: input_ids and, with several token types,
 * token_type_ids, both int64 [batch, sequence], or [1, tokens] for a packed group. With a GraphLayout also the inputs of group-inputs.ts that it
 * uses.
 */
export interface Graph extends GraphLimits, EncodedGraph, Variants {}

/** An external ONNX model. */
export interface ExportedGraph extends GraphLimits {
  readonly file: string;
  /** How to pool the logits of a masked language model; undefined for a classifier. */
  readonly pooling: SpladePooling | undefined;
}

/** A graph with the output `hidden`, float [batch · sequence, hidden], the input of the decoder. */
export interface MaskedLanguageModel extends Graph {
  /** Shape [vocabulary, hidden]. */
  readonly decoder: TensorInfo;
  /** Shape [vocabulary]; undefined if the model has none. */
  readonly decoderBias: TensorInfo | undefined;
}

/** A graph with the output `logits`, float [batch, labels]. */
export interface SequenceClassifier extends Graph {
  readonly labels: number;
}

/** A transformer without a head, for heads that are separate modules of a checkpoint. */
export interface Body {
  readonly graph: GraphBuilder;
  /** [tokens, size], or the first token of each sequence, [batch, size]. */
  readonly hidden: Value;
  readonly size: number;
  readonly vocabularySize: number;
  /** Finishes the graph with `value`, float [batch, columns], as its output `logits`. */
  finish(value: Value): Graph;
}

/** A model family: builds graphs from its config.json and tensors. */
export interface Architecture {
  /** Values of model_type in config.json. */
  readonly modelTypes: readonly string[];
  /**
   * For a family whose repositories have custom code: the configuration class in auto_map of config.json, which distinguishes the family
   * from others with the same model_type.
   */
  readonly configClass?: string;
  /** For a family whose class in transformers computes the same as this class in auto_map, "module.Class", of a repository with custom code. */
  readonly maskedModel?: string;
  /**
   * Whether groups can be packed (GraphLayout): attention needs only the offsets of sequences, and all other operations process tokens
   * independently.
   */
  readonly packs?: true;
  maskedLanguageModel(part: TransformerPart, layout?: GraphLayout): MaskedLanguageModel;
  sequenceClassifier(part: TransformerPart, labels: number, layout?: GraphLayout): SequenceClassifier;
  /** Only of causal language models. @param labels 1 for LogitScore */
  readonly causalScorer?: (part: TransformerPart, scoring: CausalScoring, labels: number, layout?: GraphLayout) => SequenceClassifier;
  body(part: TransformerPart, queries: Queries, layout?: GraphLayout): Body;
}
