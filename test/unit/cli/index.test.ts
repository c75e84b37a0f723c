/** `sparse-rerank index`, and `search` on its result: resuming, models, rejections. */

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { SparseEncoder } from "../../../dist/sparse-encoder";
import { SparseIndex } from "../../../dist/sparse-index/sparse-index";
import { skip } from "../../support/skip";

const main = path.join(__dirname, "..", "..", "..", "dist", "cli", "main.js");

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

  it("creates an index that search reads, and resumes it", () => {
    const sharks = { _id: "s", title: "Fish", text: "Sharks are fish that swim in the sea." };
    const heart = { _id: "h", text: "The heart pumps blood." };
    assert.deepEqual({ ...index(corpus([sharks, heart])) }.added, 2);
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

  it("keeps committed documents when it is killed, and resumes", async function () {
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
    // Whole commits, or everything if the signal came too late.
    assert.ok(kept % 512 === 0 || kept === 3000, String(kept));
    const totals = index(file);
    assert.deepEqual([totals.known, totals.added, totals.documents], [kept, 3000 - kept, 3000]);
  });

  it("rejects a folder with other files and a file, and leaves nothing behind", () => {
    const documents = path.join(folder, "documents");
    fs.mkdirSync(documents);
    fs.writeFileSync(path.join(documents, "a.md"), "# A\n\ntext");
    const file = corpus([{ _id: "a", text: "one" }]);
    const empty = path.join(folder, "empty.jsonl");
    fs.writeFileSync(empty, "\n");
    const repeated = path.join(folder, "repeated.jsonl");
    fs.writeFileSync(repeated, '{"_id":"a","text":"one"}\n{"_id":"b","text":"two"}\n{"_id":"a","text":"three"}\n');
    const before = fs.readdirSync(folder).sort();
    for (const [args, message] of [
      [[documents, file], /ERR_INVALID_ARGUMENT.*contains other files, such as a\.md/],
      [[file, file], /ERR_INVALID_ARGUMENT.*is a file/],
      [[home, path.join(folder, "nothere")], /ERR_FILE_NOT_FOUND/],
      [[home, empty], /ERR_INVALID_ARGUMENT.*empty\.jsonl is empty/],
      [[home, repeated], /ERR_DUPLICATE_ID.*repeated\.jsonl, line 3: the id "a"/],
      [[home, path.join(folder, "x.csv")], /ERR_FILE_NOT_FOUND/],
    ] as const) {
      const { status, stderr } = run("index", ...args);
      assert.equal(status, 1, stderr);
      assert.match(stderr, message);
      assert.deepEqual(fs.readdirSync(folder).sort(), before);
    }
    assert.deepEqual(fs.readdirSync(documents), ["a.md"]);
    // Files that file systems or tools create in every folder do not matter.
    fs.mkdirSync(path.join(home, "lost+found"), { recursive: true });
    fs.writeFileSync(path.join(home, ".gitkeep"), "");
    assert.equal(index(file).added, 1);
  });

  it("reports text that is not UTF-8", () => {
    const texts = path.join(folder, "texts");
    fs.mkdirSync(texts);
    fs.writeFileSync(path.join(texts, "latin.txt"), Buffer.from("first line\ncaf\xe9 au lait\nd\xe9j\xe0 vu\n", "latin1"));
    const made = run("index", home, texts);
    assert.equal(made.status, 0, made.stderr);
    assert.match(made.stderr, /^2 lines not in UTF-8: invalid bytes were replaced by U\+FFFD, first in latin\.txt, line 2\n/m);
    assert.match(search("first line")[0]?.text ?? "", /caf\ufffd au lait/);
  });

  it("knows the model of a folder, including one created by a program", async () => {
    const encoder = await SparseEncoder.load("splade-tiny");
    const texts = ["Sharks are fish.", "The heart pumps blood."];
    {
      await using made = await SparseIndex.open(home, { dimension: encoder.embeddingDimension });
      await made.add(["s", "h"], await encoder.encodeDocument(texts), { payloads: texts.map((text) => ({ text })) });
    }
    await encoder.close();
    assert.deepEqual(
      search("sharks")
        .slice(0, 1)
        .map(({ id, text }) => [id, text]),
      [["s", texts[0]]],
    );
    const copy = path.join(folder, "copy");
    fs.cpSync(path.join(__dirname, "..", "..", "..", "models", "splade-tiny"), copy, { recursive: true });
    // The same weights under another name.
    assert.equal(run("search", home, "sharks", "--json", "--model", copy).status, 0);
    const weights = path.join(copy, fs.readdirSync(copy).find((file) => file.endsWith(".safetensors")) ?? "");
    const bytes = fs.readFileSync(weights);
    bytes.fill(1, bytes.length / 2);
    fs.writeFileSync(weights, bytes);
    const other = run("search", home, "sharks", "--model", copy);
    assert.deepEqual([other.status, other.stderr.includes("ERR_MODEL_MISMATCH")], [1, true], other.stderr);
    const added = run("index", home, corpus([{ _id: "x", text: "more" }]), "--model", copy);
    assert.deepEqual([added.status, added.stderr.includes("ERR_MODEL_MISMATCH")], [1, true], added.stderr);
    fs.rmSync(path.join(home, "model.json"));
    assert.match(run("search", home, "sharks").stderr, /ERR_INVALID_ARGUMENT.*does not record which model/);
    assert.equal(run("search", home, "sharks", "--model", "splade-tiny").status, 0);
  });

  it("rejects another model, and options of collections", () => {
    index(corpus([{ _id: "a", text: "one" }]));
    const other = run("search", home, "one", "--model", "other");
    assert.deepEqual([other.status, other.stderr.includes("built with the model splade-tiny")], [1, true], other.stderr);
    const limited = run("search", home, "one", "--limit", "3");
    assert.deepEqual(
      [limited.status, limited.stderr.includes(`--limit applies only to collections; ${home} is an index`)],
      [2, true],
      limited.stderr,
    );
    fs.writeFileSync(path.join(home, "model.json"), '{"model":"other"}');
    const made = run("index", home, path.join(folder, "corpus.jsonl"));
    assert.deepEqual([made.status, made.stderr.includes("built with the model other, not splade-tiny")], [1, true], made.stderr);
    fs.writeFileSync(path.join(home, "model.json"), "{");
    assert.match(run("search", home, "one").stderr, /ERR_INDEX_CORRUPT.*model.json/);
  });
});
