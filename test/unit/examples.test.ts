import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";

import { FIXTURES } from "../support/retrieval-support";

const root = path.join(__dirname, "..", "..");
const RERANKER = path.join(FIXTURES, "ce-bert-minilm");

describe("examples", () => {
  const example = (name: string, ...args: string[]): Promise<{ stdout: string }> =>
    promisify(execFile)(process.execPath, [path.join(root, "examples", name), ...args], { cwd: root, encoding: "utf8", timeout: 100_000 });

  it("semantic search over a folder of Markdown", async () => {
    const { stdout } = await example("semantic-search.mjs");
    assert.match(stdout.split("\n")[0] ?? "", /^0\.0\d+ Health \(health\.md\): .*heart/i);
  });

  it("hybrid search", async () => {
    const { stdout } = await example("hybrid-search.mjs", "tooth decay");
    assert.match(stdout.split("\n")[0] ?? "", /^0\.03\d\d note-3 Brush your teeth.*"sparse":.*"bm25":/);
  });

  it("rerank results of an API", async () => {
    const { stdout } = await example("rerank-api-results.mjs", RERANKER);
    assert.deepEqual(
      stdout
        .trim()
        .split("\n")
        .map((line) => line.split(" ")[1])
        .sort(),
      ["abort", "fetch", "timers"],
    );
  });

  it("OpenTelemetry spans", async () => {
    const program = `
      import { trace } from "@opentelemetry/api";
      const spans = [];
      const startSpan = (name, { startTime, attributes }) => ({
        end: (endTime) => spans.push({ name, took: endTime - startTime, since: startTime - performance.timeOrigin, attributes }),
      });
      trace.setGlobalTracerProvider({ getTracer: () => ({ startSpan }) });
      await import("./examples/opentelemetry.mjs");
      const { SparseEncoder } = await import("sparse-rerank");
      const encoder = await SparseEncoder.load("splade-tiny");
      await encoder.encodeDocument(["a shark", "a heart"]);
      await encoder.close();
      console.log(JSON.stringify(spans));`;
    const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", program], { cwd: root, encoding: "utf8" });
    const spans = JSON.parse(stdout) as { name: string; took: number; since: number; attributes: Record<string, unknown> }[];
    assert.deepEqual(
      spans.map(({ name }) => name),
      ["load", "tokenize", "queue", "inference"].map((name) => `sparse-rerank ${name}`),
    );
    for (const { took, since, attributes } of spans) {
      assert.ok(took >= 0 && since > 0);
      assert.equal(attributes["sparse_rerank.model"], "splade-tiny");
    }
    assert.equal(spans[3]?.attributes["sparse_rerank.texts"], 2);
  });

  it("mine hard negatives", async () => {
    const { stdout } = await example("mine-hard-negatives.mjs");
    const rows = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.ok(rows.length > 0);
    for (const { positive, negative } of rows) assert.notEqual(positive, negative);
  });
});
