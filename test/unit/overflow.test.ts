/** Scores beyond the range of float32: in a defined order or rejected, never lost. */

import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";

import { BM25Index, CrossEncoder, fuse, normalizeScores, SparseEncoder, SparseIndex, SparseMatrix } from "../../dist/index";
import type { SparseVector } from "../../dist/index";
import { activate } from "../../dist/model/activations";
import { intersection, similarity, similarityPairwise } from "../../dist/sparse-ops";

const HUGE = 3e38;
const TINY = 1e-30;

function vector(...weights: number[]): SparseVector {
  return { indices: Uint32Array.from(weights, (_, i) => i), values: Float32Array.from(weights), size: 3 };
}

/** A copy of a fixture in which a tensor starts with `value`. */
async function withDamage(fixture: string, tensor: string, value: number, use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "sparse-rerank-"));
  try {
    await cp(path.join(__dirname, "..", "data", "checkpoints", fixture), folder, { recursive: true });
    const file = path.join(folder, "model.safetensors");
    const bytes = await readFile(file);
    const headerBytes = Number(bytes.readBigUInt64LE(0));
    const header = JSON.parse(bytes.toString("utf8", 8, 8 + headerBytes)) as Record<string, { data_offsets: [number, number] }>;
    bytes.writeFloatLE(value, 8 + headerBytes + header[tensor]!.data_offsets[0]);
    await writeFile(file, bytes);
    await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

describe("scores that overflow", () => {
  const documents: Readonly<Record<string, SparseVector>> = {
    small: vector(1, 1, 1),
    "infinite-1": vector(HUGE, 0, 0),
    "not-a-number": vector(HUGE, -HUGE, 0),
    cancelled: vector(HUGE, -HUGE, HUGE),
    negative: vector(0, -HUGE, 0),
    "infinite-2": vector(HUGE, HUGE, 0),
  };
  const query = vector(HUGE, HUGE, 0);
  // In float64: 3e38² − 3e38² = 0, which is not a hit.
  const expected = [
    ["infinite-1", Infinity],
    ["infinite-2", Infinity],
    ["small", Infinity],
    ["negative", -Infinity],
  ];

  const added = async (ids: readonly string[]): Promise<SparseIndex> => {
    const index = SparseIndex.create({ dimension: 3 });
    for (const id of ids) await index.add([id], SparseMatrix.fromRows([documents[id]!], 3));
    return index;
  };

  it("come first or last, ties by insertion order, in one segment and in several, exact and approximate", async () => {
    const ids = ["infinite-1", "not-a-number", "infinite-2", "cancelled", "small", "negative"];
    const index = await added(ids);
    for (const round of ["segments", "merged"]) {
      for (const mode of ["exact", { recall: 1 }] as const) {
        const hits = await index.search(query, { mode });
        assert.deepEqual(
          hits.map(({ id, score }) => [id, score]),
          expected,
          round,
        );
        assert.deepEqual(
          (await index.search(query, { mode, topK: 1 })).map(({ id }) => id),
          ["infinite-1"],
        );
      }
      await index.compact();
    }
    await index.close();
  });

  it("come first if all weights are positive and documents are screened", async () => {
    await using index = SparseIndex.create({ dimension: 3 });
    const count = 3000;
    const rows = Array.from({ length: count }, (_, i) => (i % 1000 === 999 ? vector(HUGE, HUGE, 1) : vector(1 + (i % 7), 1, 1)));
    await index.add(
      rows.map((_, i) => String(i)),
      SparseMatrix.fromRows(rows, 3),
    );
    const hits = await index.search(vector(10, 10, 1), { topK: 5 });
    assert.deepEqual(
      hits.map(({ id, score }) => [id, score]),
      [
        ["999", Infinity],
        ["1999", Infinity],
        ["2999", Infinity],
        ["6", 81],
        ["13", 81],
      ],
    );
  });

  it("equal the dot products of similarity(), which are never NaN", async () => {
    const matrix = SparseMatrix.fromRows(Object.values(documents), 3);
    const { data } = await similarity(query, matrix, "dot");
    assert.deepEqual([...data], [Infinity, Infinity, 0, 0, -Infinity, Infinity]);
    const pairs = await similarityPairwise(
      SparseMatrix.fromRows([query, query], 3),
      SparseMatrix.fromRows([vector(1, -1, 0), vector(1, -0.5, 0)], 3),
      "dot",
    );
    assert.deepEqual([...pairs], [0, Math.fround(1.5e38)]);
  });

  it("cosines of very large and very small vectors equal those of ordinary ones", async () => {
    for (const scale of [HUGE, 1, TINY]) {
      const a = vector(scale, scale, 0);
      const b = SparseMatrix.fromRows([vector(scale, 0, 0), vector(scale, scale, 0), vector(scale, -scale, 0), vector(0, 0, scale)], 3);
      const { data } = await similarity(a, b, "cosine");
      [Math.SQRT1_2, 1, 0, 0].forEach((cosine, i) => {
        assert.ok(Math.abs((data[i] ?? NaN) - cosine) < 1e-6, `${scale}: ${String(data[i])}`);
      });
    }
    const { data } = await similarity(vector(HUGE), vector(-HUGE), "euclidean");
    assert.deepEqual([...data], [-Infinity]);
  });

  it("intersection() returns a vector of finite weights", () => {
    const shared = intersection(vector(HUGE, 2), vector(HUGE, 3));
    assert.deepEqual([...shared.values], [Math.fround(3.4028234663852886e38), 6]);
    assert.doesNotThrow(() => SparseMatrix.fromRows([shared], 3));
  });
});

describe("numbers that are not finite", () => {
  const invalid = { code: "ERR_INVALID_ARGUMENT" };

  it("are rejected as weights", () => {
    for (const value of [NaN, Infinity, -Infinity, 1e39])
      assert.throws(() => SparseMatrix.fromRows([{ indices: [0], values: [value] }], 3), invalid);
  });

  it("are rejected by score fusion; rank fusion does not read them", () => {
    for (const score of [NaN, Infinity, -Infinity]) {
      const lists = [
        [
          { id: "a", score },
          { id: "b", score: 1 },
        ],
      ];
      for (const normalization of ["min-max", "max", "sum", "z-score", "none"] as const) {
        assert.throws(() => fuse(lists, { method: "weighted-sum", normalization }), invalid);
        assert.throws(() => normalizeScores([1, score], normalization), invalid);
      }
      assert.deepEqual(
        fuse(lists).map(({ id }) => id),
        ["a", "b"],
      );
    }
    assert.throws(() => fuse([[{ id: "a", score: 1e308 }]], { method: "weighted-sum", normalization: "none", weights: [10] }), invalid);
  });

  it("do not result from normalizing scores of any size", () => {
    for (const scale of [1, 1e308, 1e-308, 1e160]) {
      const scores = [scale, 0, -scale];
      assert.deepEqual(normalizeScores(scores, "min-max"), [1, 0.5, 0]);
      assert.deepEqual(normalizeScores(scores, "max"), [1, 0, -1]);
      assert.deepEqual(normalizeScores(scores, "sum"), [2 / 3, 1 / 3, 0]);
      normalizeScores(scores, "z-score").forEach((score, i) => {
        assert.ok(Math.abs(score - (1 - i) * Math.sqrt(1.5)) < 1e-12);
      });
    }
  });

  it("from an activation function are rejected", () => {
    assert.throws(() => activate(Float32Array.of(1), 1, () => Float32Array.of(NaN), false), invalid);
  });

  it("from a model are rejected, by pair", async () => {
    await withDamage("ce-bert-minilm", "classifier.bias", NaN, async (folder) => {
      await using encoder = await CrossEncoder.load(folder);
      const refused = { code: "ERR_RUNTIME_FAILED", message: /NaN for pairs\[0\]/ };
      await assert.rejects(encoder.predict([["a", "b"]]), refused);
      await assert.rejects(encoder.rank("a", ["b", "c"]), refused);
    });
  });

  // The last is a head without a screen.
  for (const name of ["splade-bert", "splade-bert-sum"]) {
    for (const value of [NaN, Infinity, -Infinity]) {
      it(`from a sparse encoder's body are rejected: ${String(value)}, ${name}`, async () => {
        for (const dtype of ["fp32", "int8"] as const) {
          await withDamage(name, "bert.encoder.layer.1.output.LayerNorm.bias", value, async (folder) => {
            await using encoder = await SparseEncoder.load(folder, { dtype });
            await assert.rejects(encoder.encodeDocument(["a"]), { code: "ERR_RUNTIME_FAILED", message: /NaN or infinity/ });
          });
        }
      });

      it(`from a sparse encoder's head are rejected when it is loaded: ${String(value)}, ${name}`, async () => {
        for (const tensor of ["bert.embeddings.word_embeddings.weight", "cls.predictions.bias"]) {
          // A bias of -infinity removes an entry from all vectors.
          if (tensor.endsWith("bias") && value === -Infinity) continue;
          await withDamage(name, tensor, value, async (folder) => {
            await assert.rejects(SparseEncoder.load(folder), { code: "ERR_INVALID_WEIGHTS", message: /head/ });
          });
        }
      });
    }
  }

  it("from a dense encoder under a sparse one are rejected", async () => {
    await withDamage("csr-bert", "embeddings.LayerNorm.bias", NaN, async (folder) => {
      await using encoder = await SparseEncoder.load(folder);
      await assert.rejects(encoder.encodeDocument(["a"]), { code: "ERR_RUNTIME_FAILED" });
    });
  });

  it("do not result from the parameters of BM25", async () => {
    assert.throws(() => new BM25Index({ k1: 1001 }), invalid);
    await using index = new BM25Index({ k1: 1000, b: 1 });
    await index.add(["a", "b"], ["cat cat cat", "dog"]);
    const [hit] = await index.search("cat");
    assert.ok(hit !== undefined && hit.score > 0 && Number.isFinite(hit.score));
  });
});
