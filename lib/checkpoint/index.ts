/** A model's folder -> a typed description of what is in it. Everything in the folder is data from outside and is checked here. */

import { resolve } from "node:path";

import { SparseRerankError } from "../errors";
import { readCrossCheckpoint } from "./cross";
import { status } from "./files";
import { readSparseCheckpoint } from "./sparse";
import type { CrossCheckpoint, SparseCheckpoint } from "./types";

/**
 * Reads the description of the checkpoint in `folder`: configuration files and the headers of the weight files, never the weights. What is
 * accepted and which value wins follows sentence-transformers 6.
 *
 * @throws SparseRerankError: ERR_MODEL_NOT_FOUND (no such folder), ERR_FILE_NOT_FOUND, ERR_FILE_UNREADABLE, ERR_INVALID_CONFIG,
 * ERR_INVALID_WEIGHTS, ERR_MISSING_TENSOR and ERR_TENSOR_MISMATCH (of a table of token weights), ERR_WRONG_MODEL_KIND (a model of the other
 * kind, or a dense one), ERR_UNSUPPORTED_MODEL (a module, activation or weight format that this package does not have).
 */
export async function readCheckpoint(folder: string, kind: "sparse"): Promise<SparseCheckpoint>;
export async function readCheckpoint(folder: string, kind: "cross"): Promise<CrossCheckpoint>;
export async function readCheckpoint(folder: string, kind: "sparse" | "cross"): Promise<SparseCheckpoint | CrossCheckpoint> {
  const root = resolve(folder);
  const info = folder.includes("\0") ? undefined : await status(root);
  if (info?.isDirectory() !== true) {
    throw new SparseRerankError(
      "ERR_MODEL_NOT_FOUND",
      `${root} ${info === undefined ? "does not exist" : "is not a folder"}; expected the folder of a model.`,
    );
  }
  return kind === "sparse" ? readSparseCheckpoint(root) : readCrossCheckpoint(root);
}
