import { stat } from "node:fs/promises";
import path from "node:path";

import { SparseRerankError } from "../errors";
import { packageRoot } from "../internal/load";
import { requireString } from "../internal/validate";

/** Models inside the package, by name. */
const EMBEDDED: ReadonlyMap<string, string> = new Map([["splade-tiny", path.join(packageRoot, "models", "splade-tiny")]]);

/** A folder's path, or the name of an embedded model, to the folder that holds the checkpoint. An existing folder wins. */
export async function resolveModel(nameOrPath: string): Promise<string> {
  requireString(nameOrPath, "nameOrPath");
  if (nameOrPath.includes("\0")) throw new SparseRerankError("ERR_INVALID_ARGUMENT", "nameOrPath contains a NUL character.");
  const status = await stat(nameOrPath).catch(() => undefined);
  if (status?.isDirectory() === true) return path.resolve(nameOrPath);
  const embedded = EMBEDDED.get(nameOrPath);
  if (embedded !== undefined) return embedded;
  if (status !== undefined) {
    throw new SparseRerankError("ERR_INVALID_ARGUMENT", `${nameOrPath} is a file; give the folder that holds config.json and the weights.`);
  }
  const hint = /^[\w.-]+\/[\w.-]+$/.test(nameOrPath)
    ? " Downloading from the Hugging Face hub is not available in this version: download the repository yourself and give its folder."
    : "";
  throw new SparseRerankError(
    "ERR_MODEL_NOT_FOUND",
    `There is no model folder ${nameOrPath}, and no embedded model of that name (embedded: ${[...EMBEDDED.keys()].join(", ")}).${hint}`,
  );
}
