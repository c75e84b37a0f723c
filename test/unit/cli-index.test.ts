/** `sparse-rerank index` and `search` on what it made: resuming, models, refusals. */

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { SparseIndex } from "../../dist/sparse-index";
import { skip } from "../skip";

const main = path.join(__dirname, "..", "..", "dist", "cli", "main.js");

interface Totals {
  readonly added: number;
  readonly known: number;
  readonly documents: number;
}

interface Answer {
  readonly hits: readonly { readonly id: string; readonly title?: string; readonly text: string; readonly tokens: readonly unknown[] }[];
}

describe("sparse-rerank index", function () {
  this.timeout(120_000);
  let folder = "";
  let home = "";
  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), "sparse-rerank-cli-index-"));
    home = path.join(folder, "index");
  });
  afterEach(() => {
    fs.rmSync(folder, { recursive: true, force: true });
  });

  const corpus = (records: readonly object[]): string => {
    const file = path.join(folder, "corpus.jsonl");
    fs.writeFileSync(file, records.map((record) => JSON.stringify(record)).join("\n"));
    return file;
  };
  const run = (...args: string[]): { status: number | null; stdout: string; stderr: string } =>
    spawnSync(process.execPath, [main, ...args], { encoding: "utf8" });
  const index = (file: string, ...args: string[]): Totals => {
    const { status, stdout, stderr } = run("index", home, file, "--json", ...args);
    assert.equal(status, 0, stderr);
    return JSON.parse(stdout) as Totals;
  };
  const search = (query: string): Answer["hits"] => {
    const { status, stdout, stderr } = run("search", home, query, "--json");
    assert.equal(status, 0, stderr);
    return (JSON.parse(stdout) as Answer).hits;
  };

  it("makes an index that search answers from, and goes on with it", () => {
    const sharks = { _id: "s", title: "Fish", text: "Sharks are fish that swim in the sea." };
    const heart = { _id: "h", text: "The heart pumps blood." };
    assert.deepEqual({ ...index(corpus([sharks, heart, sharks])) }.added, 2);
    const [hit] = search("which organ moves blood?");
    assert.equal(hit?.id, "h");
    assert.equal(hit.text, heart.text);
    assert.ok(hit.tokens.length > 0);
    assert.equal(search("sharks")[0]?.title, "Fish");

    const more = index(corpus([{ ...heart, text: "The heart is a muscle." }, { _id: "m", text: "Muscles need oxygen." }, sharks]));
    assert.deepEqual([more.added, more.known, more.documents], [1, 2, 3]);
    assert.equal(search("heart").find(({ id }) => id === "h")?.text, heart.text);
    const updated = index(corpus([{ ...heart, text: "The heart is a muscle." }]), "--update");
    assert.deepEqual([updated.added, updated.documents], [1, 3]);
    assert.equal(search("heart").find(({ id }) => id === "h")?.text, "The heart is a muscle.");
  });

  it("keeps what was committed when it is killed, and resumes", async function () {
    if (process.platform === "win32") skip(this, "needs signals");
    const file = corpus(Array.from({ length: 3000 }, (_, i) => ({ _id: String(i), text: `Document ${i} tells of the number ${i * 7}.` })));
    const child = spawn(process.execPath, [main, "index", home, file], { stdio: "ignore" });
    const ended = new Promise((resolve) => child.once("close", resolve));
    const deadline = Date.now() + 60_000;
    while (!fs.existsSync(path.join(home, "segment-0")) && Date.now() < deadline) await sleep(5);
    child.kill("SIGINT");
    await ended;
    const killed = await SparseIndex.open(home);
    const kept = killed.size;
    await killed.close();
    // Whole commits, or everything where the signal came too late.
    assert.ok(kept % 512 === 0 || kept === 3000, String(kept));
    const totals = index(file);
    assert.deepEqual([totals.known, totals.added, totals.documents], [kept, 3000 - kept, 3000]);
  });

  it("refuses another model, and options of collections", () => {
    index(corpus([{ _id: "a", text: "one" }]));
    const other = run("search", home, "one", "--model", "other");
    assert.deepEqual([other.status, other.stderr.includes("made with the model splade-tiny")], [1, true], other.stderr);
    const limited = run("search", home, "one", "--limit", "3");
    assert.deepEqual([limited.status, limited.stderr.includes("is an index; the option limit")], [2, true], limited.stderr);
    fs.writeFileSync(path.join(home, "model.json"), '{"model":"other"}');
    const made = run("index", home, path.join(folder, "corpus.jsonl"));
    assert.deepEqual([made.status, made.stderr.includes("made with the model other, not splade-tiny")], [1, true], made.stderr);
    fs.writeFileSync(path.join(home, "model.json"), "{");
    assert.match(run("search", home, "one").stderr, /ERR_INDEX_CORRUPT.*model.json/);
  });
});
