// One trial of this package in its own process: node ours.mjs JOB RESULT, two JSON files (bench/rerank.mjs writes the first).
import fs from "node:fs";

import { configure, CrossEncoder } from "../../dist/index.mjs";
import { median } from "../timing.mjs";

const [jobFile, resultFile] = process.argv.slice(2);
const { model, dtype, threads, query, documents, seconds } = JSON.parse(fs.readFileSync(jobFile, "utf8"));
configure({ threads });
const begin = performance.now();
const encoder = await CrossEncoder.load(model, { dtype });
const loadSeconds = (performance.now() - begin) / 1000;
const run = () => encoder.rank(query, documents, { activation: "identity" });
const ranked = await run();
const times = [];
const end = performance.now() + seconds * 1000;
while (times.length === 0 || performance.now() < end) {
  const start = performance.now();
  await run();
  times.push((performance.now() - start) / 1000);
}
const scores = ranked.toSorted((a, b) => a.index - b.index).map(({ score }) => score);
fs.writeFileSync(resultFile, JSON.stringify({ seconds: median(times), loadSeconds, scores }));
await encoder.close();
