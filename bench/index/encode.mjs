// Encodes collections to sparse vectors, for grow.py and compare.mjs. An interrupted run resumes where it stopped.
// usage: node bench/index/encode.mjs COLLECTIONS OUT     COLLECTIONS contains folders with corpus.jsonl and queries.jsonl (BEIR's layout)
import fs from "node:fs";
import path from "node:path";
import readline from "node:readline";

import { SparseEncoder } from "sparse-rerank";

import { appendVectors } from "./vectors.mjs";

const BLOCK = 4096;

const [collections, out] = process.argv.slice(2);
fs.mkdirSync(out, { recursive: true });
const encoder = await SparseEncoder.load("splade-tiny");

async function* texts(name) {
  for (const collection of fs.readdirSync(collections).sort()) {
    for await (const line of readline.createInterface({ input: fs.createReadStream(path.join(collections, collection, name)) })) {
      if (line === "") continue;
      const { title, text } = JSON.parse(line);
      yield title ? `${title} ${text}` : text;
    }
  }
}

async function write(name, file, encode) {
  const vectors = appendVectors(out, name);
  let done = vectors.rows;
  let block = [];
  const flush = async () => {
    if (block.length > 0) vectors.append(await encode(block));
    block = [];
    process.stderr.write(`\r${name}: ${vectors.rows} rows`);
  };
  for await (const text of texts(file)) {
    if (done-- > 0) continue;
    block.push(text);
    if (block.length === BLOCK) await flush();
  }
  await flush();
  console.log(`\r${name}: ${vectors.rows} rows, ${(vectors.weights / vectors.rows).toFixed(1)} weights each`);
  vectors.close();
}

await write("queries", "queries.jsonl", (block) => encoder.encodeQuery(block));
await write("docs", "corpus.jsonl", (block) => encoder.encodeDocument(block));
await encoder.close();
