import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";

import { SparseEncoder } from "sparse-rerank";

import { skip } from "../support/skip";
import { assertRows, close, fixtures } from "./golden";
import type { GoldenRow, Tolerance } from "./golden";

interface RealTexts {
  readonly tolerance: Tolerance;
  readonly max_seq_length: number;
  readonly texts: readonly string[];
  readonly encode_document: { readonly embeddings: readonly GoldenRow[] };
}

interface Collections {
  readonly collections: Readonly<
    Record<
      string,
      {
        readonly ids: readonly string[];
        readonly active: readonly number[];
        readonly sum: readonly number[];
        readonly top: readonly GoldenRow[];
      }
    >
  >;
}

function readFixture(name: string): unknown {
  return JSON.parse(fs.readFileSync(path.join(fixtures, name), "utf8"));
}

describe("the embedded model against the reference", function () {
  this.timeout(120_000);
  let encoder: SparseEncoder;

  before(async () => {
    encoder = await SparseEncoder.load("splade-tiny");
  });
  after(() => encoder.close());

  it("computes the reference's vectors for real texts", async () => {
    const golden = readFixture("splade-tiny-golden.json") as RealTexts;
    assert.equal(encoder.maxSeqLength, golden.max_seq_length);
    assertRows(await encoder.encodeDocument(golden.texts), golden.encode_document.embeddings, golden.tolerance, "splade-tiny");
  });

  it("computes the reference's vectors for documents of real collections", async function () {
    const data = path.join(__dirname, "..", "..", "..", "shared", "data", "collections");
    if (!fs.existsSync(data)) skip(this, `the collections are not at ${data}`);
    const { collections } = readFixture("splade-tiny-collections.json") as Collections;
    for (const [name, golden] of Object.entries(collections)) {
      const lines = fs.readFileSync(path.join(data, name, "corpus.jsonl"), "utf8").split("\n", golden.ids.length);
      const documents = lines.map((line) => JSON.parse(line) as { _id: string; title?: string; text: string });
      assert.deepEqual(
        documents.map(({ _id }) => _id),
        golden.ids,
      );
      const matrix = await encoder.encodeDocument(documents.map(({ title, text }) => `${title ?? ""} ${text}`.trim()));
      golden.ids.forEach((id, i) => {
        const row = matrix.row(i);
        const what = `${name} ${id}`;
        const sum = row.values.reduce((a, b) => a + b, 0);
        assert.ok(
          close(sum, golden.sum[i] ?? NaN, { abs: 1e-3, rel: 1e-4 }),
          `${what}: sum ${String(sum)}, expected ${String(golden.sum[i])}`,
        );
        // A weight within the tolerance of zero may appear or vanish.
        assert.ok(
          Math.abs(row.indices.length - (golden.active[i] ?? NaN)) <= 2,
          `${what}: ${String(row.indices.length)} active dimensions`,
        );
        for (const [index, weight] of golden.top[i] ?? []) {
          const at = row.indices.indexOf(index);
          assert.ok(at >= 0 && close(row.values[at] ?? NaN, weight, { abs: 2e-5, rel: 1e-4 }), `${what}: dimension ${String(index)}`);
        }
      });
    }
  });
});
