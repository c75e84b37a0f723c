import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import path from "node:path";

import type { RerankingModelV3 } from "@ai-sdk/provider";
import { Document } from "@langchain/core/documents";
import { rerank } from "ai";

import { BM25Index } from "../../../dist";
import type { CrossEncoder } from "../../../dist";
import { rerankingModel } from "../../../dist/adapters/ai";
import { CrossEncoderCompressor, SparseRerankRetriever } from "../../../dist/adapters/langchain";
import { DOCUMENTS, loadReranker } from "../../support/retrieval-support";

const QUERY = "what is good for the heart?";
const TEXTS = [...DOCUMENTS.values()];

describe("adapters", () => {
  let encoder: CrossEncoder;
  before(async () => {
    encoder = await loadReranker();
  });
  after(() => encoder.close());

  it("rerank() of the Vercel AI SDK accepts the model", async () => {
    const model: RerankingModelV3 = rerankingModel(encoder);
    const { ranking } = await rerank({ model, query: QUERY, documents: TEXTS, topN: 2 });
    const expected = await encoder.rank(QUERY, TEXTS, { topK: 2 });
    assert.deepEqual(
      ranking.map(({ originalIndex, score }) => ({ index: originalIndex, score })),
      expected,
    );
    const objects = await rerank({ model, query: QUERY, documents: TEXTS.map((text) => ({ text })) });
    assert.equal(objects.ranking.length, TEXTS.length);
    await assert.rejects(rerank({ model, query: QUERY, documents: TEXTS, abortSignal: AbortSignal.abort(), maxRetries: 0 }));
    assert.equal(rerankingModel(encoder, { specificationVersion: "v4" }).specificationVersion, "v4");
  });

  it("LangChain's document compressor orders documents and keeps their metadata", async () => {
    const documents = TEXTS.map((pageContent, i) => new Document({ pageContent, metadata: { i } }));
    const compressed = await new CrossEncoderCompressor({ encoder, topN: 3 }).compressDocuments(documents, QUERY);
    const expected = await encoder.rank(QUERY, TEXTS, { topK: 3 });
    assert.deepEqual(
      compressed.map(({ metadata }) => metadata),
      expected.map(({ index, score }) => ({ i: index, relevanceScore: score })),
    );
    assert.ok(compressed.every((document) => document instanceof Document));
    assert.throws(() => new CrossEncoderCompressor({ encoder, topN: 0 }), { code: "ERR_INVALID_ARGUMENT" });
  });

  it("LangChain's retriever returns documents with ids and scores", async () => {
    const bm25 = new BM25Index();
    await bm25.add([...DOCUMENTS.keys()], TEXTS);
    const retriever = new SparseRerankRetriever({ retriever: bm25, k: 1 });
    const [document, ...others] = await retriever.invoke("teeth and sugar");
    assert.deepEqual(others, []);
    assert.equal(document!.id, "sugar");
    assert.equal(document!.pageContent, DOCUMENTS.get("sugar"));
    assert.ok((document!.metadata["score"] as number) > 0);
  });

  it("report which package is missing and how to install it", () => {
    const program = `
      const Module = require("node:module");
      const resolve = Module._resolveFilename;
      Module._resolveFilename = (name, ...others) => resolve(name.replace(/^@langchain.core/, "@langchain/core-that-is-not-there"), ...others);
      try { require("./dist/adapters/langchain.js"); } catch (error) { console.log(error.code, error.message); }`;
    const printed = execFileSync(process.execPath, ["-e", program], { cwd: path.join(__dirname, "..", "..", ".."), encoding: "utf8" });
    assert.equal(printed.trim(), "ERR_CLIENT_NOT_FOUND The package @langchain/core is not installed; run: npm install @langchain/core");
  });
});
