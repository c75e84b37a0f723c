/** Finds the weights of a module in its folder, with the file names and precedence of transformers. */

import { join } from "node:path";

import { SparseRerankError } from "../errors";
import { resolveInside, status } from "./checkpoint-files";
import { field, invalidField, optionalObject, readJsonObject } from "./json-fields";
import type { JsonObject } from "./json-fields";
import { readPytorch } from "./pytorch";
import { readSafetensors } from "./safetensors";
import type { TensorInfo, TensorTable } from "./types";

interface Format {
  readonly file: string;
  /** Index file of sharded weights. */
  readonly index: string;
  /** @returns undefined if the file does not exist */
  readonly read: (path: string) => Promise<TensorTable | undefined>;
}

const FORMATS: readonly Format[] = [
  { file: "model.safetensors", index: "model.safetensors.index.json", read: readSafetensors },
  { file: "pytorch_model.bin", index: "pytorch_model.bin.index.json", read: readPytorch },
];
const OTHER_FORMATS = ["tf_model.h5", "flax_model.msgpack", "rust_model.ot", "model.onnx", "onnx/model.onnx"];

/**
 * Reads the first that exists: model.safetensors, the shards of its index, pytorch_model.bin, the shards of its index.
 * @throws ERR_FILE_NOT_FOUND, ERR_UNSUPPORTED_MODEL (other formats), and the errors of readSafetensors and readPytorch
 */
export async function readWeights(folder: string): Promise<TensorTable> {
  for (const { file, index, read } of FORMATS) {
    const single = await read(join(folder, file));
    if (single !== undefined) return single;
    const shards = await readJsonObject(join(folder, index));
    if (shards !== undefined) return readShards(folder, shards, read);
  }
  throw await noWeights(folder);
}

/** Like transformers, reads all tensors of the shards; if a name occurs more than once, weight_map decides. */
async function readShards(folder: string, index: JsonObject, read: Format["read"]): Promise<TensorTable> {
  const weightMap = readWeightMap(index);
  const tensors = new Map<string, TensorInfo>();
  for (const shard of new Set(weightMap.values())) {
    const path = resolveInside(folder, shard, `${index.file}: "weight_map"`);
    const table = await read(path);
    if (table === undefined) {
      throw new SparseRerankError("ERR_FILE_NOT_FOUND", `${path} is missing; ${index.file} names it. Download the model again.`);
    }
    for (const [name, tensor] of table) {
      if (!tensors.has(name) || weightMap.get(name) === shard) {
        tensors.set(name, tensor);
      }
    }
    for (const [name, home] of weightMap) {
      if (home === shard && !table.has(name)) {
        throw new SparseRerankError(
          "ERR_INVALID_WEIGHTS",
          `${path} has no tensor ${JSON.stringify(name)}, which ${index.file} places there. Download the model again.`,
        );
      }
    }
  }
  return tensors;
}

function readWeightMap(index: JsonObject): ReadonlyMap<string, string> {
  const weightMap = optionalObject(index, "weight_map");
  if (weightMap === undefined) {
    throw invalidField(index, "weight_map", "an object from tensor names to file names");
  }
  const entries = new Map<string, string>();
  for (const name of Object.keys(weightMap.json)) {
    const shard = field(weightMap, name);
    if (typeof shard !== "string" || shard === "") {
      throw invalidField(weightMap, name, "a file name");
    }
    entries.set(name, shard);
  }
  return entries;
}

async function noWeights(folder: string): Promise<SparseRerankError> {
  const expected = FORMATS.flatMap(({ file, index }) => [file, index]).join(", ");
  for (const name of OTHER_FORMATS) {
    if ((await status(join(folder, name))) !== undefined) {
      return new SparseRerankError(
        "ERR_UNSUPPORTED_MODEL",
        `${folder} has its weights only in ${name}; expected one of ${expected}. Convert them to safetensors with transformers.`,
      );
    }
  }
  return new SparseRerankError("ERR_FILE_NOT_FOUND", `${folder} has no weights: looked for ${expected}.`);
}
