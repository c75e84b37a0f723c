import { stat } from "node:fs/promises";
import path from "node:path";

import { throwIfAborted } from "../core/abort";
import { permissionError } from "../core/permission";
import { requirePath } from "../core/validate";
import { SparseRerankError } from "../errors";
import { onDisk, requireUnbundled } from "../native/load";
import { isRepositoryName } from "./names";
import { snapshotOf } from "./snapshot";
import type { HubOptions } from "./snapshot";

/** Models that ship with the package, by name. */
export const EMBEDDED_MODELS: ReadonlyMap<string, { readonly folder: string; readonly summary: string }> = new Map([
  [
    "splade-tiny",
    {
      // Built from __dirname, so that file tracers (@vercel/nft) find the folder.
      folder: onDisk(path.join(__dirname, "..", "..", "models", "splade-tiny")),
      summary: "SPLADE, 4.4 M parameters (BERT, 2 layers, hidden size 128), English, MS MARCO; Apache-2.0",
    },
  ],
]);

/**
 * Resolves the path of a folder, the name of an embedded model, or a hub name ("naver/splade-v3") to the folder of the checkpoint. An
 * existing folder takes precedence. A model of the hub is downloaded into the cache that huggingface_hub uses, unless it is already there.
 *
 * Errors: ERR_INVALID_ARGUMENT, ERR_MODEL_NOT_FOUND (no such folder, model or revision, or not cached and offline), ERR_HUB_AUTH (gated or
 * private), ERR_HUB_NETWORK, ERR_HUB_RESPONSE, ERR_HUB_CACHE, ERR_FILE_NOT_FOUND (modelFile), ERR_UNSUPPORTED_MODEL (no usable weights),
 * ERR_INVALID_CONFIG, ERR_ABORTED.
 */
export async function resolveModel(nameOrPath: string, options: HubOptions = {}): Promise<string> {
  requirePath(nameOrPath, "nameOrPath");
  throwIfAborted(options.signal);
  requireUnbundled();
  const status = await stat(nameOrPath).catch((error: unknown) => {
    const forbidden = permissionError(error);
    if (forbidden !== undefined) throw forbidden;
    return undefined;
  });
  if (status?.isDirectory() === true) return path.resolve(nameOrPath);
  const embedded = EMBEDDED_MODELS.get(nameOrPath);
  if (embedded !== undefined) return embedded.folder;
  if (status !== undefined) {
    throw new SparseRerankError(
      "ERR_INVALID_ARGUMENT",
      `${nameOrPath} is a file; pass the folder that contains config.json and the weights.`,
    );
  }
  if (isRepositoryName(nameOrPath)) return snapshotOf(nameOrPath, options);
  throw new SparseRerankError(
    "ERR_MODEL_NOT_FOUND",
    `There is no model folder ${nameOrPath}, and no embedded model of that name (embedded: ${[...EMBEDDED_MODELS.keys()].join(", ")}). ` +
      'Name a model of the Hugging Face Hub with its organization, e.g. "naver/splade-v3".',
  );
}
