/** Paths and files from outside: only the named file is touched, and no call waits for a file that never responds. */

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

import { CrossEncoder, configure, evaluateRetriever, SparseEncoder, SparseIndex, SparseMatrix } from "../../dist";
import { MAX_JSON_BYTES, openRegularFile, readSmallFile } from "../../dist/core/regular-file";
import { readCollection } from "../../dist/corpus/beir-corpus";
import { exportSeismic, exportSpladeIndex, LocalEngine, upsertStream } from "../../dist/engines";
import { RepositoryCache } from "../../dist/hub/cache";
import { readHubSettings } from "../../dist/hub/settings";
import { fileWriter } from "../../dist/queue";
import { collect } from "../support/collect";
import { FIXTURES, fixedRetriever, writeFolder } from "../support/retrieval-support";
import { skip } from "../support/skip";

const main = path.join(__dirname, "..", "..", "dist", "cli", "main.js");
const VECTORS = SparseMatrix.fromRows([{ indices: [0], values: [1] }], 2);

describe("paths from outside", () => {
  let folder: string;
  const index = SparseIndex.create({ dimension: 2 });
  beforeEach(() => {
    folder = writeFolder({ "victim.txt": "precious" });
  });
  afterEach(() => {
    fs.rmSync(folder, { recursive: true });
  });
  after(() => index.close());

  /** Every public call that accepts a path. */
  const CALLS: Readonly<Record<string, (given: string) => unknown>> = {
    "SparseIndex.open": (given) => SparseIndex.open(given),
    "SparseIndex.open readOnly": (given) => SparseIndex.open(given, { readOnly: true }),
    "SparseIndex.save": (given) => index.save(given),
    "SparseEncoder.load": (given) => SparseEncoder.load(given),
    "CrossEncoder.load": (given) => CrossEncoder.load(given),
    "load cacheDir": (given) => SparseEncoder.load("splade-tiny", { cacheDir: given }),
    "load modelFile": (given) => SparseEncoder.load("splade-tiny", { modelFile: given }),
    "configure runtimePath": (given) => {
      configure({ runtimePath: given });
    },
    "evaluateRetriever folder": (given) => evaluateRetriever(given, fixedRetriever("f", [])),
    "evaluateRetriever split": (given) => evaluateRetriever(folder, fixedRetriever("f", []), { split: given }),
    exportSpladeIndex: (given) => exportSpladeIndex(given, ["a"], VECTORS, { vocabulary: ["x", "y"] }),
    exportSeismic: (given) => exportSeismic(given, ["a"], VECTORS, { vocabulary: ["x", "y"] }),
    "upsertStream checkpoint": (given) => upsertStream(new LocalEngine({ index }), [], { checkpoint: given }),
    fileWriter: (given) => fileWriter(given),
  };

  for (const [name, call] of Object.entries(CALLS)) {
    it(`are checked by ${name}`, async () => {
      const victim = path.join(folder, "victim.txt");
      const wrong: [unknown, RegExp][] = [
        [`${victim}\0.jsonl`, /NUL character/],
        [`${victim}\0.onnx`, /NUL character/],
        ["\0", /NUL character/],
        [path.join(folder, "\ud800.jsonl"), /a lone surrogate/],
        [pathToFileURL(victim), /is a URL.*fileURLToPath/],
        [pathToFileURL(victim).href, /is a URL.*fileURLToPath/],
        ["", /non-empty string, not an empty string/],
        [Buffer.from(victim), /non-empty string, not a Uint8Array/],
        [null, name.includes(" ") ? /./ : /not null/],
        [5, /not 5/],
      ];
      for (const [given, message] of wrong) {
        await assert.rejects(async () => await call(given as string), { code: "ERR_INVALID_ARGUMENT", message });
      }
      assert.deepEqual(fs.readdirSync(folder), ["victim.txt"]);
      assert.equal(fs.readFileSync(victim, "utf8"), "precious");
    });
  }
});

describe("files that are not regular files", () => {
  let folder: string;
  beforeEach(function () {
    if (process.platform === "win32") skip(this, "needs FIFOs");
    folder = writeFolder({});
  });
  afterEach(() => {
    fs.rmSync(folder, { recursive: true });
  });
  const fifo = (name: string): string => {
    const file = path.join(folder, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    execFileSync("mkfifo", [file]);
    return file;
  };
  const refusal = { code: "ERR_FILE_UNREADABLE", message: /not a regular file|is a folder/ };
  const readAll = (file: string): Promise<unknown> => collect(readCollection(file, { format: "jsonl" }));

  it("are rejected immediately: FIFOs, devices and folders", async () => {
    for (const file of [fifo("a.jsonl"), "/dev/zero", "/dev/null"]) {
      await assert.rejects(openRegularFile(file), refusal);
      await assert.rejects(readSmallFile(file), refusal);
      await assert.rejects(readAll(file), refusal);
    }
    await assert.rejects(openRegularFile(folder), refusal);
    assert.equal(await readSmallFile(path.join(folder, "absent")), undefined);
    assert.equal(await readSmallFile(path.join(fifo("b"), "absent")), undefined);
  });

  it("are rejected in a checkpoint instead of any file", async () => {
    for (const name of ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"]) {
      fs.cpSync(path.join(FIXTURES, "ce-bert-minilm"), folder, { recursive: true });
      fs.rmSync(path.join(folder, name));
      fifo(name);
      await assert.rejects(CrossEncoder.load(folder), { code: "ERR_FILE_UNREADABLE" }, name);
      fs.rmSync(path.join(folder, name));
    }
  });

  it("are rejected in a collection for evaluation, and as a checkpoint of upsertStream()", async () => {
    fifo("qrels/test.tsv");
    await assert.rejects(evaluateRetriever(folder, fixedRetriever("f", [])), refusal);
    const index = SparseIndex.create({ dimension: 2 });
    await assert.rejects(upsertStream(new LocalEngine({ index }), [], { checkpoint: fifo("state") }), refusal);
    await index.close();
  });

  it("count as absent in the hub cache", async () => {
    const commit = "0".repeat(40);
    const cache = new RepositoryCache(folder, "org/name", false);
    fifo("models--org--name/refs/main");
    fifo(`models--org--name/trees/${commit}.json`);
    assert.equal(await cache.commitOf("main"), undefined);
    assert.equal(await cache.listing(commit), undefined);
    const { token } = await readHubSettings({}, { HF_HOME: folder, HF_TOKEN_PATH: fifo("token") });
    assert.equal(token, undefined);
  });

  it("end the command line with an error, while pipes of the shell are read", () => {
    const run = (command: string): ReturnType<typeof spawnSync> =>
      spawnSync("bash", ["-c", command], {
        encoding: "utf8",
        timeout: 60_000,
        env: { ...process.env, FIFO: fifo("named.jsonl"), MAIN: main },
      });
    const refused = run(`${process.execPath} "$MAIN" encode --file "$FIFO"`);
    assert.equal(refused.status, 1);
    assert.match(String(refused.stderr), /ERR_FILE_UNREADABLE.*not a regular file/);
    fs.rmSync(path.join(folder, "named.jsonl"));
    const piped = run(`${process.execPath} "$MAIN" encode --format lines --file <(printf 'a heart\\nblood\\n') --json`);
    assert.equal(piped.status, 0, String(piped.stderr));
    assert.equal(String(piped.stdout).trim().split("\n").length, 2);
  });

  it("must not exceed the limit for parsing", async () => {
    const file = path.join(folder, "large.json");
    fs.closeSync(fs.openSync(file, "w"));
    fs.truncateSync(file, MAX_JSON_BYTES + 1);
    await assert.rejects(readSmallFile(file), { code: "ERR_FILE_UNREADABLE", message: /8388609 bytes; the limit is 8388608/ });
  });
});
