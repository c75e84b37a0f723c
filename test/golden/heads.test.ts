/** Heads and routes that are not in any fixture: see heads/generate.py. */

import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

import { CrossEncoder, SparseEncoder } from "sparse-rerank";

import { assertRows, close, folderOf } from "./golden";
import type { GoldenRow } from "./golden";

interface Rows {
  readonly query: readonly GoldenRow[];
  readonly document: readonly GoldenRow[];
  readonly plain: readonly GoldenRow[];
  readonly query_kept: readonly GoldenRow[];
  readonly document_kept: readonly GoldenRow[];
  readonly plain_kept: readonly GoldenRow[];
}

interface SparseHead extends Rows {
  readonly base: string;
  readonly texts: readonly string[];
  readonly dimension: number;
  readonly similarity: string;
  readonly max_active_dims: number;
}

interface CrossHead {
  readonly base: string;
  readonly pairs: readonly (readonly [string, string])[];
  readonly labels: number;
  readonly scores: readonly (readonly number[])[];
}

const heads = path.join(__dirname, "..", "data", "heads");
const tolerance = { abs: 2e-5, rel: 1e-4 };

for (const name of fs.readdirSync(heads).filter((entry) => fs.statSync(path.join(heads, entry)).isDirectory())) {
  describe(`head ${name}`, () => {
    const golden = JSON.parse(fs.readFileSync(path.join(heads, name, "golden.json"), "utf8")) as SparseHead | CrossHead;
    let folder: string;

    before(() => {
      folder = fs.mkdtempSync(path.join(os.tmpdir(), "sparse-rerank-"));
      for (const from of [folderOf(golden.base), path.join(heads, name)]) fs.cpSync(from, folder, { recursive: true });
    });
    after(() => {
      fs.rmSync(folder, { recursive: true });
    });

    it("computes the reference's numbers", () => ("pairs" in golden ? checkCross(folder, golden) : checkSparse(folder, golden)));
  });
}

async function checkSparse(folder: string, golden: SparseHead): Promise<void> {
  await using encoder = await SparseEncoder.load(folder);
  assert.equal(encoder.embeddingDimension, golden.dimension);
  assert.equal(encoder.similarityFunction, golden.similarity);
  const { texts, max_active_dims: maxActiveDims } = golden;
  for (const [side, encode] of [
    ["query", encoder.encodeQuery.bind(encoder)],
    ["document", encoder.encodeDocument.bind(encoder)],
    ["plain", encoder.encode.bind(encoder)],
  ] as const) {
    assertRows(await encode(texts), golden[side], tolerance, side);
    const kept = await encode(texts, { maxActiveDims });
    assertRows(kept, golden[`${side}_kept`], tolerance, `${side}, maxActiveDims`);
    for (const row of kept) assert.ok(row.indices.length <= maxActiveDims);
  }
}

async function checkCross(folder: string, golden: CrossHead): Promise<void> {
  await using encoder = await CrossEncoder.load(folder);
  assert.equal(encoder.numLabels, golden.labels);
  const { data } = await encoder.predict(golden.pairs);
  golden.scores.flat().forEach((score, i) => {
    assert.ok(close(data[i] ?? NaN, score, tolerance), `score ${String(i)} is ${String(data[i])}, expected ${String(score)}`);
  });
}
