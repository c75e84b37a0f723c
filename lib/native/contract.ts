/**
 * The typed contract with the addon, declared once. Everything here is private to the package.
 *
 * Threads: every function is called on the JS thread, where promises settle. Inputs are copied before a call returns, so a caller may reuse
 * its buffers immediately. Every failure is a SparseRerankError (the class is passed to `initialize`).
 */

import type { SparseRerankError } from "../errors";

/** Element types that native code reads, by their safetensors names. */
export type NativeDtype = "F32" | "F16" | "BF16";

/** A tensor inside a weight file. `offset` is in bytes from the start of the file; `shape` is row-major. */
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

/** A graph initializer of the type `dtype`, and the tensor that provides its data, converted to that type at load. */
export interface NativeWeight {
  readonly name: string;
  readonly dtype: NativeDtype;
  readonly tensor: NativeTensor;
  /** Whether only linear layers read it, for which ONNX Runtime packs it: a converted copy need then not be kept. */
  readonly packed?: boolean;
}

/** The 8-bit linear layers: a node Int8Linear of the domain sparse_rerank refers to `layers` by index, with its attribute `layer`. */
export interface NativeInt8 {
  /** The weight is [outputs, inputs], the bias [outputs]. */
  readonly layers: readonly { readonly weight: NativeTensor; readonly bias?: NativeTensor }[];
  /** Caches quantized layers here by the digest of their weights; absent: no cache. An unusable folder is not an error. */
  readonly cacheFolder?: string;
}

export interface NativeModelSpec {
  /** A serialized ONNX ModelProto whose initializers are external data. */
  readonly graph: Uint8Array;
  /** The folder that the graph's external data locations are relative to. The files must exist, but are not read. */
  readonly weightFolder: string;
  /** Weight files, memory-mapped read-only for the lifetime of the model. */
  readonly files: readonly string[];
  readonly weights: readonly NativeWeight[];
  /** Names of the graph's inputs, from those in native/inference/group_inputs.h. */
  readonly inputs: readonly string[];
  readonly backend: NativeSequenceBackend | NativeGroupBackend;
  /** Most threads that run the model at once. Absent: all. */
  readonly maxThreads?: number;
}

/** The CPU: each sequence is a run of its own. The graph's inputs are input_ids and, with several token types, token_type_ids. */
export interface NativeSequenceBackend {
  readonly kind: "sequences";
  /** Present if the graph has 8-bit layers. */
  readonly int8?: NativeInt8;
  /** If present, the graph's output is `hidden` [tokens, hidden], and rows are SPLADE vectors. If absent, the output is `logits` [sequences, labels]. */
  readonly head?: NativeHead;
  /** Present if the graph's runs can continue from a prefix, with the inputs and outputs of architectures/kept-prefix.ts. */
  readonly prefix?: NativePrefixShape;
}

/** The keys and values that a graph keeps. */
export interface NativePrefixShape {
  readonly layers: number;
  /** Heads of keys and values. */
  readonly heads: number;
  readonly size: number;
  /** If present, the head reads the last token that is not this one. */
  readonly pad?: number;
}

/** A GPU: groups of sequences of different length run together. The graph's output is one row for each sequence, as `logits`. */
export interface NativeGroupBackend {
  readonly kind: "groups";
  readonly layout: "padded" | "packed";
  /** Memory that a group may need, by the sequences' `bytes`. */
  readonly bytes: number;
  /** The greatest length to which a sequence may be padded. */
  readonly maxLength?: number;
  /** Positions count from this id of the padding token + 1, and padding tokens keep it; absent: positions count from 0. */
  readonly positionsAfter?: number;
  /** The activation, if the rows are maxima of logits to which it still applies. */
  readonly activation?: NativeHead["activation"];
  /** Absent on the CPU, where tests run the graphs built for GPUs. */
  readonly cuda?: NativeCuda;
}

/** A GPU, and options of ONNX Runtime's CUDA provider under its own names. */
export interface NativeCuda {
  readonly device: number;
  /** Runs single sequences as CUDA graphs; needs padded batches. */
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
  /** The newest CUDA version that the driver supports: "13.0". */
  readonly driverVersion: string;
  /** In the order of `cuda:N`. */
  readonly devices: readonly NativeCudaDevice[];
}

/** An external ONNX model, with its weights inside the file or next to it. Inputs and output are recognized by name. */
export interface NativeExportSpec {
  readonly file: string;
  /**
   * For a sparse encoder: the output is [sequences, tokens, columns], logits pooled as NativeHead describes, or [sequences, columns],
   * finished vectors. Absent: the output is `logits` [sequences, labels].
   */
  readonly vectors?: { readonly columns: number } & Pick<NativeHead, "pooling" | "activation">;
  /** See NativeModelSpec. */
  readonly maxThreads?: number;
}

/** Sequences of token ids, none empty, flattened: sequence i is ids[offsets[i] .. offsets[i+1]). */
export interface NativeSequences {
  readonly ids: Int32Array;
  readonly offsets: Uint32Array;
  /** Same length as ids; absent means all zero. */
  readonly typeIds?: Uint8Array;
  /** Working memory per sequence: a sequence waits until that much of the process's memoryLimit() is free. Absent: unknown. */
  readonly bytes?: Float64Array;
  /** The runs of sequences that begin with this prefix, and continue after it, compute only the other tokens. */
  readonly prefix?: NativePrefix;
}

/** Tokens that several sequences begin with and, after keep(), their keys and values. */
export interface NativePrefix {
  /** Frees the keys and values once the runs that read them have ended. Idempotent. */
  dispose(): void;
}

/** The place of a call among others: the virtual finish time of its work in weighted fair queueing, then the order of arrival. */
export interface NativeTurn {
  readonly virtualFinish: number;
  readonly arrival: number;
}

/** How a run is scheduled (native/core/thread_pool.h, Schedule). */
export interface NativeRunOptions {
  /** Runs of a higher priority go first. Default 0. */
  readonly priority?: number;
  /** From arrive(), for a part of a call. Absent: the run is a call of its own. */
  readonly turn?: NativeTurn;
  readonly cancel?: NativeCancelToken;
}

/**
 * Milliseconds of a run: from its start to its first task, from there to its end, in the body and in the head. The last two are summed over
 * threads.
 */
export type NativeTimes = Float64Array;

export interface NativeEncodeOptions extends NativeRunOptions {
  /** Keeps the k largest weights of each row; 0 or absent keeps all. */
  readonly maxActiveDims?: number;
  /** Also returns, for each weight, the position of the token (within its sequence) that attained the maximum. Needs logits. */
  readonly positions?: boolean;
}

export interface NativeCsr {
  readonly indptr: Uint32Array;
  readonly indices: Uint32Array;
  readonly values: Float32Array;
  /** Present if requested; same length as values. */
  readonly positions?: Uint32Array;
  readonly times: NativeTimes;
}

export interface NativePredictions {
  /** [sequences, labels] row-major. */
  readonly logits: Float32Array;
  readonly times: NativeTimes;
}

/** Shared with running work; cancel() makes the call that received it reject with ERR_ABORTED. Idempotent. */
export interface NativeCancelToken {
  cancel(): void;
}

export interface NativeModel {
  /** Vectors of the head; without one, the positive values of the graph's output [sequences, columns], unchanged. */
  encode(sequences: NativeSequences, options: NativeEncodeOptions): Promise<NativeCsr>;
  predict(sequences: NativeSequences, labels: number, options: NativeRunOptions): Promise<NativePredictions>;
  /**
   * Computes the keys and values of a prefix, which then belong to this model. Resolves to whether they were kept: not if the prefixes of the
   * process would take too much memory (native/inference/kept_prefix.h). Sequences with a prefix that was not kept run whole.
   * @param bytes working memory of the run
   */
  keep(prefix: NativePrefix, bytes: number, options: NativeRunOptions): Promise<boolean>;
  /** Rejects unfinished calls with ERR_DISPOSED once the running sequences have ended, then frees the memory. Idempotent. */
  dispose(): void;
}

export interface NativeRows {
  readonly indptr: Uint32Array;
  readonly indices: Uint32Array;
  readonly values: Float32Array;
}

/** UTF-8 strings, or other byte strings, concatenated: item i is bytes[offsets[i] .. offsets[i + 1]). */
export interface NativeStrings {
  readonly offsets: Uint32Array;
  readonly bytes: Uint8Array;
}

/** Term frequencies: row i has terms[indices[k]] counts[k] times, k in [indptr[i], indptr[i + 1]). A document's length is the sum of its counts. */
export interface NativeTermRows {
  /** Distinct, in UTF-8, at most 65,535 bytes each. */
  readonly terms: NativeStrings;
  readonly indptr: Uint32Array;
  /** Distinct in a row, in any order. */
  readonly indices: Uint32Array;
  /** 1 at least; more than 65,535 count as so many. */
  readonly counts: Uint32Array;
}

/** Parameters of BM25 (native/index/bm25.h), fixed for the life of an index: k1 from 0 to 1000, b from 0 to 1. */
export interface NativeLexicalOptions {
  readonly k1: number;
  readonly b: number;
}

export interface NativeHits {
  /** Hits of query i are [indptr[i], indptr[i+1]): best first, ties by insertion order. */
  readonly indptr: Uint32Array;
  readonly ids: readonly string[];
  readonly scores: Float32Array;
  /** Empty unless requested; then one item per hit, empty if nothing was stored. */
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

/** Attributes of the added rows: attribute i is documents [offsets[i], offsets[i + 1]), ascending. */
export interface NativeAttributes {
  /** Distinct. */
  readonly names: NativeStrings;
  readonly offsets: Uint32Array;
  readonly documents: Uint32Array;
}

/** FilterView of native/index/filter.h. */
export interface NativeFilter {
  /** An operation and a count per step. */
  readonly steps: Uint32Array;
  readonly strings: NativeStrings;
}

export interface NativeSearchOptions {
  readonly filter?: NativeFilter;
  /** Share of the exact search's hits to find; absent: all of them. */
  readonly recall?: number;
  readonly stored?: boolean;
  readonly cancel?: NativeCancelToken;
}

/** Documents to add: row i of each member belongs to document i. */
export interface NativeDocuments {
  /** Distinct. */
  readonly ids: NativeStrings;
  readonly vectors: NativeRows;
  /** Present if and only if the index has a lexical side. */
  readonly terms?: NativeTermRows;
  readonly stored?: NativeStrings;
  readonly attributes?: NativeAttributes;
}

export interface NativeChange {
  /** Ids of documents to remove; unknown ids are ignored. */
  readonly remove?: NativeStrings;
  /** Documents to add; they replace those with the same ids. */
  readonly add?: NativeDocuments;
}

/** What NativeSnapshot.read() was asked for, of each id. */
export interface NativeDocumentsRead {
  readonly found: Uint8Array;
  readonly stored: readonly Uint8Array[];
  readonly vectors?: NativeRows;
  /** [ids, terms]: 1 for a term that the document has, else 0. */
  readonly matched?: Uint8Array;
}

/** The contents of an index when snapshot() was called. It stays readable after later changes, merges and dispose() of the index. */
export interface NativeSnapshot {
  search(queries: NativeRows, topK: number, options: NativeSearchOptions): Promise<NativeHits>;
  /** Exact BM25 over the live documents; the counts of the query's terms weight them. Errors: ERR_INVALID_ARGUMENT (no lexical side). */
  searchTerms(queries: NativeTermRows, topK: number, options: Omit<NativeSearchOptions, "recall">): Promise<NativeHits>;
  /** 1 for each id that is in the index, else 0. */
  contains(ids: NativeStrings): Promise<Uint8Array>;
  /**
   * For each id: whether it is in the index, its stored bytes, its vector, and which of the terms it has; empty if it is not. Errors:
   * ERR_INVALID_ARGUMENT (terms, and no lexical side).
   */
  read(
    ids: NativeStrings,
    options: { readonly vectors?: boolean; readonly terms?: NativeStrings; readonly cancel?: NativeCancelToken },
  ): Promise<NativeDocumentsRead>;
  /** In insertion order, after the document with the id `after` (one string). Errors: ERR_INVALID_ARGUMENT (it is not in the index). */
  list(options: {
    readonly filter?: NativeFilter;
    readonly after?: NativeStrings;
    readonly limit: number;
    readonly stored?: boolean;
    readonly cancel?: NativeCancelToken;
  }): Promise<{ readonly ids: readonly string[]; readonly stored: readonly Uint8Array[] }>;
  count(filter?: NativeFilter, options?: { readonly cancel?: NativeCancelToken }): Promise<number>;
  /**
   * For each attribute whose name begins with the one string of `prefix`: how many of the documents have it that pass the filter and, when one is
   * given, are a hit of the query or the terms (one row each). The largest counts first, then by name. Names are
   * bytes, as attributes have them.
   */
  facets(
    prefix: NativeStrings,
    limit: number,
    options: {
      readonly filter?: NativeFilter;
      readonly query?: NativeRows;
      readonly terms?: NativeTermRows;
      /** The name of an attribute: a document that has it counts once for itself and for those after it, up to the next that has it. */
      readonly heads?: NativeStrings;
      readonly cancel?: NativeCancelToken;
    },
  ): Promise<{ readonly names: readonly Uint8Array[]; readonly counts: Uint32Array }>;
  /** The statistics of BM25 over the live documents. */
  termStatistics(
    terms: NativeStrings,
  ): Promise<{ readonly documents: number; readonly averageLength: number; readonly documentFrequencies: Uint32Array }>;
  /** Releases the documents once running calls have ended; later calls reject with ERR_DISPOSED. Garbage collection does the same. */
  dispose(): void;
}

/** A sparse index in memory, or backed by a file or folder. */
export interface NativeIndex {
  dimension(): number;
  lexical(): NativeLexicalOptions | undefined;
  /** One commit: removes, then adds, all or nothing. Resolves to the number of removed documents that `add` did not replace. */
  apply(change: NativeChange): Promise<number>;
  /** One commit. Resolves to the number of removed documents. */
  removeMatching(filter: NativeFilter): Promise<number>;
  /** For a folder opened with readOnly: reads its current state. Resolves to whether it has changed. */
  refresh(): Promise<boolean>;
  /** The contents after the changes that have settled. */
  snapshot(): NativeSnapshot;
  /** Spends a few tenths of a second on merging segments: those that are due, or all. "merged" completes what "more" started. */
  mergeStep(everything: boolean): Promise<"nothing" | "more" | "merged">;
  save(path: string): Promise<void>;
  /** Writes all documents to a folder that has none yet, and makes it if necessary. A crash may leave a part of it. */
  saveFolder(path: string): Promise<void>;
  stats(): NativeIndexStats;
  /**
   * Call once. Rejects its calls with ERR_DISPOSED. Settles when the change in progress has ended and the folder is free for another
   * writer.
   */
  dispose(): Promise<void>;
}

/** Distances are negated, so that higher always means more similar. */
export type NativeSimilarityFunction = "dot" | "cosine" | "euclidean" | "manhattan";

export interface NativeAddon {
  /** Once per environment, before anything else. */
  initialize(errorClass: typeof SparseRerankError): void;
  /** Sets the size of the process-wide thread pool; throws ERR_ALREADY_CONFIGURED if the pool already runs with another size. */
  setThreads(threads: number): void;
  threads(): number;
  /** Announces a call of `work` tokens that runs in several parts; returns the turn of its runs. */
  arrive(work: number): NativeTurn;
  /** Ends the process-wide thread pool once its running tasks have ended: the process exits. */
  stopThreads(): void;
  /** Memory in bytes that running sequences may use together; throws ERR_ALREADY_CONFIGURED if another limit is in use. */
  setMemoryLimit(bytes: number): void;
  memoryLimit(): number;
  /** Bytes that this process may use: the limit of the machine or the container. 0 if unknown. */
  memory(): number;
  /** Kernel sets that this machine supports ("scalar", "avx2", …), the active one, and whether the system keeps AMX from this process. */
  kernels(): { readonly available: readonly string[]; readonly active: string; readonly amxRefused: boolean };
  /** Forces a kernel set for the whole process (tests; also environment variable SPARSE_RERANK_KERNELS). */
  useKernels(name: string): void;
  /** Tries each path in order and keeps the first compatible ONNX Runtime; throws one error that covers all failures. */
  loadRuntime(candidates: readonly string[]): { readonly path: string; readonly version: string };
  /** Execution providers compiled into the loaded ONNX Runtime; their own libraries may be missing. */
  providers(): string[];
  /** The devices that NVIDIA's driver reports; rejects with ERR_DEVICE_UNAVAILABLE if there is no driver. */
  cudaDevices(): Promise<NativeCudaDevices>;
  /**
   * Loads the driver and the provider's libraries, after loadRuntime(); rejects with ERR_DEVICE_UNAVAILABLE, naming the file that cannot be
   * loaded.
   */
  checkCuda(cuda: NativeCuda): Promise<NativeCudaDevice>;
  /** Seconds that pool threads have spent in total: in whole tasks and, within those, in ONNX Runtime and in the SPLADE head. */
  stageTimes(): { readonly task: number; readonly body: number; readonly head: number };
  createModel(spec: NativeModelSpec): Promise<NativeModel>;
  openModel(spec: NativeExportSpec): Promise<NativeModel>;
  /** An empty index in memory. */
  readonly Index: new (dimension: number, lexical?: NativeLexicalOptions) => NativeIndex;
  /** `dimension` creates a folder's index where there is none, `lexical` with a lexical side. Others than the index has are refused. */
  openIndex(
    path: string,
    options: { readonly dimension?: number; readonly readOnly?: boolean; readonly lexical?: NativeLexicalOptions },
  ): Promise<NativeIndex>;
  readonly CancelToken: new () => NativeCancelToken;
  /** @param ids not empty */
  readonly Prefix: new (ids: Int32Array) => NativePrefix;
  /** Resolves to [rows of a, rows of b], row-major. `dimension` bounds every index. */
  similarity(a: NativeRows, b: NativeRows, dimension: number, similarityFunction: NativeSimilarityFunction): Promise<Float32Array>;
  /** Compares row i of `a` with row i of `b`. */
  similarityPairwise(a: NativeRows, b: NativeRows, dimension: number, similarityFunction: NativeSimilarityFunction): Promise<Float32Array>;
}
