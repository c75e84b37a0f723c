/** A cross-encoder of any size whose weight file is sparse: it has the size of the weights, but occupies no disk space. */

import fs from "node:fs";
import path from "node:path";

import { tensorShapes } from "../golden/tensor-shapes";

import { crossEncoder } from "./children";

export function writeHollowCheckpoint(folder: string, layers: number): void {
  fs.cpSync(crossEncoder, folder, { recursive: true });
  const file = path.join(folder, "config.json");
  const size = { hidden_size: 1024, intermediate_size: 4096, num_attention_heads: 16, num_hidden_layers: layers };
  const config = { ...(JSON.parse(fs.readFileSync(file, "utf8")) as Record<string, unknown>), ...size };
  fs.writeFileSync(file, JSON.stringify(config));
  let end = 0;
  const header = Object.fromEntries(
    Array.from(tensorShapes(config), ([name, shape]) => {
      const begin = end;
      end += 4 * shape.reduce((product, length) => product * length, 1);
      return [name, { dtype: "F32", shape, data_offsets: [begin, end] }];
    }),
  );
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  const weights = path.join(folder, "model.safetensors");
  fs.writeFileSync(weights, Buffer.concat([length, json]));
  fs.truncateSync(weights, length.length + json.length + end);
}
