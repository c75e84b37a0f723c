// Test collections -> sparse vectors, for grow.py and measure.mjs.
// usage: node bench/index/encode.mjs COLLECTIONS OUT     COLLECTIONS has folders with corpus.jsonl and queries.jsonl (BEIR's layout)
import fs from "node:fs";
import path from "node:path";

import { SparseEncoder } from "sparse-rerank";

const [collections, out] = process.argv.slice(2);
fs.mkdirSync(out, { recursive: true });
const encoder = await SparseEncoder.load("splade-tiny");

function texts(name) {
  return fs
    .readdirSync(collections)
    .sort()
    .flatMap((collection) => fs.readFileSync(path.join(collections, collection, name), "utf8").split("\n"))
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line))
    .map(({ title, text }) => (title ? `${title} ${text}` : text));
}

function write(name, matrix) {
  for (const part of ["indptr", "indices", "values"]) fs.writeFileSync(path.join(out, `${name}.${part}`), matrix[part]);
  console.log(`${name}: ${matrix.rows} rows, ${(matrix.values.length / matrix.rows).toFixed(1)} weights each`);
}

write("docs", await encoder.encodeDocument(texts("corpus.jsonl")));
write("queries", await encoder.encodeQuery(texts("queries.jsonl")));
await encoder.close();
