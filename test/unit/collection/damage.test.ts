/** Damaged and hostile files of a collection: coded errors that name the file, and repair() of the lexical side. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

import { Collection } from "../../../dist/collection/collection";
import { SparseEncoder } from "../../../dist/sparse-encoder";
import { SparseIndex } from "../../../dist/sparse-index/sparse-index";
import { SparseMatrix } from "../../../dist/sparse-matrix";
import { spladeTiny } from "../../lifecycle/children";

const WORDS = "river stone light winter garden letter engine harbor silver market forest candle bridge island thunder mirror".split(" ");
const SENTENCES = 5;
const PASSAGES = { maxTokens: 16 };
const CODES = /^ERR_(INDEX_CORRUPT|INDEX_VERSION|FILE_UNREADABLE|FILE_NOT_FOUND|NOT_SUPPORTED|SETTINGS_MISMATCH|MODEL_MISMATCH)$/;

/** The first kind of a section that holds a region, and those of the lexical side: native/index/segment_format.h. */
const REGIONS = 16;
const LEXICAL = REGIONS + 15;

interface Section {
  readonly kind: number;
  readonly offset: number;
  readonly bytes: number;
}

function sectionsOf(file: string): Section[] {
  const bytes = fs.readFileSync(file);
  const end = bytes.length - 32 - 8;
  const count = Number(bytes.readBigUInt64LE(end));
  return Array.from({ length: count }, (_, i) => {
    const at = end - 32 * (count - i);
    return { kind: bytes.readUInt32LE(at), offset: Number(bytes.readBigUInt64LE(at + 8)), bytes: Number(bytes.readBigUInt64LE(at + 16)) };
  }).filter(({ kind }) => kind >= REGIONS);
}

function flip(file: string, offset: number): void {
  const bytes = fs.readFileSync(file);
  bytes[offset] = (bytes[offset] ?? 0) ^ 0x55;
  fs.writeFileSync(file, bytes);
}

function segmentsOf(folder: string): string[] {
  return fs
    .readdirSync(folder)
    .filter((name) => name.startsWith("segment-"))
    .map((name) => path.join(folder, name));
}

/** Of all files but the lock, by name. */
function contentsOf(folder: string): Record<string, string> {
  const names = fs.readdirSync(folder).filter((name) => name !== "lock");
  return Object.fromEntries(
    names.sort().map((name) => [
      name,
      createHash("sha256")
        .update(fs.readFileSync(path.join(folder, name)))
        .digest("hex"),
    ]),
  );
}

/** Words that differ from document to document, some of them in few. */
function textOf(seed: number): string {
  const sentence = (i: number): string =>
    Array.from({ length: 6 }, (_, j) => WORDS[(seed * 7 + i * i * 3 + j * (1 + (seed % 5))) % WORDS.length]).join(" ");
  return Array.from({ length: 1 + (seed % SENTENCES) }, (_, i) => `The ${sentence(i)} number${seed % 9}.`).join(" ");
}

const documentsOf = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => ({ id: `d${from + i}`, text: textOf(from + i), metadata: { group: (from + i) % 6 } }));

const QUERIES = [
  ...WORDS,
  ...WORDS.map((word, i) => `${word} ${WORDS[(i + 5) % WORDS.length] ?? ""} number${i % 9}`),
  "the number3 winter winter",
];

describe("a damaged collection", function () {
  this.timeout(300_000);
  let encoder: SparseEncoder;
  let base: string;
  let good: string;
  let scores: unknown;
  let copies = 0;

  const open = (folder: string, options = {}): Promise<Collection> => Collection.open(folder, { encoder, lexical: true, ...options });

  async function scoresOf(collection: Collection): Promise<Record<string, unknown>> {
    const found: Record<string, unknown> = {};
    for (const query of QUERIES) {
      const { hits } = await collection.search(query, { mode: "lexical", collapse: "passage", topK: 10_000 });
      found[query] = hits.map(({ id, passage, score }) => `${id} ${passage.index} ${score}`).sort();
    }
    return found;
  }

  /** A copy of the undamaged folder that `damage` has changed. */
  function damaged(damage: (folder: string) => void): string {
    const folder = path.join(base, `copy-${copies++}`);
    fs.cpSync(good, folder, { recursive: true });
    damage(folder);
    return folder;
  }

  before(async () => {
    encoder = await SparseEncoder.load(spladeTiny);
    base = fs.mkdtempSync(path.join(os.tmpdir(), "sparse-rerank-collection-"));
    good = path.join(base, "good");
    await using collection = await open(good, { passages: PASSAGES });
    await collection.upsert(documentsOf(0, 40));
    await collection.upsert(documentsOf(40, 60));
    await collection.delete(["d3", "d41", "d7"]);
    await collection.delete({ group: 5 });
    await collection.upsert([...documentsOf(60, 70), { id: "d8", text: "A short one about the harbor." }]);
    const { documents, passages, segments } = await collection.stats();
    assert.ok(passages > 2 * documents && segments > 1, JSON.stringify({ documents, passages, segments }));
    scores = await scoresOf(collection);
  });

  after(async () => {
    await encoder.close();
    fs.rmSync(base, { recursive: true, force: true });
  });

  it("has its lexical side repaired to the same scores, whichever section is damaged", async () => {
    const [first] = segmentsOf(good);
    const kinds = sectionsOf(first ?? "").flatMap(({ kind }) => (kind >= LEXICAL ? [kind] : []));
    assert.equal(kinds.length, 12);
    for (const kind of kinds) {
      const folder = damaged((copy) => {
        for (const file of segmentsOf(copy)) {
          const section = sectionsOf(file).find((one) => one.kind === kind);
          if (section !== undefined) flip(file, section.offset + Math.floor(section.bytes / 2));
        }
      });
      await using collection = await open(folder);
      await assert.rejects(collection.search("winter", { mode: "lexical" }), (error: Error & { code: string }) => {
        assert.equal(error.code, "ERR_INDEX_CORRUPT");
        assert.match(error.message, /segment-\d+/);
        return true;
      });
      // The other side is whole.
      assert.ok((await collection.search("winter", { mode: "sparse" })).hits.length > 0);
      const listed = await collection.list({ limit: 1000 });
      await collection.repair();
      assert.deepEqual(await collection.list({ limit: 1000 }), listed);
      assert.deepEqual(await scoresOf(collection), scores, `section ${kind}`);
    }
  });

  it("keeps its vectors and order through repair(), also in a fresh open", async () => {
    const folder = damaged((copy) => {
      for (const file of segmentsOf(copy)) for (const { kind, offset } of sectionsOf(file)) if (kind >= LEXICAL) flip(file, offset);
    });
    await using undamaged = await open(good, { readOnly: true });
    await (async () => {
      await using collection = await open(folder);
      await collection.repair();
    })();
    await using collection = await open(folder);
    assert.deepEqual(await scoresOf(collection), scores);
    for (const query of QUERIES.slice(0, 6)) {
      const ask = { mode: "sparse", collapse: "passage", topK: 1000 } as const;
      assert.deepEqual((await collection.search(query, ask)).hits, (await undamaged.search(query, ask)).hits);
    }
  });

  it("is not changed by repair() when texts or vectors are damaged", async () => {
    // So large that what open() reads lies in other pages.
    const large = path.join(base, "large");
    await (async () => {
      await using collection = await open(large);
      const few = documentsOf(0, 8);
      const vectors = await encoder.encodeDocument(few.map(({ text }) => text));
      const documents = Array.from({ length: 1600 }, (_, i) => ({ id: `l${i}`, text: textOf(i) }));
      await collection.upsert(documents, { vectors: SparseMatrix.concat(Array.from({ length: 200 }, () => vectors)) });
    })();
    for (const kind of [REGIONS + 7, REGIONS + 12]) {
      const folder = path.join(base, `large-${kind}`);
      fs.cpSync(large, folder, { recursive: true });
      const [file = ""] = segmentsOf(folder);
      const section = sectionsOf(file).find((one) => one.kind === kind);
      assert.ok(section !== undefined && section.bytes > 2 ** 17);
      flip(file, section.offset + Math.floor(section.bytes / 2));
      await using collection = await open(folder);
      const before = contentsOf(folder);
      await assert.rejects(collection.repair(), (error: Error & { code: string }) => {
        assert.equal(error.code, "ERR_INDEX_CORRUPT");
        assert.match(error.message, /segment-\d+/);
        return true;
      });
      assert.deepEqual(contentsOf(folder), before);
    }
  });

  it("names the file that is cut short", async () => {
    const names = Object.keys(contentsOf(good)).filter((name) => name !== "model.json");
    assert.ok(names.length >= 4);
    for (const name of names) {
      for (const share of [0, 0.5, 0.99]) {
        const folder = damaged((copy) => {
          fs.truncateSync(path.join(copy, name), Math.floor(share * fs.statSync(path.join(copy, name)).size));
        });
        await assert.rejects(open(folder), (error: Error & { code: string }) => {
          assert.match(error.code, CODES);
          assert.ok(error.message.includes(path.join(folder, name)), error.message);
          return true;
        });
      }
    }
  });

  it("answers with coded errors or as before, whichever byte is flipped", async () => {
    const expected = await (async () => {
      await using undamaged = await open(good, { readOnly: true });
      return await undamaged.search("winter garden");
    })();
    for (const name of Object.keys(contentsOf(good))) {
      const { size } = fs.statSync(path.join(good, name));
      for (let i = 0; i < 24; i++) {
        const offset = i < 4 ? i : i < 8 ? size - 1 - 4 * (i - 4) : (i * 7919 * 31) % size;
        const folder = damaged((copy) => {
          flip(path.join(copy, name), offset);
        });
        try {
          await using collection = await open(folder);
          const found = await collection.search("winter garden");
          // A letter of the model's name may be another one; it is only shown.
          assert.deepEqual(found, expected);
          await collection.list({ limit: 1000 });
        } catch (error) {
          assert.match(String((error as { code?: unknown }).code), CODES, `${name} at ${offset}: ${String(error)}`);
        }
        fs.rmSync(folder, { recursive: true });
      }
    }
  });

  it("refuses hostile settings", async () => {
    const json = fs.readFileSync(path.join(good, "collection.json"), "utf8");
    const settings = JSON.parse(json) as Record<string, Record<string, unknown>>;
    const { model, passages, lexical } = settings;
    const hostile: Record<string, string> = {
      empty: "",
      array: "[]",
      deep: "[".repeat(60_000),
      "deep objects": '{"a":'.repeat(10_000) + "1" + "}".repeat(10_000),
      huge: json + " ".repeat(10_000_000),
      "no format": JSON.stringify({ model, passages, lexical }),
      "format of text": JSON.stringify({ ...settings, format: "1" }),
      "later format": JSON.stringify({ ...settings, format: 2 }),
      prototype: '{"format":1,"__proto__":{"lexical":{"k1":1.2,"b":0.75,"language":"english"}}}',
      "nothing recorded": '{"format":1}',
      "no passages": JSON.stringify({ format: 1, model, lexical }),
      "no model": JSON.stringify({ format: 1, passages, lexical }),
      "model of numbers": JSON.stringify({ ...settings, model: { ...model, fingerprint: 5 } }),
      "other model": JSON.stringify({ ...settings, model: { ...model, fingerprint: "00" } }),
      "negative passages": JSON.stringify({ ...settings, passages: { maxTokens: -1, overlap: 0 } }),
      "endless passages": JSON.stringify({ ...settings, passages: { maxTokens: 1e300, overlap: 0 } }),
      "whole overlap": JSON.stringify({ ...settings, passages: { maxTokens: 16, overlap: 1 } }),
      "negative k1": JSON.stringify({ ...settings, lexical: { ...lexical, k1: -1 } }),
      "infinite k1": json.replace(/"k1": [\d.]+/, '"k1": 1e999'),
      "large b": JSON.stringify({ ...settings, lexical: { ...lexical, b: 2 } }),
      "language of a prototype": JSON.stringify({ ...settings, lexical: { ...lexical, language: "__proto__" } }),
      "unknown stop words": JSON.stringify({ ...settings, lexical: { ...lexical, stopWords: "00" } }),
    };
    for (const [name, text] of Object.entries(hostile)) {
      const folder = damaged((copy) => {
        fs.writeFileSync(path.join(copy, "collection.json"), text);
      });
      await assert.rejects(open(folder), (error: Error & { code: string }) => {
        assert.match(error.code, CODES, `${name}: ${String(error)}`);
        return true;
      });
    }
    const missing = damaged((copy) => {
      fs.rmSync(path.join(copy, "collection.json"));
    });
    await assert.rejects(Collection.open(missing, { readOnly: true }), {
      code: "ERR_INDEX_CORRUPT",
      message: /collection\.json is missing/,
    });
    const other = damaged((copy) => {
      fs.writeFileSync(path.join(copy, "collection.json"), JSON.stringify({ ...settings, lexical: { ...lexical, k1: 3 } }));
    });
    await assert.rejects(Collection.open(other, { encoder }), /k1/);
  });

  it("answers hostile records with coded errors", async () => {
    const text = "hostile river";
    const hash = "AAAAAAAAAAAAAAAAAAAAAA";
    const forged: readonly (readonly [ids: readonly string[], payload: unknown])[] = [
      [["nonsense"], undefined],
      [["0:"], { text, hash }],
      [["00:d1"], { text, hash }],
      [["-1:d1"], { text, hash }],
      [["99999999999:d1"], { text, hash }],
      [["7:ghost"], undefined],
      [["500:d1"], undefined],
      [["0:d1"], undefined],
      [["0:d1"], "text"],
      [["0:d1"], [text]],
      [["0:d1"], { text: 5, hash }],
      [["0:d1"], { text, hash: 5 }],
      [["0:d1"], { text, hash, title: {} }],
      [["0:d1"], { text, hash, metadata: [1] }],
      [["0:d1"], { text, hash, passages: [] }],
      [["0:d1"], { text, hash, passages: [0] }],
      [["0:d1"], { text, hash, passages: [0, 1e9] }],
      [["0:d1"], { text, hash, passages: [5, 1] }],
      [["0:d1"], { text, hash, passages: [0, 1, 0, 1] }],
      [["0:d1"], { text, hash, passages: Array.from({ length: 2_000_000 }, () => 0) }],
      [["0:d1"], { text, hash, passages: ["0", "1"] }],
    ];
    const vector = await encoder.encodeDocument(["hostile river"]);
    const plain = path.join(base, "vectors-only");
    await (async () => {
      await using collection = await Collection.open(plain, { encoder, passages: PASSAGES });
      await collection.upsert(documentsOf(0, 6));
    })();
    for (const [number, [ids, payload]] of forged.entries()) {
      const folder = path.join(base, `forged-${number}`);
      fs.cpSync(plain, folder, { recursive: true });
      const settings = fs.readFileSync(path.join(folder, "collection.json"));
      fs.rmSync(path.join(folder, "collection.json"));
      await (async () => {
        await using index = await SparseIndex.open(folder);
        await index.add(ids, vector, payload === undefined ? {} : { payloads: [payload] });
      })();
      fs.writeFileSync(path.join(folder, "collection.json"), settings);
      await using collection = await Collection.open(folder, { encoder });
      const calls: Record<string, () => Promise<unknown>> = {
        search: () => collection.search("hostile river", { highlight: true, facets: { group: 5 } }),
        passages: () => collection.search("hostile river", { collapse: "passage" }),
        get: () => collection.get(["d1", "ghost", "nonsense"]),
        list: () => collection.list(),
        count: () => collection.count({ ids: ["d1"] }),
        stats: () => collection.stats(),
        sync: () => collection.sync([{ id: "d1", text: "new" }]),
        upsert: () => collection.upsert([{ id: "d1", text: "new" }]),
        delete: () => collection.delete(["d1"]),
        compact: () => collection.compact(),
      };
      const failed: string[] = [];
      for (const [name, call] of Object.entries(calls)) {
        const error = await call().then(
          () => undefined,
          (cause: unknown) => cause as Error & { code?: unknown },
        );
        if (error === undefined) continue;
        assert.match(String(error.code), CODES, `${JSON.stringify(ids)} ${name}: ${String(error.stack)}`);
        failed.push(name);
      }
      assert.ok(failed.includes("passages"), `${JSON.stringify([ids, payload]).slice(0, 100)} was taken for a document: ${failed.join()}`);
    }
  });
});
