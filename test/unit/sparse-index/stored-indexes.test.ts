/** Indexes that earlier releases wrote (test/stored-indexes): they open and return the same results. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

import { native } from "../../../dist/native/load";
import type { NativeLexicalOptions } from "../../../dist/native/contract";
import { packStrings } from "../../../dist/native/strings";
import { SparseIndex } from "../../../dist/sparse-index/sparse-index";
import type { IndexSearchOptions, IndexStats, SearchHit } from "../../../dist/sparse-index/sparse-index";
import { SparseMatrix } from "../../../dist/sparse-matrix";
import { termRows } from "../../support/term-rows";

const stored = path.join(__dirname, "..", "..", "data", "stored-indexes");
const main = path.join(__dirname, "..", "..", "..", "dist", "cli", "main.js");

interface StoredSearch {
  /** The queries of the command line. */
  readonly text?: string;
  readonly query: { readonly indices: readonly number[]; readonly values: readonly number[] };
  readonly options: IndexSearchOptions;
  readonly hits: readonly SearchHit[];
}

interface StoredAnswers {
  readonly dimension: number;
  readonly size: number;
  readonly segments: number;
  readonly postings: number;
  readonly recall: IndexStats["recall"];
  readonly has: readonly string[];
  readonly searches: readonly StoredSearch[];
}

async function checkAnswers(index: SparseIndex, { dimension, size, has, searches }: StoredAnswers): Promise<void> {
  assert.equal(index.dimension, dimension);
  assert.equal(index.size, size);
  assert.deepEqual(await index.has([...has, "never added"]), [...has.map(() => true), false]);
  for (const { query, options, hits } of searches) {
    const vector = SparseMatrix.fromRows([query], dimension).row(0);
    assert.deepEqual(await index.search(vector, options), hits, JSON.stringify(options));
  }
}

/** Of an index with a lexical side. */
interface LexicalAnswers {
  readonly bm25: NativeLexicalOptions;
  readonly size: number;
  readonly searches: readonly { readonly query: string; readonly ids: readonly string[]; readonly scores: readonly number[] }[];
}

async function checkTerms(folder: string, { bm25, size, searches }: LexicalAnswers, readOnly: boolean): Promise<void> {
  const index = await native().openIndex(folder, { lexical: bm25, readOnly });
  const check = async (): Promise<void> => {
    const snapshot = index.snapshot();
    assert.equal(await snapshot.count(), size);
    for (const { query, ids, scores } of searches) {
      const hits = await snapshot.searchTerms(termRows([query]), 10, {});
      assert.deepEqual({ ids: hits.ids, scores: [...hits.scores] }, { ids, scores }, query);
    }
  };
  await check();
  if (!readOnly) {
    const vectors = { indptr: Uint32Array.of(0, 0), indices: new Uint32Array(), values: new Float32Array() };
    await index.apply({ add: { ids: packStrings(["new"]), vectors, terms: termRows(["w0 w1 new"]) } });
    assert.deepEqual((await index.snapshot().searchTerms(termRows(["new"]), 10, {})).ids, ["new"]);
    await index.apply({ remove: packStrings(["new"]) });
    await check();
    while ((await index.mergeStep(true)) !== "nothing");
    await check();
  }
  await index.dispose();
}

/** The results that do not depend on how documents are divided into segments. */
function exactOnly(answers: StoredAnswers): StoredAnswers {
  return { ...answers, searches: answers.searches.filter(({ options }) => options.mode === undefined) };
}

for (const format of fs.readdirSync(stored).filter((name) => name.startsWith("format-"))) {
  const all = JSON.parse(fs.readFileSync(path.join(stored, format, "answers.json"), "utf8")) as Record<string, StoredAnswers>;
  const lexicalFile = path.join(stored, format, "lexical-answers.json");
  const lexical = fs.existsSync(lexicalFile) ? (JSON.parse(fs.readFileSync(lexicalFile, "utf8")) as Record<string, LexicalAnswers>) : {};

  describe(`stored indexes of ${format}`, () => {
    let folder = "";
    beforeEach(() => {
      folder = fs.mkdtempSync(path.join(os.tmpdir(), "sparse-rerank-stored-"));
    });
    afterEach(() => {
      fs.rmSync(folder, { recursive: true, force: true });
    });
    const copyOf = (name: string): string => {
      const copy = path.join(folder, name);
      fs.cpSync(path.join(stored, format, name), copy, { recursive: true });
      return copy;
    };

    it("are all present", () => {
      const names = fs.readdirSync(path.join(stored, format)).filter((name) => !name.endsWith("answers.json"));
      assert.deepEqual(names.sort(), [...Object.keys(all), ...Object.keys(lexical)].sort());
      assert.ok(names.length >= 12, String(names.length));
    });

    for (const [name, answers] of Object.entries(all)) {
      it(`${name} returns the same results`, async () => {
        const copy = copyOf(name);
        {
          await using reader = await SparseIndex.open(copy, { readOnly: true });
          await checkAnswers(reader, answers);
          const { segments, postings, recall } = reader.stats();
          assert.deepEqual(
            { segments, postings, recall },
            { segments: answers.segments, postings: answers.postings, recall: answers.recall },
          );
        }
        await using writer = await SparseIndex.open(copy, { dimension: answers.dimension });
        await checkAnswers(writer, answers);
      });

      it(`${name} can be changed, compacted and saved, and returns the same results`, async () => {
        const copy = copyOf(name);
        const exact = exactOnly(answers);
        const [, kept = ""] = answers.has;
        const saved = path.join(folder, "saved");
        {
          await using writer = await SparseIndex.open(copy);
          await writer.add(
            ["new", "newer"],
            SparseMatrix.fromRows(
              [exact.searches[0]?.query ?? { indices: [], values: [] }, { indices: [0], values: [9] }],
              answers.dimension,
            ),
            {
              payloads: ["new", undefined],
              metadata: [{ lang: "en" }, undefined],
            },
          );
          assert.equal(writer.size, answers.size + 2);
          assert.deepEqual(await writer.has(["new", kept || "new"]), [true, true]);
          assert.equal(await writer.remove(["new", "newer"]), 2);
          await checkAnswers(writer, exact);
          await writer.compact();
          assert.equal(writer.stats().segments, Math.min(answers.size, 1));
          await checkAnswers(writer, exact);
          await writer.save(saved);
        }
        await using opened = await SparseIndex.open(saved);
        await checkAnswers(opened, exact);
        if (!fs.statSync(copy).isDirectory()) return;
        await using again = await SparseIndex.open(copy);
        await checkAnswers(again, exact);
      });
    }

    for (const [name, answers] of Object.entries(lexical)) {
      it(`${name} answers searches by terms as it did`, async () => {
        await checkTerms(copyOf(name), answers, true);
        await checkTerms(copyOf(name), answers, false);
      });
    }

    it("command-line is searched by the command line", function () {
      this.timeout(60_000);
      const copy = copyOf("command-line");
      for (const { text = "", hits } of all["command-line"]?.searches ?? []) {
        const { status, stdout, stderr } = spawnSync(process.execPath, [main, "search", copy, text, "--json"], { encoding: "utf8" });
        assert.equal(status, 0, stderr);
        const answer = JSON.parse(stdout) as { readonly hits: readonly { readonly id: string }[] };
        assert.deepEqual(
          answer.hits.slice(0, hits.length).map(({ id }) => id),
          hits.map(({ id }) => id),
        );
      }
    });
  });
}
