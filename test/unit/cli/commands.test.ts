/** The command sparse-rerank, run as people and scripts run it. */

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";

import { models } from "../../../dist/catalogue";

import { skip } from "../../support/skip";

const root = path.join(__dirname, "..", "..", "..");
const main = path.join(root, "dist", "cli", "main.js");
const reranker = path.join(root, "test", "data", "checkpoints", "ce-bert-minilm");
const COMMANDS = [
  ...["encode", "index", "watch", "search", "list", "get", "delete", "stats", "rerank", "explain", "evaluate", "mine", "models", "doctor"],
  ...["serve", "worker", "jobs"],
];

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Colors and debugging as in a user's default shell, however the tests were started. */
function start(args: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcessWithoutNullStreams {
  const plain = { FORCE_COLOR: undefined, NO_COLOR: undefined, SPARSE_RERANK_DEBUG: undefined };
  const child = spawn(process.execPath, [main, ...args], { env: { ...process.env, ...plain, ...env } });
  // The command may exit before it has read its input.
  child.stdin.on("error", () => undefined);
  return child;
}

async function run(args: readonly string[], { input = "", env = {} }: { input?: string; env?: NodeJS.ProcessEnv } = {}): Promise<Ended> {
  const child = start(args, env);
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) child[name].setEncoding("utf8").on("data", (text: string) => (output[name] += text));
  child.stdin.end(input);
  const [code] = (await once(child, "close")) as [number | null];
  return { code, ...output };
}

async function jsonLines<T>(args: readonly string[], input?: string): Promise<T[]> {
  const ended = await run(args, input === undefined ? {} : { input });
  assert.equal(ended.code, 0, ended.stderr);
  return ended.stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as T);
}

describe("sparse-rerank", function () {
  this.timeout(120_000);
  let folder: string;
  let corpus: string;
  const file = async (name: string, text: string): Promise<string> => {
    await writeFile(path.join(folder, name), text);
    return path.join(folder, name);
  };

  before(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), "sparse-rerank-cli-"));
    const records = [
      { _id: "heart", title: "Heart", text: "The heart pumps blood through the body." },
      { _id: "shark", title: "", text: "Sharks are fish that live in the sea." },
      { _id: "tax", title: "Tax", text: "The income tax is due in spring." },
    ];
    corpus = await file("corpus.jsonl", records.map((record) => JSON.stringify(record)).join("\n"));
  });
  after(() => rm(folder, { recursive: true }));

  describe("encode", () => {
    interface Encoded {
      id: string;
      indices: number[];
      values: number[];
      tokens: Record<string, number>;
      truncated?: boolean;
    }

    it("writes one vector per line for arguments, files and standard input", async () => {
      const argument = await run(["encode", "heart attack", "--max-active-dims", "3"]);
      assert.deepEqual([argument.code, argument.stderr], [0, ""]);
      const vector = JSON.parse(argument.stdout) as Encoded;
      assert.equal(vector.id, "1");
      assert.deepEqual(
        vector.indices,
        [...vector.indices].sort((a, b) => a - b),
      );
      assert.equal(vector.indices.length, 3);
      assert.ok(vector.values.length === 3 && vector.values.every((value) => value > 0));

      const fromFile = await jsonLines<Encoded>(["encode", "--file", corpus, "--tokens"]);
      assert.deepEqual(
        fromFile.map(({ id }) => id),
        ["heart", "shark", "tax"],
      );
      assert.ok((fromFile[0]?.tokens["heart"] ?? 0) > 1);
      // The model reads title and text, so the same text produces the same vector, to the last bit.
      const [joined] = await jsonLines<Encoded>(["encode", "--tokens", "Heart The heart pumps blood through the body."]);
      assert.deepEqual(joined?.tokens, fromFile[0]?.tokens);

      const lines = await jsonLines<Encoded>(["encode", "--query"], "first\n\nsecond\n");
      assert.deepEqual(
        lines.map(({ id }) => id),
        ["1", "3"],
      );
      assert.deepEqual(
        (await jsonLines<Encoded>(["encode"], '{"id": 7, "text": "seven"}\n')).map(({ id }) => id),
        ["7"],
      );
      assert.deepEqual(await jsonLines(["encode"], ""), []);
    });

    it("reports which texts were truncated", async () => {
      const { stdout, stderr } = await run(["encode", "short", "long ".repeat(2000)]);
      const [short, long] = stdout.split("\n").map((line) => (line === "" ? undefined : (JSON.parse(line) as Encoded)));
      assert.deepEqual([short?.truncated, long?.truncated], [undefined, true]);
      assert.equal(stderr, "1 text longer than 512 tokens: only the beginning was encoded.\n");
    });
  });

  describe("search", () => {
    interface Answer {
      query: string;
      hits: {
        rank: number;
        id: string;
        title?: string;
        score: number;
        tokens: { token: string; contribution: number; literal: boolean }[];
      }[];
    }

    it("shows hits with the tokens that made them match", async () => {
      const ended = await run(["search", corpus, "what is cardiac blood flow", "--top-k", "1"]);
      assert.equal(ended.code, 0, ended.stderr);
      assert.match(ended.stdout, /what is cardiac blood flow {2}answered in [\d.]+ ms\n {2}1\. +\d+\.\d\d █{8} Heart {2}heart\n/);
      assert.match(ended.stdout, /The heart pumps blood through the body\.\n {5}matched by .*\bblood \d\.\d\d/);
      assert.match(ended.stdout, / \+heart \d/);
      assert.match(ended.stderr, /^Indexed 3 documents in 3 passages in .*\/s\): \d+ weights each, [\d.]+ MB\.\n$/);
    });

    it("answers queries from standard input in a machine-readable format", async () => {
      const answers = await jsonLines<Answer>(["search", corpus, "--json"], "sea animals\n\nwhen do I pay taxes\n");
      assert.deepEqual(
        answers.map(({ query, hits }) => [query, hits[0]?.rank, hits[0]?.id]),
        [
          ["sea animals", 1, "shark"],
          ["when do I pay taxes", 1, "tax"],
        ],
      );
      for (const { score, tokens } of answers.flatMap(({ hits }) => hits)) {
        const sum = tokens.reduce((total, { contribution }) => total + contribution, 0);
        assert.ok(Math.abs(sum - score) < 1e-3 * score, "the contributions are the score");
      }
      const literal = new Map(answers[0]?.hits[0]?.tokens.map((token) => [token.token, token.literal]));
      assert.deepEqual([literal.get("sea"), literal.get("fish")], [true, false]);
    });

    it("indexes folders, parts of a collection, and standard input", async () => {
      const docs = path.join(folder, "docs");
      await mkdir(docs);
      const body = "The pool has as many threads as the process may use. ".repeat(8);
      await writeFile(path.join(docs, "threads.md"), `# Design\n\n## Threads\n\n${body}`);
      await writeFile(path.join(docs, "CHANGELOG.md"), "# Changes\n\nThreads threads threads.");
      await writeFile(path.join(docs, "binary.md"), Uint8Array.of(1, 0, 2));
      const found = await run(["search", docs, "threads", "--json", "--exclude", "(^|/)changelog"]);
      const { hits } = JSON.parse(found.stdout) as Answer;
      assert.deepEqual(
        hits.map(({ id, title }) => [id, title]),
        [["threads.md", "Design"]],
      );
      assert.match(found.stderr, /^skipped 1 file \(binary\), the first: binary\.md\nIndexed 1 document in 1 passage /);

      const limited = await run(["search", corpus, "tax", "--limit", "2", "--json"]);
      assert.match(limited.stderr, /^Indexed the first 2 documents in 2 passages/);
      const piped = await run(["search", "-", "cats", "--json"], { input: "a cat\na dog\n" });
      assert.equal((JSON.parse(piped.stdout) as Answer).hits[0]?.id, "1");
    });

    it("reports that nothing matches", async () => {
      const { code, stdout } = await run(["search", corpus, "zebra", "--limit", "1"]);
      assert.equal(code, 0);
      assert.match(stdout, /\nzebra .*\n +no passage matches this query\n$/);
    });
  });

  it("rerank orders documents by score", async () => {
    const args = ["rerank", "--model", reranker, "a query"];
    const ranked = await jsonLines<{ rank: number; id: string; score: number; text: string }>([...args, "one", "two", "three", "--json"]);
    assert.deepEqual(
      ranked.map(({ rank }) => rank),
      [1, 2, 3],
    );
    assert.deepEqual(
      ranked.map(({ score }) => score),
      ranked.map(({ score }) => score).sort((a, b) => b - a),
    );
    assert.deepEqual(new Set(ranked.map(({ id, text }) => `${id} ${text}`)), new Set(["1 one", "2 two", "3 three"]));
    const best = await run([...args, "--file", corpus, "--top-k", "2"]);
    assert.match(best.stdout, /^ {2}1 +-?\d+\.\d{4} █+ .*\n {2}2 +-?\d+\.\d{4} .*\n$/);
  });

  it("rerank passes label, threshold and limits of tokens on", async () => {
    const ranked = (...args: readonly string[]): Promise<{ id: string; score: number }[]> =>
      jsonLines(["rerank", "--model", path.join(reranker, "..", "ce-roberta-nli"), "a query", "one", "two of three", "--json", ...args]);
    const all = await ranked("--label", "entailment");
    assert.equal(all.length, 2);
    assert.deepEqual(await ranked("--label", "entailment", "--min-score", String(all[0]!.score)), all.slice(0, 1));
    const cut = await ranked("--label", "entailment", "--max-query-tokens", "1", "--max-document-tokens", "1");
    assert.notDeepEqual(cut, all);
    const { code, stderr } = await run(["rerank", "--model", path.join(reranker, "..", "ce-roberta-nli"), "q", "d"]);
    assert.deepEqual([code, /ERR_INVALID_ARGUMENT.*contradiction.*label/.test(stderr)], [1, true], stderr);
  });

  it("explain shows the weights of a text, literal tokens separately from added ones", async () => {
    const { code, stdout } = await run(["explain", "what causes heart attacks?", "--top-k", "4"]);
    assert.equal(code, 0);
    assert.match(stdout, /^document what causes heart attacks\?\n\d+ weights: ● 3 in the text, \+ \d+ added by the model\n/);
    assert.match(stdout, /\n {2}● heart +\d\.\d\d █{48}\n/);
    assert.match(stdout, /\n {2}\+ cause +\d\.\d\d █+/);
    assert.match(stdout, /… \d+ with smaller weights/);
    assert.match(stdout, /\nwithout weight: .*what/);
    const [json] = await jsonLines<{ as: string; tokens: { token: string; literal: boolean }[] }>([
      "explain",
      "hearts",
      "--query",
      "--json",
    ]);
    assert.equal(json?.as, "query");
    assert.deepEqual(
      json.tokens.filter(({ literal }) => literal).map(({ token }) => token),
      ["hearts"],
    );
  });

  it("explain shows why a document matches a query", async () => {
    const args = ["explain", "heart attack", "cardiac arrest of the heart"];
    const { stdout } = await run(args);
    assert.match(stdout, /\nscore \d+\.\d\d = sum of query × document over \d+ shared tokens/);
    assert.match(stdout, /\n {2}● heart +\d\.\d\d × \d\.\d\d = +\d\.\d\d █{48}\n/);
    assert.match(stdout, /\nin the query only: /);
    const [json] = await jsonLines<{ score: number; contributions: { query: number; document: number; contribution: number }[] }>([
      ...args,
      "--json",
    ]);
    const sum = json?.contributions.reduce((total, { query, document }) => total + query * document, 0) ?? 0;
    assert.ok(Math.abs(sum - (json?.score ?? 0)) < 1e-4);
  });

  it("models lists the supported models", async () => {
    const [list] = await jsonLines<{ embedded: { name: string }[]; modelTypes: string[] }>(["models", "--json"]);
    assert.ok(list?.embedded.some(({ name }) => name === "splade-tiny"));
    assert.ok(list?.modelTypes.includes("bert"));
  });

  it("has help with examples, and a version", async () => {
    assert.match((await run(["--version"])).stdout, /^\d+\.\d+\.\d+\n$/);
    const help = await run(["--help"]);
    for (const name of COMMANDS) {
      assert.ok(help.stdout.includes(`\n  ${name} `), name);
      const { code, stdout } = await run([name, "--help"]);
      assert.equal(code, 0);
      assert.match(stdout, new RegExp(`Examples:\n {2}\\$ sparse-rerank ${name}`));
      assert.match(stdout, /--json/);
    }
  });

  it("prints colors only on request", async () => {
    const coloured = async (env: NodeJS.ProcessEnv): Promise<boolean> =>
      (await run(["explain", "heart"], { env })).stdout.includes("\x1b[");
    assert.equal(await coloured({}), false);
    assert.equal(await coloured({ FORCE_COLOR: "1" }), true);
    assert.equal(await coloured({ FORCE_COLOR: "0" }), false);
    assert.equal(await coloured({ FORCE_COLOR: "1", NO_COLOR: "1" }), true);
  });

  it("shows no control characters in errors, and escapes them in JSON", async function () {
    this.timeout(300_000);
    const name = "no\x1b]0;owned\x07\u009b31m\u202e\u2066\u061c\u2028file";
    for (const args of [
      ["search", path.join(folder, name), "q"],
      ["encode", "--model", name, "x"],
      ["encode", `--${name}`, "x"],
      ["index", path.join(folder, "new"), path.join(folder, `${name}\nerror [ERR_FAKE] x`)],
      ["evaluate", name],
      ["mine", name],
      [name],
    ]) {
      const { code, stdout, stderr } = await run(args);
      assert.ok(code === 1 || code === 2, args.join(" "));
      assert.equal(stdout, "");
      // eslint-disable-next-line no-control-regex -- the characters that must be absent
      assert.doesNotMatch(stderr, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u2028-\u202e\u2066-\u2069]/, args.join(" "));
      assert.doesNotMatch(stderr, /\nerror/, args.join(" "));
    }
    const id = "a\x1b\x9b\u202e\u2067\u2029";
    const records = await file("controls.jsonl", JSON.stringify({ _id: id, title: id, text: `the heart ${id}` }));
    for (const args of [
      ["search", records, "heart", "--json"],
      ["encode", "--file", records],
      ["encode", "--file", records, "--tokens"],
      ["rerank", "--model", reranker, "heart", "--file", records, "--json"],
      ["explain", `heart ${id}`, "--json"],
      ["explain", `heart ${id}`, `heart ${id}`, "--json"],
      ["explain", `heart ${id}`, `heart ${id}`, "--html"],
    ]) {
      const { code, stdout } = await run(args);
      assert.equal(code, 0, args.join(" "));
      // eslint-disable-next-line no-control-regex -- the characters that must be absent
      assert.doesNotMatch(stdout, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u2029-\u202e\u2066-\u2069]/, args.join(" "));
      if (args.includes("--html")) continue;
      assert.ok(stdout.includes(JSON.stringify(id).slice(1, 3)) && JSON.stringify(JSON.parse(stdout)).includes("\u202e"), args.join(" "));
    }
  });

  it("shows no control characters from its input", async () => {
    const hostile = await file(
      "hostile.jsonl",
      JSON.stringify({ _id: "a\x1b[31m", title: "t\x07\u202e", text: "the heart \x1b]0;owned\x07" }),
    );
    const { code, stdout } = await run(["search", hostile, "heart"]);
    assert.equal(code, 0);
    // eslint-disable-next-line no-control-regex -- the characters that must be absent
    assert.doesNotMatch(stdout, /[\x00-\x09\x0b-\x1f\u202e]/);
  });

  it("reports errors on stderr, with an exit code and no stack", async () => {
    const empty = await file("empty.jsonl", "\n");
    const bad = await file("bad.jsonl", '{"_id": "a", "text": "x"}\n{"_id": "b", "body": "y"}\n');
    for (const [args, code, message] of [
      [["search", path.join(folder, "missing"), "q"], 1, /^error \[ERR_FILE_NOT_FOUND\] .*missing/],
      [["search", empty, "q"], 1, /^error \[ERR_INVALID_ARGUMENT\] .*empty\.jsonl is empty/],
      [
        ["search", bad, "q"],
        1,
        /^error \[ERR_INVALID_ARGUMENT\] .*bad\.jsonl, line 2: .*the record has _id \(a string\), body \(a string\)/,
      ],
      [["encode", "x", "--model", "no-such-model"], 1, /^error \[ERR_MODEL_NOT_FOUND\]/],
      [["rerank", "--model", "splade-tiny", "q", "d"], 1, /^error \[ERR_WRONG_MODEL_KIND\]/],
      [["encode", "x", "--file", corpus], 2, /^error \[ERR_USAGE\] .*not both/],
      [["search", corpus, "q", "--top-k", "0"], 2, /^error \[ERR_USAGE\] .*positive integer/],
      [["search", corpus, "q", "--exclude", "("], 2, /^error \[ERR_USAGE\] .*regular expression/],
      [["search", corpus], 2, /\nerror \[ERR_USAGE\] no query/],
      [["search", "-"], 2, /^error \[ERR_USAGE\]/],
      [["encode", "x", "--threads", "many"], 2, /^error \[ERR_USAGE\]/],
      [["encode", "x", "--nonsense"], 2, /^error \[ERR_USAGE\] unknown option/],
      [["nonsense"], 2, /^error \[ERR_USAGE\] unknown command/],
      [[], 2, /^Usage: sparse-rerank/],
    ] as const) {
      const ended = await run(args);
      assert.deepEqual([ended.code, ended.stdout], [code, ""], args.join(" "));
      assert.match(ended.stderr, message);
      assert.ok(!ended.stderr.includes("    at "), "a stack trace");
    }
    const offline = await run(["rerank", "q", "d"], { env: { HF_HUB_OFFLINE: "1", HF_HOME: folder } });
    assert.ok(offline.code === 1 && offline.stderr.includes(models.recommend().reranker.name), offline.stderr);
    assert.match((await run(["search", empty, "q"], { env: { SPARSE_RERANK_DEBUG: "1" } })).stderr, /\n {4}at /);
  });

  it("exits quietly when its reader closes the pipe", async () => {
    const child = start(["encode"]);
    let stderr = "";
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    child.stdin.end(Array.from({ length: 4000 }, (_, i) => `text ${i}`).join("\n"));
    child.stdout.once("data", () => child.stdout.destroy());
    const [code] = (await once(child, "close")) as [number | null];
    assert.deepEqual([code, stderr], [0, ""]);
  });

  it("writes results while input still arrives", async () => {
    const child = start(["encode", "--max-active-dims", "1"]);
    child.stdin.write(Array.from({ length: 1100 }, (_, i) => `text ${i}\n`).join(""));
    const [first] = (await once(child.stdout, "data")) as [Buffer];
    assert.match(first.toString(), /^\{"id":"1",/);
    child.stdin.end();
    child.stdout.resume();
    const [code] = (await once(child, "close")) as [number | null];
    assert.equal(code, 0);
  });

  it("prompts for queries on a terminal, until an empty line", async function () {
    if (process.platform !== "linux" || spawnSync("script", ["--version"]).error !== undefined)
      skip(this, "there is no script(1) of util-linux");
    const command = [process.execPath, main, "search", corpus, "--top-k", "1"].map((word) => `'${word}'`).join(" ");
    const child = spawn("script", ["--quiet", "--return", "--command", command, "/dev/null"], { env: { ...process.env, NO_COLOR: "1" } });
    let screen = "";
    const answers = ["sea animals\n", "\n"];
    child.stdout.on("data", (chunk: Buffer) => {
      screen += chunk.toString();
      // One answer per prompt.
      if (screen.split("query (empty to end)> ").length > 3 - answers.length) child.stdin.write(answers.shift() ?? "");
    });
    const [code] = (await once(child, "close")) as [number | null];
    assert.equal(code, 0, screen);
    assert.match(screen, /1\. +\d+\.\d\d █{8} shark/);
  });

  it("exits with 130 on ^C", async function () {
    if (process.platform === "win32") skip(this, "Windows has no signals: kill() ends the process itself");
    const child = start(["search", corpus]);
    await once(child.stderr, "data");
    child.kill("SIGINT");
    const [code, signal] = (await once(child, "close")) as [number | null, string | null];
    assert.deepEqual([code, signal], [130, null]);
  });
});
