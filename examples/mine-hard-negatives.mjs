// Mines hard negatives for training, as JSONL on standard output:  node examples/mine-hard-negatives.mjs [PAIRS.jsonl]
import fs from "node:fs";
import path from "node:path";

import { mineHardNegatives, SparseEncoder } from "sparse-rerank";

const [file = path.join(import.meta.dirname, "data", "pairs.jsonl")] = process.argv.slice(2);
const pairs = fs
  .readFileSync(file, "utf8")
  .split("\n")
  .filter((line) => line !== "")
  .map((line) => JSON.parse(line));

const encoder = await SparseEncoder.load("splade-tiny");
const { rows, statistics } = await mineHardNegatives(pairs, { encoder, negatives: 1, relativeMargin: 0.05, outputScores: true });
for (const row of rows) console.log(JSON.stringify(row));
console.error(`${statistics.negatives} negatives for ${statistics.queries} queries`);
