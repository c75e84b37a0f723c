/** The contract of every engine, tested against a running server. */

import assert from "node:assert/strict";

import { SparseEncoder, SparseIndex, SparseMatrix, SparseRerankError } from "sparse-rerank";
import { LocalEngine } from "sparse-rerank/engines";
import type { EngineHit, Filter, Payload, SearchEngine } from "sparse-rerank/engines";

import { skip } from "../support/skip";

type ServerName = "opensearch" | "elasticsearch8" | "elasticsearch9" | "postgres" | "milvus" | "qdrant" | "redis";

interface Started {
  readonly address: string;
  stop(signal?: NodeJS.Signals): Promise<void>;
}

/** Starts a server before the current suite, stops it afterwards, and skips the suite if the server is unavailable. */
export function useServer(name: ServerName): () => string {
  let server: Started | undefined;
  before(async function () {
    this.timeout(600_000);
    const { servers } = await import("../../scripts/engines/servers.mjs");
    try {
      server = await servers[name]();
    } catch (error) {
      skip(this, `no ${name} server: ${error instanceof Error ? error.message : String(error)}`);
    }
  });
  after(async () => {
    await server?.stop();
  });
  return () => {
    assert.ok(server !== undefined);
    return server.address;
  };
}

export interface ContractOptions {
  /** A new engine over an index with that name. */
  readonly create: (name: string) => SearchEngine;
  /** Relative error of scores caused by how the engine stores weights; default 1e-5. */
  readonly tolerance?: number;
  /** Default true. */
  readonly takesEmptyVectors?: boolean;
  /** Why the test server cannot evaluate a filter that the real engine can. */
  readonly serverLacks?: (filter: string) => string | undefined;
  /** What the engine refuses in filters (docs/engines.md). */
  readonly refuses?: readonly FilterFeature[];
}

type FilterFeature = "dates" | "exists" | "prefix";

const TEXTS = [
  "The heart pumps blood through the body.",
  "Exercise lowers blood pressure and strengthens the heart.",
  "Sharks are fish that live in the sea.",
  "Whales are mammals that live in the ocean.",
  "The income tax is due in spring.",
  "Interest on savings is taxed as income.",
  "Paris is the capital of France.",
  "The Seine flows through Paris.",
  "A stroke is caused by a blocked vessel in the brain.",
  "Coral reefs are home to many kinds of fish.",
];
const IDS = ["plain", "with space", "ümläut/slash", "日本語", 'quo"te', "apo'strophe", "per%cent?&=#", "back\\slash", "-1", "👍🏽"];
const PAYLOADS: (Payload | undefined)[] = [
  { lang: "en", year: 2001, tags: ["health", "body"], author: { name: "Ann" }, open: true },
  { lang: "en", year: 2010.5, tags: ["health"], author: { name: "Bob" }, open: false, published: "2024-02-29T23:30:00Z" },
  { lang: "de", year: 1999, tags: ["sea"], open: true, published: "2024-03-01" },
  { lang: "fr", year: 2020, text: 'He said "no", ünd left \\ \n twice 👍' },
  { lang: "en", year: -3 },
  { lang: "de", year: 0 },
  undefined,
  { year: 2001 },
  { lang: "en", nested: { deep: { list: [1, 2], nothing: null } } },
  {},
];
const FILTERS: Filter[] = [
  { field: "lang", equals: "en" },
  { field: "lang", in: ["de", "fr"] },
  { field: "year", equals: 2010.5 },
  { field: "year", in: [0, -3] },
  { field: "year", gte: 2001 },
  { field: "year", gt: 2001, lt: 2020 },
  { field: "year", lte: 0 },
  { field: "tags", equals: "health" },
  { field: "tags", all: ["health", "body"] },
  { lang: "en", year: { gte: 2001 } },
  { field: "open", equals: true },
  { field: "author.name", equals: "Ann" },
  { field: "missing", equals: "x" },
  { not: { field: "lang", equals: "en" } },
  { not: { field: "year", gte: 0 } },
  {
    and: [
      { field: "lang", equals: "en" },
      { field: "year", gt: 2000 },
    ],
  },
  {
    or: [
      { field: "lang", equals: "fr" },
      { field: "tags", equals: "sea" },
    ],
  },
  {
    and: [
      {
        or: [
          { field: "lang", equals: "en" },
          { field: "lang", equals: "de" },
        ],
      },
      { not: { field: "open", equals: true } },
    ],
  },
];

const FEATURE_FILTERS: { readonly needs: FilterFeature; readonly filter: Filter }[] = [
  { needs: "exists", filter: { field: "tags", exists: true } },
  { needs: "exists", filter: { field: "open", exists: false } },
  { needs: "exists", filter: { field: "author.name", exists: true } },
  { needs: "exists", filter: { lang: { exists: true }, year: { lt: 2001 } } },
  { needs: "prefix", filter: { field: "author.name", prefix: "A" } },
  { needs: "prefix", filter: { field: "tags", prefix: "he" } },
  { needs: "prefix", filter: { field: "lang", prefix: "E" } },
  { needs: "prefix", filter: { not: { field: "lang", prefix: "e" } } },
  { needs: "dates", filter: { published: { gte: "2024-03-01" } } },
  { needs: "dates", filter: { published: { gt: new Date("2024-01-01"), lt: "2024-03-01T00:00:00+01:00" } } },
  { needs: "dates", filter: { not: { published: { lte: new Date("2024-12-31") } } } },
];

export function describeContract(options: ContractOptions): void {
  const { create, tolerance = 1e-5, takesEmptyVectors = true, refuses = [] } = options;
  let encoder: SparseEncoder;
  let vectors: SparseMatrix;
  let queries: SparseMatrix;
  let local: LocalEngine;
  const open: SearchEngine[] = [];
  let engine: SearchEngine;
  const made = async (name: string): Promise<SearchEngine> => {
    const one = create(name);
    open.push(one);
    await one.ensureIndex();
    return one;
  };

  before(async () => {
    encoder = await SparseEncoder.load("splade-tiny");
    vectors = await encoder.encodeDocument(TEXTS);
    queries = await encoder.encodeQuery(["what causes heart attacks?", "fish in the sea", "taxes", "where is the Seine?"]);
    local = new LocalEngine({ index: SparseIndex.create({ dimension: encoder.embeddingDimension }) });
    await local.upsert(IDS, vectors, PAYLOADS);
    engine = await made("contract");
  });
  after(async () => {
    for (const one of open) await one.close();
    await (encoder as SparseEncoder | undefined)?.close();
  });

  const assertSame = (actual: readonly EngineHit[], expected: readonly EngineHit[]): void => {
    assert.deepEqual(actual.map(({ id }) => id).sort(), expected.map(({ id }) => id).sort());
    const scores = new Map(expected.map(({ id, score }) => [id, score]));
    let before = Infinity;
    for (const { id, score } of actual) {
      assert.ok(Math.abs(score - scores.get(id)!) <= tolerance * Math.abs(scores.get(id)!), `${id}: ${score}, not ${scores.get(id)!}`);
      assert.ok(score <= before, "best first");
      before = score;
    }
  };

  it("creates its index once, and reuses it afterwards", async () => {
    await engine.ensureIndex();
    await create("contract").ensureIndex();
    assert.equal((await engine.stats()).documents, 0);
  });

  it("finds added documents, with dot-product scores, payloads and unusual ids", async () => {
    const progress: number[] = [];
    const report = await engine.upsert(IDS, vectors, PAYLOADS, { batchSize: 3, onProgress: ({ done }) => progress.push(done) });
    assert.deepEqual(report, { succeeded: IDS.length, failed: [], warnings: [], retries: 0 });
    assert.equal(progress.at(-1), IDS.length);
    assert.equal((await engine.stats()).documents, IDS.length);
    for (const query of queries) {
      const hits = await engine.search(query, { topK: 20 });
      assertSame(hits, await local.search(query, { topK: 20 }));
      for (const { id, payload = {} } of hits) assert.deepEqual(payload, PAYLOADS[IDS.indexOf(id)] ?? {});
      assert.deepEqual(await engine.search(query, { topK: 2 }), hits.slice(0, 2));
    }
  });

  for (const filter of [...FILTERS, ...FEATURE_FILTERS.filter(({ needs }) => !refuses.includes(needs)).map(({ filter }) => filter)]) {
    it(`filters like a SparseIndex: ${JSON.stringify(filter)}`, async function () {
      const lacking = options.serverLacks?.(JSON.stringify(filter));
      if (lacking !== undefined) skip(this, lacking);
      for (const query of queries)
        assertSame(await engine.search(query, { topK: 20, filter }), await local.search(query, { topK: 20, filter }));
    });
  }

  for (const { needs, filter } of FEATURE_FILTERS.filter(({ needs }) => refuses.includes(needs))) {
    it(`refuses a filter by ${needs}: ${JSON.stringify(filter)}`, async () => {
      await assert.rejects(engine.search(queries.row(0), { topK: 20, filter }), hasCode(/FILTER_UNSUPPORTED/));
    });
  }

  it("replaces a document with the same id, including its payload", async () => {
    const second = await made("replaced");
    await second.upsert(["a", "b"], vectors.slice(0, 2), [{ lang: "en" }, undefined]);
    await second.upsert(["a"], vectors.slice(2, 3));
    assert.equal((await second.stats()).documents, 2);
    const [hit] = await second.search(vectors.row(2), { topK: 1 });
    assert.equal(hit?.id, "a");
    assert.deepEqual(await second.search(vectors.row(2), { topK: 5, filter: { field: "lang", equals: "en" } }), []);
  });

  it("deletes documents, and returns how many there were", async () => {
    const second = await made("deleted");
    await second.upsert(IDS, vectors);
    assert.equal(await second.delete(["plain", "日本語", "plain", "unknown"]), 2);
    assert.equal(await second.delete(["plain"]), 0);
    const hits = await second.search(queries.row(0), { topK: 20 });
    assert.ok(!hits.some(({ id }) => id === "plain" || id === "日本語"));
  });

  it("reports documents that it cannot store, and writes the others", async () => {
    const second = await made("rejected");
    const long = "x".repeat(70_000);
    const cyclic: Payload = {};
    cyclic["self"] = cyclic;
    const report = await second.upsert([long, "cyclic", "fine"], vectors.slice(0, 3), [undefined, cyclic, undefined]);
    assert.equal(report.succeeded, 1);
    assert.deepEqual(
      report.failed.map(({ id, code }) => [id.slice(0, 6), code]),
      [
        ["xxxxxx", "ERR_ENGINE_LIMIT"],
        ["cyclic", "ERR_INVALID_ARGUMENT"],
      ],
    );
    assert.match(report.failed[0]!.reason, new RegExp(`^${second.name}: the id has 70000 bytes`));
    assert.deepEqual(
      (await second.search(vectors.row(2), { topK: 5 })).map(({ id }) => id),
      ["fine"],
    );
  });

  it("finds nothing for an empty query, and stores or reports documents without weights", async () => {
    const second = await made("empty");
    const some = SparseMatrix.fromRows(
      [
        { indices: [], values: [] },
        { indices: [0, 3], values: [0, 1] },
      ],
      encoder.embeddingDimension,
    );
    const report = await second.upsert(["none", "zero"], some);
    assert.deepEqual(
      report.failed.map(({ id, code }) => [id, code]),
      takesEmptyVectors ? [] : [["none", "ERR_ENGINE_LIMIT"]],
    );
    assert.deepEqual(await second.search(some.row(0), { topK: 5 }), []);
    assert.deepEqual(
      (await second.search(some.row(1), { topK: 5 })).map(({ id }) => id),
      ["zero"],
    );
  });

  it("reports that the index is missing", async () => {
    const missing = create("missing");
    open.push(missing);
    await assert.rejects(missing.upsert(["a"], vectors.slice(0, 1), undefined, { maxRetries: 0 }), hasCode(/INDEX_NOT_FOUND|RESPONSE/));
    await assert.rejects(missing.search(queries.row(0), { topK: 1 }), hasCode(/INDEX_NOT_FOUND|RESPONSE/));
  });

  it("rejects vectors of another model, and stops when aborted", async () => {
    const wrong = SparseMatrix.fromRows([{ indices: [1], values: [1] }], 10);
    await assert.rejects(engine.upsert(["a"], wrong), hasCode(/DIMENSION_MISMATCH/));
    await assert.rejects(engine.search(wrong.row(0), { topK: 1 }), hasCode(/DIMENSION_MISMATCH/));
    await assert.rejects(engine.upsert(["a"], vectors.slice(0, 1), undefined, { signal: AbortSignal.abort() }), hasCode(/ABORTED/));
    await assert.rejects(engine.search(queries.row(0), { topK: 1, signal: AbortSignal.abort() }), hasCode(/ABORTED/));
  });
}

export function hasCode(code: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof SparseRerankError, String(error));
    assert.match(error.code, code, error.message);
    return true;
  };
}
