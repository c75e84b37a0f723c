/** The memory that weights take, and what a process may hold before the system kills it. */

import { readFileSync } from "node:fs";

import type { Graph } from "../architectures/types";
import type { TensorInfo } from "../checkpoint/types";
import { SparseRerankError } from "../errors";
import { native } from "../native/load";
import type { TransformerPlan } from "./plan";

export const FLOAT_BYTES = 4;

/**
 * Just below its limit a container neither works nor is killed: the system reads the same pages of programs and weights again and again. A tenth
 * is left for these.
 */
const SHARE_TO_FILL = 0.9;

/** @throws ERR_TOO_LARGE where the weights would not leave enough. @param bytes of its own memory that they take at least */
export function requireMemoryForWeights(folder: string, bytes: number): void {
  const memory = native().memory();
  if (memory === 0 || bytes + heldNow() <= SHARE_TO_FILL * memory) return;
  throw new SparseRerankError(
    "ERR_TOO_LARGE",
    `The model in ${folder} needs at least ${gigabytes(bytes)} of memory for its weights; this machine or container has ${gigabytes(memory)}, ` +
      `of which this process holds ${gigabytes(heldNow())}. Choose a smaller model or dtype "int8", or allow the process more memory.`,
  );
}

export function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toPrecision(2)} GB`;
}

/** Memory that the system cannot take back from this process; 0 where it does not say, and where it would page before it kills. */
function heldNow(): number {
  if (process.platform !== "linux") return 0;
  const kilobytes = /^RssAnon:\s*(\d+) kB$/m.exec(processStatus())?.[1];
  return Number(kilobytes ?? 0) * 1024;
}

/** Empty where /proc is absent or Node's permission model hides it. */
function processStatus(): string {
  try {
    return readFileSync("/proc/self/status", "utf8");
  } catch {
    return "";
  }
}

/**
 * Bytes that the weights take at least in memory of the process's own: matrices that ONNX Runtime packs, tensors that are widened, the head's
 * 8-bit decoder. Quantised layers are mapped from a file where there is a cache.
 */
export function memoryOfWeights({ weights, vocabularySize }: Graph, { head, execution }: TransformerPlan): number {
  let bytes = head === undefined ? 0 : count(head.graph.decoder);
  if (execution.backend === "sequences" && execution.int8 !== undefined) return bytes;
  for (const tensor of weights.values()) {
    const isMatrix = tensor.shape.length === 2 && tensor.shape[0] !== vocabularySize;
    if (isMatrix || tensor.dtype !== "F32") bytes += count(tensor) * Float32Array.BYTES_PER_ELEMENT;
  }
  return bytes;
}

export function count({ shape }: Pick<TensorInfo, "shape">): number {
  return shape.reduce((product, length) => product * length, 1);
}
