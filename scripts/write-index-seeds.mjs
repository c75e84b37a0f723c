// Writes small index files as seeds for fuzzing. usage: write-index-seeds.mjs FOLDER
import path from "node:path";

import { SparseIndex, SparseMatrix } from "sparse-rerank";

import { native } from "../dist/native/load.js";
import { packStrings } from "../dist/native/strings.js";
import { attributesOf } from "../dist/sparse-index/metadata.js";

const folder = process.argv[2];

/** Documents with one term of each kind: in all of them, in few, with negative weights. */
async function write(name, dimension, documents, negative) {
  const index = SparseIndex.create({ dimension });
  const rows = Array.from({ length: documents }, (_, i) => ({
    indices: [0, 1 + (i % 30), dimension - 1],
    values: [1 + (i % 5), 0.25, negative && i % 7 === 0 ? -1 : 2],
  }));
  const ids = rows.map((_, i) => String(i));
  const payloads = ids.map((id) => (Number(id) % 3 === 0 ? { id } : undefined));
  const metadata = ids.map((_, i) => ({ n: i % 4, tags: i % 3 === 0 ? ["x", true] : [] }));
  await index.add(ids, SparseMatrix.fromRows(rows, dimension), { payloads, metadata });
  await index.save(path.join(folder, name));
  await index.close();
}

await write("one", 50, 1, false);
await write("narrow", 50, 130, false);
await write("wide", 70_000, 40, false);
await write("negative", 50, 70, true);
const empty = SparseIndex.create({ dimension: 3 });
await empty.save(path.join(folder, "empty"));
await empty.close();

/** The same with a lexical side: a term in all documents, one in most, and others. */
async function writeLexical(name, documents) {
  const index = new (native().Index)(50, { k1: 1.2, b: 0.75 });
  const numbers = Array.from({ length: documents }, (_, i) => i);
  const ends = Uint32Array.from({ length: documents + 1 }, (_, i) => i);
  await index.apply({
    add: {
      ids: packStrings(numbers.map(String)),
      vectors: { indptr: ends, indices: new Uint32Array(documents), values: new Float32Array(documents).fill(1) },
      terms: {
        terms: packStrings(["all", "common", ...Array.from({ length: 20 }, (_, i) => `word${i}`)]),
        indptr: ends.map((end) => 3 * end),
        indices: Uint32Array.from({ length: 3 * documents }, (_, k) => (k % 3 < 2 ? k % 3 : 2 + (Math.floor(k / 3) % 20))),
        counts: Uint32Array.from({ length: 3 * documents }, (_, k) => 1 + (k % 7)),
      },
      attributes: await attributesOf(numbers.map((n) => ({ n: n % 4 }))),
    },
  });
  await index.save(path.join(folder, name));
  await index.dispose();
}

await writeLexical("lexical-one", 1);
await writeLexical("lexical", 130);
