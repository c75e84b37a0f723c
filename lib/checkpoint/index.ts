/** Reads a model's folder into a typed description. Everything in the folder is untrusted and validated here. */

import { join, resolve } from "node:path";

import { SparseRerankError } from "../errors";
import { status } from "./checkpoint-files";
import { readCrossCheckpoint } from "./cross";
import { readSparseCheckpoint } from "./sparse";
import type { CrossCheckpoint, SparseCheckpoint } from "./types";

/**
 * Reads the description of the checkpoint in `folder`: configuration files and the headers of weight files, but not the weights. Accepted
 * settings and their precedence follow sentence-transformers 6.
 *
 * @param modelFile an ONNX file, relative to `folder`, that replaces the weights of the transformer in its folder
 * @throws SparseRerankError: ERR_MODEL_NOT_FOUND (no such folder), ERR_FILE_NOT_FOUND, ERR_FILE_UNREADABLE, ERR_INVALID_CONFIG,
 *   ERR_INVALID_WEIGHTS, ERR_MISSING_TENSOR and ERR_TENSOR_MISMATCH (in a table of token weights), ERR_WRONG_MODEL_KIND (a model of the
 *   other kind, or a dense one), ERR_UNSUPPORTED_MODEL (a module, activation or weight format that is not implemented).
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
