/** The folder that `sparse-rerank index` makes: a durable index whose payloads are the passages, and a file that names the model. */

import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";

import { SparseIndex, SparseRerankError } from "../index";
import type { SparseEncoder } from "../index";
import type { Passage } from "../retrieval/passages";

const MODEL_FILE = "model.json";

export function isStoredIndex(folder: string): boolean {
  return existsSync(path.join(folder, MODEL_FILE));
}

/** The model that a folder's passages were encoded with. */
export async function modelOf(folder: string): Promise<string> {
  const file = path.join(folder, MODEL_FILE);
  try {
    const { model } = JSON.parse(await readFile(file, "utf8")) as { readonly model?: unknown };
    if (typeof model === "string") return model;
  } catch (error) {
    throw new SparseRerankError("ERR_INDEX_CORRUPT", `${file} cannot be read; build the index again.`, { cause: error });
  }
  throw new SparseRerankError("ERR_INDEX_CORRUPT", `${file} names no model; build the index again.`);
}

/** Opens the folder to write, or makes it. Errors: ERR_INVALID_ARGUMENT when another model made it. */
export async function openToWrite(folder: string, encoder: SparseEncoder, model: string): Promise<SparseIndex> {
  if (isStoredIndex(folder)) {
    const made = await modelOf(folder);
    if (made !== model) {
      throw new SparseRerankError("ERR_INVALID_ARGUMENT", `${folder} was made with the model ${made}, not ${model}; use --model ${made}.`);
    }
  }
  const index = await SparseIndex.open(folder, { dimension: encoder.embeddingDimension });
  if (!isStoredIndex(folder)) await writeFile(path.join(folder, MODEL_FILE), `${JSON.stringify({ model })}\n`);
  return index;
}

/** A payload as a passage again. */
export function passageOf(payload: unknown, id: string): Passage {
  const { headings, text } = (typeof payload === "object" && payload !== null ? payload : {}) as Partial<Passage>;
  if (typeof text === "string" && Array.isArray(headings)) return payload as Passage;
  throw new SparseRerankError("ERR_INDEX_CORRUPT", `The document ${id} was not stored by sparse-rerank index; build the index again.`);
}
