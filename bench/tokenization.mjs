// Tokens per second by the number of tokenization workers: passages of an index through splade-tiny's WordPiece tokenizer, in chunks as
// large as those of a model on a GPU. The counts take turns, so that a change in the machine's speed affects all of them, and must produce
// the same ids.
import path from "node:path";
import { parseArgs } from "node:util";

import { overlapped, chunksOf } from "../dist/core/chunks.js";
import { TextTokenizer } from "../dist/tokenization/tokenizer.js";
import { describeMachine } from "./machine.mjs";
import { number } from "./table.mjs";
import { readPassages } from "./texts.mjs";
import { median, repeat } from "./timing.mjs";

const HELP = `node bench/tokenization.mjs [--workers N,…] [--texts N] [--rounds N] [--seconds S]

  --workers N,…  default 1, 2, 4 and 8, up to the number of processors
  --texts N      passages in one pass; default 8192
  --rounds N     measurements of each count; default 5
  --seconds S    minimum duration of a measurement; default 2`;

/** Texts of a call that a model on a GPU processes together (lib/model/execution.ts). */
const CHUNK = 1024;
const MAX_LENGTH = 256;

const { values: options } = parseArgs({
  options: {
    workers: { type: "string" },
    texts: { type: "string", default: "8192" },
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "2" },
    help: { type: "boolean", default: false },
  },
});
const machine = describeMachine({});
const counts = options.workers?.split(",").map(Number) ?? [1, 2, 4, 8].filter((count) => count <= machine.threads);
const [texts, rounds, seconds] = [options.texts, options.rounds, options.seconds].map(Number);
if (options.help || ![...counts, texts, rounds, seconds].every((value) => value > 0)) {
  console.log(HELP);
  process.exit(options.help ? 0 : 2);
}

const passages = await readPassages(texts);
const folder = path.join(import.meta.dirname, "..", "models", "splade-tiny");
const sides = [];
for (const workers of counts) {
  const tokenizer = await TextTokenizer.load({ folder, maxLength: MAX_LENGTH, lowerCase: true }, workers);
  // The first pass starts the threads.
  sides.push({ workers, tokenizer, batches: await pass(tokenizer), rates: [], shares: [] });
}
for (const { workers, batches } of sides) requireSame(sides[0].batches, batches, workers);
const tokens = sides[0].batches.reduce((sum, { ids }) => sum + ids.length, 0);

for (let round = 0; round < rounds; round++) {
  for (const { tokenizer, rates, shares } of sides) {
    const before = performance.eventLoopUtilization();
    const measured = await repeat(seconds, () => pass(tokenizer));
    shares.push(performance.eventLoopUtilization(before).utilization);
    rates.push((measured.passes * tokens) / measured.seconds);
  }
}
for (const { tokenizer } of sides) tokenizer.dispose();

const { cpu, threads, memory, system, commit, loadBefore, versions } = machine;
console.log(`${cpu}, ${threads} threads, ${memory}, ${system}; load average at the start ${loadBefore.toFixed(1)}.`);
console.log(`sparse-rerank ${versions["sparse-rerank"]}, commit ${commit}, node ${versions.node}.`);
console.log(`${number(texts)} texts, ${number(tokens)} tokens: ${passages.source}. Medians of ${rounds} rounds of at least ${seconds} s.`);
for (const { workers, rates, shares } of sides) {
  const ratio = median(rates.map((rate, i) => rate / sides[0].rates[i]));
  const best = number(Math.max(...rates));
  const share = number(100 * median(shares));
  console.log(
    `workers ${workers}: ${number(median(rates))} tokens/s (best round ${best}), ${ratio.toFixed(2)}× of ${counts[0]}; the JS thread is busy for ${share} %`,
  );
}

async function pass(tokenizer) {
  const batches = [];
  const encode = (chunk, signal) => tokenizer.encode(chunk, { signal });
  for await (const batch of overlapped(chunksOf(passages.texts, CHUNK), encode, undefined)) batches.push(batch);
  return batches;
}

function requireSame(expected, found, workers) {
  const isSame = expected.every((batch, i) =>
    ["ids", "offsets", "truncated"].every((part) => Buffer.compare(bytes(batch[part]), bytes(found[i][part])) === 0),
  );
  if (!isSame) throw new Error(`${workers} workers produced other ids than ${counts[0]}.`);
}

function bytes({ buffer, byteOffset, byteLength }) {
  return Buffer.from(buffer, byteOffset, byteLength);
}
