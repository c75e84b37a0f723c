// Collection as a service uses it, each job in its own process: node service.mjs JOB FOLDER [OPTIONS]. Prints its figures as a line of JSON.
import path from "node:path";

import { Collection, SparseEncoder } from "sparse-rerank";

import { openVectors } from "../index/vectors.mjs";
import { median, percentile } from "../timing.mjs";
import { readBlocks, readQueries } from "./data.mjs";
import { requireSameScores } from "./same-scores.mjs";

const BLOCK = 10_000;
const WARM_UP = 20;
/** Searches in flight while documents are added. */
const SEARCHES = 50;

const [job, folder, json = "{}"] = process.argv.slice(2);
const options = JSON.parse(json);
const home = path.join(folder, "collection");
const encoder = await SparseEncoder.load("splade-tiny");
const jobs = { build, search, upsert, reopen, encode };
console.log(JSON.stringify(await jobs[job]()));
await encoder.close();

/** Adds all passages with their vectors, then merges: the rate is of both. */
async function build() {
  const collection = await Collection.open(home, { encoder, lexical: true });
  const vectors = openVectors(folder, "docs");
  let adding = 0;
  let first = 0;
  for await (const documents of readBlocks(folder, BLOCK)) {
    const matrix = vectors.slice(first, documents.length);
    first += documents.length;
    adding += await timed(() => collection.upsert(documents, { vectors: matrix }));
  }
  const merging = await timed(() => collection.compact());
  const { bytes } = await collection.stats();
  await collection.close();
  return { passages: first, seconds: (adding + merging) / 1000, rate: (1000 * first) / adding, mergeSeconds: merging / 1000, bytes };
}

/** Each query's search, less the time of its encoding measured just before. */
async function search() {
  const collection = await Collection.open(home, { encoder });
  const queries = readQueries(folder);
  for (const query of queries.slice(0, WARM_UP)) await collection.search(query);
  const times = { encoding: [], hybrid: [], beyond: [], sparse: [], lexical: [] };
  for (const query of queries) {
    const encoding = await timed(() => encoder.encodeQuery(query));
    const hybrid = await timed(() => collection.search(query));
    times.encoding.push(encoding);
    times.hybrid.push(hybrid);
    times.beyond.push(hybrid - encoding);
    times.sparse.push((await timed(() => collection.search(query, { mode: "sparse" }))) - encoding);
    times.lexical.push(await timed(() => collection.search(query, { mode: "lexical" })));
  }
  await requireSameScores(collection, encoder, openVectors(folder, "docs"), queries.slice(0, options.compared));
  await collection.close();
  return Object.fromEntries(Object.entries(times).map(([name, all]) => [name, { p50: median(all), p99: percentile(all, 0.99) }]));
}

/** One document at a time, encoded before the queries, while SEARCHES searches are always in flight. */
async function upsert() {
  const collection = await Collection.open(home, { encoder });
  const queries = readQueries(folder);
  for (const query of queries.slice(0, WARM_UP)) await collection.search(query);
  const state = { isRunning: true };
  let searches = 0;
  const searching = Array.from({ length: SEARCHES }, async (_, i) => {
    for (let next = i; state.isRunning; next += SEARCHES) {
      await collection.search(queries[next % queries.length]);
      searches++;
    }
  });
  const settled = [];
  const found = [];
  const begin = performance.now();
  for (let i = 0; i < options.upserts; i++) {
    // No other document has this word.
    const word = `zq${i}xj`;
    const document = { id: `added-${i}`, text: `${word} ${queries[i % queries.length]}` };
    const start = performance.now();
    await collection.upsert([document], { priority: "high" });
    settled.push(performance.now() - start);
    const { hits } = await collection.search(word, { mode: "lexical", topK: 1 });
    found.push(performance.now() - start);
    if (hits[0]?.id !== document.id) throw new Error(`The document of upsert ${i} is not found after it settled.`);
  }
  const seconds = (performance.now() - begin) / 1000;
  state.isRunning = false;
  await Promise.all(searching);
  await collection.delete(Array.from({ length: options.upserts }, (_, i) => `added-${i}`));
  await collection.close();
  const summary = (all) => ({ p50: median(all), p99: percentile(all, 0.99) });
  return { upserts: options.upserts, settled: summary(settled), found: summary(found), searchesPerSecond: searches / seconds };
}

async function reopen() {
  let collection;
  const opening = await timed(async () => {
    collection = await Collection.open(home, { encoder });
  });
  const [query] = readQueries(folder);
  const first = await timed(() => collection.search(query));
  await collection.close();
  return { milliseconds: opening, firstSearch: first };
}

/** upsert() of texts against encodeDocument() alone, in turns; the ratio is the median of the rounds' ratios. */
async function encode() {
  const documents = [];
  for await (const block of readBlocks(folder, 1000)) {
    documents.push(...block);
    if (documents.length >= options.passages) break;
  }
  const used = documents.slice(0, options.passages);
  const texts = used.map(({ text }) => text);
  await encoder.encodeDocument(texts.slice(0, 64));
  const alone = [];
  const indexing = [];
  for (let round = 0; round < options.rounds; round++) {
    alone.push(await timed(() => encoder.encodeDocument(texts)));
    const collection = await Collection.open(path.join(folder, `encoded-${round}`), { encoder, lexical: true });
    indexing.push(await timed(() => collection.upsert(used)));
    if (round === 0) {
      const queries = readQueries(folder).slice(0, options.compared);
      const matrix = await encoder.encodeDocument(texts);
      await requireSameScores(collection, encoder, { rows: matrix.rows, slice: () => matrix }, queries);
    }
    await collection.close();
  }
  const rates = (all) => (1000 * used.length) / median(all);
  const ratio = median(alone.map((time, i) => time / indexing[i]));
  return { passages: used.length, encoding: rates(alone), indexing: rates(indexing), ratio };
}

async function timed(work) {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}
