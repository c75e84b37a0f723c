/** Folders of collections: those of `sparse-rerank index` and Collection, and those of SparseIndex, which are only read. */

import { existsSync } from "node:fs";
import { readdir, rm, rmdir, stat } from "node:fs/promises";
import path from "node:path";

import { InvalidArgumentError, Option } from "commander";
import type { Command } from "commander";

import { Collection, SparseRerankError } from "../index";
import type { CollectionStats, LexicalLanguage, LexicalOptions, SparseEncoder } from "../index";
import { LANGUAGES } from "../lexical/languages";
import { isStored } from "../sparse-index/index-folder";
import { isGiven, loadSparseEncoder, MODEL_OPTIONS, positiveInteger, refuseOptions } from "./options";
import type { ModelOptions } from "./options";
import { writeNote } from "./progress";

/** Options of the commands that make collections. */
export interface MakeOptions extends ModelOptions {
  readonly language?: LexicalLanguage;
  readonly stemming: boolean;
  readonly maxTokens?: number;
}

/** A collection and the model that encodes its documents, which are closed together. */
export interface WritableCollection extends AsyncDisposable {
  readonly collection: Collection;
}

/** Files of a collection without documents. */
const OWN_FILES = ["manifest", "lock", "model.json", "collection.json"];

/** Adds the options that only matter when a collection is made. */
export function addMakeOptions(command: Command): Command {
  return command
    .addOption(new Option("--language <name>", "language of the words of a new collection (default: english)").argParser(language))
    .option("--no-stemming", "forms of a word are different words in a new collection")
    .option(
      "--max-tokens <n>",
      "maximum tokens of a passage of a new collection (default: the model's limit, at most 512)",
      positiveInteger,
    );
}

function language(value: string): LexicalLanguage {
  const known = LANGUAGES.find((name) => name === value);
  if (known === undefined) throw new InvalidArgumentError(`It must be one of ${LANGUAGES.join(", ")}.`);
  return known;
}

/** Opens a stored collection without its model. Errors: ERR_FILE_NOT_FOUND, and those of Collection.open(). */
export async function openStored(folder: string, { readOnly }: { readonly readOnly: boolean }): Promise<Collection> {
  if (!isStored(folder)) {
    throw new SparseRerankError("ERR_FILE_NOT_FOUND", `There is no collection in ${folder}; sparse-rerank index makes one.`);
  }
  return Collection.open(folder, { readOnly });
}

/** What a folder holds; undefined if it holds no collection yet. Errors: those of Collection.open(). */
export async function storedStats(folder: string): Promise<CollectionStats | undefined> {
  if (!["manifest", "collection.json"].some((file) => existsSync(path.join(folder, file)))) return undefined;
  await using collection = await Collection.open(folder, { readOnly: true });
  return await collection.stats();
}

/** Whether these are the statistics of a folder of SparseIndex. */
export function isPlain({ passageOptions, lexical }: CollectionStats): boolean {
  return passageOptions === undefined && lexical === undefined;
}

/**
 * Opens the collection in a folder to add documents, with the model that it records, or creates it.
 *
 * Errors: ERR_INVALID_ARGUMENT (a file), ERR_NOT_SUPPORTED (a folder of SparseIndex), and those of Collection.open().
 */
export async function openToWrite(command: Command, folder: string, options: MakeOptions): Promise<WritableCollection> {
  const status = await stat(folder).catch(() => undefined);
  if (status?.isDirectory() === false || folder === ":memory:") {
    const what = folder === ":memory:" ? "no folder" : "a file";
    throw new SparseRerankError(
      "ERR_INVALID_ARGUMENT",
      `${folder} is ${what}; pass the folder of the collection, which is created if it does not exist.`,
    );
  }
  const found = await storedStats(folder);
  // A crash while a collection is created leaves an empty index.
  const stats = found !== undefined && isPlain(found) && found.passages === 0 ? undefined : found;
  if (stats !== undefined && isPlain(stats)) {
    throw new SparseRerankError(
      "ERR_NOT_SUPPORTED",
      `${folder} holds an index of SparseIndex or of an earlier version, which can be searched but not added to; index the source into a new folder.`,
    );
  }
  const encoder = await loadWriter(command, folder, stats, options);
  const lexical = lexicalOptions(stats, options);
  try {
    const collection = await Collection.open(folder, {
      ...(encoder === undefined ? {} : { encoder }),
      ...(lexical === undefined ? {} : { lexical }),
      ...(options.maxTokens === undefined ? {} : { passages: { maxTokens: options.maxTokens } }),
    });
    return {
      collection,
      async [Symbol.asyncDispose]() {
        await collection.close();
        await encoder?.close();
      },
    };
  } catch (error) {
    await encoder?.close();
    throw error;
  }
}

/** The model that encodes documents for a collection. */
async function loadWriter(
  command: Command,
  folder: string,
  stats: CollectionStats | undefined,
  options: MakeOptions,
): Promise<SparseEncoder | undefined> {
  if (stats === undefined) return loadSparseEncoder(options);
  const { model } = stats;
  if (model === undefined) {
    refuseOptions(command, MODEL_OPTIONS, `has no effect: ${folder} is a collection without vectors`);
    return undefined;
  }
  const dtype = options.dtype ?? ("dtype" in model ? model.dtype : undefined);
  const name = isGiven(command, "model") ? options.model : model.name;
  return loadSparseEncoder({ ...options, model: name, ...(dtype === undefined ? {} : { dtype }) });
}

/** Undefined for what the collection records. */
function lexicalOptions(stats: CollectionStats | undefined, options: MakeOptions): LexicalOptions | undefined {
  const { language, stemming } = options;
  if (stats === undefined) return { stemming, ...(language === undefined ? {} : { language }) };
  if (language === undefined && stemming) return undefined;
  // The statistics of a collection without a function as its analyzer, which the command line cannot open.
  const known = stats.lexical as LexicalOptions | undefined;
  return { ...known, stemming, ...(language === undefined ? {} : { language }) };
}

/**
 * The model that queries of a stored collection are encoded with: the one that it records.
 *
 * Errors: ERR_INVALID_ARGUMENT (none is recorded), ERR_MODEL_MISMATCH, ERR_NOT_SUPPORTED (there are no vectors).
 */
export function modelToLoad(command: Command, folder: string, stats: CollectionStats, options: ModelOptions): string {
  const { model } = stats;
  if (model === undefined) {
    if (!isPlain(stats)) throw new SparseRerankError("ERR_NOT_SUPPORTED", `${folder} has no vectors; search it with --lexical.`);
    if (isGiven(command, "model")) return options.model;
    throw new SparseRerankError(
      "ERR_INVALID_ARGUMENT",
      `${folder} does not record which model it was built with; specify it with --model.`,
    );
  }
  if (!isGiven(command, "model") || options.model === model.name) return model.name;
  const made = `${folder} was built with the model ${model.name}`;
  if (!("fingerprint" in model)) throw new SparseRerankError("ERR_MODEL_MISMATCH", `${made}; queries need the same one.`);
  // The same model may have a different name or path now, so the collection compares fingerprints of the weights.
  writeNote(`${made}; ${options.model} must be the same`);
  return options.model;
}

/** Removes the empty collection that openToWrite() created. */
export async function removeEmpty(folder: string, existed: boolean): Promise<void> {
  const own = (await readdir(folder)).filter((name) => OWN_FILES.includes(name));
  await Promise.all(own.map((name) => rm(path.join(folder, name), { force: true })));
  if (!existed) await rmdir(folder).catch(() => undefined);
}
