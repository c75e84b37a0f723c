/** Engines without a server: the local one, streams, addresses, exports, arguments. */

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { crc32 } from "node:zlib";

import fc from "fast-check";
import { SparseIndex, SparseMatrix, SparseRerankError } from "sparse-rerank";
import {
  EngineError,
  exportSeismic,
  exportSpladeIndex,
  LocalEngine,
  MilvusEngine,
  OpenSearchEngine,
  openEngine,
  PgvectorEngine,
  QdrantEngine,
  upsertStream,
} from "sparse-rerank/engines";
import type { DocumentBatch, Filter, SearchEngine } from "sparse-rerank/engines";

const MATRIX = SparseMatrix.fromRows(
  [
    { indices: [0, 2], values: [1, 0.5] },
    { indices: [2], values: [2] },
    { indices: [1, 3], values: [0.25, 3] },
  ],
  4,
);
const QUERY = { indices: Uint32Array.of(0, 2, 3), values: Float32Array.of(1, 1, 1), size: 4 };

function local(): LocalEngine {
  return new LocalEngine({ index: SparseIndex.create({ dimension: 4 }) });
}

function throwsCode(run: () => unknown, code: string): void {
  assert.throws(run, (error) => error instanceof SparseRerankError && error.code === code);
}

describe("engines", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), "sparse-rerank-engines-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it("LocalEngine: searches, filters, replaces and deletes with payloads", async () => {
    const engine = local();
    await engine.ensureIndex();
    await engine.upsert(["a", "b", "c"], MATRIX, [{ n: 1, tags: ["x"] }, { n: 2 }, undefined]);
    assert.deepEqual(await engine.search(QUERY, { topK: 2 }), [
      { id: "c", score: 3 },
      { id: "b", score: 2, payload: { n: 2 } },
    ]);
    const found = async (filter: Filter): Promise<string[]> => (await engine.search(QUERY, { topK: 1, filter })).map(({ id }) => id);
    assert.deepEqual(await found({ field: "tags", equals: "x" }), ["a"]);
    assert.deepEqual(await found({ field: "n", lt: 0 }), []);
    assert.deepEqual(await found({ tags: "x", n: { gt: 0, in: [1, 7] } }), ["a"]);
    await engine.upsert(["b"], MATRIX.slice(1, 2));
    assert.deepEqual(await found({ field: "n", equals: 2 }), []);
    assert.equal(await engine.delete(["a", "z"]), 1);
    assert.equal((await engine.stats()).documents, 2);
    await engine.close();
  });

  it("reject invalid filters, ids and options", async () => {
    const engine = local();
    const filters: unknown[] = [
      ...[null, {}, [], "x", { field: "a" }, { field: "", equals: 1 }, { field: "a..b", equals: 1 }, { field: "a", equals: NaN }],
      ...[
        { field: "a", equals: 1, in: [] },
        { a: [1] },
        { a: {} },
        { a: null },
        { a: 1, or: [{ a: 1 }] },
        { field: "a", in: [] },
        { field: "a", gt: "1" },
        { and: [] },
        { and: [{}], or: [{}] },
        { not: [] },
      ],
      ...[
        { field: "a", between: 1 },
        { field: "a", equals: null },
      ],
    ];
    let deep: unknown = { field: "a", equals: 1 };
    for (let i = 0; i < 40; i++) deep = { not: deep };
    for (const filter of [...filters, deep]) {
      await assert.rejects(
        engine.search(QUERY, { topK: 1, filter: filter as Filter }),
        { code: "ERR_INVALID_ARGUMENT" },
        JSON.stringify(filter),
      );
    }
    await assert.rejects(engine.search(QUERY, { topK: 0 }), { code: "ERR_INVALID_ARGUMENT" });
    for (const id of ["", "\ud800", 7])
      await assert.rejects(engine.upsert([id as string], MATRIX.slice(0, 1)), { code: "ERR_INVALID_ARGUMENT" });
    await assert.rejects(engine.upsert(["a", "a"], MATRIX.slice(0, 2)), { code: "ERR_DUPLICATE_ID" });
    await assert.rejects(engine.upsert(["a"], MATRIX), { code: "ERR_INVALID_ARGUMENT" });
    await assert.rejects(engine.upsert(["a"], MATRIX.slice(0, 1), undefined, { batchSize: 0 }), { code: "ERR_INVALID_ARGUMENT" });
    throwsCode(() => new OpenSearchEngine({ index: "docs" }), "ERR_INVALID_ARGUMENT");
    throwsCode(() => new OpenSearchEngine({ node: "http://x", index: "Not Lower" }), "ERR_INVALID_ARGUMENT");
    throwsCode(() => new QdrantEngine({ url: "http://x", collection: "a/b" }), "ERR_INVALID_ARGUMENT");
    throwsCode(() => new MilvusEngine({ address: "x", collection: "1st" }), "ERR_INVALID_ARGUMENT");
    throwsCode(() => new PgvectorEngine({ connectionString: "x", table: 'a"; DROP', dimension: 4 }), "ERR_INVALID_ARGUMENT");
  });

  it("match any payloads as their filters define", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.dictionary(fc.constantFrom("a", "b"), fc.jsonValue()), { minLength: 1, maxLength: 5 }),
        async (payloads) => {
          const engine = local();
          const ids = payloads.map((_, i) => String(i));
          const rows = SparseMatrix.fromRows(
            payloads.map(() => ({ indices: [0], values: [1] })),
            4,
          );
          await engine.upsert(ids, rows, payloads);
          const filter: Filter = {
            or: [
              { field: "a", in: [1, "x", true] },
              { field: "b", gte: 0 },
            ],
          };
          const yes = await engine.search(QUERY, { topK: 10, filter });
          const no = await engine.search(QUERY, { topK: 10, filter: { not: filter } });
          assert.deepEqual([...yes, ...no].map(({ id }) => id).sort(), ids);
        },
      ),
      { numRuns: 50 },
    );
  });

  it("upsertStream: resumes where it stopped, and reports the whole stream", async () => {
    const checkpoint = path.join(folder, "progress.json");
    const engine = local();
    let fail = true;
    const written: string[] = [];
    const flaky: SearchEngine = Object.create(engine, {
      upsert: {
        value: async (ids: string[], vectors: SparseMatrix) => {
          if (fail && ids.includes("b")) {
            throw new EngineError("Test", "ERR_ENGINE_UNAVAILABLE", "down", {
              report: { succeeded: 0, failed: [], warnings: [], retries: 3 },
            });
          }
          written.push(...ids);
          return engine.upsert(ids, vectors);
        },
      },
    }) as SearchEngine;
    const batches = (): DocumentBatch[] => ["a", "b", "c"].map((id, i) => ({ ids: [id], vectors: MATRIX.slice(i, i + 1) }));
    await assert.rejects(upsertStream(flaky, batches(), { checkpoint }), (error: EngineError) => {
      assert.equal(error.report?.succeeded, 1);
      assert.equal(error.report.retries, 3);
      assert.match(error.message, /^Test: down/);
      return true;
    });
    fail = false;
    // The same documents in other batches.
    const report = await upsertStream(flaky, [{ ids: ["a", "b", "c"], vectors: MATRIX }], { checkpoint });
    assert.equal(report.succeeded, 3);
    assert.deepEqual(written, ["a", "b", "c"]);
    assert.equal((await upsertStream(flaky, batches(), { checkpoint })).succeeded, 3);
    assert.equal(written.length, 3);
    await writeFile(checkpoint, "{}");
    await assert.rejects(upsertStream(flaky, batches(), { checkpoint }), { code: "ERR_INVALID_ARGUMENT" });
  });

  it("openEngine: one address names engine, server and index", () => {
    const names = {
      "opensearch+https://user:pw@host:9200/docs": "OpenSearch",
      "elasticsearch+http://host:9200/docs": "Elasticsearch",
      "qdrant+http://host:6333/docs": "Qdrant",
      "milvus://host:19530/docs": "Milvus",
      "postgres://user@host/database#docs": "pgvector",
    };
    for (const [address, name] of Object.entries(names)) assert.equal(openEngine(address, { dimension: 4 }).name, name);
    for (const address of ["docs", "http://host/docs", "opensearch://host/docs", "qdrant+http://host/"]) {
      throwsCode(() => openEngine(address, { dimension: 4 }), "ERR_INVALID_ARGUMENT");
    }
    throwsCode(() => openEngine("milvus://localhost:19530/docs", undefined as never), "ERR_INVALID_ARGUMENT");
    throwsCode(() => openEngine("milvus://localhost:19530/docs", { dimension: -1 }), "ERR_INVALID_ARGUMENT");
  });

  it("addresses with a bad percent escape or without a host are rejected, and never quoted", () => {
    const refuses = (make: () => unknown): void => {
      assert.throws(make, (error: SparseRerankError) => {
        assert.equal(error.code, "ERR_INVALID_ARGUMENT");
        assert.doesNotMatch(`${error.message}${String(error.cause)}`, /secret/);
        return true;
      });
    };
    const bad = [
      "user:secret@host/%zz",
      "user:secret%zz@host/docs",
      "us%:secret@host/docs",
      "user:secret@host/%E0%A4%A",
      "user:secret@host/docs%",
    ];
    for (const scheme of ["opensearch+http", "elasticsearch+https", "qdrant+http", "milvus", "postgres"]) {
      for (const rest of bad) refuses(() => openEngine(`${scheme}://${rest}#docs`, { dimension: 4 }));
    }
    refuses(() => openEngine("postgres://user:secret@host/db#%zz", { dimension: 4 }));
    refuses(() => openEngine("opensearch+http://user:secret@host:99999/docs", { dimension: 4 }));
    for (const node of ["user:secret@host", "ftp://user:secret@host", "http://user:secret%zz@host", "http://user:secret@host:99999"]) {
      refuses(() => new OpenSearchEngine({ node, index: "docs" }));
      refuses(() => new QdrantEngine({ url: node, collection: "docs" }));
    }
    refuses(() => new PgvectorEngine({ connectionString: "postgres://user:secret%zz@host/db", table: "docs", dimension: 4 }));
  });

  it("exportSeismic: one line of tokens and weights per document", async () => {
    const file = path.join(folder, "documents.jsonl");
    const vocabulary = ["zero", "one", "zwölf", '"'];
    await exportSeismic(file, ["a", "b", "c"], MATRIX, { vocabulary, texts: ["A", "B", "C"] });
    const lines = (await readFile(file, "utf8")).trim().split("\n");
    assert.deepEqual(
      lines.map((line) => JSON.parse(line) as unknown),
      [
        { id: "a", content: "A", vector: { zero: 1, zwölf: 0.5 } },
        { id: "b", content: "B", vector: { zwölf: 2 } },
        { id: "c", content: "C", vector: { one: 0.25, '"': 3 } },
      ],
    );
    await assert.rejects(exportSeismic(path.join(folder, "x.json"), ["a", "b", "c"], MATRIX, { vocabulary }), {
      code: "ERR_INVALID_ARGUMENT",
    });
    await assert.rejects(exportSeismic(file, ["a", "b", "c"], MATRIX, { vocabulary: ["a"] }), { code: "ERR_INVALID_ARGUMENT" });
  });

  it("exportSpladeIndex: NumPy arrays by dimension in an archive, and its JSON files", async () => {
    await exportSpladeIndex(folder, ["a", "ü👍", "c"], MATRIX, { vocabulary: ["w", "x", "y", "z"], texts: ["A", "B", "C"] });
    const entries = storedEntries(await readFile(path.join(folder, "csc.index.npz")));
    const data = new Float32Array(arrayOf(entries, "data.npy", "<f4", 5));
    const indices = new Int32Array(arrayOf(entries, "indices.npy", "<i4", 5));
    const indptr = new Int32Array(arrayOf(entries, "indptr.npy", "<i4", 5));
    assert.deepEqual([...data], [1, 0.25, 0.5, 2, 3]);
    assert.deepEqual([...indices], [0, 2, 0, 1, 2]);
    assert.deepEqual([...indptr], [0, 1, 2, 4, 5]);
    const points = new Uint32Array(arrayOf(entries, "document_ids.npy", "<U2", 3));
    assert.equal(String.fromCodePoint(...points), "a\0ü👍c\0");
    assert.deepEqual(JSON.parse(await readFile(path.join(folder, "vocab.index.json"), "utf8")), { w: 0, x: 1, y: 2, z: 3 });
    const params = JSON.parse(await readFile(path.join(folder, "params.index.json"), "utf8")) as { num_docs: number };
    assert.equal(params.num_docs, 3);
    assert.equal((await readFile(path.join(folder, "corpus.jsonl"), "utf8")).split("\n")[1], '{"id":"ü👍","text":"B"}');
  });
});

/** The entries of an uncompressed ZIP archive, by its central directory. */
function storedEntries(zip: Buffer): Map<string, Buffer> {
  const entries = new Map<string, Buffer>();
  const end = zip.length - 22;
  let at = zip.readUInt32LE(end + 16);
  for (let count = zip.readUInt16LE(end + 10); count > 0; count--) {
    const size = zip.readUInt32LE(at + 24);
    const nameLength = zip.readUInt16LE(at + 28);
    const local = zip.readUInt32LE(at + 42);
    const data = zip.subarray(local + 30 + nameLength, local + 30 + nameLength + size);
    assert.equal(zip.readUInt32LE(at + 16), crc32(data));
    entries.set(zip.toString("utf8", at + 46, at + 46 + nameLength), data);
    at += 46 + nameLength;
  }
  return entries;
}

/** The bytes of an .npy array of that type and length. */
function arrayOf(entries: ReadonlyMap<string, Buffer>, name: string, type: string, length: number): ArrayBuffer {
  const bytes = entries.get(name)!;
  const start = 10 + bytes.readUInt16LE(8);
  assert.equal(start % 64, 0);
  assert.equal(bytes.toString("latin1", 10, start).trimEnd(), `{'descr': '${type}', 'fortran_order': False, 'shape': (${length},), }`);
  return Uint8Array.from(bytes.subarray(start)).buffer;
}
