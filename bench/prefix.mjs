// Reranking by a causal model with and without the shared prefix, alternating, on random weights of Qwen3-Reranker-0.6B's shape:
// node bench/prefix.mjs [--dtype int8] [--layers 28] [--documents 10] [--rounds 3]
// Without: every pair is a call of its own, so that nothing is shared; the calls run at once, on the same threads. The figures are minima.
import { subscribe } from "node:diagnostics_channel";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";

import { CrossEncoder } from "../dist/index.mjs";
import { native } from "../dist/native/load.js";
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
  [240, 200],
  [100, 200],
  [300, 100],
];

const folder = path.join(os.tmpdir(), `sparse-rerank-bench-qwen3-${values.layers}`);
if (!fs.existsSync(path.join(folder, "written"))) {
  writeDecoder(folder, { ...QWEN3_06B, layers: Number(values.layers) });
  fs.writeFileSync(path.join(folder, "written"), "");
}
process.env.SPARSE_RERANK_CACHE ??= "off";
const begin = performance.now();
const encoder = await CrossEncoder.load(folder, { dtype: values.dtype });
console.log(`loaded in ${((performance.now() - begin) / 1000).toFixed(1)} s; ${memory()}`);

/** A text of a number of tokens. */
async function textOf(tokens, word) {
  const [ids] = await encoder.tokenize([`${word} `.repeat(50)]);
  return `${word} `.repeat(Math.max(1, Math.round((50 * tokens) / ids.length)));
}

// What a call shares, and how many tokens its pairs have.
const addon = native();
const { Prefix } = addon;
let shared = 0;
addon.Prefix = function (ids) {
  shared = ids.length;
  return new Prefix(ids);
};
let tokens = 0;
subscribe("sparse-rerank:tokenize", (event) => (tokens = event.tokens ?? tokens));

/** Tokens of the template and its instruction, roughly. */
const TEMPLATE = 130;
const rows = [];
for (const [prefix, rest] of CASES) {
  const query = await textOf(Math.max(1, prefix - TEMPLATE), "query");
  const text = await textOf(rest, "document");
  const pairs = Array.from({ length: Number(values.documents) }, (_, i) => [query, text.slice(1 + (i % 3))]);
  const alone = () => Promise.all(pairs.map((pair) => encoder.predict([pair], { scores: "logits" })));
  const together = () => encoder.predict(pairs, { scores: "logits" });
  const best = { alone: { wall: Infinity, cpu: Infinity }, together: { wall: Infinity, cpu: Infinity } };
  let difference = 0;
  for (let round = 0; round < Number(values.rounds); round++) {
    const separate = await timed(alone, best.alone);
    const { logits } = await timed(together, best.together);
    for (const [i, other] of separate.entries()) difference = Math.max(difference, Math.abs(other.logits[0] - logits[i]));
  }
  const ratio = { wall: best.alone.wall / best.together.wall, cpu: best.alone.cpu / best.together.cpu };
  rows.push({ shared, tokens: Math.round(tokens / pairs.length), ...best, ratio, difference });
  console.log(JSON.stringify(rows.at(-1)));
}
console.log(memory());
await encoder.close();
console.log(JSON.stringify({ machine: describeMachine({}), ...values, rows }));

/** Wall-clock time, and processor time, which other programs change less. */
async function timed(run, best) {
  const cpu = process.cpuUsage();
  const start = performance.now();
  const result = await run();
  const { user, system } = process.cpuUsage(cpu);
  best.wall = Math.min(best.wall, (performance.now() - start) / 1000);
  best.cpu = Math.min(best.cpu, (user + system) / 1e6);
  return result;
}

function memory() {
  const status = fs.readFileSync("/proc/self/status", "utf8");
  const of = (name) => `${name} ${(Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)[1]) / 1e6).toFixed(2)} GB`;
  return `${of("VmHWM")}, ${of("RssAnon")}`;
}
