// Writes small indexes of every kind and their results, as test/data/stored-indexes keeps them for each format; test/data/README.md lists the kinds.
// usage: write-stored-indexes.mjs FOLDER     needs the built addon and dist/
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";

import { SparseEncoder, SparseIndex, SparseMatrix } from "sparse-rerank";

import { native } from "../dist/native/load.js";
import { packStrings } from "../dist/native/strings.js";

const folder = process.argv[2];
fs.mkdirSync(folder, { recursive: true });

/** Numbers below `limit`, the same on every machine: a linear congruential generator. */
function randomNumbers(seed) {
  let state = BigInt(seed);
  return (limit) => {
    state = (state * 6364136223846793005n + 1442695040888963407n) % 2n ** 64n;
    return Number((state >> 33n) % BigInt(limit));
  };
}

/** Rows of `terms` different terms, the first ones frequent, with weights in tenths, so that scores are rounded. */
function randomRows(count, dimension, terms, random, smallest = 1) {
  return Array.from({ length: count }, () => {
    const chosen = new Set();
    while (chosen.size < terms) {
      const term = random(4) === 0 ? random(dimension) : Math.min(random(dimension), random(dimension), random(40));
      chosen.add(term);
    }
    const indices = [...chosen].sort((a, b) => a - b);
    return { indices, values: indices.map(() => (smallest + random(32)) / 10 || 0.1) };
  });
}

const PAYLOADS = [
  undefined,
  null,
  { text: "Learned sparse retrieval. ".repeat(40), headings: ["One", "Two"] },
  "short",
  7.5,
  ["é", "😀", { deep: [true, null] }],
  "x".repeat(63),
  "",
];

const METADATA = [
  undefined,
  { lang: "en", year: 2020, draft: false },
  { lang: "de", year: 1999.5, tags: ["a", "b"] },
  { author: { name: "Ä", born: -3 } },
  { lang: "en", year: -7, tags: [] },
  { abstract: "long ".repeat(80), year: 0 },
  { draft: true, year: 2021, tags: ["b", 3, true] },
];

const FILTERS = [
  { lang: "en" },
  { field: "year", gte: 0, lt: 2021 },
  { not: { tags: "b" } },
  { or: [{ "author.name": "Ä" }, { abstract: "long ".repeat(80) }] },
  { and: [{ draft: true }, { field: "tags", in: [true, "none"] }] },
];

/** The exact result, computed from the documentation's definition of a score, without the index. */
function bestDocuments(documents, query, topK) {
  const weights = new Map(query.indices.map((term, i) => [term, Math.fround(query.values[i])]));
  const hits = [];
  for (const [id, { row }] of documents) {
    let score = 0;
    row.indices.forEach((term, i) => {
      const weight = weights.get(term);
      if (weight !== undefined) score = Math.fround(score + Math.fround(weight * Math.fround(row.values[i])));
    });
    if (score !== 0) hits.push({ id, score });
  }
  return hits.sort((a, b) => b.score - a.score).slice(0, topK);
}

/**
 * Adds documents in several calls, one of `replaced` instead of another, and removes some; `documents` is the final content, in order
 * of insertion.
 */
async function fill(index, documents, { dimension, batches, terms, extras, smallest, seed, replaced = 8 }) {
  const random = randomNumbers(seed);
  let next = 0;
  for (const count of batches) {
    const rows = randomRows(count, dimension, terms, random, smallest);
    const ids = rows.map((_, i) => (next > 0 && i % replaced === replaced - 1 ? `d${random(next)}` : `d${next++}`));
    const kept = rows.map((row, i) => ({ row, id: ids[i] })).filter(({ id }, i) => ids.indexOf(id) === i);
    const payloads = kept.map((_, i) => PAYLOADS[(next + i) % PAYLOADS.length]);
    const metadata = kept.map((_, i) => METADATA[(next + i) % METADATA.length]);
    await index.add(
      kept.map(({ id }) => id),
      SparseMatrix.fromRows(
        kept.map(({ row }) => row),
        dimension,
      ),
      extras ? { payloads, metadata } : {},
    );
    kept.forEach(({ id, row }, i) => {
      documents.delete(id);
      documents.set(id, { row, payload: extras ? payloads[i] : undefined });
    });
  }
  const gone = [...documents.keys()].filter((_, i) => i % (4 * replaced) === 5);
  await index.remove(gone);
  for (const id of gone) documents.delete(id);
}

/** The results of an index: every search, with its hits. */
async function answersOf(index, documents, { dimension, terms, extras, seed }) {
  const random = randomNumbers(seed + 1);
  const ids = [...documents.keys()];
  const searches = [];
  for (const query of randomRows(4, dimension, Math.max(terms, 6), random)) {
    const several = [{ topK: 5 }, { topK: 10, mode: { recall: 0.9 } }, { topK: 10, mode: { recall: 0.99 } }];
    if (extras) several.push({ topK: 4, withPayload: true });
    several.push({ topK: 3, filter: { ids: [...ids.filter((_, i) => i % 3 === 0).slice(0, 20), "unknown"] } });
    if (extras) several.push(...FILTERS.map((filter) => ({ topK: 3, filter })));
    for (const options of several) {
      const vector = SparseMatrix.fromRows([query], dimension).row(0);
      const hits = await index.search(vector, options);
      if (options.mode === undefined && options.filter === undefined) {
        assert.deepEqual(
          hits.map(({ id, score }) => ({ id, score })),
          bestDocuments(documents, query, options.topK),
        );
        for (const hit of options.withPayload ? hits : []) assert.deepEqual(hit.payload, documents.get(hit.id).payload);
      }
      searches.push({ query, options, hits });
    }
  }
  const { documents: size, segments, postings, recall } = index.stats();
  assert.equal(size, documents.size);
  return { dimension, size, segments, postings, recall, has: [...ids.slice(0, 3), ids.at(-1)].filter(Boolean), searches };
}

const answers = {};

async function write(name, settings) {
  const { dimension, saved, compacted } = settings;
  const index = saved ? SparseIndex.create({ dimension }) : await SparseIndex.open(path.join(folder, name), { dimension });
  const documents = new Map();
  await fill(index, documents, settings);
  if (compacted) await index.compact();
  if (saved) await index.save(path.join(folder, name));
  await index.close();
  const opened = await SparseIndex.open(path.join(folder, name), { readOnly: true });
  answers[name] = await answersOf(opened, documents, settings);
  await opened.close();
}

const small = { dimension: 60, terms: 5, extras: true, seed: 1 };
await write("empty-folder", { ...small, batches: [] });
await write("empty-file", { ...small, batches: [], saved: true });
await write("segments", { ...small, batches: [70, 9, 3, 1] });
await write("compacted", { ...small, batches: [80, 20, 10], compacted: true, seed: 2 });
await write("file", { ...small, batches: [40, 30], saved: true, seed: 3 });
await write("plain-file", { ...small, extras: false, batches: [50], saved: true, seed: 4 });
await write("wide", { ...small, dimension: 70_000, batches: [60, 20], seed: 5 });
await write("wide-file", { ...small, dimension: 70_000, batches: [60], saved: true, seed: 6 });
await write("negative", { ...small, smallest: -12, batches: [60, 12], seed: 7 });
// Enough documents to calibrate approximate search, with lists that are masks and lists that are not.
const large = { dimension: 200, terms: 5, extras: false, replaced: 100 };
await write("calibrated", { ...large, batches: [4300, 30], seed: 8 });
await write("calibrated-file", { ...large, batches: [4300], saved: true, seed: 9 });

const PASSAGES = [
  { _id: "sharks", title: "Fish", text: "Sharks are fish that swim in the sea." },
  { _id: "heart", text: "The heart pumps blood." },
  { _id: "rivers", text: "Most rivers end in a sea, some in a desert." },
  { _id: "bread", text: "Bread is made of flour, water and salt." },
];

/** As `sparse-rerank index` made them before it made collections: payloads are the passages, and a file names the model. */
async function writeAsCommand(name, queries) {
  const encoder = await SparseEncoder.load("splade-tiny");
  const made = await SparseIndex.open(path.join(folder, name), { encoder });
  const payloads = PASSAGES.map(({ _id: id, title, text }) => ({ id, headings: title === undefined ? [] : [title], text }));
  const vectors = await encoder.encodeDocument(payloads.map(({ headings, text }) => [...headings, text].join(" ")));
  await made.add(
    payloads.map(({ id }) => id),
    vectors,
    { payloads },
  );
  await made.close();
  const index = await SparseIndex.open(path.join(folder, name), { readOnly: true });
  const searches = [];
  for (const text of queries) {
    const vector = (await encoder.encodeQuery([text])).row(0);
    const query = { indices: [...vector.indices], values: [...vector.values] };
    const options = { topK: 3, withPayload: true };
    searches.push({ text, query, options, hits: await index.search(vector, options) });
  }
  const { documents: size, segments, postings, recall } = index.stats();
  answers[name] = { dimension: index.dimension, size, segments, postings, recall, has: PASSAGES.map(({ _id }) => _id), searches };
  await index.close();
  await encoder.close();
}

await writeAsCommand("command-line", ["what lives in the sea?", "which organ moves blood?"]);

/** Rows of terms for the addon, of texts whose words have spaces between them. */
function termRows(texts) {
  const numbers = new Map();
  const rows = texts.map((text) => {
    const words = new Map();
    for (const word of text.split(" ").filter(Boolean)) words.set(word, (words.get(word) ?? 0) + 1);
    for (const word of words.keys()) if (!numbers.has(word)) numbers.set(word, numbers.size);
    return [...words];
  });
  let end = 0;
  return {
    terms: packStrings([...numbers.keys()]),
    indptr: Uint32Array.from([0, ...rows.map((row) => (end += row.length))]),
    indices: Uint32Array.from(rows.flat().map(([word]) => numbers.get(word))),
    counts: Uint32Array.from(rows.flat().map(([, count]) => count)),
  };
}

/** BM25 by its definition: ids and scores, best first. */
function bestByTerms(texts, query, { k1, b }) {
  const documents = [...texts].map(([id, text]) => ({ id, words: text.split(" ").filter(Boolean) }));
  const averageLength = documents.reduce((sum, { words }) => sum + words.length, 0) / documents.length;
  const terms = [...new Set(query.split(" "))].sort();
  const idfs = terms.map((term) => {
    const having = documents.filter(({ words }) => words.includes(term)).length;
    return Math.log(1 + (documents.length - having + 0.5) / (having + 0.5));
  });
  const hits = documents.map(({ id, words }) => {
    const norm = k1 * (1 - b + (b * words.length) / averageLength);
    const frequencies = terms.map((term) => words.filter((word) => word === term).length);
    return { id, score: frequencies.reduce((sum, frequency, i) => sum + (idfs[i] * frequency) / (frequency + norm), 0) };
  });
  return hits.filter(({ score }) => score > 0).sort((x, y) => y.score - x.score);
}

const lexicalAnswers = {};

/** An index with a lexical side: documents added, replaced and removed, in one folder of several segments and one of one. */
async function writeLexical(name, { compacted, bm25, seed }) {
  const random = randomNumbers(seed);
  const index = await native().openIndex(path.join(folder, name), { dimension: 8, lexical: bm25 });
  const texts = new Map();
  for (const [batch, count] of [60, 20, 5].entries()) {
    const ids = Array.from({ length: count }, (_, i) => (batch > 0 && i % 4 === 0 ? `d${random(60)}` : `d${batch * 100 + i}`));
    const distinct = [...new Set(ids)];
    const added = distinct.map(() => Array.from({ length: random(25) }, () => `w${Math.min(random(120), random(120))}`).join(" "));
    await index.apply({
      add: {
        ids: packStrings(distinct),
        vectors: {
          indptr: Uint32Array.from({ length: distinct.length + 1 }, (_, i) => i),
          indices: Uint32Array.from(distinct, (_, i) => i % 8),
          values: Float32Array.from(distinct, (_, i) => 1 + i),
        },
        terms: termRows(added),
        stored: packStrings(added),
      },
    });
    for (const [i, id] of distinct.entries()) {
      texts.delete(id);
      texts.set(id, added[i]);
    }
  }
  const gone = ["d3", "d17", "d103"].filter((id) => texts.has(id));
  await index.apply({ remove: packStrings(gone) });
  for (const id of gone) texts.delete(id);
  if (compacted) while ((await index.mergeStep(true)) !== "nothing");
  const snapshot = index.snapshot();
  const searches = [];
  for (const query of ["w0", "w1 w5 w50", "w2 w2 w90", "w0 w1 w2 w3 w4", "absent w7"]) {
    const { ids, scores } = await snapshot.searchTerms(termRows([query]), 10, {});
    if (new Set(query.split(" ")).size === query.split(" ").length) {
      const expected = bestByTerms(texts, query, bm25).slice(0, 10);
      assert.equal(ids.length, expected.length);
      expected.forEach(({ score }, i) => assert.ok(Math.abs(score - scores[i]) < 1e-5, query));
    }
    searches.push({ query, ids, scores: [...scores] });
  }
  lexicalAnswers[name] = { bm25, size: texts.size, searches };
  await index.dispose();
}

await writeLexical("lexical", { bm25: { k1: 1.2, b: 0.75 }, seed: 10 });
await writeLexical("lexical-compacted", { bm25: { k1: 0.9, b: 0.4 }, seed: 11, compacted: true });

fs.writeFileSync(path.join(folder, "lexical-answers.json"), `${JSON.stringify(lexicalAnswers)}\n`);
fs.writeFileSync(path.join(folder, "answers.json"), `${JSON.stringify(answers)}\n`);
