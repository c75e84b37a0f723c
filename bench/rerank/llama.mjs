// One trial of llama.cpp through node-llama-cpp in its own process: node llama.mjs JOB RESULT, two JSON files (bench/rerank.mjs writes the
// first). It gets token ids, so that all sides read the same tokens. The cache of keys and values keeps what a document shares with the one
// before, as a server with a prompt cache does; only the last token's logits are computed. What is timed asks for the probability of the likeliest
// token: the list of all, which the scores come from, would be copied to JavaScript.
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

import { median } from "../timing.mjs";

const [jobFile, resultFile] = process.argv.slice(2);
const { packages, gguf, threads, sequences, yes, no, seconds } = JSON.parse(fs.readFileSync(jobFile, "utf8"));
const entry = pathToFileURL(path.join(packages, "node_modules", "node-llama-cpp", "dist", "index.js"));
const { getLlama } = await import(entry.href);
const llama = await getLlama({ gpu: false, build: "never", maxThreads: threads, logLevel: "error" });
const model = await llama.loadModel({ modelPath: gguf });
const longest = Math.max(...sequences.map(({ length }) => length));
const context = await model.createContext({ contextSize: longest + 8, batchSize: longest, threads });
const sequence = context.getSequence();

const scores = await run(
  { probabilities: true },
  ({ probabilities }) => Math.log(probabilities.get(yes)) - Math.log(probabilities.get(no)),
);
const times = [];
const end = performance.now() + seconds * 1000;
while (times.length === 0 || performance.now() < end) {
  const start = performance.now();
  await run({ confidence: true }, ({ confidence }) => confidence);
  times.push((performance.now() - start) / 1000);
}
fs.writeFileSync(resultFile, JSON.stringify({ seconds: median(times), scores, system: llama.systemInfo, threads: context.currentThreads }));
await llama.dispose();

async function run(generateNext, resultOf) {
  const found = [];
  for (const tokens of sequences) {
    // The last token is always evaluated, for its logits.
    const shared = Math.min(sharedLength(sequence.contextTokens, tokens), tokens.length - 1);
    if (shared < sequence.nextTokenIndex) await sequence.eraseContextTokenRanges([{ start: shared, end: sequence.nextTokenIndex }]);
    const rest = tokens.slice(sequence.nextTokenIndex);
    const output = await sequence.controlledEvaluate([...rest.slice(0, -1), [rest.at(-1), { generateNext }]]);
    found.push(resultOf(output[rest.length - 1].next));
  }
  return found;
}

function sharedLength(a, b) {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length++;
  return length;
}
