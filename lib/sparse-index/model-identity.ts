/** Identifies the model that produced a vector or an index, so that two models are not mixed. */

import path from "node:path";

import { readStoredText, writeStoredText } from "../core/stored-text";
import { invalid } from "../core/validate";
import { SparseRerankError } from "../errors";

export interface ModelIdentity {
  /** What load() accepts: a hub name, the name of an embedded model, or the absolute path of a folder. */
  readonly name: string;
  /** Hexadecimal digits, equal for equal weights wherever they are stored. */
  readonly fingerprint: string;
  /** The commit of the hub's repository, if the model came from the hub. */
  readonly revision?: string;
}

/** The model that an index records: folders written by version 0.1 have only its name. */
export type KnownModel = Pick<ModelIdentity, "name"> & Partial<ModelIdentity>;

/** The part of a SparseEncoder that an index needs. */
export interface IndexEncoder {
  readonly embeddingDimension: number;
  readonly model: ModelIdentity;
}

/** Kept outside the vectors, whose fields are frozen. */
const MODELS = new WeakMap<object, ModelIdentity>();
const FILE = "model.json";

/** Records the model of a vector or a matrix. Copies, JSON and structuredClone do not carry it. */
export function markModel<T extends object>(vectors: T, model: ModelIdentity | undefined): T {
  if (model !== undefined) MODELS.set(vectors, model);
  return vectors;
}

/** The model that produced a vector or a matrix, if known. */
export function modelOf(vectors: object): ModelIdentity | undefined {
  return MODELS.get(vectors);
}

/** Errors: ERR_MODEL_MISMATCH. */
export function requireSameModel(known: KnownModel, model: ModelIdentity, what: string): void {
  if (known.fingerprint === undefined || known.fingerprint === model.fingerprint) return;
  throw new SparseRerankError(
    "ERR_MODEL_MISMATCH",
    `${what} was built with the model ${model.name}, and the index with ${known.name}${known.name === model.name ? ", which has changed" : ""}; ` +
      "use the same model for documents and queries, or rebuild the index.",
  );
}

/** Errors: ERR_INVALID_ARGUMENT. */
export function checkEncoder(encoder: IndexEncoder): IndexEncoder {
  const { embeddingDimension, model } = Object(encoder) as Partial<IndexEncoder>;
  if (typeof embeddingDimension === "number" && typeof model?.name === "string" && typeof model.fingerprint === "string") return encoder;
  throw invalid("encoder", encoder, "a SparseEncoder");
}

/** The model of the index in a folder; undefined if none is recorded. Errors: ERR_FILE_UNREADABLE, ERR_INDEX_CORRUPT. */
export async function readModelFile(folder: string): Promise<KnownModel | undefined> {
  const file = path.join(folder, FILE);
  const text = await readStoredText(file);
  if (text === undefined) return undefined;
  const { model, fingerprint } = parseObject(text);
  if (typeof model === "string" && model !== "" && (fingerprint === undefined || typeof fingerprint === "string")) {
    return { name: model, ...(fingerprint === undefined ? {} : { fingerprint }) };
  }
  throw new SparseRerankError("ERR_INDEX_CORRUPT", `${file} names no model; restore it from a backup, or rebuild the index.`);
}

/** Errors: ERR_FILE_UNWRITABLE. */
export function writeModelFile(folder: string, { name, fingerprint }: ModelIdentity): Promise<void> {
  return writeStoredText(path.join(folder, FILE), `${JSON.stringify({ model: name, fingerprint })}\n`);
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  try {
    return Object(JSON.parse(text)) as Readonly<Record<string, unknown>>;
  } catch {
    return {};
  }
}
