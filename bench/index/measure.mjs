// Building and searching a SparseIndex in a folder, exactly and with recall targets: one JSON object with rates, sizes, latencies and recalls.
// usage: node bench/index/measure.mjs FOLDER DOCUMENTS [QUERIES]     FOLDER was written by encode.mjs and grow.py
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

import { configure, SparseIndex, SparseMatrix } from "sparse-rerank";

const [folder, documents, queryCount] = process.argv.slice(2);
const COLUMNS = 30522;
const BATCH = 20_000;
const TOP_K = [10, 100];
const TARGETS = [1, 0.99, 0.95, 0.9];
configure({ threads: 1 });

const read = (name, Type) => {
  const bytes = fs.readFileSync(path.join(folder, name));
  return new Type(bytes.buffer, bytes.byteOffset, bytes.byteLength / Type.BYTES_PER_ELEMENT);
};
// Node reads at most 2 GiB at once.
const readRange = (file, begin, end, Type) => {
  const bytes = Buffer.alloc((end - begin) * Type.BYTES_PER_ELEMENT);
  fs.readSync(file, bytes, 0, bytes.length, begin * Type.BYTES_PER_ELEMENT);
  return new Type(bytes.buffer, bytes.byteOffset, end - begin);
};

const indptr = read(`docs-${documents}.indptr`, BigUint64Array);
const indices = fs.openSync(path.join(folder, `docs-${documents}.indices`));
const values = fs.openSync(path.join(folder, `docs-${documents}.values`));
const all = new SparseMatrix({
  rows: read("queries.indptr", Uint32Array).length - 1,
  cols: COLUMNS,
  indptr: read("queries.indptr", Uint32Array),
  indices: read("queries.indices", Uint32Array),
  values: read("queries.values", Float32Array),
});
const queries = [...all].slice(0, queryCount === undefined ? undefined : Number(queryCount));

const home = fs.mkdtempSync(path.join(os.tmpdir(), "sparse-rerank-bench-"));
const index = await SparseIndex.open(path.join(home, "index"), { dimension: COLUMNS });
let building = 0;
const total = indptr.length - 1;
for (let first = 0; first < total; first += BATCH) {
  const rows = Math.min(BATCH, total - first);
  const begin = Number(indptr[first]);
  const end = Number(indptr[first + rows]);
  const matrix = new SparseMatrix({
    rows,
    cols: COLUMNS,
    indptr: Uint32Array.from({ length: rows + 1 }, (_, i) => Number(indptr[first + i]) - begin),
    indices: readRange(indices, begin, end, Uint32Array),
    values: readRange(values, begin, end, Float32Array),
  });
  const ids = Array.from({ length: rows }, (_, i) => String(first + i));
  const started = performance.now();
  await index.add(ids, matrix);
  building += performance.now() - started;
}
const compacting = performance.now();
await index.compact();
building += performance.now() - compacting;

const { postings, bytes, hotBytes, recall } = index.stats();
const result = {
  documents: total,
  weightsEach: postings / total,
  documentsPerSecond: Math.round((total / building) * 1000),
  bytesPerPosting: bytes / postings,
  hotBytesPerPosting: hotBytes / postings,
  calibrated: recall,
  queries: queries.length,
  cpu: os.cpus()[0]?.model,
  load: os.loadavg()[0],
};
for (const topK of TOP_K) {
  for (const query of queries.slice(0, 20)) await index.search(query, { topK });
  const runs = TARGETS.map((target) => ({ target, times: [], found: 0 }));
  let expected = 0;
  for (const query of queries) {
    let exact;
    // In turn, so that other work on the machine slows all of them.
    for (const run of runs) {
      const mode = run.target === 1 ? "exact" : { recall: run.target };
      const started = performance.now();
      const hits = await index.search(query, { topK, mode });
      run.times.push(performance.now() - started);
      exact ??= new Set(hits.map(({ id }) => id));
      run.found += hits.filter(({ id }) => exact.has(id)).length;
    }
    expected += exact.size;
  }
  result[`top${topK}`] = runs.map(({ target, times, found }) => {
    times.sort((a, b) => a - b);
    return {
      target,
      recall: found / expected,
      median: times[times.length >> 1],
      p99: times[Math.floor(times.length * 0.99)],
      least: times[0],
    };
  });
}
console.log(JSON.stringify(result));
await index.close();
fs.rmSync(home, { recursive: true });
