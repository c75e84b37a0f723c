// One trial of this package in its own process: node sparse-rerank.mjs JOB RESULT, two JSON files (bench/run.mjs writes the first).
import fs from "node:fs";

import { CrossEncoder, SparseEncoder, configure } from "../../dist/index.mjs";
import { native } from "../../dist/native/load.js";
import { TextTokenizer } from "../../dist/tokenization/tokenizer.js";
import { percentile, repeat } from "../timing.mjs";

const [jobFile, resultFile] = process.argv.slice(2);
const job = JSON.parse(fs.readFileSync(jobFile, "utf8"));
configure({ threads: job.threads });
const trials = { documents, pairs, query, load, tokens };
fs.writeFileSync(resultFile, JSON.stringify(await trials[job.kind]()));

async function documents() {
  const encoder = await SparseEncoder.load(job.model, { dtype: job.dtype });
  await encoder.encodeDocument(job.inputs.slice(0, 16));
  const profile = await profiled(() => repeat(job.seconds, () => encoder.encodeDocument(job.inputs)));
  const outputs = rows(await encoder.encodeDocument(job.inputs.slice(0, job.compared)));
  return { ...profile, outputs };
}

async function pairs() {
  const encoder = await CrossEncoder.load(job.model, { dtype: job.dtype });
  const options = { activation: "identity" };
  await encoder.predict(job.inputs.slice(0, 16), options);
  const profile = await profiled(() => repeat(job.seconds, () => encoder.predict(job.inputs, options)));
  const { data } = await encoder.predict(job.inputs.slice(0, job.compared), options);
  return { ...profile, outputs: Array.from(data) };
}

/** One query after the other, as on an idle server. */
async function query() {
  const encoder = await SparseEncoder.load(job.model, { dtype: job.dtype });
  const [text] = job.inputs;
  for (let i = 0; i < 500; i++) await encoder.encodeQuery(text);
  const times = [];
  const end = performance.now() + job.seconds * 1000;
  while (performance.now() < end) {
    const begin = performance.now();
    await encoder.encodeQuery(text);
    times.push(performance.now() - begin);
  }
  const milliseconds = { p50: percentile(times, 0.5), p99: percentile(times, 0.99) };
  return { milliseconds, outputs: rows(await encoder.encodeQuery([text])) };
}

/** Warm: the files are in the page cache, since another trial has read them. */
async function load() {
  const tiny = await SparseEncoder.load("splade-tiny");
  await tiny.encodeQuery("loads the addon and ONNX Runtime");
  const before = memory();
  const cpu = process.cpuUsage();
  const begin = performance.now();
  const encoder = await SparseEncoder.load(job.model, { dtype: job.dtype });
  const seconds = (performance.now() - begin) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const after = memory();
  await encoder.encodeDocument(job.inputs);
  return { seconds, cpuSeconds: (user + system) / 1e6, megabytes: { before, after, used: memory() } };
}

/** The tokenizer alone, on the thread that encode() would use. */
async function tokens() {
  const tokenizer = await TextTokenizer.load({ folder: job.model, maxLength: 512, lowerCase: true });
  const isPairs = Array.isArray(job.inputs[0]);
  const run = () => (isPairs ? tokenizer.encodePairs(job.inputs) : tokenizer.encode(job.inputs));
  await run();
  const { passes, seconds } = await repeat(job.seconds, run);
  tokenizer.dispose();
  return { perSecond: (passes * job.inputs.length) / seconds };
}

/**
 * How the threads spent their time. Of each thread's second, `other` is in tasks but not in body or head, `idle` in no task.
 * `bodySeconds` of a pass are processor time, which other programs on the machine do not affect.
 */
async function profiled(run) {
  const cpu = process.cpuUsage();
  const before = native().stageTimes();
  const { passes, seconds } = await run();
  const after = native().stageTimes();
  const { user, system } = process.cpuUsage(cpu);
  const share = (stage) => (after[stage] - before[stage]) / (seconds * native().threads());
  const [task, body, head] = ["task", "body", "head"].map(share);
  const bodySeconds = ((user + system) * 1e-6 * body) / task / passes;
  return {
    perSecond: (passes * job.inputs.length) / seconds,
    bodySeconds,
    profile: { body, head, other: task - body - head, idle: 1 - task },
  };
}

function rows(matrix) {
  return Array.from(matrix, ({ indices, values }) => ({ indices: Array.from(indices), values: Array.from(values) }));
}

/** Memory of this process in MB; undefined except on Linux. */
function memory() {
  if (process.platform !== "linux") return undefined;
  const status = fs.readFileSync("/proc/self/status", "utf8");
  const read = (name) => Math.round(Number(new RegExp(String.raw`${name}:\s+(\d+) kB`).exec(status)[1]) / 1000);
  return { anonymous: read("RssAnon"), file: read("RssFile") };
}
