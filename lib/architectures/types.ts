import type { TensorInfo, TransformerPart } from "../checkpoint/types";

/** An ONNX graph whose weights are external: `weights` says which tensor each initialiser name stands for. */
export interface Graph {
  /** Serialised ModelProto. Inputs: input_ids and, if `tokenTypes`, token_type_ids, both int64 [batch, sequence] without padding. */
  readonly model: Uint8Array;
  readonly weights: ReadonlyMap<string, TensorInfo>;
  readonly tokenTypes: boolean;
  /** Rows of the embedding matrix: every token id is below. */
  readonly vocabularySize: number;
  /** Longest sequence that the position embeddings allow; undefined when there is no such limit. */
  readonly maxPositions: number | undefined;
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

/** One model family: how its config.json and tensor names become a graph. */
export interface Architecture {
  readonly modelTypes: readonly string[];
  maskedLanguageModel(part: TransformerPart): MaskedLanguageModel;
  sequenceClassifier(part: TransformerPart, labels: number): SequenceClassifier;
}
