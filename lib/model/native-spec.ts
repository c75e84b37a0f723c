/** Translates a model plan to the specification that the addon accepts. */

import path from "node:path";

import type { ExecutionPlan, GroupPlan, SequencePlan } from "../architectures/execution-plan";
import type { EncodedGraph, Floats, PrefixShape } from "../architectures/graph";
import type { Int8Layer } from "../architectures/int8";
import { spladeHead } from "../architectures/splade-head";
import type { ExportedGraph, Graph } from "../architectures/types";
import type { TensorInfo } from "../checkpoint/types";
import { SparseRerankError } from "../errors";
import type {
  NativeDtype,
  NativeExportSpec,
  NativeHead,
  NativeInt8,
  NativeModelSpec,
  NativePrefixShape,
  NativeTensor,
} from "../native/contract";
import type { TransformerPlan } from "./plan";
import { count, FLOAT_BYTES } from "./weights-memory";

export function describeModel(graph: Graph, { head, execution }: TransformerPlan): NativeModelSpec {
  const files = new WeightFiles();
  const { graph: executed, backend } =
    execution.backend === "sequences" ? describeSequences(execution, graph, head, files) : describeGroups(execution, graph, head);
  const { model, weights, weightFloats, matrices, inputs } = executed;
  const [first] = weights.values();
  return {
    graph: model,
    inputs,
    weights: Array.from(weights, ([name, tensor]) => ({
      name,
      tensor: files.locate(tensor),
      dtype: DTYPES[weightFloats.get(name) ?? "fp32"],
      packed: matrices.has(name),
    })),
    backend,
    files: files.paths,
    // All external data locations of a graph name the file of its first weight (see architectures/graph.ts).
    weightFolder: path.dirname(first?.file ?? ""),
    ...limitOf(execution),
  };
}

export function describeExport(
  { file, pooling: vectors, vocabularySize: columns }: ExportedGraph,
  { execution }: TransformerPlan,
): NativeExportSpec {
  const spec = { file, ...limitOf(execution) };
  return vectors === undefined ? spec : { ...spec, vectors: { columns, pooling: vectors.pooling, activation: vectors.activation } };
}

function limitOf({ backend, maxThreads }: ExecutionPlan): Pick<NativeModelSpec, "maxThreads"> {
  if (maxThreads !== undefined) return { maxThreads };
  return backend === "groups" ? { maxThreads: GROUPS_AT_ONCE } : {};
}

/** What a backend runs, and how. */
interface Described {
  readonly graph: EncodedGraph;
  readonly backend: NativeModelSpec["backend"];
}

function describeSequences({ int8 }: SequencePlan, graph: Graph, head: TransformerPlan["head"], files: WeightFiles): Described {
  const parts = {
    ...(head === undefined ? {} : { head: describeHead(head, files) }),
    ...(graph.prefix === undefined ? {} : { prefix: describePrefix(graph.prefix) }),
  };
  if (int8 === undefined) return { graph, backend: { kind: "sequences", ...parts } };
  const quantized = graph.int8();
  return { graph: quantized, backend: { kind: "sequences", int8: describeInt8(quantized.layers, int8.cacheFolder, files), ...parts } };
}

function describePrefix({ padTokenId, ...shape }: PrefixShape): NativePrefixShape {
  return padTokenId === null ? shape : { ...shape, pad: padTokenId };
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

function describeHead({ graph, pooling }: NonNullable<TransformerPlan["head"]>, files: WeightFiles): NativeHead {
  return {
    decoder: files.locate(graph.decoder),
    ...(graph.decoderBias === undefined ? {} : { bias: files.locate(graph.decoderBias) }),
    pooling: pooling.pooling,
    activation: pooling.activation,
  };
}

function withHead(graph: Graph, head: TransformerPlan["head"]): EncodedGraph {
  if (head === undefined) return graph;
  return graph.continued((builder, hidden) => spladeHead(builder, hidden, head.graph, head.pooling), "logits");
}

/** Groups that run at once unless the user says otherwise; they share the memory that the weights leave. */
const GROUPS_AT_ONCE = 4;

/** The head is part of the graph. */
function describeGroups({ cuda, memory, maxThreads = GROUPS_AT_ONCE }: GroupPlan, graph: Graph, head: TransformerPlan["head"]): Described {
  const whole = withHead(graph, head);
  const { weights, weightFloats, layout, positionsAfter } = whole;
  let bytes = 0;
  for (const [name, { shape }] of weights) bytes += (weightFloats.get(name) === "fp32" ? FLOAT_BYTES : FLOAT_BYTES / 2) * count({ shape });
  return {
    graph: whole,
    backend: {
      kind: "groups",
      layout: layout.form === "packed" ? "packed" : "padded",
      bytes: Math.max(0, Math.floor((memory - bytes) / maxThreads)),
      ...(graph.maxPositions === undefined ? {} : { maxLength: graph.maxPositions }),
      ...(positionsAfter === undefined ? {} : { positionsAfter }),
      ...(head?.pooling.pooling === "max" ? { activation: head.pooling.activation } : {}),
      ...(cuda === undefined ? {} : { cuda }),
    },
  };
}

/** Assigns a number to every weight file. */
class WeightFiles {
  readonly paths: string[] = [];

  locate(tensor: TensorInfo): NativeTensor {
    let file = this.paths.indexOf(tensor.file);
    if (file < 0) file = this.paths.push(tensor.file) - 1;
    return { file, offset: tensor.offset, dtype: nativeDtype(tensor), shape: tensor.shape };
  }
}

/** The safetensors names of a graph's element types. */
const DTYPES: Readonly<Record<Floats, NativeDtype>> = { fp32: "F32", fp16: "F16", bf16: "BF16" };

function nativeDtype(tensor: TensorInfo): NativeDtype {
  if (tensor.dtype === "F32" || tensor.dtype === "F16" || tensor.dtype === "BF16") return tensor.dtype;
  throw new SparseRerankError(
    "ERR_TENSOR_MISMATCH",
    `${tensor.file}: tensor ${tensor.name} has element type ${tensor.dtype}; weights must be F32, F16 or BF16.`,
  );
}
