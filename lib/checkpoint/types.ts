/** Typed descriptions of checkpoints, without the bytes of the weights. */

import type { LogitActivation, TorchActivation } from "./torch-activation";

/** Element types of safetensors that occur in checkpoints. */
export type TensorDtype = "F64" | "F32" | "F16" | "BF16" | "I64" | "I32" | "I16" | "I8" | "U8" | "BOOL";

export interface TensorInfo {
  readonly name: string;
  readonly dtype: TensorDtype;
  /** Shape of the tensor, which is row-major. */
  readonly shape: readonly number[];
  /** Absolute path of the file that contains the tensor. */
  readonly file: string;
  /** Offset in bytes from the beginning of the file. */
  readonly offset: number;
  readonly byteLength: number;
}

/** Tensors of one module by their name in the file. */
export type TensorTable = ReadonlyMap<string, TensorInfo>;

/** A parsed config.json. Fields are validated where they are read (architectures/config.ts, checkpoint/json.ts). */
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

/** One transformers model of a checkpoint (in the root or in a module folder). */
export interface TransformerPart extends WeightedPart {
  /** Absolute path of the ONNX file that replaces the weights; `tensors` is then empty. */
  readonly exported: string | undefined;
  /** Maximum number of tokens, special tokens included; undefined if the checkpoint states none. */
  readonly maxSeqLength: number | undefined;
  /** do_lower_case of sentence_bert_config.json. */
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
 * A module after a transformer. Each reads one feature of a text and writes one, possibly the same. The feature token_embeddings holds the
 * hidden states, [tokens, size]; all others are one vector per text. Tensors have the names of the modules of sentence-transformers.
 */
export type EmbeddingModule = PoolingModule | DenseModule | LayerNormModule | NormalizeModule | AutoencoderModule;

interface Step {
  readonly input: string;
  readonly output: string;
}

export interface PoolingModule extends Step {
  readonly kind: "pooling";
  /** Their outputs are concatenated. */
  readonly modes: readonly PoolingMode[];
  /** Whether the tokens of a prompt are pooled. */
  readonly includePrompt: boolean;
}

export interface DenseModule extends Step {
  readonly kind: "dense";
  readonly part: WeightedPart;
  readonly inputs: number;
  /** Number of outputs before the activation; GLU halves it. */
  readonly outputs: number;
  readonly bias: boolean;
  readonly activation: TorchActivation;
  /** Whether the input (projected if the sizes differ) is added to the output. */
  readonly residual: boolean;
}

export interface LayerNormModule extends Step {
  readonly kind: "layer-norm";
  readonly part: WeightedPart;
}

/** L2 normalization. */
export interface NormalizeModule extends Step {
  readonly kind: "normalize";
}

/** The encoder of a sparse autoencoder (CSR, Wen et al., 2025, arXiv 2503.01776). */
export interface AutoencoderModule extends Step {
  readonly kind: "autoencoder";
  readonly part: WeightedPart;
  readonly inputs: number;
  readonly outputs: number;
  /** Default number of weights to keep per vector. */
  readonly k: number;
  /** Whether each input is standardized to mean 0 and standard deviation 1. */
  readonly normalize: boolean;
}

/** Pooled hidden states encoded by a sparse autoencoder, the last of the modules. */
export interface AutoencoderHead {
  readonly kind: "autoencoder";
  readonly modules: readonly EmbeddingModule[];
  /** See AutoencoderModule. */
  readonly k: number;
}

/** BGE-M3 (Chen et al., 2024, arXiv 2402.03216): the weight of a token is the maximum of relu(w · hidden + b) over its occurrences. */
export interface LexicalHead {
  readonly kind: "lexical";
  readonly part: WeightedPart;
  /** Tokens that get no weight: the tokenizer's cls_token, eos_token, pad_token and unk_token. */
  readonly ignoredTokens: readonly string[];
}

export interface TransformerRoute {
  readonly kind: "transformer";
  readonly transformer: TransformerPart;
  readonly head: SpladePooling | AutoencoderHead | LexicalHead;
}

/** A table of token weights (SparseStaticEmbedding): the vector of a text holds the weights of its tokens. */
export interface StaticRoute {
  readonly kind: "static";
  /** Absolute path of the folder with the tokenizer. */
  readonly folder: string;
  /** The weights: a tensor [vocabulary], or the absolute path of a JSON object from tokens to weights. */
  readonly weights: { readonly tensor: TensorInfo } | { readonly json: string };
  /** Maximum number of tokens; undefined if the tokenizer has no limit. */
  readonly maxSeqLength: number | undefined;
}

/** How queries or documents are encoded. */
export type SparseRoute = TransformerRoute | StaticRoute;

export interface SparseCheckpoint {
  readonly kind: "sparse";
  readonly root: string;
  /** The routes of encodeQuery(), encodeDocument() and encode(); identical routes are the same object. */
  readonly routes: { readonly query: SparseRoute; readonly document: SparseRoute; readonly plain: SparseRoute };
  /** Always contains "query" and "document" (empty if not stored). */
  readonly prompts: Readonly<Record<string, string>>;
  /** Applies only to encode(). */
  readonly defaultPromptName: string | undefined;
  readonly similarityFunction: "dot" | "cosine" | "euclidean" | "manhattan";
}

/** Names of torch.nn classes in lower case: "identity", "sigmoid", "softmax", "tanh", … */
export type CrossEncoderActivation = Lowercase<LogitActivation>;

/**
 * How a causal language model scores a pair: by logits of the last position (of one token, or the difference of two), or by the
 * classification head at the last token that is not the padding token (null: the last token).
 */
export type CausalScoring =
  | { readonly kind: "logit-score"; readonly trueTokenId: number; readonly falseTokenId: number | null }
  | { readonly kind: "sequence-classification"; readonly padTokenId: number | null };

/** Ways to score pairs that no checkpoint states, after the classes of other libraries. */
export type ScoringName = "FlagLLMReranker";

/** How a pair becomes messages of a chat, which a template turns into the text that the model reads. */
export interface ChatFormat {
  /** The template, in Jinja. */
  readonly source: string;
  /** Where it is from, for error messages. */
  readonly file: string;
  /** Whether the content of a message is a text, or a list of parts. */
  readonly format: "flat" | "structured";
  /** Further variables of the template, such as add_generation_prompt: JSON values. */
  readonly variables: Readonly<Record<string, unknown>>;
  /** Whether the template's end replaces the last tokens of a text that is cut. */
  readonly restoresTail: boolean;
}

export interface CrossCheckpoint {
  readonly kind: "cross";
  readonly root: string;
  readonly transformer: TransformerPart;
  /** Undefined for encoders, and while `scoringTokens` are to be looked up. */
  readonly scoring: CausalScoring | undefined;
  /** The tokens of a LogitScore whose ids only the tokenizer knows: true and false, or only true. */
  readonly scoringTokens: readonly [string, string?] | undefined;
  /** Undefined for the checkpoint's own way (see flag-llm.ts). */
  readonly scoringName: ScoringName | undefined;
  /** Undefined if the model reads pairs of texts. */
  readonly chat: ChatFormat | undefined;
  /** Modules over the hidden states that compute the scores; undefined if the transformer has a classification head. */
  readonly head: readonly EmbeddingModule[] | undefined;
  readonly numLabels: number;
  /** Labels by id: from id2label, or LABEL_0, LABEL_1, … */
  readonly labels: readonly string[];
  readonly activation: CrossEncoderActivation;
  readonly prompts: Readonly<Record<string, string>>;
  readonly defaultPromptName: string | undefined;
}
