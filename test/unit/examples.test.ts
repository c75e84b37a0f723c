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
