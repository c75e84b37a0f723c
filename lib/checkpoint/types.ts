/** What the rest of the package knows of a checkpoint on disk: typed descriptions, no bytes of weights. */

import type { LogitActivation, TorchActivation } from "./torch-activation";

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

/** A parsed config.json: fields are checked where they are read (architectures/config.ts, checkpoint/json-fields.ts). */
export interface ModelConfig {
  /** Absolute path, for error messages. */
  readonly file: string;
  readonly json: Readonly<Record<string, unknown>>;
}

/** A folder with config.json and weights. */
export interface WeightedPart {
  /** Absolute path of the folder. */
  readonly folder: string;
  readonly config: ModelConfig;
  readonly tensors: TensorTable;
}

/** One transformers model inside a checkpoint (the root, or a module folder). */
export interface TransformerPart extends WeightedPart {
  /** Absolute path of the ONNX file that takes the place of the weights; `tensors` is empty then. */
  readonly exported: string | undefined;
  /** Tokens, special tokens included; undefined when the checkpoint does not say. */
  readonly maxSeqLength: number | undefined;
  /** sentence_bert_config.json: do_lower_case. */
  readonly lowerCase: boolean;
}

/** The output of a masked language model, pooled over the tokens. */
export interface SpladePooling {
  readonly kind: "splade";
  readonly pooling: "max" | "sum";
  readonly activation: "relu" | "log1p_relu";
}

export type PoolingMode = "cls" | "max" | "mean" | "mean_sqrt_len_tokens" | "weightedmean" | "lasttoken";

/**
 * One step of those that follow a transformer. Each reads one feature of a text and writes one, which may be the same: token_embeddings are the
 * hidden states, [tokens, size] in every step; the others are one vector for each text. Tensors have the names of the reference's modules.
 */
export type EmbeddingModule = PoolingModule | DenseModule | LayerNormModule | NormalizeModule | AutoencoderModule;

interface Step {
  readonly input: string;
  readonly output: string;
}

export interface PoolingModule extends Step {
  readonly kind: "pooling";
  /** Side by side. */
  readonly modes: readonly PoolingMode[];
  /** False: tokens of a prompt do not count. */
  readonly includePrompt: boolean;
}

export interface DenseModule extends Step {
  readonly kind: "dense";
  readonly part: WeightedPart;
  readonly inputs: number;
  /** Before the activation, of which GLU halves them. */
  readonly outputs: number;
  readonly bias: boolean;
  readonly activation: TorchActivation;
  /** The input, projected where the sizes differ, is added to the output. */
  readonly residual: boolean;
}

export interface LayerNormModule extends Step {
  readonly kind: "layer-norm";
  readonly part: WeightedPart;
}

/** To length 1. */
export interface NormalizeModule extends Step {
  readonly kind: "normalize";
}

/** The encoder of a sparse autoencoder (CSR, Wen et al., 2025, arXiv 2503.01776). */
export interface AutoencoderModule extends Step {
  readonly kind: "autoencoder";
  readonly part: WeightedPart;
  readonly inputs: number;
  readonly outputs: number;
  /** Weights that a vector keeps unless the caller says otherwise. */
  readonly k: number;
  /** Each input is brought to mean 0 and deviation 1 before. */
  readonly normalize: boolean;
}

/** Pooled hidden states through a sparse autoencoder, the last of the modules. */
export interface AutoencoderHead {
  readonly kind: "autoencoder";
  readonly modules: readonly EmbeddingModule[];
  /** See AutoencoderModule. */
  readonly k: number;
}

/** BGE-M3 (Chen et al., 2024, arXiv 2402.03216): relu(w · hidden + b) for each token, the largest where a token is repeated. */
export interface LexicalHead {
  readonly kind: "lexical";
  readonly part: WeightedPart;
  /** Tokens without weight: those of the tokenizer's cls_token, eos_token, pad_token and unk_token. */
  readonly ignoredTokens: readonly string[];
}

export interface TransformerRoute {
  readonly kind: "transformer";
  readonly transformer: TransformerPart;
  readonly head: SpladePooling | AutoencoderHead | LexicalHead;
}

/** A table of token weights (SparseStaticEmbedding): a text's vector has those of its tokens. */
export interface StaticRoute {
  readonly kind: "static";
  /** Absolute path of the folder that has the tokenizer. */
  readonly folder: string;
  /** Where the weights are: a tensor [vocabulary], or the absolute path of a JSON object from tokens to weights. */
  readonly weights: { readonly tensor: TensorInfo } | { readonly json: string };
  /** Tokens; undefined when the tokenizer has no limit. */
  readonly maxSeqLength: number | undefined;
}

/** How texts of one kind become vectors. */
export type SparseRoute = TransformerRoute | StaticRoute;

export interface SparseCheckpoint {
  readonly kind: "sparse";
  readonly root: string;
  /** What encodeQuery, encodeDocument and encode run: one object where they run the same. */
  readonly routes: { readonly query: SparseRoute; readonly document: SparseRoute; readonly plain: SparseRoute };
  /** Always has "query" and "document" (empty when not stored). */
  readonly prompts: Readonly<Record<string, string>>;
  /** Applies to plain encode() only. */
  readonly defaultPromptName: string | undefined;
  readonly similarityFunction: "dot" | "cosine" | "euclidean" | "manhattan";
}

/** Classes of torch.nn in lower case: "identity", "sigmoid", "softmax", "tanh", … */
export type CrossEncoderActivation = Lowercase<LogitActivation>;

export interface CrossCheckpoint {
  readonly kind: "cross";
  readonly root: string;
  readonly transformer: TransformerPart;
  /** Modules over the hidden states, the last of which gives the scores; undefined when the transformer has a classifier. */
  readonly head: readonly EmbeddingModule[] | undefined;
  readonly numLabels: number;
  /** In order of label id: id2label, or LABEL_0, LABEL_1, … */
  readonly labels: readonly string[];
  readonly activation: CrossEncoderActivation;
  readonly prompts: Readonly<Record<string, string>>;
  readonly defaultPromptName: string | undefined;
}
