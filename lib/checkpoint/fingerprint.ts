import { createHash } from "node:crypto";
import type { Hash } from "node:crypto";

import { SparseRerankError } from "../errors";
import { readExactly, withFile } from "./checkpoint-files";
import type { OpenFile } from "./checkpoint-files";
import type { EmbeddingModule, SparseCheckpoint, SparseRoute, TensorInfo, WeightedPart } from "./types";

/** Bytes sampled per tensor. Training changes all of a tensor, so a sample is enough to distinguish two models. */
const SAMPLE_BYTES = 256;
/** Number of samples of a file without tensors. */
const SAMPLES = 64;

/**
 * A hexadecimal fingerprint of a sparse encoder: a hash of its tensors (names, types, shapes and samples of their bytes), its head and its
 * prompts. It does not depend on the folder, on how tensors are distributed over files, or on the weight format. It does not cover the
 * tokenizer.
 */
export async function fingerprintOf({ routes, prompts }: SparseCheckpoint): Promise<string> {
  const hash = createHash("sha256").update(JSON.stringify([prompts["query"], prompts["document"]]));
  for (const [side, route] of Object.entries(routes)) {
    hash.update(`${side}:`);
    await addRoute(hash, route);
  }
  return hash.digest("hex").slice(0, 32);
}

async function addRoute(hash: Hash, route: SparseRoute): Promise<void> {
  if (route.kind === "static") {
    await ("json" in route.weights ? addFile(hash, route.weights.json) : addTensors(hash, [route.weights.tensor]));
    return;
  }
  const { transformer, head } = route;
  hash.update(String(transformer.lowerCase));
  await (transformer.exported === undefined ? addTensors(hash, [...transformer.tensors.values()]) : addFile(hash, transformer.exported));
  for (const part of partsOf(head)) await addTensors(hash, [...part.tensors.values()]);
  hash.update(JSON.stringify(head, (key, value: unknown) => (key === "part" ? undefined : value)));
}

function partsOf(head: Extract<SparseRoute, { kind: "transformer" }>["head"]): WeightedPart[] {
  if (head.kind === "lexical") return [head.part];
  if (head.kind === "splade") return [];
  return head.modules.flatMap((module: EmbeddingModule) => ("part" in module ? [module.part] : []));
}

async function addTensors(hash: Hash, tensors: readonly TensorInfo[]): Promise<void> {
  const samples = new Map<TensorInfo, Uint8Array>();
  const files = new Set(tensors.map(({ file }) => file));
  for (const path of files) {
    await open(path, async (file) => {
      for (const tensor of tensors.filter((one) => one.file === path)) samples.set(tensor, await sampleOf(file, tensor));
    });
  }
  const sorted = [...tensors].sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const tensor of sorted) {
    hash.update(JSON.stringify([tensor.name, tensor.dtype, tensor.shape]));
    hash.update(samples.get(tensor) ?? new Uint8Array(0));
  }
}

/** Samples the middle of a tensor: the first rows of an embedding often belong to unused tokens. */
function sampleOf(file: OpenFile, { offset, byteLength }: TensorInfo): Promise<Uint8Array> {
  const length = Math.min(SAMPLE_BYTES, byteLength);
  return readExactly(file, offset + Math.floor((byteLength - length) / 2), length);
}

async function addFile(hash: Hash, path: string): Promise<void> {
  await open(path, async (file) => {
    hash.update(String(file.size));
    const length = Math.min(SAMPLE_BYTES, file.size);
    for (let i = 0; i < SAMPLES; i++) hash.update(await readExactly(file, Math.floor(((file.size - length) * i) / (SAMPLES - 1)), length));
  });
}

async function open(path: string, use: (file: OpenFile) => Promise<void>): Promise<void> {
  const used = await withFile(path, async (file) => {
    await use(file);
    return true;
  });
  if (used === undefined) throw new SparseRerankError("ERR_FILE_NOT_FOUND", `${path} is missing; download the model again.`);
}
