import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";

const root = path.join(__dirname, "..", "..");
const reranker = path.join(root, "test", "fixtures", "ce-bert-minilm");

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function sparseRerank(args: readonly string[], input = "", env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [path.join(root, "dist", "cli", "main.js"), ...args], { env: { ...process.env, ...env } });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    child.stdin.on("error", () => undefined);
    child.stdin.end(input);
    child.on("error", reject);
    child.on("close", (code) => {
      resolve({ code, stdout, stderr });
    });
  });
}

function jsonLines(stdout: string): Record<string, unknown>[] {
  return stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe("the command line", function () {
  this.timeout(60_000);
  let folder: string;
  let corpus: string;

  before(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), "sparse-rerank-cli-"));
    corpus = path.join(folder, "corpus.jsonl");
    const documents = [
      { _id: "heart", title: "Heart", text: "The heart pumps blood through the body." },
      { _id: "shark", title: "", text: "Sharks are fish that live in the sea." },
      { _id: "tax", title: "Tax", text: "The income tax is due in spring." },
    ];
    await writeFile(corpus, documents.map((document) => JSON.stringify(document)).join("\n"));
  });
  after(() => rm(folder, { recursive: true }));

  it("encodes arguments, files and standard input", async () => {
    const one = await sparseRerank(["encode", "a text", "--max-active-dims", "3"]);
    assert.deepEqual([one.code, one.stderr], [0, ""]);
    const [vector] = jsonLines(one.stdout);
    assert.equal(vector?.["id"], "1");
    assert.equal((vector["indices"] as number[]).length, 3);
    assert.equal((vector["values"] as number[]).length, 3);

    const file = jsonLines((await sparseRerank(["encode", "--file", corpus, "--tokens"])).stdout);
    assert.deepEqual(
      file.map(({ id }) => id),
      ["heart", "shark", "tax"],
    );
    assert.ok(((file[0]?.["tokens"] as Record<string, number>)["heart"] ?? 0) > 1);

    const lines = jsonLines((await sparseRerank(["encode", "--query"], "first\n\nsecond\n")).stdout);
    assert.equal(lines.length, 2);
  });

  it("searches, for people and for machines", async () => {
    const plain = await sparseRerank(["search", corpus, "what is cardiac blood flow", "--top-k", "1"]);
    assert.equal(plain.code, 0, plain.stderr);
    assert.match(plain.stdout, /1\.\s+\d+\.\d\d .*Heart · heart\n/);
    assert.match(plain.stdout, /matched by .*blood \d/);
    assert.match(plain.stderr, /^Indexed 3 passages/);
    assert.ok(!plain.stdout.includes("\x1b"), "colours without a terminal");

    const json = await sparseRerank(["search", corpus, "--json"], "sea animals\nwhen do I pay taxes\n");
    const answers = jsonLines(json.stdout) as unknown as {
      query: string;
      hits: { id: string; score: number; tokens: { contribution: number }[] }[];
    }[];
    assert.deepEqual(
      answers.map(({ query, hits }) => [query, hits[0]?.id]),
      [
        ["sea animals", "shark"],
        ["when do I pay taxes", "tax"],
      ],
    );
    for (const { hits } of answers) {
      for (const { score, tokens } of hits) {
        const sum = tokens.reduce((total, { contribution }) => total + contribution, 0);
        assert.ok(Math.abs(sum - score) < 1e-3 * score, "the contributions are the score");
      }
    }
  });

  it("reranks", async () => {
    const ended = await sparseRerank(["rerank", "--model", reranker, "a query", "one", "two", "three", "--top-k", "2", "--json"]);
    assert.equal(ended.code, 0, ended.stderr);
    const ranked = jsonLines(ended.stdout);
    assert.equal(ranked.length, 2);
    assert.ok((ranked[0]?.["score"] as number) >= (ranked[1]?.["score"] as number));
    assert.match((await sparseRerank(["rerank", "--model", reranker, "q", "--file", corpus])).stdout, /1\. .*\n\s+2\. .*\n\s+3\. /);
  });

  it("explains a text and a match", async () => {
    const text = await sparseRerank(["explain", "what causes heart attacks?"]);
    assert.equal(text.code, 0, text.stderr);
    assert.match(text.stdout, /\d+ active dimensions/);
    assert.match(text.stdout, /heart +\d\.\d{3} █+/);
    const [match] = jsonLines((await sparseRerank(["explain", "heart attack", "cardiac arrest of the heart", "--json"])).stdout);
    const tokens = match?.["tokens"] as { token: string; weight: number; literal: boolean }[];
    assert.equal(tokens[0]?.token, "heart");
    assert.equal(tokens[0].literal, true);
    assert.ok((match?.["score"] as number) > 1);
  });

  it("lists models, its version and help with examples", async () => {
    assert.match((await sparseRerank(["models"])).stdout, /splade-tiny/);
    assert.deepEqual(
      (jsonLines((await sparseRerank(["models", "--json"])).stdout)[0]?.["embedded"] as { name: string }[])[0]?.name,
      "splade-tiny",
    );
    assert.match((await sparseRerank(["--version"])).stdout, /^\d+\.\d+\.\d+\n$/);
    for (const name of ["encode", "search", "rerank", "explain", "models"]) {
      const help = await sparseRerank([name, "--help"]);
      assert.equal(help.code, 0);
      assert.match(help.stdout, /Examples:\n {2}\$ sparse-rerank/);
    }
  });

  it("colours when it is told to", async () => {
    const ended = await sparseRerank(["explain", "heart"], "", { FORCE_COLOR: "1", NO_COLOR: "" });
    assert.ok(ended.stdout.includes("\x1b["));
  });

  it("tells what is wrong on stderr, with an exit code", async () => {
    const empty = path.join(folder, "empty.jsonl");
    await writeFile(empty, "\n");
    const bad = path.join(folder, "bad.jsonl");
    await writeFile(bad, '{"_id": "a", "text": "x"}\n{"_id": "b"}\n');
    const twice = path.join(folder, "twice.tsv");
    await writeFile(twice, "a\tx\na\ty\n");
    for (const [args, code, message] of [
      [["search", path.join(folder, "missing"), "q"], 1, /^error \[ERR_FILE_NOT_FOUND\] .*missing/],
      [["search", empty, "q"], 2, /^error \[ERR_INVALID_ARGUMENT\] .*no documents/],
      [["search", bad, "q"], 2, /^error \[ERR_INVALID_ARGUMENT\] .*bad\.jsonl, line 2: .*the fields are: _id/],
      [["search", twice, "q"], 1, /^error \[ERR_DUPLICATE_ID\]/],
      [["encode", "x", "--file", corpus], 2, /^error \[ERR_INVALID_ARGUMENT\]/],
      [["encode", "x", "--model", "no-such-model"], 1, /^error \[ERR_MODEL_NOT_FOUND\]/],
      [["rerank", "--model", "splade-tiny", "q", "d"], 1, /^error \[ERR_WRONG_MODEL_KIND\]/],
      [["rerank", "q", "d"], 2, /--model/],
      [["search", corpus, "q", "--top-k", "0"], 2, /positive integer/],
      [["nonsense"], 2, /unknown command/],
    ] as const) {
      const ended = await sparseRerank(args);
      assert.deepEqual([ended.code, ended.stdout], [code, ""], args.join(" "));
      assert.match(ended.stderr, message);
      assert.ok(!ended.stderr.includes("    at "), "a stack trace");
    }
    assert.match((await sparseRerank(["search", empty, "q"], "", { SPARSE_RERANK_DEBUG: "1" })).stderr, / {4}at /);
  });

  it("ends quietly when its reader leaves", async () => {
    const lines = Array.from({ length: 2000 }, (_, i) => `text ${String(i)}`).join("\n");
    const child = spawn(process.execPath, [path.join(root, "dist", "cli", "main.js"), "encode"]);
    let stderr = "";
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    child.stdin.on("error", () => undefined);
    child.stdin.end(lines);
    child.stdout.once("data", () => child.stdout.destroy());
    const code = await new Promise((resolve) => child.on("close", resolve));
    assert.deepEqual([code, stderr], [0, ""]);
  });
});
