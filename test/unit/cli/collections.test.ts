/** The commands over stored collections: filters, list, get, delete, stats, the modes of search, and watch. */

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { parseFilter } from "../../../dist/cli/filters";
import { Collection } from "../../../dist/collection/collection";
import { SparseEncoder } from "../../../dist/sparse-encoder";
import { skip } from "../../support/skip";

const root = path.join(__dirname, "..", "..", "..");
const main = path.join(root, "dist", "cli", "main.js");
const reranker = path.join(root, "test", "data", "checkpoints", "ce-bert-minilm");

/** What a terminal would obey. */
// eslint-disable-next-line no-control-regex -- the characters that must be absent
const OBEYED = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/;
const HOSTILE = "a\x1b]0;owned\x07\u009b31m\u202eb";

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(...args: string[]): Ended {
  return spawnSync(process.execPath, [main, ...args], { encoding: "utf8" });
}

function jsonLines<T>(...args: string[]): T[] {
  const { status, stdout, stderr } = run(...args, "--json");
  assert.equal(status, 0, stderr);
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as T);
}

interface Listed {
  readonly id: string;
  readonly text: string;
}

interface Hit {
  readonly rank: number;
  readonly id: string;
  readonly score: number;
  readonly scores: { readonly sparse?: number; readonly lexical?: number; readonly fused?: number; readonly reranker?: number };
  readonly tokens?: readonly { readonly token: string; readonly contribution: number; readonly literal: boolean }[];
  readonly terms?: readonly string[];
}

describe("the option --filter", () => {
  it("reads fields, operators and values", () => {
    for (const [expression, filter] of [
      ["lang=en", { field: "lang", in: ["en"] }],
      ["year=2020", { field: "year", in: ["2020", 2020] }],
      ["year = 2020", { field: "year", in: [" 2020", 2020] }],
      ["done!=true", { not: { field: "done", in: ["true", true] } }],
      ["a.b>=1.5", { field: "a.b", gte: 1.5 }],
      ["a<=-2", { field: "a", lte: -2 }],
      ["a>0", { field: "a", gt: 0 }],
      ["date<2024-03-01", { field: "date", lt: "2024-03-01" }],
      ["formula=a=b>c", { field: "formula", in: ["a=b>c"] }],
      ["empty=", { field: "empty", in: [""] }],
      ['{"or":[{"a":1},{"b":{"prefix":"x"}}]}', { or: [{ a: 1 }, { b: { prefix: "x" } }] }],
    ] as const) {
      assert.deepEqual(parseFilter(expression), filter, expression);
    }
  });

  it("refuses what is none", () => {
    for (const expression of ["lang", "=en", " =en", "a>b", "a>=", "a<2024-02-30", "a..b=1", "{", '{"a":[1]}', '{"and":[]}', "{}"]) {
      assert.throws(() => parseFilter(expression), { code: "commander.invalidArgument" }, expression);
    }
  });
});

describe("sparse-rerank on stored collections", function () {
  this.timeout(240_000);
  let folder = "";
  let home = "";
  before(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), "sparse-rerank-cli-collections-"));
    home = path.join(folder, "collection");
    const records = [
      { _id: "heart", title: "Heart", text: "The heart pumps blood through the body.", lang: "en", year: 2020, tags: ["organ", "7"] },
      { _id: "shark", text: "Sharks are fish that live in the sea.", lang: "en", year: 2019, seen: "2024-03-01T10:00:00Z" },
      { _id: "tax", title: "Tax", text: "The income tax is due in spring.", lang: "de", year: 2021, paid: true },
      { _id: HOSTILE, title: HOSTILE, text: `The sea ${HOSTILE}`, note: HOSTILE },
    ];
    fs.writeFileSync(path.join(folder, "corpus.jsonl"), records.map((record) => JSON.stringify(record)).join("\n"));
    const { status, stderr } = run("index", home, path.join(folder, "corpus.jsonl"));
    assert.equal(status, 0, stderr);
  });
  after(() => {
    fs.rmSync(folder, { recursive: true, force: true });
  });

  it("list, get and stats show it without its model", () => {
    const listed = (...args: string[]): string[] => jsonLines<Listed>("list", home, ...args).map(({ id }) => id);
    assert.deepEqual(listed(), ["heart", "shark", "tax", HOSTILE]);
    assert.deepEqual(listed("--filter", "lang=en", "--filter", "year>2019"), ["heart"]);
    assert.deepEqual(listed("--filter", "lang!=en"), ["tax", HOSTILE]);
    assert.deepEqual(listed("--filter", "year=2019"), ["shark"]);
    assert.deepEqual(listed("--filter", "tags=7"), ["heart"]);
    assert.deepEqual(listed("--filter", "paid=true"), ["tax"]);
    assert.deepEqual(listed("--filter", "seen>=2024-03-01", "--filter", "seen<2024-03-02"), ["shark"]);
    assert.deepEqual(listed("--filter", '{"lang":{"prefix":"d"}}'), ["tax"]);
    assert.deepEqual(listed("--filter", "nothing=1"), []);
    assert.deepEqual(listed("--limit", "2", "--after", "heart"), ["shark", "tax"]);
    assert.match(run("list", home, "--limit", "2").stderr, /^There are more than 2: /);
    assert.equal(run("list", home, "--limit", "4").stderr, "");
    assert.match(run("list", home).stdout, /^heart {2}Heart {2}\{"lang":"en","year":2020,"tags":\["organ","7"\]\}\n/);

    assert.deepEqual(
      jsonLines<Listed>("get", home, "tax", "heart").map(({ id, text }) => [id, text]),
      [
        ["tax", "The income tax is due in spring."],
        ["heart", "The heart pumps blood through the body."],
      ],
    );
    const partly = run("get", home, "shark", "whale");
    assert.equal(partly.status, 1);
    assert.match(partly.stdout, /^shark\nmetadata {2}\{.*\}\n\nSharks are fish/);
    assert.match(partly.stderr, /^error \[ERR_INVALID_ARGUMENT\] .* does not have "whale"\.\n$/);

    const [stats] = jsonLines<{ documents: number; model: { name: string }; lexical: { language: string } }>("stats", home);
    assert.deepEqual([stats?.documents, stats?.model.name, stats?.lexical.language], [4, "splade-tiny", "english"]);
    assert.match(run("stats", home).stdout, /^documents +4\npassages +4\n[^]*\nmodel +splade-tiny, fp32\n[^]*\nwords +english/);
  });

  it("search filters, fuses, searches words alone and reranks", () => {
    const search = (...args: string[]): readonly Hit[] => jsonLines<{ hits: Hit[] }>("search", home, ...args).flatMap(({ hits }) => hits);
    const stages = (hit: Hit | undefined): string[] => Object.keys(hit?.scores ?? {});
    const [sparse] = search("fish in the sea");
    assert.deepEqual([sparse?.id, stages(sparse), sparse?.terms], ["shark", ["sparse"], undefined]);
    assert.equal(sparse?.score, sparse?.scores.sparse);
    assert.ok(sparse?.tokens?.some(({ token, literal }) => token === "sea" && literal));
    const [hybrid] = search("fish in the sea", "--hybrid");
    assert.deepEqual([hybrid?.id, stages(hybrid), hybrid?.terms], ["shark", ["sparse", "lexical", "fused"], ["fish", "sea"]]);
    assert.equal(hybrid?.score, hybrid?.scores.fused);
    const [lexical] = search("swimming fishes", "--lexical");
    assert.deepEqual([lexical?.id, stages(lexical), lexical?.terms, lexical?.tokens], ["shark", ["lexical"], ["fish"], undefined]);
    const reranked = search("fish in the sea", "--rerank", reranker);
    assert.ok(reranked.length > 1);
    for (const { score, scores } of reranked) assert.equal(score, scores.reranker);
    assert.deepEqual(
      reranked.map(({ score }) => score),
      reranked.map(({ score }) => score).sort((a, b) => b - a),
    );
    assert.deepEqual(
      search("the sea and the tax", "--filter", "lang=de").map(({ id }) => id),
      ["tax"],
    );
    // Sources in memory are searched the same way.
    const [memory] = jsonLines<{ hits: Hit[] }>(
      "search",
      path.join(folder, "corpus.jsonl"),
      "fish in the sea",
      "--hybrid",
      "--filter",
      "lang=en",
    );
    assert.deepEqual(
      [memory?.hits[0]?.id, memory?.hits[0]?.scores],
      ["shark", search("fish in the sea", "--hybrid", "--filter", "lang=en")[0]?.scores],
    );
  });

  it("the view of a search shows every stage", () => {
    const { stdout } = run("search", home, "fish in the sea", "--hybrid", "-k", "1");
    assert.match(stdout, /\n {2}1\. 0\.0\d{3} █{8} shark\n {5}Sharks are fish that live in the sea\.\n {5}matched by .*sea \d/);
    assert.match(stdout, /\n {5}terms fish · sea\n {5}scores sparse \d+\.\d\d · lexical \d+\.\d\d · fused 0\.0\d{3}\n$/);
    const words = run("search", home, "swimming fishes", "--lexical").stdout;
    assert.doesNotMatch(words, /matched by/);
    assert.match(words, /shark\n {5}Sharks are fish that live in the sea\.\n {5}terms fish\n$/);
    const colored = spawnSync(process.execPath, [main, "search", home, "swimming fishes", "--lexical"], {
      encoding: "utf8",
      env: { ...process.env, FORCE_COLOR: "1", NO_COLOR: undefined },
    });
    // The word of the text, not the term, which is its stem.
    assert.ok(colored.stdout.includes("\x1b[1mfish\x1b["), colored.stdout);
  });

  it("no command passes on what a terminal would obey", () => {
    for (const args of [
      ["list", home],
      ["list", home, "--json"],
      ["get", home, HOSTILE],
      ["get", home, HOSTILE, "--json"],
      ["get", home, `x${HOSTILE}`],
      ["search", home, "sea", "--hybrid"],
      ["search", home, "sea", "--hybrid", "--json"],
      ["search", home, `sea ${HOSTILE}`, "--lexical"],
      ["list", home, "--filter", HOSTILE],
      ["list", path.join(folder, HOSTILE)],
    ]) {
      const { stdout, stderr } = run(...args);
      assert.doesNotMatch(stdout, OBEYED, args.join(" "));
      assert.doesNotMatch(stderr, OBEYED, args.join(" "));
      assert.ok(stdout !== "" || stderr !== "");
    }
  });

  it("delete removes documents by ids or filter", () => {
    const copy = path.join(folder, "copy");
    fs.cpSync(home, copy, { recursive: true });
    assert.deepEqual(jsonLines("delete", copy, "tax", "unknown"), [{ deleted: 1, documents: 3 }]);
    assert.deepEqual(jsonLines("delete", copy, "--filter", "year<2020"), [{ deleted: 1, documents: 2 }]);
    assert.match(run("delete", copy, "--filter", "year<2020").stderr, /^Deleted 0 documents; .* has 2 documents\.\n$/);
    assert.deepEqual(
      jsonLines<Listed>("list", copy).map(({ id }) => id),
      ["heart", HOSTILE],
    );
  });

  it("wrong calls are refused", () => {
    const empty = path.join(folder, "empty");
    fs.mkdirSync(empty);
    for (const [args, status, message] of [
      [["delete", home], 2, /nothing to delete: pass ids or --filter/],
      [["delete", home, "tax", "--filter", "a=1"], 2, /ids or --filter, not both/],
      [["get", home], 2, /missing required argument 'ids'/],
      [["list", home, "--filter", "a>b"], 2, /Only a number or a date/],
      [["list", home, "--after", "unknown"], 1, /ERR_INVALID_ARGUMENT.*no document "unknown"/],
      [["search", home, "q", "--hybrid", "--lexical"], 2, /--hybrid cannot be used with --lexical/],
      [["search", home, "q", "--lexical", "--model", "x"], 2, /--model cannot be used with --lexical/],
      [["search", home, "q", "--lexical", "--dtype", "int8"], 2, /--dtype cannot be used with --lexical/],
      [["search", home, "q", "--rerank", "splade-tiny"], 1, /ERR_WRONG_MODEL_KIND/],
      [["index", home, path.join(folder, "corpus.jsonl"), "--language", "klingon"], 2, /It must be one of arabic/],
      [["index", home, path.join(folder, "corpus.jsonl"), "--update"], 2, /unknown option '--update'/],
      [["index", ":memory:", path.join(folder, "corpus.jsonl")], 1, /ERR_INVALID_ARGUMENT.*:memory: is no folder/],
      [["watch", home, "-"], 2, /standard input cannot be watched/],
      ...["list", "stats", "get", "delete"].map(
        (name) => [[name, empty, ...(["get", "delete"].includes(name) ? ["x"] : [])], 1, /ERR_FILE_NOT_FOUND.*no collection in/] as const,
      ),
    ] as const) {
      const ended = run(...args);
      assert.deepEqual([ended.status, message.test(ended.stderr)], [status, true], `${args.join(" ")}: ${ended.stderr}`);
    }
    assert.deepEqual(fs.readdirSync(empty), []);
  });

  it("collections of programs open too: with vectors or words alone", async () => {
    const words = path.join(folder, "words");
    await (await Collection.open(words, { lexical: { language: "english", stemming: false } })).close();
    const file = path.join(folder, "corpus.jsonl");
    assert.deepEqual(
      jsonLines<{ added: number }>("index", words, file).map(({ added }) => added),
      [4],
    );
    assert.deepEqual(
      jsonLines<{ hits: Hit[] }>("search", words, "fish", "--lexical").flatMap(({ hits }) => hits.map(({ id }) => id)),
      ["shark"],
    );
    assert.match(run("search", words, "fish").stderr, /ERR_NOT_SUPPORTED.*has no vectors; search it with --lexical/);
    assert.match(run("index", words, file, "--model", "splade-tiny").stderr, /ERR_USAGE.*--model has no effect/);

    const vectors = path.join(folder, "vectors");
    await using encoder = await SparseEncoder.load("splade-tiny");
    await (await Collection.open(vectors, { encoder, passages: { maxTokens: 100 } })).close();
    assert.deepEqual(
      jsonLines<{ added: number }>("index", vectors, file).map(({ added }) => added),
      [4],
    );
    assert.match(run("search", vectors, "fish", "--hybrid").stderr, /ERR_NOT_SUPPORTED.*needs a lexical side/);
  });

  it("watch follows its source until ^C", async function () {
    if (process.platform === "win32") skip(this, "needs signals");
    const source = path.join(folder, "watched");
    fs.mkdirSync(source);
    fs.writeFileSync(path.join(source, "sea.md"), "# Sea\n\nSharks live in the sea.\n");
    fs.writeFileSync(path.join(source, "heart.md"), "# Heart\n\nThe heart pumps blood.\n");
    // Below its source, what the collection writes is no change of it.
    const child = spawn(process.execPath, [main, "watch", path.join(source, "own"), source, "--json"]);
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    const lines: Record<string, number>[] = [];
    let rest = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      const parts = (rest + text).split("\n");
      rest = parts.pop() ?? "";
      lines.push(...parts.map((line) => JSON.parse(line) as Record<string, number>));
    });
    const arrived = async (isThere: () => boolean): Promise<void> => {
      const deadline = Date.now() + 30_000;
      while (!isThere()) {
        assert.ok(Date.now() < deadline, `${lines.length}: ${stderr}`);
        await sleep(20);
      }
    };
    const counts = ({ added, updated, renamed, removed, documents }: Record<string, number>): unknown => [
      added,
      updated,
      renamed,
      removed,
      documents,
    ];
    try {
      await arrived(() => lines.length === 1);
      fs.writeFileSync(path.join(source, "tax.md"), "# Tax\n\nThe tax is due in spring.\n");
      await arrived(() => lines.length === 2);
      fs.renameSync(path.join(source, "sea.md"), path.join(source, "ocean.md"));
      fs.rmSync(path.join(source, "heart.md"));
      await arrived(() => lines.length === 3);
      assert.deepEqual(lines.map(counts), [
        [2, 0, 0, 0, 2],
        [1, 0, 0, 0, 3],
        [0, 0, 1, 1, 2],
      ]);
      // A source without text is reported, and deletes nothing.
      fs.rmSync(path.join(source, "ocean.md"));
      fs.rmSync(path.join(source, "tax.md"));
      await arrived(() => stderr.includes("error [ERR_INVALID_ARGUMENT]"));
      fs.writeFileSync(path.join(source, "tax.md"), "# Tax\n\nThe tax is due in autumn.\n");
      await arrived(() => lines.length === 4);
      assert.deepEqual(counts(lines[3] ?? {}), [0, 1, 0, 1, 1]);
      // Longer than the source must be quiet: no sync follows its own writes.
      await sleep(1000);
      assert.equal(lines.length, 4);
    } finally {
      child.kill("SIGINT");
    }
    const [code] = (await once(child, "close")) as [number | null];
    assert.equal(code, 130, stderr);
    assert.deepEqual(
      jsonLines<Listed>("list", path.join(source, "own")).map(({ id }) => id),
      ["tax.md"],
    );
  });
});
