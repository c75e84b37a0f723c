/** A model's folder -> a typed description of what is in it. Everything in the folder is data from outside and is checked here. */

import { join, resolve } from "node:path";

import { SparseRerankError } from "../errors";
import { status } from "./checkpoint-files";
import { readCrossCheckpoint } from "./cross";
import { readSparseCheckpoint } from "./sparse";
import type { CrossCheckpoint, SparseCheckpoint } from "./types";

/**
 * Reads the description of the checkpoint in `folder`: configuration files and the headers of the weight files, never the weights. What is
 * accepted and which value wins follows sentence-transformers 6.
 *
 * @param modelFile an ONNX file, relative to `folder`, that takes the place of the weights of the transformer whose folder it lies in
 * @throws SparseRerankError: ERR_MODEL_NOT_FOUND (no such folder), ERR_FILE_NOT_FOUND, ERR_FILE_UNREADABLE, ERR_INVALID_CONFIG,
 * ERR_INVALID_WEIGHTS, ERR_MISSING_TENSOR and ERR_TENSOR_MISMATCH (of a table of token weights), ERR_WRONG_MODEL_KIND (a model of the other
 * kind, or a dense one), ERR_UNSUPPORTED_MODEL (a module, activation or weight format that this package does not have).
 */
export async function readCheckpoint(folder: string, kind: "sparse", modelFile?: string): Promise<SparseCheckpoint>;
export async function readCheckpoint(folder: string, kind: "cross", modelFile?: string): Promise<CrossCheckpoint>;
export async function readCheckpoint(
  folder: string,
  kind: "sparse" | "cross",
  modelFile?: string,
): Promise<SparseCheckpoint | CrossCheckpoint> {
  const root = resolve(folder);
  const info = folder.includes("\0") ? undefined : await status(root);
  if (info?.isDirectory() !== true) {
    throw new SparseRerankError(
      "ERR_MODEL_NOT_FOUND",
      `${root} ${info === undefined ? "does not exist" : "is not a folder"}; expected the folder of a model.`,
    );
  }
  const exported = modelFile === undefined ? undefined : await findExport(root, modelFile);
  return kind === "sparse" ? readSparseCheckpoint(root, exported) : readCrossCheckpoint(root, exported);
}

async function findExport(root: string, modelFile: string): Promise<string> {
  const file = join(root, modelFile);
  if ((await status(file))?.isFile() === true) return file;
  throw new SparseRerankError("ERR_FILE_NOT_FOUND", `${root} has no file ${modelFile} (modelFile).`);
}
