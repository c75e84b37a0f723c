/**
 * The typed contract with the addon, declared once. Everything here is private to the package.
 *
 * Threads: every function is called on the JS thread; promises settle there. Inputs are copied before a call returns, so a caller may reuse
 * its buffers at once. Every failure is a SparseRerankError (the class is handed over by `initialize`).
 */

import type { SparseRerankError } from "../errors";

/** Element types that native code reads: the safetensors names. */
export type NativeDtype = "F32" | "F16" | "BF16";

/** A tensor inside a weight file. `offset` counts bytes from the file's beginning; `shape` is row-major. */
export interface NativeTensor {
  readonly file: number;
  readonly offset: number;
  readonly dtype: NativeDtype;
  readonly shape: readonly number[];
}

/** The SPLADE head: weight[v] = f(pool over tokens t of (hidden[t] · decoder[v] + bias[v])). */
export interface NativeHead {
  /** [vocabulary, hidden]. */
  readonly decoder: NativeTensor;
  /** [vocabulary], or absent for no bias. */
  readonly bias?: NativeTensor;
  readonly pooling: "max" | "sum";
  /** relu: log1p(relu(x)); log1p_relu: log1p(log1p(relu(x))). */
  readonly activation: "relu" | "log1p_relu";
}

/** A graph initialiser of the type `dtype`, and the tensor it stands for, which becomes that at load. */
export interface NativeWeight {
  readonly name: string;
  readonly dtype: NativeDtype;
  readonly tensor: NativeTensor;
}

/** The linear layers in 8 bits: nodes Int8Linear of the domain sparse_rerank name a place in `layers` by their attribute `layer`. */
export interface NativeInt8 {
  /** The weight is [outputs, inputs], the bias [outputs]. */
  readonly layers: readonly { readonly weight: NativeTensor; readonly bias?: NativeTensor }[];
  /** Quantised layers are kept there, by the digest of their weights; absent means nowhere. A folder that cannot be used is no error. */
  readonly cacheFolder?: string;
}

export interface NativeModelSpec {
  /** A serialised ONNX ModelProto whose initialisers are external data. */
  readonly graph: Uint8Array;
  /** The folder that the graph's external data locations are relative to: they must exist, but are not read. */
  readonly weightFolder: string;
  /** Weight files, memory-mapped read-only for the life of the model. */
  readonly files: readonly string[];
  readonly weights: readonly NativeWeight[];
  /** The names of the graph's inputs, of those that native/inference/group_inputs.h knows. */
  readonly inputs: readonly string[];
  readonly backend: NativeSequenceBackend | NativeGroupBackend;
}

/** The CPU: each sequence is a run of its own. The graph's inputs are input_ids and token_type_ids. */
export interface NativeSequenceBackend {
  readonly kind: "sequences";
  /** Present when the graph has layers in 8 bits. */
  readonly int8?: NativeInt8;
  /** Present: the graph's output is `hidden` [tokens, hidden] and rows are SPLADE vectors. Absent: the output is `logits` [sequences, labels]. */
  readonly head?: NativeHead;
}

/** A GPU: groups of sequences of different length run together. The graph's output is one row for each sequence, as `logits`. */
export interface NativeGroupBackend {
  readonly kind: "groups";
  readonly layout: "padded" | "packed";
  /** What a group may need by the sequences' `bytes`. */
  readonly bytes: number;
  /** How far a sequence may be padded. */
  readonly maxLength?: number;
  /** Positions count from this id of the padding token plus 1, and padding tokens stay at it; absent: from 0. */
  readonly positionsAfter?: number;
  /** The rows are maxima of logits that this is applied to. */
  readonly activation?: NativeHead["activation"];
  /** Absent for the CPU, where tests run the graphs of GPUs. */
  readonly cuda?: NativeCuda;
}

/** A GPU, and options of ONNX Runtime's CUDA provider by its own names. */
export interface NativeCuda {
  readonly device: number;
  /** Lone sequences run as CUDA graphs; needs padded groups. */
  readonly graphs?: boolean;
  readonly options: Readonly<Record<string, string>>;
}

export interface NativeCudaDevice {
  readonly name: string;
  readonly totalBytes: number;
  readonly freeBytes: number;
  /** "9.0". */
  readonly computeCapability: string;
}

export interface NativeCudaDevices {
  /** The newest version of CUDA that the driver runs: "13.0". */
  readonly driverVersion: string;
  /** In the order of `cuda:N`. */
  readonly devices: readonly NativeCudaDevice[];
}

/** An external ONNX model: a file with a graph, and its weights in it or beside it. Inputs and output are recognised by their names. */
export interface NativeExportSpec {
  readonly file: string;
  /**
   * Of a sparse encoder: the output is [sequences, tokens, columns], logits that are pooled as NativeHead says, or [sequences, columns], vectors
   * as they are. Absent: the output is `logits` [sequences, labels].
   */
  readonly vectors?: { readonly columns: number } & Pick<NativeHead, "pooling" | "activation">;
}

/** Sequences of token ids, none empty, flattened: sequence i is ids[offsets[i] .. offsets[i+1]). */
export interface NativeSequences {
  readonly ids: Int32Array;
  readonly offsets: Uint32Array;
  /** Same length as ids; absent means all zero. */
  readonly typeIds?: Uint8Array;
  /** Working memory that each sequence needs: a sequence waits until as much of the process's memoryLimit() is free. Absent means unknown. */
  readonly bytes?: Float64Array;
}

export interface NativeEncodeOptions {
  /** Keep the k largest weights of each row; 0 or absent keeps all. */
  readonly maxActiveDims?: number;
  /** Also return, for each weight, the position of the token (within its sequence) that won the max. Needs logits. */
  readonly positions?: boolean;
  readonly cancel?: NativeCancelToken;
}

export interface NativeCsr {
  readonly indptr: Uint32Array;
  readonly indices: Uint32Array;
  readonly values: Float32Array;
  /** Present when asked for; same length as values. */
  readonly positions?: Uint32Array;
}

/** Shared with running work; cancel() makes the call it was given to reject with ERR_ABORTED. Idempotent. */
export interface NativeCancelToken {
  cancel(): void;
}

export interface NativeModel {
  /** Vectors of the head; without one, the positive values of the graph's output [sequences, columns] as they are. */
  encode(sequences: NativeSequences, options: NativeEncodeOptions): Promise<NativeCsr>;
  /** Logits, [sequences, labels] row-major. */
  predict(sequences: NativeSequences, labels: number, options: { readonly cancel?: NativeCancelToken }): Promise<Float32Array>;
  /** Rejects its unfinished calls with ERR_DISPOSED once the sequences that run have ended, then frees the memory. Idempotent. */
  dispose(): void;
}

export interface NativeRows {
  readonly indptr: Uint32Array;
  readonly indices: Uint32Array;
  readonly values: Float32Array;
}

/** Strings in UTF-8, or other bytes, one after the other: item i is bytes[offsets[i] .. offsets[i + 1]). */
export interface NativeStrings {
  readonly offsets: Uint32Array;
  readonly bytes: Uint8Array;
}

export interface NativeHits {
  /** Hits of query i are [indptr[i], indptr[i+1]): best first, ties by insertion order. */
  readonly indptr: Uint32Array;
  readonly ids: readonly string[];
  readonly scores: Float32Array;
  /** Empty unless asked for; then one for each hit, empty where nothing was stored. */
  readonly stored: readonly Uint8Array[];
}

export interface NativeIndexStats {
  readonly documents: number;
  readonly postings: number;
  readonly bytes: number;
  readonly hotBytes: number;
  readonly segments: number;
  readonly recall: readonly { readonly target: number; readonly reached: number }[];
}

/** Attributes of the rows that are added: attribute i is documents [offsets[i], offsets[i + 1]), ascending. */
export interface NativeAttributes {
  /** Distinct. */
  readonly names: NativeStrings;
  readonly offsets: Uint32Array;
  readonly documents: Uint32Array;
}

/** FilterView of native/index/filter.h. */
export interface NativeFilter {
  /** An operation and a count for each step. */
  readonly steps: Uint32Array;
  readonly strings: NativeStrings;
}

export interface NativeSearchOptions {
  readonly filter?: NativeFilter;
  /** Of the exact search's hits; all of them without it. */
  readonly recall?: number;
  readonly stored?: boolean;
  readonly cancel?: NativeCancelToken;
}

/** A sparse index in memory, or of a file or folder. Searches see what the changes before the call have settled. */
export interface NativeIndex {
  dimension(): number;
  /** Appends rows, all or none, and removes the documents that had their ids. `ids` are distinct. */
  add(rows: NativeRows, ids: NativeStrings, stored?: NativeStrings, attributes?: NativeAttributes): Promise<void>;
  /** Settles with how many there were. */
  remove(ids: NativeStrings): Promise<number>;
  /** 1 for each id that is in the index, else 0. */
  contains(ids: NativeStrings): Promise<Uint8Array>;
  search(queries: NativeRows, topK: number, options: NativeSearchOptions): Promise<NativeHits>;
  /** Some tenths of a second of merging segments: of those that are due, or of all of them. "merged" ends what "more" began. */
  mergeStep(everything: boolean): Promise<"nothing" | "more" | "merged">;
  save(path: string): Promise<void>;
  stats(): NativeIndexStats;
  /** Once: ends its calls with ERR_DISPOSED. Settles when the change in progress has ended and the folder is free for another writer. */
  dispose(): Promise<void>;
}

/** Distances are negated, so that more is always more similar. */
export type NativeSimilarityFunction = "dot" | "cosine" | "euclidean" | "manhattan";

export interface NativeAddon {
  /** Once per environment, before anything else. */
  initialize(errorClass: typeof SparseRerankError): void;
  /** Sets the size of the process-wide thread pool; throws ERR_ALREADY_CONFIGURED when the pool runs with another one. */
  setThreads(threads: number): void;
  threads(): number;
  /** Ends the process-wide thread pool once the tasks that run have ended: the process exits. */
  stopThreads(): void;
  /** Bytes that running sequences may hold together; throws ERR_ALREADY_CONFIGURED when another limit is in use. */
  setMemoryLimit(bytes: number): void;
  memoryLimit(): number;
  /** Bytes that this process may use: the machine's or its container's. 0 where it is not known. */
  memory(): number;
  /** Kernel sets that this CPU can run ("scalar", "avx2", …), and the one in use. */
  kernels(): { readonly available: readonly string[]; readonly active: string };
  /** Forces a kernel set for the whole process (tests; also environment variable SPARSE_RERANK_KERNELS). */
  useKernels(name: string): void;
  /** Tries each path in order and keeps the first ONNX Runtime that fits; throws one error that tells of all of them. */
  loadRuntime(candidates: readonly string[]): { readonly path: string; readonly version: string };
  /** Execution providers that the loaded ONNX Runtime was built with; their own libraries may be missing. */
  providers(): string[];
  /** What NVIDIA's driver shows; rejects with ERR_DEVICE_UNAVAILABLE where there is none. */
  cudaDevices(): Promise<NativeCudaDevices>;
  /** Loads the driver and the provider's libraries, after loadRuntime(); rejects with ERR_DEVICE_UNAVAILABLE, naming what cannot be loaded. */
  checkCuda(cuda: NativeCuda): Promise<NativeCudaDevice>;
  /** Seconds that pool threads have spent, summed over them: in whole tasks, and of those in ONNX Runtime and in the SPLADE head. */
  stageTimes(): { readonly task: number; readonly body: number; readonly head: number };
  createModel(spec: NativeModelSpec): Promise<NativeModel>;
  openModel(spec: NativeExportSpec): Promise<NativeModel>;
  /** An empty index in memory. */
  readonly Index: new (dimension: number) => NativeIndex;
  openIndex(path: string, options: { readonly dimension?: number; readonly readOnly?: boolean }): Promise<NativeIndex>;
  readonly CancelToken: new () => NativeCancelToken;
  /** [a rows, b rows] row-major. `dimension` bounds every index. */
  similarity(a: NativeRows, b: NativeRows, dimension: number, similarityFunction: NativeSimilarityFunction): Promise<Float32Array>;
  /** Row i of a with row i of b. */
  similarityPairwise(a: NativeRows, b: NativeRows, dimension: number, similarityFunction: NativeSimilarityFunction): Promise<Float32Array>;
}
