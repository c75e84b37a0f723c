// Passages of real sentences, with vectors of splade-tiny, in any number: the input of all processes of a run.
// usage: node data.mjs FOLDER PASSAGES QUERIES     prints what writeData() resolves to
import fs from "node:fs";
import path from "node:path";
import readline from "node:readline";

import { SparseEncoder, SparseMatrix } from "sparse-rerank";

import { passageText, readCollection } from "../../dist/corpus/beir-corpus.js";
import { appendVectors, COLUMNS } from "../index/vectors.mjs";

const root = path.join(import.meta.dirname, "..", "..");
const collections = path.join(root, "..", "shared", "data", "collections");
const SENTENCE_END = /(?<=[.!?])\s+/;
/** Words from which a run of sentences is a unit; a passage is two units. */
const UNIT_WORDS = 25;
/** Sentences of a table or a list have no end. */
const MAX_UNIT_WORDS = 100;
/** Distance of the units that each further round combines; prime, so that a unit never meets the same one again. */
const STRIDE = 7919;
const BLOCK = 4096;

/**
 * Writes `count` passages (passages.jsonl: id, text), their vectors (docs.*, see vectors.mjs) and the queries (queries.json) to a folder.
 *
 * Documents of test collections in BEIR's layout are cut into units: runs of whole sentences of at least 25 words. The first passages are
 * neighboring units, as passages of documents are; when these are used up, each unit is combined with one further away. The vector of a
 * passage has the larger one of both units' weights, as pooling takes the maximum over tokens: so each unit is encoded once.
 *
 * @returns {Promise<{ source: string, words: number, weights: number, queries: number }>} words and weights: means of a passage
 */
export async function writeData(folder, count, queryCount) {
  const { units, queries, source } = await readUnits();
  const pairs = Array.from({ length: count }, (_, i) => pairOf(i, count, units.length));
  const vectors = await encodeUnits(units, new Set(pairs.flat()));
  const texts = fs.openSync(path.join(folder, "passages.jsonl"), "w");
  const matrix = appendVectors(folder, "docs");
  let words = 0;
  for (let first = 0; first < count; first += BLOCK) {
    const block = pairs.slice(first, first + BLOCK);
    const lines = block.map(([a, b], i) => JSON.stringify({ id: String(first + i), text: `${units[a]} ${units[b]}` }));
    fs.writeSync(texts, `${lines.join("\n")}\n`);
    matrix.append(matrixOf(block.map(([a, b]) => larger(vectors.get(a), vectors.get(b)))));
    words += block.reduce((sum, [a, b]) => sum + wordsOf(units[a]) + wordsOf(units[b]), 0);
  }
  fs.closeSync(texts);
  const weights = matrix.weights / count;
  matrix.close();
  const used = Array.from(
    { length: Math.min(queryCount, queries.length) },
    (_, i) => queries[Math.floor((i * queries.length) / queryCount)],
  );
  fs.writeFileSync(path.join(folder, "queries.json"), JSON.stringify(used));
  return { source, passages: count, words: words / count, weights, queries: used.length };
}

/** Reads passages of writeData() in blocks. */
export async function* readBlocks(folder, size) {
  const lines = readline.createInterface({ input: fs.createReadStream(path.join(folder, "passages.jsonl")) });
  let block = [];
  for await (const line of lines) {
    block.push(JSON.parse(line));
    if (block.length < size) continue;
    yield block;
    block = [];
  }
  if (block.length > 0) yield block;
}

export function readQueries(folder) {
  return JSON.parse(fs.readFileSync(path.join(folder, "queries.json"), "utf8"));
}

async function readUnits() {
  const names = fs.existsSync(collections) ? fs.readdirSync(collections).sort() : [];
  const units = [];
  const queries = [];
  for (const name of names) {
    for await (const passage of readCollection(path.join(collections, name, "corpus.jsonl"))) units.push(...unitsOf(passageText(passage)));
    for await (const { text } of readCollection(path.join(collections, name, "queries.jsonl"))) queries.push(text);
  }
  if (names.length > 0) return { units, queries, source: `test collections ${names.join(", ")}, and their queries` };
  for await (const passage of readCollection(path.join(root, "node_modules"))) {
    units.push(...unitsOf(passageText(passage)));
    const title = passage.headings?.at(-1) ?? "";
    if (wordsOf(title) >= 3) queries.push(title);
  }
  return { units, queries: [...new Set(queries)], source: "documentation of the packages in node_modules; its headings are the queries" };
}

function unitsOf(text) {
  const units = [];
  let unit = [];
  const end = () => {
    if (unit.length > 0) units.push(unit.join(" "));
    unit = [];
  };
  for (const sentence of text.split(SENTENCE_END)) {
    const words = sentence.split(/\s+/).filter((word) => word !== "");
    for (let from = 0; from < words.length; from += MAX_UNIT_WORDS) {
      unit.push(...words.slice(from, from + MAX_UNIT_WORDS));
      if (unit.length >= UNIT_WORDS) end();
    }
  }
  end();
  return units;
}

function wordsOf(text) {
  return text.split(/\s+/).filter((word) => word !== "").length;
}

/** The two units of passage i: all pairs differ. */
function pairOf(i, count, units) {
  const first = count < units ? Math.floor((i * units) / count) : i % units;
  return [first, (first + 1 + STRIDE * Math.floor(count < units ? 0 : i / units)) % units];
}

async function encodeUnits(units, used) {
  const encoder = await SparseEncoder.load("splade-tiny");
  const vectors = new Map();
  const numbers = [...used];
  for (let first = 0; first < numbers.length; first += BLOCK) {
    const block = numbers.slice(first, first + BLOCK);
    const rows = [...(await encoder.encodeDocument(block.map((number) => units[number])))];
    block.forEach((number, i) => vectors.set(number, rows[i]));
    process.stderr.write(`\r${first + block.length} of ${numbers.length} units encoded `);
  }
  process.stderr.write("\n");
  await encoder.close();
  return vectors;
}

/** Both vectors' weights; where both have one, the larger. */
function larger(a, b) {
  const indices = [];
  const values = [];
  for (let i = 0, j = 0; i < a.indices.length || j < b.indices.length;) {
    const fromA = a.indices[i] ?? COLUMNS;
    const fromB = b.indices[j] ?? COLUMNS;
    indices.push(Math.min(fromA, fromB));
    values.push(Math.max(fromA <= fromB ? a.values[i] : 0, fromB <= fromA ? b.values[j] : 0));
    if (fromA <= fromB) i++;
    if (fromB <= fromA) j++;
  }
  return { indices, values };
}

function matrixOf(rows) {
  const indptr = new Uint32Array(rows.length + 1);
  rows.forEach(({ indices }, i) => (indptr[i + 1] = indptr[i] + indices.length));
  return new SparseMatrix({
    rows: rows.length,
    cols: COLUMNS,
    indptr,
    indices: Uint32Array.from(rows.flatMap(({ indices }) => indices)),
    values: Float32Array.from(rows.flatMap(({ values }) => values)),
  });
}

if (process.argv[1] === import.meta.filename) {
  const [folder, count, queryCount] = process.argv.slice(2);
  console.log(JSON.stringify(await writeData(folder, Number(count), Number(queryCount))));
}
