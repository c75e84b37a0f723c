// SparseIndex as one of the systems of compare.mjs: builds an index in a folder, then answers requests of systems.mjs.
// usage: node bench/index/ours.mjs FOLDER
import fs from "node:fs";
import path from "node:path";
import readline from "node:readline";

import { configure, SparseIndex } from "sparse-rerank";

import { COLUMNS, openVectors, spread } from "./vectors.mjs";

const BATCH = 20_000;
const WARM_UP = 10;

const [folder] = process.argv.slice(2);
configure({ threads: 1 });
const home = path.join(folder, "sparse-rerank");
fs.rmSync(home, { recursive: true, force: true });
const index = await SparseIndex.open(home, { dimension: COLUMNS });
const documents = openVectors(folder, "docs");
let building = 0;
for (let first = 0; first < documents.rows; first += BATCH) {
  const matrix = documents.slice(first, Math.min(BATCH, documents.rows - first));
  const ids = Array.from({ length: matrix.rows }, (_, i) => String(first + i));
  building += await timed(() => index.add(ids, matrix));
}
building += await timed(() => index.compact());
const { postings, bytes, hotBytes, recall } = index.stats();
reply({ buildSeconds: building / 1000, bytesPerPosting: bytes / postings, hotBytesPerPosting: hotBytes / postings, calibrated: recall });

const allQueries = openVectors(folder, "queries");
for await (const line of readline.createInterface({ input: process.stdin })) {
  const { k, setting, count } = JSON.parse(line);
  const queries = spread(allQueries, count);
  const options = { topK: k, mode: setting.recall === undefined ? "exact" : { recall: setting.recall } };
  for (const query of queries.slice(0, WARM_UP)) await index.search(query, options);
  const answer = { milliseconds: [], ids: [], scores: [] };
  for (const query of queries) {
    let hits;
    answer.milliseconds.push(await timed(async () => (hits = await index.search(query, options))));
    answer.ids.push(hits.map(({ id }) => Number(id)));
    answer.scores.push(hits.map(({ score }) => score));
  }
  reply(answer);
}
await index.close();

async function timed(run) {
  const started = performance.now();
  await run();
  return performance.now() - started;
}

function reply(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}
