/** `sparse-rerank index`, and `search` on its result: what is kept, models, rejections. */

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { Collection } from "../../../dist/collection/collection";
import { SparseEncoder } from "../../../dist/sparse-encoder";
import { SparseIndex } from "../../../dist/sparse-index/sparse-index";
import { skip } from "../../support/skip";

const main = path.join(__dirname, "..", "..", "..", "dist", "cli", "main.js");

interface Totals {
  readonly added: number;
  readonly updated: number;
  readonly unchanged: number;
  readonly renamed: number;
  readonly removed: number;
  readonly skipped: number;
  readonly documents: number;
  readonly passages: number;
}

interface Answer {
  readonly hits: readonly {
    readonly id: string;
    readonly title?: string;
    readonly passage: { readonly index: number; readonly text: string };
    readonly metadata?: object;
    readonly tokens: readonly unknown[];
  }[];
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

  it("makes a collection that search reads, and brings it up to date", () => {
    const sharks = { _id: "s", title: "Fish", text: "Sharks are fish that swim in the sea.", lang: "en" };
    const heart = { _id: "h", text: "The heart pumps blood." };
    const { segments, bytes, ...made } = index(corpus([sharks, heart, { _id: "e", text: " " }])) as Totals & Record<string, number>;
    const counts = { added: 2, updated: 0, unchanged: 0, renamed: 0, removed: 0, skipped: 1, documents: 2, passages: 2 };
    assert.deepEqual(made, counts);
    assert.ok((segments ?? 0) > 0 && (bytes ?? 0) > 0);
    const [hit] = search("which organ moves blood?");
    assert.equal(hit?.id, "h");
    assert.deepEqual(hit.passage, { index: 0, start: 0, end: heart.text.length, text: heart.text });
    assert.ok(hit.tokens.length > 0);
    const [fish] = search("sharks");
    assert.deepEqual([fish?.title, fish?.metadata], ["Fish", { lang: "en" }]);

    const changed = { ...heart, text: "The heart is a muscle." };
    const muscle = { _id: "m", text: "Muscles need oxygen." };
    const more = index(corpus([changed, muscle]));
    assert.deepEqual([more.added, more.updated, more.unchanged, more.removed, more.documents], [1, 1, 0, 0, 3]);
    assert.equal(search("heart").find(({ id }) => id === "h")?.passage.text, changed.text);
    const same = index(corpus([changed, { ...muscle, _id: "n" }]), "--sync");
    assert.deepEqual([same.added, same.unchanged, same.renamed, same.removed, same.documents], [0, 1, 1, 1, 2]);
    assert.deepEqual(
      search("sharks in the sea").filter(({ id }) => id === "s"),
      [],
    );
  });

  it("cuts files into passages, and keeps the vectors of renamed ones", () => {
    const texts = path.join(folder, "texts");
    fs.mkdirSync(texts);
    const sentences = Array.from({ length: 40 }, (_, i) => `The river number ${i} flows into the sea at noon.`);
    fs.writeFileSync(path.join(texts, "rivers.md"), `# Rivers\n\n${sentences.join(" ")}\n`);
    fs.writeFileSync(path.join(texts, "heart.md"), "# Heart\n\nThe heart pumps blood.\n");
    const made = index(texts, "--max-tokens", "64");
    assert.equal(made.documents, 2);
    assert.ok(made.passages > 5, String(made.passages));
    const shown = run("search", home, "the river number 35", "--hybrid");
    assert.match(shown.stdout, /Rivers {2}rivers\.md, passage [2-9]\d*\n/);
    assert.doesNotMatch(run("search", home, "heart").stdout, /heart\.md, passage/);
    fs.renameSync(path.join(texts, "heart.md"), path.join(texts, "organ.md"));
    const renamed = index(texts, "--sync");
    assert.deepEqual([renamed.added, renamed.renamed, renamed.removed, renamed.unchanged], [0, 1, 0, 1]);
    const other = run("index", home, texts, "--max-tokens", "32");
    assert.equal(other.status, 1);
    assert.match(other.stderr, /ERR_SETTINGS_MISMATCH.*passages\.maxTokens = 64, not 32/);
  });

  it("analyzes words as a new collection asks for, and keeps to it", () => {
    const file = corpus([{ _id: "a", text: "Die Katzen schlafen in der Sonne." }]);
    index(file, "--language", "german");
    const found = run("search", home, "Katze", "--lexical", "--json");
    assert.deepEqual((JSON.parse(found.stdout) as { hits: { terms: string[] }[] }).hits[0]?.terms, ["katz"], found.stderr);
    assert.equal(index(file, "--language", "german").unchanged, 1);
    for (const [args, message] of [
      [["--language", "french"], /ERR_SETTINGS_MISMATCH.*lexical\.language = german, not french/],
      [["--no-stemming"], /ERR_SETTINGS_MISMATCH.*lexical\.stemming = true, not false/],
    ] as const) {
      const { status, stderr } = run("index", home, file, ...args);
      assert.deepEqual([status, message.test(stderr)], [1, true], stderr);
    }
    const plain = path.join(folder, "plain");
    assert.equal(run("index", plain, file, "--language", "german", "--no-stemming").status, 0);
    assert.deepEqual((JSON.parse(run("search", plain, "Katze", "--lexical", "--json").stdout) as Answer).hits, []);
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
    const killed = await Collection.open(home, { readOnly: true });
    const kept = await killed.count();
    await killed.close();
    // Whole commits, or everything if the signal came too late.
    assert.ok(kept % 512 === 0 || kept === 3000, String(kept));
    const totals = index(file);
    assert.deepEqual([totals.unchanged, totals.added, totals.documents], [kept, 3000 - kept, 3000]);
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
    assert.match(search("first line")[0]?.passage.text ?? "", /caf\ufffd au lait/);
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
        .map(({ id, passage }) => [id, passage.text]),
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
    const added = run("index", home, corpus([{ _id: "x", text: "more" }]));
    assert.equal(added.status, 1);
    assert.match(added.stderr, /ERR_NOT_SUPPORTED.*holds an index of SparseIndex.*searched but not added to/);
    const own = path.join(folder, "own");
    assert.equal(run("index", own, path.join(folder, "corpus.jsonl")).status, 0);
    for (const args of [
      ["index", own, path.join(folder, "corpus.jsonl")],
      ["search", own, "more"],
    ]) {
      const mixed = run(...args, "--model", copy);
      assert.equal(mixed.status, 1);
      assert.match(mixed.stderr, /ERR_MODEL_MISMATCH.*splade-tiny.*copy/);
    }
    fs.rmSync(path.join(home, "model.json"));
    assert.match(run("search", home, "sharks").stderr, /ERR_INVALID_ARGUMENT.*does not record which model/);
    assert.equal(run("search", home, "sharks", "--model", "splade-tiny").status, 0);
  });

  it("rejects another model, options of sources, and what an earlier version left open", async () => {
    index(corpus([{ _id: "a", text: "one" }]));
    const other = run("search", home, "one", "--model", "other");
    assert.deepEqual([other.status, other.stderr.includes("built with the model splade-tiny")], [1, true], other.stderr);
    const limited = run("search", home, "one", "--limit", "3");
    assert.deepEqual(
      [limited.status, limited.stderr.includes(`--limit applies only to sources; ${home} is a collection`)],
      [2, true],
      limited.stderr,
    );
    fs.writeFileSync(path.join(home, "collection.json"), "{");
    for (const args of [
      ["search", home, "one"],
      ["stats", home],
      ["index", home, path.join(folder, "corpus.jsonl")],
    ]) {
      assert.match(run(...args).stderr, /ERR_INDEX_CORRUPT.*collection\.json/);
    }
    const old = path.join(folder, "old");
    await (await SparseIndex.open(old, { dimension: 10 })).close();
    fs.writeFileSync(path.join(old, "model.json"), '{"model":"other"}');
    const named = run("search", old, "one", "--model", "splade-tiny");
    assert.deepEqual([named.status, named.stderr.includes("built with the model other")], [1, true], named.stderr);
    fs.writeFileSync(path.join(old, "model.json"), "{");
    assert.match(run("search", old, "one").stderr, /ERR_INDEX_CORRUPT.*model.json/);
  });
});
