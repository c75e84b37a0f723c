/** Which model made a vector, and which one an index is of, so that two are not mixed. */

import { writeFile } from "node:fs/promises";
import path from "node:path";

import { readSmallFile } from "../core/regular-file";
import { replaceFile } from "../core/replace-file";
import { reasonOf } from "../core/system-reason";
import { invalid } from "../core/validate";
import { SparseRerankError } from "../errors";

export interface ModelIdentity {
  /** A hub name, that of an embedded model, or the absolute path of a folder: what load() takes. */
  readonly name: string;
  /** Hexadecimal digits that are the same for the same weights, wherever they are. */
  readonly fingerprint: string;
}

/** A model as an index knows it: folders of version 0.1 have its name alone. */
export type KnownModel = Pick<ModelIdentity, "name"> & Partial<ModelIdentity>;

/** A SparseEncoder: what an index needs to know of it. */
export interface IndexEncoder {
  readonly embeddingDimension: number;
  readonly model: ModelIdentity;
}

/** Apart from the vectors, whose fields are frozen. */
const MODELS = new WeakMap<object, ModelIdentity>();
const FILE = "model.json";
const MAX_FILE_BYTES = 65_536;

/** Notes the model of a vector or a matrix. Copies, JSON and structuredClone have no model. */
export function markModel<T extends object>(vectors: T, model: ModelIdentity | undefined): T {
  if (model !== undefined) MODELS.set(vectors, model);
  return vectors;
}

/** The model that made a vector or a matrix, where it is known. */
export function modelOf(vectors: object): ModelIdentity | undefined {
  return MODELS.get(vectors);
}

/** Errors: ERR_MODEL_MISMATCH. */
export function requireSameModel(known: KnownModel, model: ModelIdentity, what: string): void {
  if (known.fingerprint === undefined || known.fingerprint === model.fingerprint) return;
  throw new SparseRerankError(
    "ERR_MODEL_MISMATCH",
    `${what} is of the model ${model.name}, and the index of ${known.name}${known.name === model.name ? ", which has changed" : ""}; ` +
      "use one model for documents and queries, or build the index again.",
  );
}

/** Errors: ERR_INVALID_ARGUMENT. */
export function checkEncoder(encoder: IndexEncoder): IndexEncoder {
  const { embeddingDimension, model } = Object(encoder) as Partial<IndexEncoder>;
  if (typeof embeddingDimension === "number" && typeof model?.name === "string" && typeof model.fingerprint === "string") return encoder;
  throw invalid("encoder", encoder, "a SparseEncoder");
}

/** The model of the index in a folder; undefined when none is noted there. Errors: ERR_FILE_UNREADABLE, ERR_INDEX_CORRUPT. */
export async function readModelFile(folder: string): Promise<KnownModel | undefined> {
  const file = path.join(folder, FILE);
  let text: string | undefined;
  try {
    text = await readSmallFile(file, MAX_FILE_BYTES);
  } catch (cause) {
    if (cause instanceof SparseRerankError) throw cause;
    throw new SparseRerankError("ERR_FILE_UNREADABLE", `Cannot read ${file}: ${reasonOf(cause)}.`, { cause });
  }
  if (text === undefined) return undefined;
  const { model, fingerprint } = parseObject(text);
  if (typeof model === "string" && model !== "" && (fingerprint === undefined || typeof fingerprint === "string")) {
    return { name: model, ...(fingerprint === undefined ? {} : { fingerprint }) };
  }
  throw new SparseRerankError("ERR_INDEX_CORRUPT", `${file} names no model; restore it from a copy, or build the index again.`);
}

/** Errors: ERR_FILE_UNWRITABLE. */
export async function writeModelFile(folder: string, { name, fingerprint }: ModelIdentity): Promise<void> {
  const file = path.join(folder, FILE);
  try {
    const text = `${JSON.stringify({ model: name, fingerprint })}\n`;
    await replaceFile(file, (temporary) => writeFile(temporary, text, { flush: true }));
  } catch (cause) {
    throw new SparseRerankError("ERR_FILE_UNWRITABLE", `Cannot write ${file}: ${reasonOf(cause)}.`, { cause });
  }
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  try {
    return Object(JSON.parse(text)) as Readonly<Record<string, unknown>>;
  } catch {
    return {};
  }
}
