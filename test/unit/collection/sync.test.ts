/** Collection.sync(): what is encoded, kept, renamed and removed. */

import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

import { Collection, SparseEncoder } from "../../../dist";
import type { CollectionDocument, SyncResult } from "../../../dist";

const DOCUMENTS: readonly CollectionDocument[] = Array.from({ length: 1300 }, (_, i) => ({
  id: `d${i}`,
  text: `Document ${i} tells of the number ${i * i}. `.repeat(i % 100 === 0 ? 80 : 1),
  metadata: { group: i % 10 },
}));
const NOTHING: SyncResult = { added: 0, updated: 0, unchanged: 0, renamed: 0, removed: 0, skipped: 0 };

describe("Collection.sync()", () => {
  let encoder: SparseEncoder;
  /** Texts that were encoded since it was emptied. */
  const encoded: string[] = [];
  before(async () => {
    encoder = await SparseEncoder.load("splade-tiny");
    const encode = encoder.encodeDocument.bind(encoder);
    encoder.encodeDocument = ((texts: readonly string[], options: object) => {
      encoded.push(...texts);
      return encode(texts, options);
    }) as typeof encoder.encodeDocument;
  });
  after(() => encoder.close());
  beforeEach(() => {
    encoded.length = 0;
  });

  async function synced(): Promise<Collection> {
    const collection = await Collection.open(":memory:", { encoder, lexical: true, passages: { maxTokens: 128 } });
    assert.deepEqual(await collection.sync(DOCUMENTS), { ...NOTHING, added: DOCUMENTS.length });
    encoded.length = 0;
    return collection;
  }

  it("neither encodes nor writes what is equal", async () => {
    await using collection = await synced();
    const { segments } = await collection.stats();
    assert.deepEqual(await collection.sync(DOCUMENTS, { prune: true }), { ...NOTHING, unchanged: DOCUMENTS.length });
    assert.deepEqual(encoded, []);
    assert.equal((await collection.stats()).segments, segments);
  });

  it("encodes what changed, keeps vectors of what was renamed, and prunes the rest on request", async () => {
    await using collection = await synced();
    const source = DOCUMENTS.slice(0, 1200).map((document, i): CollectionDocument => {
      if (i % 400 === 7) return { ...document, text: `${document.text} And more.` };
      if (i % 100 === 0) return { ...document, id: `renamed-${i}` };
      return document;
    });
    // Also one that is new under its own id and one that is there twice afterwards.
    source.push({ id: "new", text: "Something new." }, { ...(DOCUMENTS[5] as CollectionDocument), id: "twin" });
    const kept = await collection.sync(source);
    assert.deepEqual(kept, { added: 1, updated: 3, unchanged: 1185, renamed: 13, removed: 0, skipped: 0 });
    assert.equal(encoded.length, 4);
    assert.equal(await collection.count(), DOCUMENTS.length + 14);
    encoded.length = 0;
    assert.deepEqual(await collection.sync(source, { prune: true }), { ...NOTHING, unchanged: source.length, removed: 112 });
    assert.deepEqual(encoded, []);
    // Equal to a collection made of the source alone.
    await using fresh = await Collection.open(":memory:", { encoder, lexical: true, passages: { maxTokens: 128 } });
    await fresh.upsert(source);
    const sorted = async (which: Collection): Promise<CollectionDocument[]> =>
      (await which.list({ limit: 10_000 })).toSorted((a, b) => (a.id < b.id ? -1 : 1));
    assert.deepEqual(await sorted(collection), await sorted(fresh));
    for (const mode of ["sparse", "lexical"] as const) {
      const options = { mode, topK: 5000, collapse: "passage" } as const;
      const scores = async (which: Collection): Promise<[string, number][]> =>
        (await which.search("the number 10000", options)).hits
          .map(({ id, passage, score }): [string, number] => [`${id} ${passage.index}`, score])
          .sort(([a], [b]) => (a < b ? -1 : 1));
      assert.deepEqual(await scores(collection), await scores(fresh));
    }
  });

  it("keeps the vectors of documents whose metadata changed", async () => {
    await using collection = await synced();
    const source = DOCUMENTS.map((document, i) => (i % 10 === 0 ? { ...document, metadata: { group: 10, first: true } } : document));
    assert.deepEqual(await collection.sync(source, { prune: true }), { ...NOTHING, updated: 130, unchanged: 1170 });
    assert.deepEqual(encoded, []);
    assert.equal(await collection.count({ group: 10 }), 130);
    assert.equal(await collection.count({ group: 0 }), 0);
    assert.deepEqual(await collection.get(["d100"]), [source[100]]);
    // One of many passages.
    const options = { filter: { ids: ["d100"] }, mode: "sparse" } as const;
    const [hit] = (await collection.search(source[100]?.text ?? "", options)).hits;
    await using fresh = await Collection.open(":memory:", { encoder, lexical: true, passages: { maxTokens: 128 } });
    await fresh.upsert([source[100] as CollectionDocument]);
    assert.deepEqual(hit, (await fresh.search(source[100]?.text ?? "", { mode: "sparse" })).hits[0]);
  });

  it("counts a renamed document once when it prunes", async () => {
    await using collection = await synced();
    const source = DOCUMENTS.map((document, i) => (i < 3 ? { ...document, id: `moved-${i}` } : document));
    assert.deepEqual(await collection.sync(source, { prune: true }), { ...NOTHING, unchanged: 1297, renamed: 3 });
    assert.deepEqual(encoded, []);
    assert.equal(await collection.count(), DOCUMENTS.length);
  });

  it("does not take a document's vectors for a new id when its contents change in the same call", async () => {
    await using collection = await synced();
    const [first] = DOCUMENTS as readonly [CollectionDocument];
    const source = [{ ...first, text: "Changed." }, ...DOCUMENTS.slice(1), { ...first, id: "copy" }];
    const result = await collection.sync(source, { prune: true });
    assert.deepEqual([result.updated, result.removed], [1, 0]);
    await using fresh = await Collection.open(":memory:", { encoder, lexical: true, passages: { maxTokens: 128 } });
    await fresh.upsert([{ ...first, id: "copy" }]);
    const options = { mode: "sparse", filter: { ids: ["copy"] }, collapse: "passage" } as const;
    assert.deepEqual((await collection.search("number", options)).hits, (await fresh.search("number", options)).hits);
  });

  it("reads folders and files of records", async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "sync-"));
    try {
      fs.mkdirSync(path.join(folder, "docs", "deep"), { recursive: true });
      const write = (name: string, text: string): void => {
        fs.writeFileSync(path.join(folder, name), text);
      };
      write("docs/sea.md", "# The sea\n\nSharks swim in the sea.\n");
      write("docs/deep/heart.txt", "The heart pumps blood.\n");
      write("docs/empty.md", "\n");
      write("docs/picture.png", "no text");
      await using collection = await Collection.open(":memory:", { encoder, lexical: true });
      assert.deepEqual(await collection.sync(path.join(folder, "docs"), { prune: true }), { ...NOTHING, added: 2, skipped: 1 });
      assert.deepEqual(await collection.get(["sea.md"]), [
        { id: "sea.md", title: "The sea", text: "Sharks swim in the sea.", metadata: { path: "sea.md" } },
      ]);
      fs.rmSync(path.join(folder, "docs", "deep"), { recursive: true });
      write("docs/sea.md", "# The sea\n\nSharks and rays swim in the sea.\n");
      assert.deepEqual(await collection.sync(path.join(folder, "docs"), { prune: true }), {
        ...NOTHING,
        updated: 1,
        removed: 1,
        skipped: 1,
      });
      fs.renameSync(path.join(folder, "docs", "sea.md"), path.join(folder, "docs", "ocean.md"));
      encoded.length = 0;
      const moved = { ...NOTHING, renamed: 1, skipped: 1 };
      assert.deepEqual(await collection.sync(path.join(folder, "docs"), { prune: true }), moved);
      assert.deepEqual(encoded, []);
      assert.deepEqual(
        (await collection.list()).map(({ id, metadata }) => [id, metadata]),
        [["ocean.md", { path: "ocean.md" }]],
      );
      write("records.jsonl", '{"_id":"a","text":"Bread.","lang":"en"}\n{"_id":"b","text":""}\n');
      assert.deepEqual(await collection.sync(path.join(folder, "records.jsonl")), { ...NOTHING, added: 1, skipped: 1 });
      assert.deepEqual(await collection.get(["a"]), [{ id: "a", text: "Bread.", metadata: { lang: "en" } }]);
    } finally {
      fs.rmSync(folder, { recursive: true });
    }
  });

  it("stops at a bad document and prunes nothing", async () => {
    await using collection = await synced();
    async function* source(): AsyncGenerator<CollectionDocument> {
      yield* DOCUMENTS.slice(0, 600);
      yield { id: "bad", text: 5 as never };
      yield* await Promise.resolve([]);
    }
    await assert.rejects(collection.sync(source(), { prune: true }), { code: "ERR_INVALID_ARGUMENT", message: /source\[88\]\.text/ });
    await assert.rejects(collection.sync([...DOCUMENTS, DOCUMENTS[0] as CollectionDocument], { prune: true }), {
      code: "ERR_DUPLICATE_ID",
    });
    const abort = new AbortController();
    abort.abort();
    await assert.rejects(collection.sync(DOCUMENTS, { prune: true, signal: abort.signal }), { code: "ERR_ABORTED" });
    await assert.rejects(collection.sync(5 as never), { code: "ERR_INVALID_ARGUMENT" });
    await assert.rejects(collection.sync("no such folder", { prune: true }), { code: "ERR_FILE_NOT_FOUND" });
    assert.equal(await collection.count(), DOCUMENTS.length);
  });
});
