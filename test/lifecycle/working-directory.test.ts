/** A relative folder means the same place for as long as what was opened there lives. */

import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

import { runProgram } from "./children";

describe("another working directory", function () {
  this.timeout(60_000);

  let folder: string;
  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), "sparse-rerank-cwd-"));
    fs.mkdirSync(path.join(folder, "other"));
  });
  afterEach(() => {
    fs.rmSync(folder, { recursive: true, force: true });
  });

  it("does not move indexes, collections and the files of a queue", async () => {
    const ended = await runProgram(
      `const { Collection, SparseEncoder, SparseIndex } = require("sparse-rerank");
      const { fileWriter } = require("sparse-rerank/queue");
      (async () => {
        const encoder = await SparseEncoder.load("splade-tiny");
        process.chdir(${JSON.stringify(folder)});
        const collection = await Collection.open("collection", { encoder, lexical: true });
        await collection.upsert([{ id: "a", text: "first words" }]);
        const reader = await Collection.open("collection", { encoder, lexical: true, readOnly: true });
        const index = await SparseIndex.open("index", { encoder });
        const vectors = await encoder.encodeDocument(["hello"]);
        await index.add(["x"], vectors);
        const write = fileWriter("shards");
        await write.written();
        process.chdir("other");
        await collection.upsert([{ id: "b", text: "second words" }]);
        await collection.compact();
        await reader.refresh();
        console.log((await reader.search("words")).hits.map(({ id }) => id).sort().join());
        await index.add(["y"], vectors);
        await index.compact();
        await write({ name: "shard-0", ids: ["x"], vectors });
        console.log(require("node:fs").readdirSync(".").length);
        for (const opened of [reader, collection, index, encoder]) await opened.close();
      })();`,
    );
    assert.deepEqual([ended.code, ended.stderr, ended.stdout], [0, "", "a,b\n0\n"]);
    assert.deepEqual(fs.readdirSync(path.join(folder, "shards")), ["shard-0.jsonl"]);
  });
});
