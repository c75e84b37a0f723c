/** Checkpoints of any size whose weight file is sparse: it has the size of the weights, but occupies no disk space. */

import fs from "node:fs";
import path from "node:path";

import { tensorShapes } from "../golden/tensor-shapes";

import { crossEncoder, root } from "./children";

const decoder = path.join(root, "test", "data", "checkpoints", "ce-qwen3-zerank");

/** A cross-encoder in fp32. */
export function writeHollowCheckpoint(folder: string, layers: number): void {
  const size = { hidden_size: 1024, intermediate_size: 4096, num_attention_heads: 16, num_hidden_layers: layers };
  write(crossEncoder, folder, size, "F32");
}

/** A causal reranker in bf16: with 28 layers, and a vocabulary of 151,669, in the shape of Qwen3-Reranker-0.6B. */
export function writeHollowDecoder(folder: string, layers: number, vocabulary: number): void {
  const attention = { num_attention_heads: 16, num_key_value_heads: 8, head_dim: 128 };
  const size = { hidden_size: 1024, intermediate_size: 3072, ...attention, num_hidden_layers: layers, vocab_size: vocabulary };
  write(decoder, folder, { ...size, layer_types: null, max_position_embeddings: 8192 }, "BF16");
}

function write(source: string, folder: string, size: Readonly<Record<string, unknown>>, dtype: "F32" | "BF16"): void {
  fs.cpSync(source, folder, { recursive: true, filter: (file) => !file.endsWith(".safetensors") });
  const file = path.join(folder, "config.json");
  const config = { ...(JSON.parse(fs.readFileSync(file, "utf8")) as Record<string, unknown>), ...size };
  fs.writeFileSync(file, JSON.stringify(config));
  let end = 0;
  const header = Object.fromEntries(
    Array.from(tensorShapes(config), ([name, shape]) => {
      const begin = end;
      end += (dtype === "F32" ? 4 : 2) * shape.reduce((product, length) => product * length, 1);
      return [name, { dtype, shape, data_offsets: [begin, end] }];
    }),
  );
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  const weights = path.join(folder, "model.safetensors");
  fs.writeFileSync(weights, Buffer.concat([length, json]));
  fs.truncateSync(weights, length.length + json.length + end);
  if (dtype === "BF16") makeDistinct(weights, length.length + json.length, Object.values(header));
}

/** Gives each tensor another first value: ONNX Runtime keeps equal matrices once. */
function makeDistinct(file: string, start: number, tensors: readonly { readonly data_offsets: readonly number[] }[]): void {
  const descriptor = fs.openSync(file, "r+");
  const value = Buffer.alloc(2);
  for (const [
    i,
    {
      data_offsets: [begin = 0],
    },
  ] of tensors.entries()) {
    // From 2⁻⁷ on.
    value.writeUInt16LE(0x3c00 + i);
    fs.writeSync(descriptor, value, 0, value.length, start + begin);
  }
  fs.closeSync(descriptor);
}
