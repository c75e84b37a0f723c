/** From a checkpoint's transformer and its graph to a running native model with its tokenizer. */

import path from "node:path";

import type { EncodedGraph, Floats } from "../architectures/graph";
import type { Int8Layer } from "../architectures/int8";
import type { WantedLayout } from "../architectures/layout";
import { headFloats, spladeHead } from "../architectures/splade-head";
import type { ExportedGraph, Graph, GraphLimits, MaskedLanguageModel } from "../architectures/types";
import type { SpladePooling, TensorInfo, TransformerPart } from "../checkpoint/types";
import { throwIfAborted } from "../core/abort";
import { SparseRerankError } from "../errors";
import { withCancel } from "../native/cancellation";
import type {
  NativeCuda,
  NativeDtype,
  NativeExportSpec,
  NativeHead,
  NativeInt8,
  NativeModel,
  NativeModelSpec,
  NativeSequences,
  NativeTensor,
} from "../native/contract";
import { withRemedy } from "../native/cuda";
import { native } from "../native/load";
import { loadRuntime } from "../native/runtime-library";
import type { LoadOptions } from "../options";
import type { TokenBatch } from "../tokenization/pipeline/token-batch";
import { requireEmbeddedTokens, requireEmbeddings } from "../tokenization/require-embeddings";
import { TextTokenizer } from "../tokenization/tokenizer";
import { gigabytes, requireMemoryForWeights } from "./weights-memory";

export interface RunningTransformer {
  readonly tokenizer: TextTokenizer;
  readonly model: NativeModel;
  /** Tokens, special tokens included. */
  readonly maxSeqLength: number;
  /**
   * What the model takes of a batch of texts. Errors: ERR_TOO_LARGE for a text that needs more memory than there is, ERR_INVALID_TOKENIZER for
   * one with an added token that has no embedding.
   * @param text the text of a sequence, to name it by
   */
  readonly admit: (batch: TokenBatch, text: (sequence: number) => string) => NativeSequences;
}

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

/** @param maxSeqLength see maxSeqLengthOf */
export async function startTransformer(plan: TransformerPlan, maxSeqLength: number, signal?: AbortSignal): Promise<RunningTransformer> {
  const { part, graph, complete } = plan;
  loadRuntime();
  if (!("file" in graph)) requireMemoryForWeights(part.folder, memoryOfWeights(graph, plan));
  throwIfAborted(signal);
  const reading = { folder: part.folder, maxLength: maxSeqLength, lowerCase: part.lowerCase };
  const loading = TextTokenizer.load(reading, tokenizerWorkers(plan, native().threads()));
  const [tokenizer, model] = await both(
    loading,
    // Packing the weights cannot be interrupted: an abort takes effect when it has ended.
    withCancel(undefined, async () =>
      "file" in graph
        ? native().openModel(describeExport(graph))
        : withRemedy(async () => native().createModel(describeModel(complete === undefined ? graph : await complete(await loading), plan))),
    ),
  );
  try {
    throwIfAborted(signal);
    requireEmbeddings(tokenizer, graph.vocabularySize, part.folder);
  } catch (error) {
    tokenizer.dispose();
    model.dispose();
    throw error;
  }
  // A card tells itself when it has no memory, and then batches become smaller.
  const limits = { bytesPerSequence: bytesOf(plan), limit: plan.batches === undefined ? native().memoryLimit() : Infinity };
  return {
    tokenizer,
    model,
    maxSeqLength,
    admit: (batch, text) => {
      requireEmbeddedTokens(tokenizer, graph.vocabularySize, batch, text);
      return admit(limits, batch, text);
    },
  };
}

/** What one JS thread can feed: handing out texts and taking ids keeps it busy for 5 to 10 % of its time per million tokens a second. */
const MOST_TOKENIZER_WORKERS = 8;

/**
 * Threads that tokenise. For the CPU one is enough: it tokenises more than all others compute, and more would take cores from them. A card
 * may compute more than one tokenises, and leaves the cores nearly idle; one of them is for the JS thread.
 */
export function tokenizerWorkers({ batches }: Pick<TransformerPlan, "batches">, threads: number): number {
  if (batches?.cuda === undefined) return 1;
  return Math.min(Math.max(threads - 1, 1), MOST_TOKENIZER_WORKERS);
}

/** Bytes of working memory for a sequence of some length, alone or in a batch. */
export function bytesOf({ graph, head, batches }: TransformerPlan): GraphLimits["bytesPerSequence"] {
  if (batches === undefined) return graph.bytesPerSequence;
  const share = batches.floats === "fp32" ? 1 : 0.5;
  // What the body worked with is free when the head begins.
  const ofHead = head === undefined ? 0 : FLOAT_BYTES * headFloats(head.graph, head.pooling);
  return (length) => share * Math.max(graph.bytesPerSequence(length), ofHead * length);
}

const FLOAT_BYTES = 4;

interface Limits extends Pick<GraphLimits, "bytesPerSequence"> {
  readonly limit: number;
}

/**
 * Bytes that the weights take at least in memory of the process's own: matrices that ONNX Runtime packs, tensors that are widened, the head's
 * 8-bit decoder. Quantised layers are mapped from a file where there is a cache.
 */
function memoryOfWeights({ weights, vocabularySize }: Graph, { head, int8 }: TransformerPlan): number {
  let bytes = head === undefined ? 0 : count(head.graph.decoder);
  if (int8 !== undefined) return bytes;
  for (const tensor of weights.values()) {
    const isMatrix = tensor.shape.length === 2 && tensor.shape[0] !== vocabularySize;
    if (isMatrix || tensor.dtype !== "F32") bytes += count(tensor) * Float32Array.BYTES_PER_ELEMENT;
  }
  return bytes;
}

function count({ shape }: Pick<TensorInfo, "shape">): number {
  return shape.reduce((product, length) => product * length, 1);
}

function admit({ bytesPerSequence, limit }: Limits, batch: TokenBatch, text: (sequence: number) => string): NativeSequences {
  const { offsets } = batch;
  const bytes = new Float64Array(offsets.length - 1);
  for (let i = 0; i < bytes.length; i++) {
    const length = (offsets[i + 1] ?? 0) - (offsets[i] ?? 0);
    const needed = bytesPerSequence(length);
    if (needed > limit) {
      throw new SparseRerankError(
        "ERR_TOO_LARGE",
        `A text of ${String(length)} tokens (${JSON.stringify(text(i).slice(0, SHOWN))}…) needs about ${gigabytes(needed)} of working memory; ` +
          `${gigabytes(limit)} are allowed. Load the model with a smaller maxSeqLength, or allow more with configure({ memoryLimit }).`,
      );
    }
    bytes[i] = needed;
  }
  return { ...batch, bytes };
}

/** Characters of a text that an error shows. */
const SHOWN = 40;

/** Both results, or the first failure once neither is running; what succeeded is disposed then. */
async function both<A extends { dispose(): void }, B extends { dispose(): void }>(a: Promise<A>, b: Promise<B>): Promise<[A, B]> {
  const [first, second] = await Promise.allSettled([a, b]);
  if (first.status === "fulfilled" && second.status === "fulfilled") return [first.value, second.value];
  if (first.status === "fulfilled") first.value.dispose();
  if (second.status === "fulfilled") second.value.dispose();
  throw first.status === "rejected" ? first.reason : (second as PromiseRejectedResult).reason;
}

/** Gives every weight file its number. */
class WeightFiles {
  readonly paths: string[] = [];

  locate(tensor: TensorInfo): NativeTensor {
    let file = this.paths.indexOf(tensor.file);
    if (file < 0) file = this.paths.push(tensor.file) - 1;
    return { file, offset: tensor.offset, dtype: nativeDtype(tensor), shape: tensor.shape };
  }

  /** All external data locations of a graph name the first weight file (see architectures/graph.ts). */
  get folder(): string {
    return path.dirname(this.paths[0] ?? "");
  }
}

/** The names of element types by what a graph has them for. */
const DTYPES: Readonly<Record<Floats, NativeDtype>> = { fp32: "F32", fp16: "F16", bf16: "BF16" };

function nativeDtype(tensor: TensorInfo): NativeDtype {
  if (tensor.dtype === "F32" || tensor.dtype === "F16" || tensor.dtype === "BF16") return tensor.dtype;
  throw new SparseRerankError(
    "ERR_TENSOR_MISMATCH",
    `${tensor.file}: tensor ${tensor.name} has element type ${tensor.dtype}; weights must be F32, F16 or BF16.`,
  );
}

function describeModel(graph: Graph, { head, int8, batches }: TransformerPlan): NativeModelSpec {
  const files = new WeightFiles();
  const quantised = int8 === undefined ? undefined : graph.int8();
  const described = quantised ?? (batches === undefined ? graph : withHead(graph, head));
  const { model, weights, weightFloats, inputs } = described;
  return {
    graph: model,
    inputs,
    weights: Array.from(weights, ([name, tensor]) => ({
      name,
      tensor: files.locate(tensor),
      dtype: DTYPES[weightFloats.get(name) ?? "fp32"],
    })),
    ...(quantised === undefined ? {} : { int8: describeInt8(quantised.layers, int8?.cacheFolder, files) }),
    ...(batches === undefined ? describeHead(head, files) : describeBatches(batches, graph, head, described)),
    files: files.paths,
    weightFolder: files.folder,
  };
}

function describeInt8(layers: readonly Int8Layer[], cacheFolder: string | undefined, files: WeightFiles): NativeInt8 {
  return {
    layers: layers.map(({ weight, bias }) => ({
      weight: files.locate(weight),
      ...(bias === undefined ? {} : { bias: files.locate(bias) }),
    })),
    ...(cacheFolder === undefined ? {} : { cacheFolder }),
  };
}

function describeExport({ file, pooling: vectors, vocabularySize: columns }: ExportedGraph): NativeExportSpec {
  return vectors === undefined ? { file } : { file, vectors: { columns, pooling: vectors.pooling, activation: vectors.activation } };
}

function describeHead(head: TransformerPlan["head"], files: WeightFiles): { readonly head?: NativeHead } {
  if (head === undefined) return {};
  const { graph, pooling } = head;
  return {
    head: {
      decoder: files.locate(graph.decoder),
      ...(graph.decoderBias === undefined ? {} : { bias: files.locate(graph.decoderBias) }),
      pooling: pooling.pooling,
      activation: pooling.activation,
    },
  };
}

function withHead(graph: Graph, head: TransformerPlan["head"]): EncodedGraph {
  if (head === undefined) return graph;
  return graph.continued((builder, hidden) => spladeHead(builder, hidden, head.graph, head.pooling), "logits");
}

/** Two calls, each with two batches in flight, share what the weights leave. */
const BATCHES_AT_ONCE = 4;

function describeBatches(
  { cuda, memory }: BatchPlan,
  { maxPositions }: GraphLimits,
  head: TransformerPlan["head"],
  { weights, weightFloats, layout, positionsAfter }: EncodedGraph,
): Pick<NativeModelSpec, "batches" | "cuda"> {
  let bytes = 0;
  for (const [name, { shape }] of weights) bytes += (weightFloats.get(name) === "fp32" ? FLOAT_BYTES : FLOAT_BYTES / 2) * count({ shape });
  return {
    batches: {
      form: layout?.form ?? "padded",
      bytes: Math.max(0, Math.floor((memory - bytes) / BATCHES_AT_ONCE)),
      ...(maxPositions === undefined ? {} : { maxLength: maxPositions }),
      ...(positionsAfter === undefined ? {} : { positionsAfter }),
      ...(head?.pooling.pooling === "max" ? { activation: head.pooling.activation } : {}),
    },
    ...(cuda === undefined ? {} : { cuda }),
  };
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
