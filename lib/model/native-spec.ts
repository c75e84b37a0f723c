/** A plan -> the description of a model that the addon takes. */

import path from "node:path";

import type { EncodedGraph, Floats } from "../architectures/graph";
import type { Int8Layer } from "../architectures/int8";
import { spladeHead } from "../architectures/splade-head";
import type { ExportedGraph, Graph, GraphLimits } from "../architectures/types";
import type { TensorInfo } from "../checkpoint/types";
import { SparseRerankError } from "../errors";
import type { NativeDtype, NativeExportSpec, NativeHead, NativeInt8, NativeModelSpec, NativeTensor } from "../native/contract";
import type { BatchPlan, TransformerPlan } from "./plan";
import { count, FLOAT_BYTES } from "./weights-memory";

export function describeModel(graph: Graph, { head, int8, batches }: TransformerPlan): NativeModelSpec {
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

export function describeExport({ file, pooling: vectors, vocabularySize: columns }: ExportedGraph): NativeExportSpec {
  return vectors === undefined ? { file } : { file, vectors: { columns, pooling: vectors.pooling, activation: vectors.activation } };
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
