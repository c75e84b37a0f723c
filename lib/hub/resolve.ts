import { stat } from "node:fs/promises";
import path from "node:path";

import { SparseRerankError } from "../errors";
import { packageRoot } from "../internal/load";
import { requireString } from "../internal/validate";

/** Models inside the package, by name. */
export const EMBEDDED_MODELS: ReadonlyMap<string, { readonly folder: string; readonly summary: string }> = new Map([
  [
    "splade-tiny",
    {
      folder: path.join(packageRoot, "models", "splade-tiny"),
      summary: "SPLADE, 4.4 M parameters (BERT, 2 layers, hidden size 128), English, MS MARCO; Apache-2.0",
    },
  ],
]);

/** A folder's path, or the name of an embedded model, to the folder that holds the checkpoint. An existing folder wins. */
export async function resolveModel(nameOrPath: string): Promise<string> {
  requireString(nameOrPath, "nameOrPath");
  if (nameOrPath.includes("\0")) throw new SparseRerankError("ERR_INVALID_ARGUMENT", "nameOrPath contains a NUL character.");
  const status = await stat(nameOrPath).catch(() => undefined);
  if (status?.isDirectory() === true) return path.resolve(nameOrPath);
  const embedded = EMBEDDED_MODELS.get(nameOrPath);
  if (embedded !== undefined) return embedded.folder;
  if (status !== undefined) {
    throw new SparseRerankError("ERR_INVALID_ARGUMENT", `${nameOrPath} is a file; give the folder that holds config.json and the weights.`);
  }
  const hint = /^[\w.-]+\/[\w.-]+$/.test(nameOrPath)
    ? " Downloading from the Hugging Face hub is not available in this version: download the repository yourself and give its folder."
    : "";
  throw new SparseRerankError(
    "ERR_MODEL_NOT_FOUND",
    `There is no model folder ${nameOrPath}, and no embedded model of that name (embedded: ${[...EMBEDDED_MODELS.keys()].join(", ")}).${hint}`,
  );
}
