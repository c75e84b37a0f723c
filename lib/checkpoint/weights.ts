/** Finds the weights of one transformer in its folder, by the names and in the order that transformers uses. */

import { join } from "node:path";

import { SparseRerankError } from "../errors";
import { resolveInside, status } from "./files";
import { field, invalidField, optionalObject, readJsonObject } from "./json";
import type { JsonObject } from "./json";
import { readSafetensors } from "./safetensors";
import type { TensorInfo, TensorTable } from "./types";

const SINGLE = "model.safetensors";
const INDEX = "model.safetensors.index.json";
const PYTORCH = ["pytorch_model.bin", "pytorch_model.bin.index.json"];
const OTHER_FORMATS = ["tf_model.h5", "flax_model.msgpack", "rust_model.ot", "model.onnx", "onnx/model.onnx"];

/**
 * model.safetensors, else the shards of model.safetensors.index.json.
 * @throws ERR_FILE_NOT_FOUND, ERR_NOT_SUPPORTED (pytorch_model.bin), ERR_UNSUPPORTED_MODEL (other formats), and what readSafetensors throws.
 */
export async function readWeights(folder: string): Promise<TensorTable> {
  const single = await readSafetensors(join(folder, SINGLE));
  if (single !== undefined) {
    return single;
  }
  const index = await readJsonObject(join(folder, INDEX));
  if (index === undefined) {
    throw await noWeights(folder);
  }
  return readShards(folder, index);
}

/** Like transformers, takes every tensor of the shards; weight_map decides where a name occurs more than once. */
async function readShards(folder: string, index: JsonObject): Promise<TensorTable> {
  const weightMap = readWeightMap(index);
  const tensors = new Map<string, TensorInfo>();
  for (const shard of new Set(weightMap.values())) {
    const path = resolveInside(folder, shard, `${index.file}: "weight_map"`);
    const table = await readSafetensors(path);
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
  for (const name of PYTORCH) {
    if ((await status(join(folder, name))) !== undefined) {
      return new SparseRerankError(
        "ERR_NOT_SUPPORTED",
        `${folder} has its weights in ${name} only, which this version does not read yet. ` +
          "Convert them with save_pretrained(folder, safe_serialization=True) of transformers, or use a revision that has model.safetensors.",
      );
    }
  }
  for (const name of OTHER_FORMATS) {
    if ((await status(join(folder, name))) !== undefined) {
      return new SparseRerankError(
        "ERR_UNSUPPORTED_MODEL",
        `${folder} has its weights in ${name} only; expected ${SINGLE} or ${INDEX}. Convert them to safetensors with transformers.`,
      );
    }
  }
  return new SparseRerankError("ERR_FILE_NOT_FOUND", `${folder} has no weights: looked for ${SINGLE}, ${INDEX} and pytorch_model.bin.`);
}
