/** The commands explain, evaluate and mine of sparse-rerank. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";

import { FIXTURES, writeFolder } from "../../support/retrieval-support";

const main = path.join(__dirname, "..", "..", "..", "dist", "cli", "main.js");

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(args: readonly string[], env: NodeJS.ProcessEnv = {}): Ended {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    encoding: "utf8",
    env: { ...process.env, FORCE_COLOR: "0", ...env },
  });
  return { code: status, stdout, stderr };
}

function jsonLines<T>(args: readonly string[]): T[] {
  const { code, stdout, stderr } = run(args);
  assert.equal(code, 0, stderr);
  return stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as T);
}

describe("sparse-rerank's commands for retrieval", () => {
  let directory: string;
  before(() => {
    directory = writeFolder({});
  });
  after(() => {
    fs.rmSync(directory, { recursive: true });
  });

  it("explain marks the words behind the score, in HTML too", () => {
    const args = ["explain", "heart attack", "cardiac <b>arrest</b> of the heart"];
    const { stdout } = run(args, { FORCE_COLOR: "1" });
    assert.ok(stdout.includes("\x1b[33mheart\x1b[39m"));
    const html = run([...args, "--html"]).stdout;
    assert.match(html, /^<!doctype html>/);
    assert.ok(html.includes("&lt;"));
    assert.ok(!html.includes("<b>"));
    const alone = run(["explain", "<i>heart", "--query", "--html"]).stdout;
    assert.match(alone, /^<!doctype html>/);
    assert.match(alone, /Weights of a query/);
    assert.ok(alone.includes("&lt;") && !alone.includes("<i>"));
  });

  it("search writes a page of every stage, for the queries of its arguments or of standard input", () => {
    const source = path.join(directory, "documents.jsonl");
    const hostile = "The heart <script>pumps</script> \x1b[31m blood.";
    const records = [
      { _id: "a<b", title: "The <i>heart</i>", text: hostile },
      { _id: "c", text: "Sharks are fish that live in the sea." },
    ];
    fs.writeFileSync(source, records.map((record) => JSON.stringify(record)).join("\n"));
    const file = path.join(directory, "report.html");
    const reranker = path.join(FIXTURES, "ce-bert-minilm");
    const { code, stdout, stderr } = run(["search", source, "what does the heart do", "--hybrid", "--rerank", reranker, "--html", file]);
    assert.equal(code, 0, stderr);
    assert.equal(stdout, "");
    const html = fs.readFileSync(file, "utf8");
    assert.doesNotMatch(html, /<script|<i>|<[^>]+ (?:on\w+|style)=/);
    // eslint-disable-next-line no-control-regex -- the characters that must be absent
    assert.doesNotMatch(html, /[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
    const text = html
      .replace(/<[^>]*>/g, "")
      .replaceAll("&lt;", "<")
      .replaceAll("&gt;", ">");
    for (const part of ["The <i>heart</i>", "<script>pumps</script> \u241b[31m blood.", "a<b"]) assert.ok(text.includes(part), part);
    for (const stage of ["sparse", "BM25", "fused", "reranked"]) assert.ok(html.includes(`<span class="stage">${stage}</span>`), stage);
    assert.match(html, /Why it matches/);
    assert.match(html, /style-src 'sha256-/);
    const input = "first query\n\nsecond & query\n";
    const { status } = spawnSync(process.execPath, [main, "search", source, "--lexical", "--html", file], { input, encoding: "utf8" });
    assert.equal(status, 0);
    const both = fs.readFileSync(file, "utf8");
    assert.ok(both.includes("<h1>first query</h1>") && both.includes("<h1>second &amp; query</h1>"));
  });

  it("evaluate measures a folder in BEIR's layout", () => {
    const folder = path.join(directory, "beir");
    fs.mkdirSync(path.join(folder, "qrels"), { recursive: true });
    const corpus = [
      { _id: "a", text: "Sharks are fish that live in the sea." },
      { _id: "b", text: "The heart pumps blood." },
    ];
    fs.writeFileSync(path.join(folder, "corpus.jsonl"), corpus.map((record) => JSON.stringify(record)).join("\n"));
    fs.writeFileSync(path.join(folder, "queries.jsonl"), JSON.stringify({ _id: "1", text: "which fish is in the sea" }));
    fs.writeFileSync(path.join(folder, "qrels", "test.tsv"), "query-id\tcorpus-id\tscore\n1\ta\t1\n");
    const { stdout } = run(["evaluate", folder, "--at", "1", "5", "--bm25"]);
    assert.match(stdout, /^ +@1 +@5\nnDCG +100\.00 +100\.00\n/);
    assert.match(stdout, /\n1 judged query, 2 documents; /);
    const reranker = path.join(FIXTURES, "ce-bert-minilm");
    const [json] = jsonLines<{ measures: Record<string, { recall: number }> }>(["evaluate", folder, "--json", "--reranker", reranker]);
    assert.equal(json?.measures["100"]?.recall, 1);
    assert.equal(run(["evaluate", path.join(folder, "qrels")]).code, 1);
  });

  it("evaluate gives a hint if queries are documents, and excludes them on request", () => {
    const own = { _id: "1", text: "which fish is in the sea" };
    const folder = writeFolder({
      "corpus.jsonl": [own, { _id: "a", text: "Sharks are fish that live in the sea." }].map((record) => JSON.stringify(record)).join("\n"),
      "queries.jsonl": JSON.stringify(own),
      "qrels/test.tsv": "query-id\tcorpus-id\tscore\n1\ta\t1\n",
    });
    const hinted = run(["evaluate", folder, "--at", "1"]);
    assert.match(hinted.stderr, /1 query has the same id and text as a document: --ignore-identical-ids/);
    assert.match(hinted.stdout, /\nRecall +0\.00\n/);
    const left = run(["evaluate", folder, "--at", "1", "--ignore-identical-ids"]);
    assert.doesNotMatch(left.stderr, /identical/);
    assert.match(left.stdout, /\nRecall +100\.00\n/);
    fs.rmSync(folder, { recursive: true });
  });

  it("mine prints hard negatives", () => {
    const file = path.join(directory, "pairs.jsonl");
    const pair = (anchor: string, positive: string): string => `${JSON.stringify({ anchor, positive })}\n`;
    fs.writeFileSync(
      file,
      pair("why do teeth decay", "Sugar feeds bacteria.") + pair("what is good for the heart", "Exercise lowers blood pressure."),
    );
    const rows = jsonLines<Record<string, unknown>>(["mine", file, "-n", "1", "--scores"]);
    assert.deepEqual(Object.keys(rows[0] ?? {}), ["anchor", "positive", "negative", "scores"]);
    fs.writeFileSync(file, '{"anchor": 1}\n');
    const { code, stderr } = run(["mine", file]);
    assert.equal(code, 1);
    assert.match(stderr, /pairs\.jsonl, line 1: expected a JSON object/);
  });
});
