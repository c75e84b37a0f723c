// One build's side of bench/families.mjs, a child process: node families.mjs JOB. It loads the model of the job into the job's build, says
// that it is ready, and answers each message, a number of tokens, with the processor time of a run in milliseconds and the logit.
import { createRequire } from "node:module";
import path from "node:path";

const job = JSON.parse(process.argv[2]);
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
process.on("message", async (length) => {
  process.send(await measure(length));
});
process.on("disconnect", () => process.exit());
process.send("ready");

async function measure(length) {
  const sequences = { ids: idsOf(length), offsets: Uint32Array.of(0, length) };
  const { logits } = await model.predict(sequences, 1, {});
  // Several runs for short sequences, since the clock of processor time ticks in microseconds.
  const runs = Math.max(1, Math.round(200 / length));
  const before = process.cpuUsage();
  for (let i = 0; i < runs; i++) await model.predict(sequences, 1, {});
  const { user, system } = process.cpuUsage(before);
  return { milliseconds: (user + system) / 1000 / runs, logit: logits[0] };
}

/** Ids from 1000 on, past special tokens. */
function idsOf(length) {
  return Int32Array.from({ length }, (_, i) => 1000 + ((i * 7919) % (graph.vocabularySize - 1000)));
}
