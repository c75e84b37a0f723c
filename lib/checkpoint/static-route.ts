/** Reads SparseStaticEmbedding, the query side of inference-free models: a table of token weights and a tokenizer in one folder. */

import { join } from "node:path";

import { SparseRerankError } from "../errors";
import { resolveInside, status } from "./checkpoint-files";
import { optionalString, readJsonObject } from "./json-fields";
import { readModelMaxLength } from "./limits";
import type { StaticRoute, TensorInfo } from "./types";
import { readWeights } from "./weights";

/** The table in JSON, as in the repositories of OpenSearch. */
const JSON_TABLE = "idf.json";

/** @throws ERR_MISSING_TENSOR, ERR_TENSOR_MISMATCH, ERR_INVALID_CONFIG, and the errors of readWeights */
export async function readStaticRoute(folder: string): Promise<StaticRoute> {
  const config = await readJsonObject(join(folder, "config.json"));
  const path = config === undefined ? undefined : optionalString(config, "path");
  const maxSeqLength = await readModelMaxLength(folder);
  if (config !== undefined && path?.endsWith(".json") === true) {
    return { kind: "static", folder, weights: { json: resolveInside(folder, path, `${config.file}: "path"`) }, maxSeqLength };
  }
  return { kind: "static", folder, weights: await readTable(folder), maxSeqLength };
}

async function readTable(folder: string): Promise<StaticRoute["weights"]> {
  try {
    return { tensor: requireVector((await readWeights(folder)).get("weight"), folder) };
  } catch (error) {
    const json = join(folder, JSON_TABLE);
    const absent = error instanceof SparseRerankError && error.code === "ERR_FILE_NOT_FOUND";
    if (absent && (await status(json)) !== undefined) return { json };
    throw error;
  }
}

function requireVector(tensor: TensorInfo | undefined, folder: string): TensorInfo {
  if (tensor === undefined) {
    throw new SparseRerankError("ERR_MISSING_TENSOR", `The weights in ${folder} have no tensor weight, which SparseStaticEmbedding needs.`);
  }
  if (tensor.shape.length !== 1 || tensor.byteLength === 0 || !["F32", "F16", "BF16", "F64"].includes(tensor.dtype)) {
    throw new SparseRerankError(
      "ERR_TENSOR_MISMATCH",
      `${tensor.file}: tensor weight is ${tensor.dtype} [${tensor.shape.slice(0, 16).join(", ")}]; expected a vector of floating-point weights, one per token.`,
    );
  }
  return tensor;
}
