/** Opens a collection: checks its options against what the folder records. */

import { readdir } from "node:fs/promises";
import path from "node:path";

import { invalid, requireMethod, requirePath, requirePositiveInteger, requireRecord } from "../core/validate";
import type { CrossEncoder } from "../cross-encoder";
import { SparseRerankError } from "../errors";
import { createAnalyzer } from "../lexical/analyzer";
import type { Analyzer } from "../lexical/analyzer";
import { checkLexicalOptions } from "../lexical/options";
import type { CheckedLexicalOptions } from "../lexical/options";
import { withCancel } from "../native/cancellation";
import type { NativeIndex } from "../native/contract";
import { native } from "../native/load";
import { optional } from "../retrieval/retriever";
import type { SparseEncoder } from "../sparse-encoder";
import { COLLECTION_FILE, requireIndexFolder } from "../sparse-index/index-folder";
import { checkEncoder, readModelFile, requireSameModel, writeModelFile } from "../sparse-index/model-identity";
import type { KnownModel } from "../sparse-index/model-identity";
import { requireDimension } from "../sparse-ops";
import { firstPassageFilter } from "./record";
import { newSettings, readSettings, requireLexical, requireModel, requirePassages, requireReadable, writeSettings } from "./settings";
import type { CollectionSettings } from "./settings";
import type { CollectionOptions, PassageOptions } from "./types";

export interface OpenedCollection {
  readonly index: NativeIndex;
  /** Undefined for a folder of SparseIndex. */
  readonly settings: CollectionSettings | undefined;
  /** What a folder of SparseIndex records. */
  readonly legacyModel: KnownModel | undefined;
  readonly encoder: SparseEncoder | undefined;
  readonly analyzer: Analyzer | undefined;
  readonly reranker: CrossEncoder | undefined;
  readonly readOnly: boolean;
  readonly autoRefresh: boolean;
  /** Undefined in memory. */
  readonly folder: string | undefined;
}

const OPTIONS = ["encoder", "reranker", "lexical", "passages", "readOnly", "autoRefresh"];
export const MEMORY = ":memory:";

/** Errors: those of Collection.open(). */
export async function openCollection(given: string, options: CollectionOptions): Promise<OpenedCollection> {
  requirePath(given, "path");
  checkOptions(options);
  if (given === MEMORY) return createInMemory(options);
  // Later changes and refreshes find the folder also from another working directory.
  const folder = path.resolve(given);
  const entries = await readdir(folder).catch((): string[] => []);
  const recorded = await readSettings(folder);
  const hasIndex = entries.includes("manifest");
  if (recorded !== undefined && !hasIndex) {
    throw new SparseRerankError(
      "ERR_INDEX_CORRUPT",
      `${folder} has the settings of a collection, but no manifest of an index; restore the folder from a backup.`,
    );
  }
  if (recorded !== undefined) return openRecorded(folder, options, recorded);
  return hasIndex || options.readOnly === true ? openPlain(folder, options) : create(folder, options);
}

function createInMemory(options: CollectionOptions): OpenedCollection {
  if (options.readOnly === true) throw invalid("readOnly", true, 'absent with ":memory:", which is a new collection');
  const { settings, lexical, dimension } = newCollection(options);
  const { k1, b } = lexical ?? {};
  const analyzer = lexical && createAnalyzer(lexical);
  const index = new (native().Index)(dimension, k1 === undefined || b === undefined ? undefined : { k1, b });
  return opened(options, { index, settings, analyzer, folder: undefined });
}

async function create(folder: string, options: CollectionOptions): Promise<OpenedCollection> {
  const { settings, lexical, dimension } = newCollection(options);
  const analyzer = lexical && createAnalyzer(lexical);
  await requireIndexFolder(folder);
  const index = await withCancel(undefined, () =>
    native().openIndex(folder, { dimension, ...optional("lexical", lexical && { k1: lexical.k1, b: lexical.b }) }),
  );
  // The folder is locked now. Another writer may have created the collection before that.
  const recorded = await closedOnError(index, () => readSettings(folder));
  if (recorded !== undefined) {
    await index.dispose();
    return openRecorded(folder, options, recorded);
  }
  return closedOnError(index, async () => {
    // A crash leaves an empty index without settings, which is created again.
    const { model } = settings;
    if (model !== undefined) await writeModelFile(folder, model);
    await writeSettings(folder, settings);
    return opened(options, { index, settings, analyzer, folder });
  });
}

async function openRecorded(folder: string, options: CollectionOptions, settings: CollectionSettings): Promise<OpenedCollection> {
  const { encoder, readOnly = false } = options;
  if (encoder !== undefined) {
    requireModel(settings, encoder, readOnly);
    if (!readOnly) requireReadable(settings, encoder);
  }
  requirePassages(settings, options.passages ?? {});
  const lexical = requireLexical(settings, options.lexical);
  const analyzer = lexical && createAnalyzer(lexical);
  const index = await withCancel(undefined, () =>
    native().openIndex(folder, { readOnly, ...optional("lexical", lexical && { k1: lexical.k1, b: lexical.b }) }),
  );
  return closedOnError(index, () => {
    if (encoder !== undefined && index.dimension() !== encoder.embeddingDimension) {
      throw new SparseRerankError(
        "ERR_INDEX_CORRUPT",
        `${folder} holds vectors of ${index.dimension()} dimensions, and its model has ${encoder.embeddingDimension}; restore it from a backup.`,
      );
    }
    return opened(options, { index, settings, analyzer, folder });
  });
}

/** A folder of SparseIndex, or one whose creation a crash ended. */
async function openPlain(folder: string, options: CollectionOptions): Promise<OpenedCollection> {
  const { encoder, lexical, passages, readOnly = false } = options;
  const index = await withCancel(undefined, () => native().openIndex(folder, { readOnly }));
  await closedOnError(index, () => requireNoPassages(index, folder));
  const isEmpty = index.stats().documents === 0;
  if (isEmpty && !readOnly) {
    await index.dispose();
    return create(folder, options);
  }
  return closedOnError(index, async () => {
    const unused = lexical !== undefined ? "lexical" : passages !== undefined ? "passages" : undefined;
    if (unused !== undefined) {
      throw new SparseRerankError(
        "ERR_NOT_SUPPORTED",
        `${folder} holds an index of SparseIndex, which cannot have the option ${unused}; migrate() makes a collection of it.`,
      );
    }
    const legacyModel = await readModelFile(folder);
    if (encoder !== undefined) {
      if (legacyModel !== undefined) requireSameModel(legacyModel, encoder.model, "The encoder");
      if (index.dimension() !== encoder.embeddingDimension) {
        throw new SparseRerankError(
          "ERR_DIMENSION_MISMATCH",
          `${folder} holds vectors of ${index.dimension()} dimensions, not ${encoder.embeddingDimension}; another model made it.`,
        );
      }
    }
    return opened(options, { index, settings: undefined, analyzer: undefined, folder, legacyModel });
  });
}

/** Errors: ERR_INDEX_CORRUPT: the folder is a collection's, without its settings. */
async function requireNoPassages(index: NativeIndex, folder: string): Promise<void> {
  const snapshot = index.snapshot();
  const passages = await snapshot.count(firstPassageFilter()).finally(() => {
    snapshot.dispose();
  });
  if (passages === 0) return;
  throw new SparseRerankError(
    "ERR_INDEX_CORRUPT",
    `${path.join(folder, COLLECTION_FILE)} is missing: the index is that of a collection, whose settings it holds; restore it from a backup.`,
  );
}

function newCollection(options: CollectionOptions): {
  readonly settings: CollectionSettings;
  readonly lexical: CheckedLexicalOptions | undefined;
  readonly dimension: number;
} {
  const { encoder, passages = {}, lexical: given } = options;
  const lexical = given === undefined ? undefined : checkLexicalOptions(given === true ? {} : given);
  if (encoder === undefined) {
    if (lexical === undefined) {
      throw new SparseRerankError("ERR_INVALID_ARGUMENT", "A new collection needs an encoder, a lexical side, or both.");
    }
    if (options.passages !== undefined) throw invalid("passages", passages, "absent without an encoder, whose tokens they are counted in");
  } else if (passages.maxTokens !== undefined && passages.maxTokens > encoder.maxSeqLength) {
    throw invalid("passages.maxTokens", passages.maxTokens, `at most ${encoder.maxSeqLength}, the model's limit`);
  }
  return { settings: newSettings(encoder, passages, lexical), lexical, dimension: encoder?.embeddingDimension ?? 1 };
}

function opened(
  { encoder, reranker, readOnly = false, autoRefresh = false }: CollectionOptions,
  parts: Pick<OpenedCollection, "index" | "settings" | "analyzer" | "folder"> & { readonly legacyModel?: KnownModel | undefined },
): OpenedCollection {
  return { legacyModel: undefined, ...parts, encoder, reranker, readOnly, autoRefresh };
}

async function closedOnError<T>(index: NativeIndex, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    await index.dispose();
    throw error;
  }
}

function checkOptions(options: CollectionOptions): void {
  requireRecord(options, "options", OPTIONS);
  const { encoder, reranker, lexical, passages, readOnly, autoRefresh } = options;
  if (encoder !== undefined) {
    checkEncoder(encoder);
    requireMethod(encoder, "encodeDocument", "encoder", "a SparseEncoder");
    requireDimension(encoder.embeddingDimension);
  }
  if (reranker !== undefined) {
    requireMethod(reranker, "predict", "reranker", "a CrossEncoder");
    if (reranker.numLabels !== 1) {
      throw new SparseRerankError("ERR_INVALID_ARGUMENT", `The reranker must have one label; this model has ${reranker.numLabels}.`);
    }
  }
  for (const [name, value] of Object.entries({ readOnly, autoRefresh })) {
    if (value !== undefined && typeof value !== "boolean") throw invalid(name, value, "a boolean");
  }
  if (autoRefresh === true && readOnly !== true)
    throw invalid("autoRefresh", autoRefresh, "absent without readOnly: a writer sees its own changes");
  if (lexical !== undefined && lexical !== true) checkLexicalOptions(lexical);
  if (passages !== undefined) checkPassages(passages);
}

function checkPassages(passages: PassageOptions): void {
  requireRecord(passages, "passages", ["maxTokens", "overlap"]);
  const { maxTokens, overlap } = passages;
  if (maxTokens !== undefined) requirePositiveInteger(maxTokens, "passages.maxTokens");
  if (overlap !== undefined && (typeof overlap !== "number" || !(overlap >= 0 && overlap < 1))) {
    throw invalid("passages.overlap", overlap, "a number of at least 0 and below 1");
  }
}
