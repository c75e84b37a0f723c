/** The collection that a server serves. */

import { Collection } from "../collection/collection";
import type { CollectionModel, CollectionStats } from "../collection/types";
import { SparseRerankError } from "../errors";
import { isStored } from "../sparse-index/index-folder";
import { DEFAULT_MODEL } from "./models";
import type { Models, ServedEncoder } from "./models";
import type { CheckedPluginOptions } from "./options";

/** The models to load if the options name none: the one that the collection records. */
export function defaultModels(stats: CollectionStats | undefined): NonNullable<CheckedPluginOptions["models"]> {
  const model = stats?.model;
  if (model === undefined) return [DEFAULT_MODEL];
  return [isWhole(model) ? { model: model.name, dtype: model.dtype } : model.name];
}

/** A collection, the served model of its vectors, and whether it has a lexical side. */
export interface OpenedIndex {
  readonly collection: Collection;
  readonly encoder: ServedEncoder | undefined;
  readonly hasWords: boolean;
}

/**
 * Opens the collection with the served model that made it.
 *
 * Errors: ERR_MODEL_MISMATCH (that model is not served), and those of Collection.open().
 *
 * @param stats from indexStats()
 */
export async function openIndex(
  { index, writable = false }: CheckedPluginOptions,
  stats: CollectionStats | undefined,
  models: Models,
): Promise<OpenedIndex | undefined> {
  if (index === undefined) return undefined;
  const served = encoderOf(stats, models, index);
  const reranker = models.reranker?.model;
  const collection = await Collection.open(index, {
    ...(served === undefined ? {} : { encoder: served.model }),
    ...(reranker === undefined ? {} : { reranker }),
    // What a new collection has; others keep what they have.
    ...(stats === undefined ? { lexical: true } : {}),
    ...(writable ? {} : { readOnly: true, autoRefresh: true }),
  });
  return { collection, encoder: served, hasWords: stats === undefined || stats.lexical !== undefined };
}

/**
 * What the folder of the option index holds; undefined without that option, and for a folder that a writable server makes a collection of.
 *
 * Errors: ERR_FILE_NOT_FOUND, and those of Collection.open().
 */
export async function indexStats({ index: folder, writable = false }: CheckedPluginOptions): Promise<CollectionStats | undefined> {
  if (folder === undefined) return undefined;
  if (!isStored(folder)) {
    if (writable) return undefined;
    throw new SparseRerankError(
      "ERR_FILE_NOT_FOUND",
      `There is no collection in ${folder}; sparse-rerank index makes one, or writable starts an empty one.`,
    );
  }
  const collection = await Collection.open(folder, { readOnly: true });
  try {
    return await collection.stats();
  } finally {
    await collection.close();
  }
}

function encoderOf(stats: CollectionStats | undefined, models: Models, folder: string): ServedEncoder | undefined {
  const served = models.encoders;
  const known = stats?.model;
  if (known === undefined) {
    // A collection of words alone needs no model. A folder of SparseIndex may not record its model.
    const isLexical = stats?.passageOptions !== undefined || stats?.lexical !== undefined;
    return isLexical ? undefined : served[0];
  }
  const same = served.find(({ model }) =>
    isWhole(known) ? model.model.fingerprint === known.fingerprint : model.model.name === known.name,
  );
  if (same === undefined) {
    throw new SparseRerankError(
      "ERR_MODEL_MISMATCH",
      `The collection in ${folder} was made with the model ${known.name}: serve it as well (--model).`,
    );
  }
  return same;
}

/** Folders of earlier versions record only the model's name. */
function isWhole(model: NonNullable<CollectionStats["model"]>): model is CollectionModel {
  return "fingerprint" in model;
}
