/** Reads the weights in the table of a SparseStaticEmbedding. */

import { SparseRerankError } from "../errors";
import { readExactly, withFile } from "./checkpoint-files";
import { describe, field, invalidField, readJsonObject } from "./json-fields";
import type { StaticRoute, TensorDtype, TensorInfo } from "./types";

/** The vocabulary of a tokenizer. */
export interface Tokens {
  /** Highest id + 1. */
  readonly vocabularySize: number;
  /** Highest id without added tokens + 1. */
  readonly ordinarySize: number;
  token(id: number): string | undefined;
}

/**
 * The weight of each id: the elements of the tensor, or for a JSON table one weight per id of `tokens`.
 * @throws ERR_INVALID_WEIGHTS (a weight that is not finite), ERR_INVALID_CONFIG, ERR_FILE_NOT_FOUND, ERR_FILE_UNREADABLE
 */
export async function readStaticWeights({ weights }: StaticRoute, tokens: Tokens): Promise<Float32Array> {
  const table = "tensor" in weights ? await readTensor(weights.tensor) : await readJsonTable(weights.json, tokens);
  const bad = table.findIndex((weight) => !Number.isFinite(weight));
  if (bad < 0) return table;
  const file = "tensor" in weights ? weights.tensor.file : weights.json;
  throw new SparseRerankError(
    "ERR_INVALID_WEIGHTS",
    `${file}: the weight of token ${bad} (${describe(tokens.token(bad))}) is not a finite number.`,
  );
}

async function readTensor(tensor: TensorInfo): Promise<Float32Array> {
  const bytes = await withFile(tensor.file, (file) => readExactly(file, tensor.offset, tensor.byteLength));
  const read = READERS[tensor.dtype];
  if (bytes === undefined || read === undefined) throw missing(tensor.file);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return Float32Array.from({ length: tensor.shape[0] ?? 0 }, (_, i) => read(view, i));
}

/** Read the i-th element as a number. */
const READERS: Partial<Record<TensorDtype, (view: DataView, i: number) => number>> = {
  F64: (view, i) => view.getFloat64(i * 8, true),
  F32: (view, i) => view.getFloat32(i * 4, true),
  F16: (view, i) => widenHalf(view.getUint16(i * 2, true)),
  // The upper half of an fp32 number.
  BF16: (view, i) => new Float32Array(Uint32Array.of(view.getUint16(i * 2, true) << 16).buffer)[0] ?? NaN,
};

function widenHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (0x400 + fraction) * 2 ** (exponent - 25);
}

/**
 * Reads a JSON object from tokens to weights. Tokens that are not in the vocabulary are ignored; those that are not in the table get the
 * weight 0. The result ends before trailing added tokens without a weight.
 */
async function readJsonTable(file: string, tokens: Tokens): Promise<Float32Array> {
  const table = await readJsonObject(file);
  if (table === undefined) throw missing(file);
  let size = tokens.ordinarySize;
  const weights = Float32Array.from({ length: tokens.vocabularySize }, (_, id) => {
    const name = tokens.token(id);
    const weight = name === undefined ? undefined : field(table, name);
    if (name === undefined || weight === undefined) return 0;
    if (typeof weight !== "number") throw invalidField(table, name, "a number");
    size = Math.max(size, id + 1);
    return weight;
  });
  return weights.slice(0, size);
}

function missing(file: string): SparseRerankError {
  return new SparseRerankError(
    "ERR_FILE_NOT_FOUND",
    `${file} is missing, but the query side of the model needs it. Download the model again.`,
  );
}
