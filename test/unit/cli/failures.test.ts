/** The command line on wrong calls and system failures: an error code and an exit code, never a bare language error. */

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import type { SpawnSyncReturns } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

import { asKnownError } from "../../../dist/cli/failure";
import { skip } from "../../support/skip";

const main = path.join(__dirname, "..", "..", "..", "dist", "cli", "main.js");
const queue = ["--queue", "redis://127.0.0.1:1"];

describe("sparse-rerank on wrong calls and system failures", function () {
  this.timeout(240_000);
  let folder = "";
  before(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), "sparse-rerank-failures-"));
    fs.writeFileSync(path.join(folder, "ok.jsonl"), '{"_id":"a","text":"one"}\n');
    fs.writeFileSync(path.join(folder, "ok.tsv"), "a\tone\n");
    fs.writeFileSync(path.join(folder, "repeated.jsonl"), '{"_id":"a","text":"one"}\n{"_id":"a","text":"two"}\n');
    fs.writeFileSync(path.join(folder, "x.csv"), "a,b\n");
    fs.writeFileSync(path.join(folder, "utf16.jsonl"), Buffer.from('\ufeff{"_id":"a","text":"one"}\n', "utf16le"));
    fs.mkdirSync(path.join(folder, "folder.jsonl"));
  });
  after(() => {
    fs.rmSync(folder, { recursive: true, force: true });
  });
  const run = (args: readonly string[], stdin?: number): SpawnSyncReturns<string> =>
    spawnSync(process.execPath, [main, ...args], { cwd: folder, encoding: "utf8", stdio: [stdin ?? "ignore", "pipe", "pipe"] });

  it("rejects options without effect", () => {
    for (const [args, code, message] of [
      [["encode", "x", "--job", "a"], 2, /--job needs --queue/],
      [["encode", "x", "--shard-size", "5"], 2, /--shard-size needs --queue/],
      ...["--model=x", "--threads=1", "--device=cpu", "--dtype=int8", "--query", "--tokens", "--max-active-dims=3"].map(
        (option) => [["encode", "x", option, ...queue], 2, new RegExp(`${option.replace(/=.*/, "")} cannot be used with --queue`)] as const,
      ),
      [["encode", "x", "--format", "lines"], 2, /--format applies only to files/],
      [["rerank", "--model", "x", "q", "d", "--text-field", "body"], 2, /--text-field applies only to files/],
      [["explain", "x", "--html", "--json"], 2, /--json cannot be used with --html/],
      [["search", "x", "y", "--html", "out.html", "--json"], 2, /--json cannot be used with --html/],
      [["explain", "x", "y", "--query"], 2, /--query is for a single text/],
      [["explain", "x", "y", "--html", "--json"], 2, /--json cannot be used with --html/],
      [["explain", "x", "y", "--html", "--top-k", "3"], 2, /--top-k cannot be used with --html/],
      [["models", "--latency", "low"], 2, /--latency needs --recommend/],
      [["models", "--multilingual"], 2, /--multilingual needs --recommend/],
      [["search", "ok.jsonl", "q", "--prompt"], 2, /--prompt requires a terminal/],
      [["search", "ok.jsonl", "q", "--exclude", "x"], 1, /ERR_INVALID_ARGUMENT.*exclude has no effect/],
      [["search", "ok.tsv", "q", "--text-field", "body"], 1, /ERR_INVALID_ARGUMENT.*textField has no effect/],
      [["search", ".", "q", "--format", "jsonl"], 1, /ERR_INVALID_ARGUMENT.*format has no effect/],
      [["worker", ...queue, "--out", "a", "--to", "b"], 2, /either --out or --to/],
      [["jobs", "list", "x", ...queue], 2, /list accepts no job/],
      [["jobs", "clear", ...queue], 2, /name the job/],
      [["mine", "ok.jsonl", "--max-score", "high"], 2, /must be a number/],
    ] as const) {
      const { status, stderr } = run(args);
      assert.deepEqual([status, message.test(stderr)], [code, true], `${args.join(" ")}: ${stderr}`);
    }
  });

  it("names the file and what is wrong with it", () => {
    for (const [args, message] of [
      [["search", "x.csv", "q"], /^error \[ERR_INVALID_ARGUMENT\] x\.csv, line 1: no column "text"; the columns are "a", "b"\./],
      [["search", "utf16.jsonl", "q"], /^error \[ERR_INVALID_ARGUMENT\] utf16\.jsonl, line 1: not UTF-8/],
      [["mine", "folder.jsonl"], /^error \[ERR_FILE_UNREADABLE\] .*folder\.jsonl.*folder/],
      [["search", "ok.jsonl/below", "q"], /^error \[ERR_FILE_NOT_FOUND\]/],
      [["search", `${"x".repeat(300)}.jsonl`, "q"], /^error \[ERR_FILE_UNREADABLE\] .*the name is too long/],
      [["jobs", ...queue], /^error \[ERR_QUEUE_UNAVAILABLE\]/],
    ] as const) {
      const { status, stderr } = run(args);
      assert.deepEqual([status, message.test(stderr)], [1, true], `${args.join(" ")}: ${stderr}`);
    }
    if (process.platform === "win32") return;
    const { status, stderr } = run(["encode"], fs.openSync(folder, "r"));
    assert.deepEqual([status, stderr], [1, "error [ERR_FILE_UNREADABLE] Cannot read standard input: it is a folder.\n"]);
  });

  it("rejects repeated ids in every command that reads records", () => {
    const file = path.join(folder, "repeated.jsonl");
    fs.mkdirSync(path.join(folder, "beir", "qrels"), { recursive: true });
    fs.copyFileSync(file, path.join(folder, "beir", "corpus.jsonl"));
    fs.copyFileSync(path.join(folder, "ok.jsonl"), path.join(folder, "beir", "queries.jsonl"));
    fs.writeFileSync(path.join(folder, "beir", "qrels", "test.tsv"), "a\ta\t1\n");
    fs.writeFileSync(path.join(folder, "pairs.jsonl"), '{"anchor":"a","positive":"b"}\n');
    for (const args of [
      ["search", file, "q"],
      ["index", "new", file],
      ["encode", "--file", file],
      ["rerank", "--model", "x", "q", "--file", file],
      ["evaluate", "beir"],
      ["mine", "pairs.jsonl", "--corpus", file],
    ]) {
      const { status, stderr } = run(args);
      assert.equal(status, 1, args.join(" "));
      assert.match(stderr, /^error \[ERR_DUPLICATE_ID\] .*, line 2: the id "a"/, args.join(" "));
    }
  });

  it("reports that the output device is full", function () {
    if (!fs.existsSync("/dev/full")) skip(this, "there is no /dev/full");
    const full = fs.openSync("/dev/full", "w");
    const { status, stderr } = spawnSync(process.execPath, [main, "models"], { stdio: ["ignore", full, "pipe"], encoding: "utf8" });
    fs.closeSync(full);
    assert.deepEqual([status, stderr], [1, "error [ERR_FILE_UNWRITABLE] Cannot write standard output: no space is left on the device.\n"]);
  });

  it("turns system errors into coded ones, and a bug into a request to report it", () => {
    const system = (code: string, syscall: string): Error => Object.assign(new Error(`${code}: raw`), { code, syscall, path: "a/b" });
    for (const [code, syscall, expected, message] of [
      ["EACCES", "open", "ERR_FILE_UNREADABLE", "Cannot read a/b: permission denied."],
      ["EACCES", "mkdir", "ERR_FILE_UNWRITABLE", "Cannot write a/b: permission denied."],
      ["ENOSPC", "write", "ERR_FILE_UNWRITABLE", "Cannot write a/b: no space is left on the device."],
      ["EISDIR", "read", "ERR_FILE_UNREADABLE", "Cannot read a/b: it is a folder."],
      ["ENOTDIR", "mkdir", "ERR_FILE_UNWRITABLE", "Cannot write a/b: a part of its path is not a folder."],
      ["EMFILE", "open", "ERR_FILE_UNREADABLE", "Cannot read a/b: this process has too many open files; raise the limit (ulimit -n)."],
      ["EROFS", "rename", "ERR_FILE_UNWRITABLE", "Cannot write a/b: the file system is read-only."],
    ] as const) {
      const known = asKnownError(system(code, syscall));
      assert.deepEqual([known.code, known.message], [expected, message]);
    }
    for (const bug of [new TypeError("x is undefined"), "a string", undefined, null]) {
      const known = asKnownError(bug);
      assert.equal(known.code, "ERR_INTERNAL");
      assert.match(known.message, /bug in sparse-rerank: please report/);
    }
  });

  it("writes a progress line to a log every 10 seconds", async () => {
    const child = spawn(process.execPath, [main, "encode", "--max-active-dims", "1"], { stdio: ["pipe", "ignore", "pipe"] });
    let log = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (log += text));
    child.stdin.write("one\n");
    while (!log.includes("\n")) await once(child.stderr, "data");
    child.stdin.end("two\n");
    const [code] = (await once(child, "close")) as [number | null];
    assert.equal(code, 0);
    assert.match(log, /^encoding: \d texts?[^\p{Cc}]*\n/u);
  });
});
