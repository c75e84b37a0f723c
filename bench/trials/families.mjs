// One trial of bench/families.mjs in its own process: node --import tsx families.mjs JOB RESULT. JOB names the build to measure.
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const [jobFile, resultFile] = process.argv.slice(2);
const job = JSON.parse(fs.readFileSync(jobFile, "utf8"));
const load = createRequire(path.join(job.build, "package.json"));
const { architectureFor } = load("./dist/architectures/index.js");
const { readModelConfig, readTransformer } = load("./dist/checkpoint/transformer.js");
const { describeModel } = load("./dist/model/native-spec.js");
const { native } = load("./dist/native/load.js");
const { loadRuntime } = load("./dist/native/runtime-library.js");

loadRuntime();
const part = await readTransformer(await readModelConfig(job.checkpoint));
const graph = architectureFor(part.config).sequenceClassifier(part, 1);
const int8 = job.dtype === "int8" ? { int8: { cacheFolder: undefined } } : {};
const model = await native().createModel(describeModel(graph, { execution: { backend: "sequences", maxThreads: 1, ...int8 } }));
const results = {};
for (const length of job.lengths) results[length] = await measure(idsOf(length, graph.vocabularySize));
fs.writeFileSync(resultFile, JSON.stringify(results));

/** The smallest processor time of a run in milliseconds, which other programs on the machine hardly affect, and the logit. */
async function measure(ids) {
  const sequences = { ids, offsets: Uint32Array.of(0, ids.length) };
  const { logits } = await model.predict(sequences, {});
  // Several runs for short sequences, since the clock of processor time ticks in microseconds.
  const runs = Math.max(1, Math.round(400 / ids.length));
  let spent = 0;
  let best = Infinity;
  for (let i = 0; i < 3 || spent < job.milliseconds; i++) {
    const before = process.cpuUsage();
    for (let j = 0; j < runs; j++) await model.predict(sequences, {});
    const { user, system } = process.cpuUsage(before);
    spent += (user + system) / 1000;
    best = Math.min(best, (user + system) / 1000 / runs);
  }
  return { milliseconds: best, logit: logits[0] };
}

/** Ids from 1000 on, past special tokens. */
function idsOf(length, vocabulary) {
  return Int32Array.from({ length }, (_, i) => 1000 + ((i * 7919) % (vocabulary - 1000)));
}
