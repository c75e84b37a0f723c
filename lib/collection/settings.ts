/** What a collection records about how its passages were made: searches and later documents must agree with it. */

import path from "node:path";

import { readStoredText, writeStoredText } from "../core/stored-text";
import { SparseRerankError } from "../errors";
import { LANGUAGES } from "../lexical/languages";
import { checkLexicalOptions, lexicalSettings } from "../lexical/options";
import type { CheckedLexicalOptions, LexicalOptions, LexicalSettings } from "../lexical/options";
import type { SparseEncoder } from "../sparse-encoder";
import { COLLECTION_FILE } from "../sparse-index/index-folder";
import type { CollectionModel, PassageOptions } from "./types";

export interface CollectionSettings {
  /** Absent for a collection without vectors. */
  readonly model?: CollectionModel;
  /** Absent for a collection without vectors, whose documents are not cut. */
  readonly passages?: Required<PassageOptions>;
  readonly lexical?: LexicalSettings;
}

const FORMAT = 1;
/** Longer passages blur what a vector says, and are too long to show. */
const MAX_DEFAULT_TOKENS = 512;

export function modelOfEncoder({ model, dtype }: SparseEncoder): CollectionModel {
  return { ...model, dtype };
}

/** The settings of a new collection. */
export function newSettings(
  encoder: SparseEncoder | undefined,
  passages: PassageOptions,
  lexical: CheckedLexicalOptions | undefined,
): CollectionSettings {
  return {
    ...(encoder === undefined
      ? {}
      : {
          model: modelOfEncoder(encoder),
          passages: { maxTokens: Math.min(encoder.maxSeqLength, MAX_DEFAULT_TOKENS), overlap: 0, ...passages },
        }),
    ...(lexical === undefined ? {} : { lexical: lexicalSettings(lexical) }),
  };
}

/**
 * The settings of the collection in a folder; undefined if none are recorded.
 *
 * Errors: ERR_FILE_UNREADABLE, ERR_INDEX_CORRUPT, ERR_INDEX_VERSION.
 */
export async function readSettings(folder: string): Promise<CollectionSettings | undefined> {
  const file = path.join(folder, COLLECTION_FILE);
  const text = await readStoredText(file);
  return text === undefined ? undefined : parseSettings(text, file);
}

/** Errors: ERR_FILE_UNWRITABLE. */
export function writeSettings(folder: string, settings: CollectionSettings): Promise<void> {
  return writeStoredText(path.join(folder, COLLECTION_FILE), `${JSON.stringify({ format: FORMAT, ...settings }, undefined, 2)}\n`);
}

/** Errors: ERR_MODEL_MISMATCH, naming both models. @param readOnly queries may be encoded with another dtype of the same weights */
export function requireModel(recorded: CollectionSettings, encoder: SparseEncoder, readOnly: boolean): void {
  const given = modelOfEncoder(encoder);
  const { model } = recorded;
  const remedy = "open the collection with that model, or create another one with migrate()";
  if (model === undefined) {
    throw new SparseRerankError("ERR_MODEL_MISMATCH", `The collection has no vectors, and the encoder is ${given.name}; ${remedy}.`);
  }
  if (model.fingerprint === given.fingerprint && (readOnly || model.dtype === given.dtype)) return;
  throw new SparseRerankError(
    "ERR_MODEL_MISMATCH",
    `The collection was made with ${describe(model)}, and the encoder is ${describe(given)}; ${remedy}.`,
  );
}

/** Errors: ERR_SETTINGS_MISMATCH: the model would cut off the end of the collection's passages. */
export function requireReadable(recorded: CollectionSettings, { maxSeqLength }: SparseEncoder): void {
  const maxTokens = recorded.passages?.maxTokens ?? 0;
  if (maxTokens <= maxSeqLength) return;
  throw new SparseRerankError(
    "ERR_SETTINGS_MISMATCH",
    `The collection was created with passages.maxTokens = ${maxTokens}, and the encoder reads ${maxSeqLength} tokens; load the model with a maxSeqLength of at least ${maxTokens}.`,
  );
}

/**
 * Requires of what a folder records by now that searches still agree with it.
 *
 * Errors: ERR_MODEL_MISMATCH, ERR_SETTINGS_MISMATCH.
 */
export function requireSameSettings(known: CollectionSettings | undefined, found: CollectionSettings | undefined, folder: string): void {
  if ((known === undefined) !== (found === undefined)) {
    const what = found === undefined ? "no collection" : "a collection";
    throw new SparseRerankError("ERR_SETTINGS_MISMATCH", `${folder} was replaced and holds ${what} by now; open it again.`);
  }
  if (known?.model?.fingerprint !== found?.model?.fingerprint) {
    const models = [known, found].map((settings) => (settings?.model === undefined ? "no model" : describe(settings.model)));
    const problem = `${folder} was replaced: it was made with ${models[0] ?? ""}, and is now of ${models[1] ?? ""}; open it again.`;
    throw new SparseRerankError("ERR_MODEL_MISMATCH", problem);
  }
  for (const name of ["language", "stemming", "stopWords"] as const) {
    if (known?.lexical?.[name] !== found?.lexical?.[name])
      throw mismatch(`lexical.${name}`, found?.lexical?.[name], known?.lexical?.[name]);
  }
}

/** Errors: ERR_SETTINGS_MISMATCH, naming both values. */
export function requirePassages(recorded: CollectionSettings, given: PassageOptions): void {
  for (const [name, value] of Object.entries(given) as [keyof PassageOptions, number | undefined][]) {
    const known = recorded.passages?.[name];
    if (value !== undefined && value !== known) throw mismatch(`passages.${name}`, known, value);
  }
}

/**
 * The analysis of a collection's lexical side: that of `given`, which must be the recorded one, or the recorded one by itself.
 *
 * Errors: ERR_INVALID_ARGUMENT, ERR_NOT_SUPPORTED, ERR_SETTINGS_MISMATCH (naming both values).
 */
export function requireLexical(recorded: CollectionSettings, given: true | LexicalOptions | undefined): CheckedLexicalOptions | undefined {
  const { lexical } = recorded;
  if (lexical === undefined) {
    if (given !== undefined) throw mismatch("lexical", undefined, true);
    return undefined;
  }
  const { k1, b, language, stemming } = lexical;
  if (given === undefined || given === true) {
    if (language === "custom") throw mismatch("lexical.analyzer", "a function", undefined);
    const choices = [{ stopWords: false }, {}];
    const [found] = choices
      .map((choice) => checkLexicalOptions({ k1, b, language, ...(stemming === undefined ? {} : { stemming }), ...choice }))
      .filter((checked) => lexicalSettings(checked).stopWords === lexical.stopWords);
    if (found === undefined) throw mismatch("lexical.stopWords", "a list of its own", undefined);
    return found;
  }
  const checked = checkLexicalOptions(given);
  const settings = lexicalSettings(checked);
  // The version of Unicode is that of Node: another one cuts nearly all words the same way.
  for (const name of ["language", "stemming", "stopWords", "k1", "b"] as const) {
    if (settings[name] !== lexical[name]) throw mismatch(`lexical.${name}`, lexical[name], settings[name]);
  }
  return checked;
}

function describe({ name, revision, dtype, fingerprint }: CollectionModel): string {
  return `${name} (${revision === undefined ? "" : `revision ${revision.slice(0, 12)}, `}dtype ${dtype}, fingerprint ${fingerprint.slice(0, 12)})`;
}

function mismatch(name: string, recorded: Shown, given: Shown): SparseRerankError {
  return new SparseRerankError(
    "ERR_SETTINGS_MISMATCH",
    `The collection was created with ${name} = ${shown(recorded)}, not ${shown(given)}; open it as it was created, or create another one with migrate().`,
  );
}

type Shown = string | number | boolean | undefined;

function shown(value: Shown): string {
  return value === undefined ? "nothing" : String(value);
}

function parseSettings(text: string, file: string): CollectionSettings {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  const { format, model, passages, lexical } = recordOf(json) ?? {};
  if (typeof format === "number" && format > FORMAT) {
    throw new SparseRerankError("ERR_INDEX_VERSION", `${file} has format ${format}; this release reads up to ${FORMAT}.`);
  }
  const isWhole = isModel(model) && isPassages(passages) && isLexical(lexical);
  const isComplete = (model === undefined) === (passages === undefined) && (model ?? lexical) !== undefined;
  if (format === FORMAT && isWhole && isComplete) {
    return {
      ...(model === undefined ? {} : { model }),
      ...(passages === undefined ? {} : { passages }),
      ...(lexical === undefined ? {} : { lexical }),
    };
  }
  throw new SparseRerankError("ERR_INDEX_CORRUPT", `${file} does not hold a collection's settings; restore it from a backup.`);
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
}

function isModel(value: unknown): value is CollectionModel | undefined {
  if (value === undefined) return true;
  const { name, fingerprint, revision, dtype } = recordOf(value) ?? {};
  return [name, fingerprint, dtype, revision ?? ""].every((field) => typeof field === "string");
}

function isPassages(value: unknown): value is Required<PassageOptions> | undefined {
  if (value === undefined) return true;
  const { maxTokens, overlap } = recordOf(value) ?? {};
  return Number.isInteger(maxTokens) && (maxTokens as number) > 0 && typeof overlap === "number" && overlap >= 0 && overlap < 1;
}

function isLexical(value: unknown): value is LexicalSettings | undefined {
  if (value === undefined) return true;
  const { k1, b, language, stemming, stopWords, unicode } = recordOf(value) ?? {};
  return (
    isBm25(k1, b) &&
    (language === "custom" || (LANGUAGES as readonly unknown[]).includes(language)) &&
    (stemming === undefined || typeof stemming === "boolean") &&
    [stopWords ?? "", unicode ?? ""].every((field) => typeof field === "string")
  );
}

function isBm25(k1: unknown, b: unknown): boolean {
  if (typeof k1 !== "number" || typeof b !== "number") return false;
  try {
    checkLexicalOptions({ k1, b });
    return true;
  } catch {
    return false;
  }
}
