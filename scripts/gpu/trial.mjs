// One trial of this package in its own process: node trial.mjs JOB RESULT (speed.mjs writes the first).
import fs from "node:fs";

import { percentile, repeat } from "../../bench/timing.mjs";
import { TextTokenizer } from "../../dist/tokenization/tokenizer.js";
import { cross, sparse, use } from "./shared.mjs";

const [jobFile, resultFile] = process.argv.slice(2);
const job = JSON.parse(fs.readFileSync(jobFile, "utf8"));
fs.writeFileSync(resultFile, JSON.stringify(await { sparse: documents, cross: pairs }[job.kind]()));

async function documents() {
  return use(await sparse(job.model, job.options), async (encoder) => {
    const result = await measure(() => encoder.encodeDocument(job.passages));
    const outputs = {
      documents: rows(await encoder.encodeDocument(job.compared.passages)),
      queries: rows(await encoder.encodeQuery(job.compared.queries)),
    };
    return {
      ...result,
      ...{ outputs, milliseconds: await latency(() => encoder.encodeQuery(job.compared.queries[0])) },
      lengths: await lengths(encoder, (tokenizer) => tokenizer.encode(job.passages)),
    };
  });
}

async function pairs() {
  const options = { activation: "identity" };
  const all = job.queries.map((query, i) => [query, job.passages[i]]);
  return use(await cross(job.model, job.options), async (encoder) => {
    const result = await measure(() => encoder.predict(all, options));
    const compared = job.compared.queries.flatMap((query) => job.compared.passages.map((passage) => [query, passage]));
    const outputs = { logits: Array.from((await encoder.predict(compared, options)).data) };
    return {
      ...result,
      ...{ outputs, milliseconds: await latency(() => encoder.predict(all.slice(0, 1), options)) },
      lengths: await lengths(encoder, (tokenizer) => tokenizer.encodePairs(all)),
    };
  });
}

/** After a warm-up pass, in which memory grows and kernels are chosen. */
async function measure(run) {
  await run();
  const begin = Date.now();
  const { passes, seconds } = await repeat(job.seconds, run);
  return { begin, end: Date.now(), perSecond: (passes * job.passages.length) / seconds };
}

async function latency(run) {
  for (let i = 0; i < 20; i++) await run();
  const times = [];
  const end = performance.now() + job.seconds * 500;
  do {
    const begin = performance.now();
    await run();
    times.push(performance.now() - begin);
  } while (performance.now() < end);
  return { p50: percentile(times, 0.5), p99: percentile(times, 0.99) };
}

/** Tokens of each input, including special tokens. */
async function lengths({ maxSeqLength }, encode) {
  const tokenizer = await TextTokenizer.load({ folder: job.model, maxLength: maxSeqLength, lowerCase: false });
  const { offsets } = await encode(tokenizer);
  tokenizer.dispose();
  return Array.from(job.passages, (_, i) => offsets[i + 1] - offsets[i]);
}

function rows(matrix) {
  return Array.from(matrix, ({ indices, values }) => ({ indices: Array.from(indices), values: Array.from(values) }));
}
