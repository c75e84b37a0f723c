import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";

import { DOCUMENTS, FIXTURES, jsonLines, writeFolder } from "./retrieval-support";

const root = path.join(__dirname, "..", "..");
const RERANKER = path.join(FIXTURES, "ce-bert-minilm");

async function run(args: readonly string[], cwd: string): Promise<{ stdout: string; stderr: string }> {
  return promisify(execFile)(process.execPath, args, { cwd, encoding: "utf8", timeout: 100_000 });
}

describe("examples", () => {
  const example = (name: string, ...args: string[]): Promise<{ stdout: string }> => run([path.join(root, "examples", name), ...args], root);

  it("semantic search over a folder of Markdown", async () => {
    const { stdout } = await example("semantic-search.mjs");
    assert.match(stdout.split("\n")[0] ?? "", /^\d+\.\d\d health\.md#\d Regular exercise/);
  });

  it("hybrid search", async () => {
    const { stdout } = await example("hybrid-search.mjs", "tooth decay");
    assert.match(stdout.split("\n")[0] ?? "", /^0\.03\d\d note-3 Brush your teeth.*"sparse":.*"bm25":/);
  });

  it("rerank an API's results", async () => {
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

describe("samples of the documentation", () => {
  const entry = (name: string): string => pathToFileURL(path.join(root, "dist", `${name}.mjs`)).href;

  /** Those that need a server are run by engines-docs.test.ts. */
  const samplesOf = (file: string): string[] =>
    Array.from(fs.readFileSync(path.join(root, file), "utf8").matchAll(/```js\n([\s\S]*?)```/g), ([, sample = ""]) => sample).filter(
      (sample) => !sample.includes("sparse-rerank/engines"),
    );

  async function runSample(sample: string): Promise<void> {
    const program = sample
      .replace(/"sparse-rerank\/(\w+)"/g, (_, name: string) => JSON.stringify(entry(name)))
      .replaceAll('"sparse-rerank"', JSON.stringify(entry("index")))
      .replaceAll('"ai"', JSON.stringify(pathToFileURL(require.resolve("ai")).href))
      .replaceAll('"cross-encoder/ms-marco-MiniLM-L6-v2"', JSON.stringify(RERANKER));
    const folder = writeFolder({
      "sample.mjs": program,
      "datasets/tiny/corpus.jsonl": jsonLines(Array.from(DOCUMENTS, ([_id, document]) => ({ _id, text: document }))),
      "datasets/tiny/queries.jsonl": jsonLines([{ _id: "1", text: "fish in the sea" }]),
      "datasets/tiny/qrels/test.tsv": "query-id\tcorpus-id\tscore\n1\tshark\t1\n",
    });
    try {
      assert.notEqual((await run(["sample.mjs"], folder)).stdout.trim(), "");
    } finally {
      fs.rmSync(folder, { recursive: true });
    }
  }

  for (const page of ["docs/retrieval.md", "docs/evaluation.md"]) {
    for (const [i, sample] of samplesOf(page).entries()) it(`${page}, sample ${i + 1}`, () => runSample(sample));
  }

  it("README.md, one after the other", () => {
    const [first = "", ...others] = samplesOf("README.md");
    return runSample([first, "const candidates = documents;", ...others].join("\n"));
  });
});
