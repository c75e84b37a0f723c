/** What the rest of the package knows of a checkpoint on disk: typed descriptions, no bytes of weights. */

/** safetensors element types that occur in checkpoints. */
export type TensorDtype = "F64" | "F32" | "F16" | "BF16" | "I64" | "I32" | "I16" | "I8" | "U8" | "BOOL";

export interface TensorInfo {
  readonly name: string;
  readonly dtype: TensorDtype;
  /** Row-major. */
  readonly shape: readonly number[];
  /** Absolute path of the file that holds the tensor. */
  readonly file: string;
  /** Bytes from the beginning of that file. */
  readonly offset: number;
  readonly byteLength: number;
}

/** Tensors of one transformer by their name in the file. */
export type TensorTable = ReadonlyMap<string, TensorInfo>;

/** A parsed config.json: fields are checked where they are read (architectures/config.ts, checkpoint/json.ts). */
export interface ModelConfig {
  /** Absolute path, for error messages. */
  readonly file: string;
  readonly json: Readonly<Record<string, unknown>>;
}

/** One transformers model inside a checkpoint (the root, or a module folder). */
export interface TransformerPart {
  /** Absolute path of the folder. */
  readonly folder: string;
  readonly config: ModelConfig;
  readonly tensors: TensorTable;
  /** Tokens, special tokens included; undefined when the checkpoint does not say. */
  readonly maxSeqLength: number | undefined;
  /** sentence_bert_config.json: do_lower_case. */
  readonly lowerCase: boolean;
}

export interface SpladePooling {
  readonly pooling: "max" | "sum";
  readonly activation: "relu" | "log1p_relu";
}

export interface SparseCheckpoint {
  readonly kind: "sparse";
  readonly root: string;
  readonly transformer: TransformerPart;
  readonly pooling: SpladePooling;
  /** Always has "query" and "document" (empty when not stored). */
  readonly prompts: Readonly<Record<string, string>>;
  /** Applies to plain encode() only. */
  readonly defaultPromptName: string | undefined;
  readonly similarityFunction: "dot" | "cosine" | "euclidean" | "manhattan";
}

export type CrossEncoderActivation = "identity" | "sigmoid" | "softmax";

export interface CrossCheckpoint {
  readonly kind: "cross";
  readonly root: string;
  readonly transformer: TransformerPart;
  readonly numLabels: number;
  /** In order of label id: id2label, or LABEL_0, LABEL_1, … */
  readonly labels: readonly string[];
  readonly activation: CrossEncoderActivation;
  readonly prompts: Readonly<Record<string, string>>;
  readonly defaultPromptName: string | undefined;
}
