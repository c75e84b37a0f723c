import type { SpladePooling, TensorInfo, TransformerPart } from "../checkpoint/types";
import type { EncodedGraph, GraphBuilder, GraphLayout, Value, Variants } from "./graph";
import type { Queries } from "./layers";

/** What sequences a graph takes. */
export interface GraphLimits {
  /** Rows of the embedding matrix: every token id is below. */
  readonly vocabularySize: number;
  /** Longest sequence that the position embeddings allow; undefined when there is no such limit. */
  readonly maxPositions: number | undefined;
  /**
   * Estimate, from above, of the memory in bytes that a run needs for one sequence of `length` tokens: what lies beside the weights at the
   * widest point of the graph. It grows with length² where attention has a bias for each pair of tokens (ALiBi, DeBERTa).
   */
  readonly bytesPerSequence: (length: number) => number;
}

/**
 * An ONNX graph whose weights are external: `weights` says which tensor each initialiser name stands for. Inputs: input_ids and, where there is a
 * choice of token types, token_type_ids, both int64 [batch, sequence], of a packed group [1, tokens]; with a layout of groups also those of
 * group-inputs.ts that it uses.
 */
export interface Graph extends GraphLimits, EncodedGraph, Variants {}

/** An external ONNX model. */
export interface ExportedGraph extends GraphLimits {
  readonly file: string;
  /** How the logits of its masked language model are pooled; undefined for a classifier. */
  readonly pooling: SpladePooling | undefined;
}

/** Output `hidden`, float [batch · sequence, hidden]: what the decoder multiplies. */
export interface MaskedLanguageModel extends Graph {
  /** [vocabulary, hidden]. */
  readonly decoder: TensorInfo;
  /** [vocabulary]; undefined when the model has none. */
  readonly decoderBias: TensorInfo | undefined;
}

/** Output `logits`, float [batch, labels]. */
export interface SequenceClassifier extends Graph {
  readonly labels: number;
}

/** A transformer without a head of its own, for heads that a checkpoint keeps in other modules. */
export interface Body {
  readonly graph: GraphBuilder;
  /** [tokens, size], or the first token of each sequence, [batch, size]. */
  readonly hidden: Value;
  readonly size: number;
  readonly vocabularySize: number;
  /** Ends the graph with `value`, float [batch, columns], as its output `logits`. */
  finish(value: Value): Graph;
}

/** One model family: how its config.json and tensor names become a graph, which is of SINGLE_SEQUENCE unless a layout is given. */
export interface Architecture {
  /** Values of config.json's model_type. */
  readonly modelTypes: readonly string[];
  /**
   * For a family whose hub repositories bring code of their own: the configuration class that config.json's auto_map names, which tells the
   * family apart from others of the same model_type.
   */
  readonly configClass?: string;
  /** Attention needs no more than where sequences begin, and nothing else looks beyond a token: groups can be packed (GraphLayout). */
  readonly packs?: true;
  maskedLanguageModel(part: TransformerPart, layout?: GraphLayout): MaskedLanguageModel;
  sequenceClassifier(part: TransformerPart, labels: number, layout?: GraphLayout): SequenceClassifier;
  body(part: TransformerPart, queries: Queries, layout?: GraphLayout): Body;
}
