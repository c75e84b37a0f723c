// One trial of @huggingface/transformers in its own process: node transformers-js.mjs JOB RESULT.
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

import { repeat } from "../timing.mjs";

const [jobFile, resultFile] = process.argv.slice(2);
const job = JSON.parse(fs.readFileSync(jobFile, "utf8"));
// The package is outside the project, so its name is resolved from there.
const found = createRequire(path.join(job.packages, "package.json")).resolve("@huggingface/transformers");
const { AutoModelForSequenceClassification, AutoTokenizer, env } = await import(pathToFileURL(found).href);
env.allowRemoteModels = false;
env.localModelPath = path.dirname(job.model);

const name = path.basename(job.model);
const tokenizer = await AutoTokenizer.from_pretrained(name);
const model = await AutoModelForSequenceClassification.from_pretrained(name, { dtype: "fp32", device: "cpu" });
// Longest first, so that the texts of a batch need little padding.
const order = Array.from(job.inputs.keys()).sort((a, b) => job.inputs[b][1].length - job.inputs[a][1].length);

if (job.batchSizes !== undefined) {
  const rates = {};
  for (const batchSize of job.batchSizes) {
    await predict(batchSize, order.slice(0, 8));
    rates[batchSize] = await rate(job.seconds, batchSize);
  }
  fs.writeFileSync(resultFile, JSON.stringify({ rates }));
} else {
  await predict(job.batchSize, order.slice(0, 16));
  const perSecond = await rate(job.seconds, job.batchSize);
  const outputs = await predict(
    job.batchSize,
    Array.from({ length: job.compared }, (_, i) => i),
  );
  fs.writeFileSync(resultFile, JSON.stringify({ perSecond, outputs }));
}

async function rate(seconds, batchSize) {
  const { passes, seconds: spent } = await repeat(seconds, () => predict(batchSize, order));
  return (passes * job.inputs.length) / spent;
}

async function predict(batchSize, members) {
  const logits = [];
  for (let i = 0; i < members.length; i += batchSize) {
    const batch = members.slice(i, i + batchSize).map((member) => job.inputs[member]);
    const texts = batch.map(([query]) => query);
    const inputs = tokenizer(texts, { text_pair: batch.map(([, document]) => document), padding: true, truncation: true });
    logits.push(...(await model(inputs)).logits.data);
  }
  return logits;
}
