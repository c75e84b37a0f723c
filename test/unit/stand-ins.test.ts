/** Calls that accept an encoder or a reranker reject anything else before they start, naming the argument. */

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";

import { rerankingModel } from "../../dist/adapters/ai";
import { CrossEncoderCompressor } from "../../dist/adapters/langchain";
import { exportSeismic } from "../../dist/engines/index";
import {
  evaluateEncoder,
  evaluateReranking,
  explain,
  mineHardNegatives,
  RetrieveAndRerank,
  sparseRetriever,
  SparseIndex,
  SparseMatrix,
} from "../../dist/index";

const PAIRS = [{ anchor: "a", positive: "b" }];
const SAMPLES = [{ query: "a", positive: "b", negative: ["c"] }];
const RETRIEVER = { name: "none", retrieve: () => Promise.resolve([]) };

describe("calls that accept an encoder", () => {
  const index = SparseIndex.create({ dimension: 3 });
  after(() => index.close());

  const calls: Readonly<Record<string, readonly [argument: string, call: (other: never) => unknown]>> = {
    sparseRetriever: ["encoder", (encoder) => sparseRetriever({ encoder, index })],
    RetrieveAndRerank: ["reranker", (reranker) => new RetrieveAndRerank({ retrievers: RETRIEVER, reranker })],
    explain: ["encoder", (encoder) => explain(encoder, "a", "b")],
    mineHardNegatives: ["encoder", (encoder) => mineHardNegatives(PAIRS, { encoder })],
    evaluateEncoder: ["encoder", (encoder) => evaluateEncoder("folder", encoder)],
    evaluateReranking: ["encoder", (encoder) => evaluateReranking(SAMPLES, encoder)],
    CrossEncoderCompressor: ["encoder", (encoder) => new CrossEncoderCompressor({ encoder })],
    rerankingModel: ["encoder", (encoder) => rerankingModel(encoder)],
  };
  for (const [name, [argument, call]] of Object.entries(calls)) {
    it(`${name} rejects anything else`, async () => {
      for (const other of [null, 5, "splade-tiny", {}, () => undefined]) {
        await assert.rejects(
          // eslint-disable-next-line @typescript-eslint/require-await -- some calls throw synchronously
          async () => call(other as never),
          { code: "ERR_INVALID_ARGUMENT", message: new RegExp(`^${argument}\\b`) },
        );
      }
    });
  }
});

describe("exports", () => {
  it("report a file that cannot be written, and leave nothing behind", async () => {
    const folder = await mkdtemp(path.join(os.tmpdir(), "sparse-rerank-"));
    try {
      const vectors = SparseMatrix.fromRows([{ indices: [0], values: [1] }], 1);
      await exportSeismic(path.join(folder, "a.jsonl"), ["a"], vectors, { vocabulary: ["w"] });
      const under = path.join(folder, "a.jsonl", "b.jsonl");
      await assert.rejects(exportSeismic(under, ["a"], vectors, { vocabulary: ["w"] }), { code: "ERR_FILE_UNWRITABLE" });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
