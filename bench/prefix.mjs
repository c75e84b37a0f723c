// Reranking by a causal model with and without the shared prefix, alternating, on random weights of Qwen3-Reranker-0.6B's shape:
// node bench/prefix.mjs [--dtype int8] [--layers 28] [--documents 10] [--rounds 3]
// Without: every pair is a call of its own, so that nothing is shared; the calls run at once, on the same threads. The figures are minima.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";

import { CrossEncoder } from "../dist/index.mjs";
import { QWEN3_06B, writeDecoder } from "./decoder-checkpoint.mjs";
import { describeMachine } from "./machine.mjs";

const { values } = parseArgs({
  options: {
    dtype: { type: "string", default: "int8" },
    layers: { type: "string", default: "28" },
    documents: { type: "string", default: "10" },
    rounds: { type: "string", default: "3" },
  },
});

/** Tokens of prefix and rest. */
const CASES = [
  [200, 200],
  [100, 200],
  [300, 100],
];

const folder = path.join(os.tmpdir(), `sparse-rerank-bench-qwen3-${values.layers}`);
if (!fs.existsSync(path.join(folder, "written"))) {
  writeDecoder(folder, { ...QWEN3_06B, layers: Number(values.layers) });
  fs.writeFileSync(path.join(folder, "written"), "");
}
const begin = performance.now();
const encoder = await CrossEncoder.load(folder, { dtype: values.dtype, cacheFolder: false });
console.log(`loaded in ${((performance.now() - begin) / 1000).toFixed(1)} s; ${memory()}`);

/** A text of a number of tokens, from words that are one token or more. */
async function textOf(tokens, word) {
  const [ids] = await encoder.tokenize([`${word} `.repeat(50)]);
  return `${word} `.repeat(Math.max(1, Math.round((50 * tokens) / ids.length)));
}

/** Tokens that the template adds to both texts. */
const TEMPLATE = 150;
const rows = [];
for (const [prefix, rest] of CASES) {
  const query = await textOf(Math.max(1, prefix - TEMPLATE), "query");
  const documents = await Promise.all(
    Array.from({ length: Number(values.documents) }, async (_, i) => (await textOf(rest, "document")).slice(1 + (i % 3))),
  );
  const pairs = documents.map((document) => [query, document]);
  const alone = () => Promise.all(pairs.map((pair) => encoder.predict([pair], { scores: "logits" })));
  const together = () => encoder.predict(pairs, { scores: "logits" });
  const times = { alone: Infinity, together: Infinity };
  let difference = 0;
  for (let round = 0; round < Number(values.rounds); round++) {
    const separate = await timed(alone, (seconds) => (times.alone = Math.min(times.alone, seconds)));
    const shared = await timed(together, (seconds) => (times.together = Math.min(times.together, seconds)));
    for (const [i, { logits }] of separate.entries()) difference = Math.max(difference, Math.abs(logits[0] - shared.logits[i]));
  }
  const ratio = times.alone / times.together;
  rows.push({ query: prefix, document: rest, ...times, ratio, difference });
  console.log(JSON.stringify(rows.at(-1)));
}
console.log(memory());
await encoder.close();
console.log(JSON.stringify({ machine: describeMachine({}), ...values, rows }));

async function timed(run, report) {
  const start = performance.now();
  const result = await run();
  report((performance.now() - start) / 1000);
  return result;
}

function memory() {
  const status = fs.readFileSync("/proc/self/status", "utf8");
  const of = (name) => `${name} ${(Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)[1]) / 1e6).toFixed(2)} GB`;
  return `${of("VmHWM")}, ${of("RssAnon")}`;
}
