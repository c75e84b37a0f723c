/** How much memory a process may use before the system kills it. */

import { readFileSync } from "node:fs";

import type { Floats } from "../architectures/graph";
import type { Graph } from "../architectures/types";
import type { TensorInfo } from "../checkpoint/types";
import { SparseRerankError } from "../errors";
import { native } from "../native/load";
import type { TransformerPlan } from "./plan";

export const FLOAT_BYTES = 4;

/**
 * Just below its limit a container makes no progress but is not killed either: the system rereads the same pages of programs and weights. A
 * tenth of the limit is reserved for them.
 */
const SHARE_TO_FILL = 0.9;

/** @throws ERR_TOO_LARGE if the weights would not leave enough. @param bytes see memoryOfWeights */
export function requireMemoryForWeights(folder: string, bytes: number): void {
  const memory = native().memory();
  if (memory === 0 || bytes + heldNow() <= SHARE_TO_FILL * memory) return;
  throw new SparseRerankError(
    "ERR_TOO_LARGE",
    `The model in ${folder} needs at least ${gigabytes(bytes)} of memory for its weights; this machine or container has ${gigabytes(memory)}, ` +
      `of which this process already uses ${gigabytes(heldNow())}. Choose a smaller model or dtype "int8", or allow the process more memory.`,
  );
}

export function gigabytes(bytes: number): string {
  const size = bytes / 1e9;
  // Not "2.8e+2".
  return `${size < 100 ? size.toPrecision(2) : size.toFixed(0)} GB`;
}

/** Memory that the system cannot reclaim from this process; 0 if unknown, and where it would page before it kills. */
function heldNow(): number {
  if (process.platform !== "linux") return 0;
  const kilobytes = /^RssAnon:\s*(\d+) kB$/m.exec(processStatus())?.[1];
  return Number(kilobytes ?? 0) * 1024;
}

/** Empty if /proc is absent or Node's permission model hides it. */
function processStatus(): string {
  try {
    return readFileSync("/proc/self/status", "utf8");
  } catch {
    return "";
  }
}

/**
 * Lower bound, in bytes, of the memory that the weights take: matrices that ONNX Runtime packs, converted tensors, the head's 8-bit decoder
 * and layers in 8 bits. With a cache, the latter are mapped from a file, but every run reads all of them.
 */
export function memoryOfWeights(graph: Graph, { head, execution }: TransformerPlan): number {
  const isInt8 = execution.backend === "sequences" && execution.int8 !== undefined;
  const { weights, weightFloats, layers = [] } = isInt8 ? graph.int8() : { ...graph, layers: undefined };
  let bytes = head === undefined ? 0 : count(head.graph.decoder);
  for (const { weight } of layers) bytes += count(weight);
  for (const [name, tensor] of weights) {
    const floats = weightFloats.get(name) ?? "fp32";
    const isPacked = tensor.shape.length === 2 && tensor.shape[0] !== graph.vocabularySize;
    // While the model loads, a converted matrix exists twice: packed, and as it was given to ONNX Runtime.
    const copies = Number(isPacked) + Number(tensor.dtype !== STORED[floats]);
    bytes += copies * count(tensor) * (floats === "fp32" ? FLOAT_BYTES : FLOAT_BYTES / 2);
  }
  return bytes;
}

/** The element type of a tensor that needs no conversion. */
const STORED: Readonly<Record<Floats, TensorInfo["dtype"]>> = { fp32: "F32", fp16: "F16", bf16: "BF16" };

export function count({ shape }: Pick<TensorInfo, "shape">): number {
  return shape.reduce((product, length) => product * length, 1);
}
