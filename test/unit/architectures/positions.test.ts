/** Relative and rotary positions, and the memory estimates that depend on them. */

import assert from "node:assert/strict";

import { bucketRows, linearRows } from "../../../dist/architectures/relative-positions";
import { rotaryFrequencies } from "../../../dist/architectures/rope";
import { architectureFor } from "../../../dist/architectures";
import type { Graph } from "../../../dist/architectures/types";
import { crossPart, referencePart, sequenceClassifier } from "./architecture-graphs";

describe("rows of relative positions", () => {
  /** The row of distance d; beyond the reach, the row at its end. */
  const rowOf = ({ buckets }: ReturnType<typeof bucketRows>, distance: number): number | undefined =>
    buckets?.rowOf(Math.min(Math.max(distance, -buckets.reach), buckets.reach));

  it("of DeBERTa v3 are one per distance up to 128, then logarithmic up to 512", () => {
    const rows = bucketRows(256, 512);
    assert.equal(rows.count, 512);
    assert.equal(rows.maxPositions, undefined);
    for (let distance = -128; distance <= 128; distance++) assert.equal(rowOf(rows, distance), 256 + distance);
    // ceil(ln(d / 128) / ln(511 / 128) · 127) + 128, from the reference.
    const far: [distance: number, bucket: number][] = [
      ...([
        [129, 129],
        [130, 130],
        [150, 143],
        [200, 169],
        [300, 207],
        [400, 233],
        [510, 255],
        [511, 255],
      ] as [number, number][]),
      ...([
        [512, 256],
        [5000, 256],
      ] as [number, number][]),
    ];
    for (const [distance, bucket] of far) {
      assert.equal(rowOf(rows, distance), Math.min(256 + bucket, 511), `distance ${String(distance)}`);
      assert.equal(rowOf(rows, -distance), Math.max(256 - bucket, 0), `distance -${String(distance)}`);
    }
  });

  it("ascend with the distance and stay within the table", () => {
    for (const [buckets, farthest] of [
      [2, 512],
      [3, 64],
      [6, 64],
      [17, 300],
      [32, 2048],
      [320, 512],
    ] as const) {
      const rows = bucketRows(buckets, farthest);
      const reach = Math.min(rows.buckets?.reach ?? 0, 5000);
      let previous = 0;
      for (let distance = -reach; distance <= reach; distance++) {
        const row = rowOf(rows, distance) ?? NaN;
        assert.ok(Number.isInteger(row) && row >= previous && row < rows.count, `${String(buckets)} buckets, distance ${String(distance)}`);
        previous = row;
      }
    }
  });

  it("end where the formula does", () => {
    assert.equal(bucketRows(256, 100).maxPositions, 129);
    assert.equal(bucketRows(256, 129).maxPositions, 129);
    assert.equal(bucketRows(256, 130).maxPositions, undefined);
  });

  it("stay bounded with a false config.json", () => {
    const rows = bucketRows(256, 1e15);
    assert.equal(rows.buckets?.reach, 65_536);
    assert.equal(rows.maxPositions, 65_537);
    assert.equal(bucketRows(2 ** 52, 512).count, 2 ** 53);
  });

  it("without buckets are one per distance", () => {
    assert.deepEqual(linearRows(512), { count: 1024, buckets: undefined, maxPositions: undefined });
  });
});

describe("frequencies of rotary positions", () => {
  it("decrease from 1 by a constant factor", () => {
    const turns = rotaryFrequencies(64, 10_000);
    assert.equal(turns.length, 32);
    assert.equal(turns[0], 1);
    turns.forEach((turn, i) => {
      assert.ok(Math.abs(turn * 10_000 ** (i / 32) - 1) < 3e-7);
      assert.equal(turn, Math.fround(turn));
    });
  });
});

describe("memory estimates", () => {
  const growth = ({ bytesPerSequence }: Graph): number => bytesPerSequence(8192) / bytesPerSequence(4096);

  it("grow linearly with the length if attention has no bias per pair of tokens", async () => {
    for (const name of ["gte-ntk", "modernbert-local", "modernbert-biases", "jina-roberta"]) {
      assert.equal(growth(sequenceClassifier(await referencePart(name), 3)), 2, name);
    }
    // The rows of DeBERTa's distances have an end.
    assert.ok(growth(sequenceClassifier(await referencePart("deberta-v3"), 3)) <= 2);
    // JinaBERT's bias is one of each distance.
    for (const name of ["ce-bert-msmarco", "ce-jina-v1", "ce-mpnet"]) {
      const { part, labels } = await crossPart(name);
      assert.equal(growth(sequenceClassifier(part, labels)), 2, name);
    }
  });

  it("grow quadratically if it has one, in groups", async () => {
    const jina = await crossPart("ce-jina-v1");
    const deberta = { part: await referencePart("deberta-v3"), labels: 3 };
    for (const { part, labels } of [jina, deberta]) {
      const ofGroups = architectureFor(part.config).sequenceClassifier(part, labels, { form: "padded", floats: "fp32" });
      assert.ok(growth(ofGroups) > 3.9 && growth(ofGroups) <= 4);
    }
  });

  it("include the scores of every head in a group", async () => {
    const { part, labels } = await crossPart("ce-jina-v1");
    const heads = Number(part.config.json["num_attention_heads"]);
    const layout = { form: "padded", floats: "fp32" } as const;
    const { bytesPerSequence } = architectureFor(part.config).sequenceClassifier(part, labels, layout);
    assert.ok(bytesPerSequence(1000) > 2 * 4 * heads * 1000 ** 2, "ALiBi's bias and the scores");
    assert.ok(bytesPerSequence(1) > 0);
  });

  it("are no greater for a long text than for as many short ones if windows are local", async () => {
    const { bytesPerSequence } = sequenceClassifier(await referencePart("modernbert-local"), 3);
    assert.equal(bytesPerSequence(8000), 10 * bytesPerSequence(800));
  });
});
