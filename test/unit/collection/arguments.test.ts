/** Wrong arguments of Collection, and calls that overlap: coded errors before work starts, and nothing half written. */

import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

import { Collection } from "../../../dist/collection/collection";
import type { CollectionFilter } from "../../../dist/collection/types";
import { SparseEncoder } from "../../../dist/sparse-encoder";
import { SparseMatrix } from "../../../dist/sparse-matrix";
import { spladeTiny } from "../../lifecycle/children";

const GOOD = [
  { id: "a", text: "A stone in the river", metadata: { lang: "en", size: 1 } },
  { id: "b", text: "The light of winter", title: "Light", metadata: { lang: "de", size: "large" } },
];
const cycle: Record<string, unknown> = {};
cycle["self"] = cycle;
const nested = (levels: number): unknown => (levels === 0 ? 1 : { in: nested(levels - 1) });
const withMetadata = (metadata: unknown): unknown => [{ id: "x", text: "x", metadata }];

interface Refusal {
  readonly code: string;
  readonly message: RegExp;
}
const invalid = (message: RegExp): Refusal => ({ code: "ERR_INVALID_ARGUMENT", message });

/** Arguments of upsert(); those with one document are also refused by sync(). */
const DOCUMENTS: Readonly<Record<string, readonly [documents: unknown, refusal: Refusal]>> = {
  undefined: [undefined, invalid(/documents/)],
  "an object": [{ id: "x", text: "x" }, invalid(/documents/)],
  "a hole": [new Array(1), invalid(/documents\[0\]/)],
  null: [[null], invalid(/documents\[0\]/)],
  "no id": [[{ text: "x" }], invalid(/documents\[0\]\.id/)],
  "an empty id": [[{ id: "", text: "x" }], invalid(/documents\[0\]\.id/)],
  "a long id": [[{ id: "x".repeat(65_001), text: "x" }], invalid(/65000/)],
  "half a surrogate pair in an id": [[{ id: "\ud800", text: "x" }], invalid(/surrogate/)],
  "no text": [[{ id: "x" }], invalid(/documents\[0\]\.text/)],
  "a blank text": [[{ id: "x", text: " \n\u3000" }], invalid(/neither a text nor a title/)],
  "a number for a title": [[{ id: "x", text: "x", title: 5 }], invalid(/title/)],
  "an unknown field": [[{ id: "x", text: "x", meta: {} }], invalid(/metadata/)],
  "a repeated id": [[...GOOD, { id: "a", text: "x" }], { code: "ERR_DUPLICATE_ID", message: /documents\[2\]\.id is "a"/ }],
  "a document of 100 MB": [[{ id: "x", text: "x ".repeat(5e7) }], { code: "ERR_TOO_LARGE", message: /documents\[0\]\.text/ }],
  "a title of 100 MB": [[{ id: "x", text: "x", title: "x".repeat(1e8) }], { code: "ERR_TOO_LARGE", message: /documents\[0\]\.title/ }],
  "metadata of 20 MB": [withMetadata({ a: "x".repeat(2e7) }), { code: "ERR_TOO_LARGE", message: /documents\[0\]\.metadata/ }],
  "a function": [withMetadata({ a: { b: () => 1 } }), invalid(/documents\[0\]\.metadata\.a\.b/)],
  "a cycle": [withMetadata(cycle), invalid(/cycle/)],
  NaN: [withMetadata({ a: [1, NaN] }), invalid(/metadata\.a\[1\]/)],
  "a Map": [withMetadata(new Map([["a", 1]])), invalid(/Map/)],
  "a Map within": [withMetadata({ a: new Map() }), invalid(/metadata\.a is a Map/)],
  "a symbol": [withMetadata({ a: Symbol("a") }), invalid(/metadata\.a/)],
  "a symbol as a key": [withMetadata({ a: { [Symbol("a")]: 1 } }), invalid(/metadata\.a has a key that is a symbol/)],
  "40 levels": [withMetadata(nested(40)), invalid(/32 levels/)],
  "5000 levels": [withMetadata(nested(5000)), invalid(/levels/)],
  "an array": [withMetadata([1]), invalid(/metadata/)],
  "toJSON() of a number": [withMetadata({ toJSON: () => 5 }), invalid(/metadata/)],
};

const FILTERS: Readonly<Record<string, unknown>> = {
  null: null,
  "a string": "a",
  empty: {},
  "an unknown operator": { size: { above: 3 } },
  "an unknown operator beside a known one": { size: { gt: 3, above: 3 } },
  "a regular expression": { lang: /en/ },
  "NaN for a bound": { size: { gt: NaN } },
  "mixed bounds": { size: { gt: 1, lt: "2024-01-01" } },
  "ids and a field": { ids: ["a"], lang: "en" },
  "a string of ids": { ids: "a" },
  "an empty id": { ids: ["a", ""] },
  "a hole for an id": { ids: new Array(1) },
};

const codeOf = (error: unknown): string => String((error as { code?: unknown }).code);

describe("arguments of Collection", function () {
  this.timeout(120_000);
  let encoder: SparseEncoder;
  let base: string;
  let collection: Collection;
  let lexical: Collection;

  before(async () => {
    encoder = await SparseEncoder.load(spladeTiny);
    base = fs.mkdtempSync(path.join(os.tmpdir(), "sparse-rerank-collection-"));
    collection = await Collection.open(path.join(base, "both"), { encoder, lexical: true });
    lexical = await Collection.open(":memory:", { lexical: true });
    await collection.upsert(GOOD);
    await lexical.upsert(GOOD);
  });

  after(async () => {
    await collection.close();
    await lexical.close();
    await encoder.close();
    fs.rmSync(base, { recursive: true, force: true });
  });

  const requireUnchanged = async (): Promise<void> => {
    for (const one of [collection, lexical]) assert.deepEqual(await one.list(), GOOD);
  };

  for (const [name, [documents, refusal]] of Object.entries(DOCUMENTS)) {
    it(`refuses documents: ${name}`, async () => {
      for (const one of [collection, lexical]) {
        await assert.rejects(one.upsert(documents as never), refusal);
        if (!Array.isArray(documents)) continue;
        const { code } = refusal;
        await assert.rejects(one.sync(documents as never, { prune: true }), { code });
        // Of a valid document and a wrong one, none is stored.
        if (code !== "ERR_DUPLICATE_ID")
          await assert.rejects(one.upsert([{ id: "new", text: "new" }, ...(documents as never[])]), { code });
      }
      await requireUnchanged();
    });
  }

  for (const [name, filter] of Object.entries(FILTERS)) {
    it(`refuses filters: ${name}`, async () => {
      const refused = { code: "ERR_INVALID_ARGUMENT" };
      await assert.rejects(collection.search("river", { filter: filter as never }), refused);
      await assert.rejects(collection.list({ filter: filter as never }), refused);
      await assert.rejects(collection.count(filter as never), refused);
      await assert.rejects(collection.delete(filter as never), refused);
      await requireUnchanged();
    });
  }

  it("refuses wrong options of every call", async () => {
    const vectors = await encoder.encodeDocument(["river"]);
    const bad = (call: () => unknown, message = /./, code = "ERR_INVALID_ARGUMENT") =>
      assert.rejects(Promise.resolve().then(call), { code, message }, String(call));
    const never = (value: unknown): never => value as never;
    for (const options of [
      null,
      [],
      { topk: 5 },
      { topK: 0 },
      { topK: 1.5 },
      { offset: -1 },
      { offset: "1" },
      { mode: "dense" },
      { fusion: { method: "x" } },
    ]) {
      await bad(() => collection.search("river", never(options)));
    }
    for (const options of [
      { rerank: 0 },
      { collapse: "none" },
      { highlight: 1 },
      { timeBudgetMs: 0 },
      { timeBudgetMs: NaN },
      { signal: {} },
    ]) {
      await bad(() => collection.search("river", never(options)));
    }
    for (const facets of [[], ["lang"], { lang: 0 }, { lang: 1.5 }, { "": 1 }, null]) {
      await bad(() => collection.search("river", { facets: never(facets) }));
    }
    await bad(() => collection.search("river", { rerank: true }), /reranker/);
    await bad(() => collection.search("river", { mode: "sparse", fusion: { method: "rrf" } }), /fusion/);
    for (const query of ["", undefined, 5, ["river"]]) await bad(() => collection.search(never(query)), /query/);
    await bad(() => lexical.search("river", { mode: "sparse" }), /encoder/);
    await bad(() => lexical.upsert([{ id: "x", text: "x" }], { vectors }), /without an encoder/, "ERR_NOT_SUPPORTED");
    await bad(() => collection.upsert(GOOD, { vectors }), /1 rows of vectors and 2 documents/);
    await bad(
      () => collection.upsert(GOOD, { vectors: SparseMatrix.fromRows([{ indices: [0], values: [1] }], 5) }),
      /5/,
      "ERR_DIMENSION_MISMATCH",
    );
    await bad(() => collection.upsert(GOOD, never({ vectors: 5 })));
    await bad(() => collection.upsert(GOOD, never({ onProgress: 5 })), /onProgress/);
    await bad(() => collection.upsert(GOOD, never({ priority: "urgent" })), /priority/);
    await bad(() => collection.sync([], never({ priority: 1 })), /priority/);
    await bad(() => collection.sync(never(5)), /source/);
    await bad(() => collection.sync([], never({ prune: 1 })), /prune/);
    await bad(() => collection.sync([GOOD[0], GOOD[0]] as never), /./, "ERR_DUPLICATE_ID");
    await bad(() => collection.get(never("a")), /ids/);
    await bad(() => collection.get(new Array(1)), /ids\[0\]/);
    await bad(() => collection.delete(never("a")));
    await bad(() => collection.delete(never(undefined)));
    await bad(() => collection.delete(["a", never(5)]), /ids\[1\]/);
    await bad(() => collection.list({ limit: 0 }), /limit/);
    await bad(() => collection.list({ after: "none" }), /"none"/);
    await bad(() => collection.list(never({ offset: 1 })), /offset/);
    for (const target of [":memory:", "", 5, "a\0b", path.join(base, "both"), path.join(base, "both", "manifest")]) {
      await bad(() => collection.backup(never(target)));
      await bad(() => collection.migrate(never(target), { lexical: true }));
    }
    await bad(() => collection.migrate(path.join(base, "new"), never({ readOnly: true })), /readOnly/);
    await bad(() => collection.retrieve(never("river"), { topK: 1 }));
    await requireUnchanged();
    assert.deepEqual(fs.readdirSync(base), ["both"]);
  });

  it("refuses wrong options of open(), and creates nothing", async () => {
    const folder = path.join(base, "wrong");
    const wrong: readonly unknown[] = [
      ...[null, {}, { encoders: encoder }, { encoder: {} }, { encoder: { embeddingDimension: 5, model: { name: "x", fingerprint: "y" } } }],
      ...[{ lexical: false }, { lexical: { language: "klingon" } }, { lexical: { k1: -1 } }, { lexical: true, passages: {} }],
      ...[
        { encoder, passages: { maxTokens: 0 } },
        { encoder, passages: { overlap: 1 } },
        { encoder, passages: { maxTokens: 1e6 } },
      ],
      ...[
        { encoder, reranker: {} },
        { encoder, readOnly: 1 },
        { encoder, autoRefresh: true },
      ],
    ];
    for (const options of wrong) await assert.rejects(Collection.open(folder, options as never), { code: "ERR_INVALID_ARGUMENT" });
    await assert.rejects(Collection.open(folder, { encoder, readOnly: true }), { code: "ERR_FILE_NOT_FOUND" });
    assert.ok(!fs.existsSync(folder));
  });

  it("finds nothing beyond the end, and takes any size", async () => {
    const { hits } = await collection.search("river", { topK: Number.MAX_SAFE_INTEGER });
    assert.ok(hits.length > 0);
    assert.deepEqual((await collection.search("river", { offset: hits.length })).hits, []);
    const most = Number.MAX_SAFE_INTEGER;
    assert.deepEqual((await collection.search("river", { offset: most, topK: most, facets: { lang: most } })).hits, []);
    assert.deepEqual(await collection.list({ limit: 2 ** 32 - 1, after: "b" }), []);
    assert.deepEqual(await collection.get([]), []);
    assert.equal(await collection.delete([]), 0);
    assert.deepEqual((await lexical.search(" \t")).hits, []);
  });

  it("compares a field of mixed types by type", async () => {
    const ids = async (filter: CollectionFilter): Promise<string[]> => (await collection.list({ filter })).map(({ id }) => id);
    assert.deepEqual(await ids({ size: { gte: 0 } }), ["a"]);
    assert.deepEqual(await ids({ size: "large" }), ["b"]);
    assert.deepEqual(await ids({ size: { in: [1, "large"] } }), ["a", "b"]);
    assert.deepEqual(await ids({ size: "1" }), []);
    assert.deepEqual(await ids({ none: { exists: true } }), []);
  });

  it("answers a query of 1 MB", async () => {
    const words = Array.from({ length: 100_000 }, (_, i) => `word${(i * 7919) % 50_000}`).join(" ");
    for (const query of [`river ${words}`, "river".repeat(200_000), "\ud800".repeat(1_000_000)]) {
      for (const one of [collection, lexical]) await one.search(query, { highlight: true });
    }
    assert.deepEqual(
      (await lexical.search(`river ${words}`)).hits.map(({ id }) => id),
      ["a"],
    );
  });

  it("marks more words than a call has room for", async () => {
    const one = await Collection.open(":memory:", { lexical: true });
    await one.upsert([{ id: "a", text: "river ".repeat(300_000) }]);
    const { hits } = await one.search("river", { highlight: true });
    assert.equal(hits[0]?.highlights?.length, 300_000);
    await one.close();
  });

  it("cuts a text of white space in linear time", async () => {
    const one = await Collection.open(":memory:", { encoder, passages: { maxTokens: 8 } });
    const text = `${"a ".repeat(30)}${" ".repeat(16_000)}`.repeat(40);
    const began = performance.now();
    await one.upsert([{ id: "a", text }]);
    // Quadratic, it takes 100 ms for each of the 40 parts on a fast machine, beside the 200 passages.
    assert.ok(performance.now() - began < 20_000);
    await one.close();
  });

  it("tells lone surrogates apart", async () => {
    const one = await Collection.open(":memory:", { lexical: true });
    const document = { id: "a", text: "river \ud800" };
    await one.sync([document]);
    assert.equal((await one.sync([document])).unchanged, 1);
    assert.equal((await one.sync([{ id: "a", text: "river \ud801" }])).updated, 1);
    assert.deepEqual(await one.get(["a"]), [{ id: "a", text: "river \ud801" }]);
    await one.close();
  });

  it("refuses another model of one dimension, or a shorter reach, everywhere", async () => {
    const copy = path.join(base, "other-model");
    fs.cpSync(spladeTiny, copy, { recursive: true });
    const weights = path.join(copy, "model.safetensors");
    const bytes = fs.readFileSync(weights);
    // Training changes all weights, and a fingerprint has samples of them.
    for (let i = 8 + Number(bytes.readBigUInt64LE(0)); i < bytes.length; i++) bytes[i] = (bytes[i] ?? 0) ^ (i % 4 === 0 ? 1 : 0);
    fs.writeFileSync(weights, bytes);
    const other = await SparseEncoder.load(copy);
    const short = await SparseEncoder.load(spladeTiny, { maxSeqLength: 32 });
    assert.equal(other.embeddingDimension, encoder.embeddingDimension);
    const folder = path.join(base, "one-model");
    await (await Collection.open(folder, { encoder })).close();
    for (const readOnly of [false, true]) {
      await assert.rejects(Collection.open(folder, { encoder: other, readOnly }), (error: Error & { code: string }) => {
        assert.equal(error.code, "ERR_MODEL_MISMATCH");
        for (const { model } of [encoder, other]) assert.ok(error.message.includes(model.name), error.message);
        return true;
      });
    }
    await assert.rejects(Collection.open(folder, { encoder: short }), { code: "ERR_SETTINGS_MISMATCH", message: /512.*32/ });
    await (await Collection.open(folder, { encoder: short, readOnly: true })).close();
    const vectors = await other.encodeDocument(["river"]);
    await assert.rejects(collection.upsert([{ id: "x", text: "x" }], { vectors }), { code: "ERR_MODEL_MISMATCH" });
    const reader = await Collection.open(folder, { encoder, readOnly: true, autoRefresh: true });
    fs.rmSync(folder, { recursive: true });
    await (await Collection.open(folder, { encoder: other })).upsert([{ id: "x", text: "x" }]);
    for (let i = 0; i < 2; i++) await assert.rejects(reader.search("river"), { code: "ERR_MODEL_MISMATCH" });
    await reader.close();
    await requireUnchanged();
    await other.close();
    await short.close();
  });

  it("copies what the caller may change", async () => {
    const one = await Collection.open(":memory:", { encoder, lexical: true });
    const vectors = SparseMatrix.fromRows([{ indices: [5], values: [1] }], encoder.embeddingDimension);
    const document = { id: "a", text: "river", metadata: { tags: ["x"] } };
    const documents = [document];
    const ids = ["b"];
    const calls = [one.upsert([{ id: "b", text: "The first of all changes" }]), one.upsert(documents, { vectors }), one.delete(ids)];
    vectors.values.fill(100);
    document.metadata.tags.push("y");
    document.text = "stone";
    documents.push({ id: "c", text: "c", metadata: { tags: [] } });
    ids[0] = "a";
    await Promise.all(calls);
    assert.deepEqual(await one.list(), [{ id: "a", text: "river", metadata: { tags: ["x"] } }]);
    const { hits } = await one.search("river", { mode: "lexical" });
    assert.equal(hits.length, 1);
    assert.deepEqual((await one.stats()).postings, 1);
    await one.close();
  });

  it("applies overlapping changes in call order, and searches see each wholly", async () => {
    const one = await Collection.open(":memory:", { encoder, lexical: true, passages: { maxTokens: 12 } });
    const versions = Array.from({ length: 12 }, (_, i) => ({
      id: "a",
      text: `The river number${i} is long. `.repeat(1 + ((i * 5) % 7)),
      metadata: { version: i },
    }));
    const changes = versions.map((version) => one.upsert([version]));
    const pending = new Set(changes);
    const all = Promise.all(changes.map((change) => change.finally(() => pending.delete(change))));
    let looks = 0;
    for (; pending.size > 0; looks++) {
      const { hits } = await one.search("river", { collapse: "passage", topK: 100 });
      const [first] = hits;
      if (first === undefined) continue;
      const { text } = versions[(first.metadata as { version: number }).version] ?? { text: "" };
      for (const hit of hits) {
        assert.deepEqual(hit.metadata, first.metadata);
        assert.equal(hit.passage.text, text.slice(hit.passage.start, hit.passage.end));
        assert.ok(hit.scores.sparse !== undefined && hit.scores.lexical !== undefined);
      }
    }
    await all;
    assert.ok(looks > 1);
    assert.deepEqual(await one.list(), versions.slice(-1));
    const last = one.upsert([{ id: "a", text: "stone" }]);
    const gone = one.delete(["a"]);
    const back = one.upsert([{ id: "a", text: "winter" }]);
    await Promise.all([last, gone, back]);
    assert.equal(await gone, 1);
    assert.deepEqual(await one.list(), [{ id: "a", text: "winter" }]);
    assert.equal((await one.stats()).documents, 1);
    await one.close();
  });

  it("writes nothing of what is aborted", async () => {
    const aborted = { code: "ERR_ABORTED" };
    const signal = AbortSignal.abort();
    const vectors = await encoder.encodeDocument(["x"]);
    for (const one of [collection, lexical]) {
      await assert.rejects(one.upsert([{ id: "x", text: "x" }], { signal }), aborted);
      await assert.rejects(one.sync([{ id: "x", text: "x" }], { signal, prune: true }), aborted);
      await assert.rejects(one.search("river", { signal }), aborted);
    }
    await assert.rejects(collection.upsert([{ id: "x", text: "x" }], { vectors, signal }), aborted);
    for (const delay of [0, 1, 5, 20, 60]) {
      const controller = new AbortController();
      const many = Array.from({ length: 60 }, (_, i) => ({ id: `m${i}`, text: `The winter of number ${i}` }));
      const call = collection.upsert(many, { signal: controller.signal }).then(() => "done", codeOf);
      const search = collection.search("winter", { signal: controller.signal, highlight: true }).then(() => "done", codeOf);
      setTimeout(() => {
        controller.abort();
      }, delay);
      const [wrote, found] = await Promise.all([call, search]);
      assert.match(found, /^(done|ERR_ABORTED)$/);
      assert.equal(await collection.count(), wrote === "done" ? 62 : 2, wrote);
      await collection.delete(many.map(({ id }) => id));
    }
    // While it waits for an earlier change, whose vectors take longer than its own.
    const controller = new AbortController();
    const first = collection.upsert([{ id: "slow", text: "river ".repeat(3000) }]);
    const second = collection.upsert([{ id: "x", text: "x" }], { vectors, signal: controller.signal });
    controller.abort();
    await assert.rejects(second, aborted);
    await first;
    await collection.delete(["slow"]);
    await requireUnchanged();
  });

  it("lets close() wait for the calls that run, and refuses later ones", async () => {
    const one = await Collection.open(path.join(base, "closing"), { encoder, lexical: true });
    await one.upsert([{ id: "old", text: "old" }]);
    const calls = [
      one.upsert(GOOD),
      one.sync([...GOOD, { id: "c", text: "A third one" }], { prune: true }),
      one.retrieve(["river", "winter", "stone", "light", "letter", "garden", "engine"], { topK: 1 }),
      one.compact(),
    ];
    const closing = one.close();
    assert.equal(closing, one.close());
    for (const call of [
      () => one.search("x"),
      () => one.upsert(GOOD),
      () => one.delete(["a"]),
      () => one.get([]),
      () => one.list(),
      () => one.count(),
    ]) {
      await assert.rejects(call(), { code: "ERR_DISPOSED" });
    }
    for (const call of [
      () => one.sync([]),
      () => one.stats(),
      () => one.compact(),
      () => one.backup("x"),
      () => one.repair(),
      () => one.refresh(),
    ]) {
      await assert.rejects(call(), { code: "ERR_DISPOSED" });
    }
    await assert.rejects(one.migrate("x", {}), { code: "ERR_DISPOSED" });
    await assert.rejects(one.retrieve(["x"], { topK: 1 }), { code: "ERR_DISPOSED" });
    await Promise.all(calls);
    await closing;
    const again = await Collection.open(path.join(base, "closing"), { encoder });
    assert.deepEqual(
      (await again.list()).map(({ id }) => id),
      ["a", "b", "c"],
    );
    // Cancelled, a change is there wholly or not at all.
    const cancelled = again.upsert([{ id: "d", text: "d ".repeat(3000) }]);
    again.dispose();
    await assert.rejects(cancelled, { code: "ERR_DISPOSED" });
    await again.close();
    const last = await Collection.open(path.join(base, "closing"), { encoder });
    assert.equal(await last.count(), 3);
    await last.close();
  });
});
