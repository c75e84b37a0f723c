/** The memory of causal language models: converted weights are kept once, kept prefixes are bounded, and 0.6 B parameters fit into 2 GB. */

import assert from "node:assert/strict";
import fs from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";

import { skip } from "../support/skip";

import { cgroup } from "./cgroup";
import { root, runProgram } from "./children";
import { writeHollowDecoder } from "./hollow-checkpoint";

const LAYER = 15_732_992;
const VOCABULARY = 151_669;

describe("the memory of causal language models", function () {
  this.timeout(240_000);
  let folder: string;

  before(async function () {
    if (process.platform !== "linux") skip(this, "RssAnon is only told by Linux");
    folder = await mkdtemp(path.join(os.tmpdir(), "sparse-rerank-decoders-"));
  });
  after(() => rm(folder, { recursive: true }));

  it("holds layers of bf16 once in fp32", async () => {
    const layers = 6;
    const model = path.join(folder, "bf16");
    writeHollowDecoder(model, layers, 2000);
    const ended = await runProgram(
      `function anonymous() {
        global.gc();
        return 1024 * Number(/RssAnon:\\s+(\\d+)/.exec(require("node:fs").readFileSync("/proc/self/status", "utf8"))[1]);
      }
      const { CrossEncoder } = require("sparse-rerank");
      (async () => {
        const small = await CrossEncoder.load("test/data/checkpoints/ce-qwen3-zerank");
        await small.predict([["a", "b"]]);
        const before = anonymous();
        const encoder = await CrossEncoder.load(${JSON.stringify(model)});
        console.log((await encoder.predict([["a", "b"]])).rows, anonymous() - before);
      })();`,
      { nodeArguments: ["--expose-gc"] },
    );
    assert.deepEqual([ended.code, ended.stderr], [0, ""]);
    const [rows, bytes] = ended.stdout.split(" ").map(Number);
    assert.equal(rows, 1);
    const once = 4 * layers * LAYER;
    assert.ok(Number(bytes) > 0.9 * once && Number(bytes) < 1.4 * once, `${String(bytes)} bytes for ${String(once)} bytes of weights`);
  });

  it("lets pairs run whole when the prefixes of a process would take too much", async () => {
    const ended = await runProgram(
      `const { CrossEncoder, configure } = require("sparse-rerank");
      configure({ memoryLimit: 1.5e6 });
      const addon = require(${JSON.stringify(path.join(root, "dist", "native", "load.js"))}).native();
      const { createModel } = addon;
      const kept = [];
      addon.createModel = async (spec) => {
        const model = await createModel(spec);
        const { keep } = model;
        const value = async (...call) => {
          const result = await keep.apply(model, call);
          kept.push(result);
          return result;
        };
        return Object.defineProperty(model, "keep", { value });
      };
      (async () => {
        const encoder = await CrossEncoder.load("test/data/checkpoints/ce-qwen3-zerank");
        const queries = Array.from({ length: 24 }, (_, i) => "what is the " + i + "th of many questions about the words of a language?");
        const pairs = ["one document", "another"].flatMap((document) => queries.map((query) => [query, document]));
        const { data } = await encoder.predict(pairs);
        const first = [...kept];
        const alone = [];
        for (const pair of pairs) alone.push((await encoder.predict([pair])).data[0]);
        const worst = Math.max(...alone.map((score, i) => Math.abs(score - data[i])));
        // Those of the last call are free again.
        await encoder.predict([pairs[0], pairs[24]]);
        console.log(first.length, first.includes(true), first.includes(false), worst < 1e-5, kept.at(-1), kept.length - first.length);
        await encoder.close();
      })();`,
    );
    assert.deepEqual([ended.code, ended.stderr], [0, ""]);
    assert.equal(ended.stdout.trim(), "24 true true true true 1");
  });

  it("runs 0.6 B parameters in int8 within 2 GB", async function () {
    const group = cgroup({ cpus: 2, bytes: 2e9 });
    if (group === undefined) skip(this, "needs root and cgroups that can be written");
    try {
      const model = path.join(folder, "int8");
      writeHollowDecoder(model, 28, VOCABULARY);
      assert.ok(fs.statSync(path.join(model, "model.safetensors")).size > 1.1e9);
      const ended = await runProgram(
        `const { CrossEncoder } = require("sparse-rerank");
        (async () => {
          const encoder = await CrossEncoder.load(${JSON.stringify(model)}, { dtype: "int8" });
          const ranked = await encoder.rank("a query of some words", Array.from({ length: 4 }, (_, i) => (i + " word ").repeat(60)));
          const status = require("node:fs").readFileSync("/proc/self/status", "utf8");
          console.log(ranked.length, /RssAnon:\\s+(\\d+)/.exec(status)[1]);
          await encoder.close();
        })();`,
        { through: group.enter, env: { SPARSE_RERANK_CACHE: "off" } },
      );
      assert.deepEqual([ended.code, ended.stderr], [0, ""]);
      const [count, kilobytes] = ended.stdout.split(" ").map(Number);
      assert.equal(count, 4);
      assert.ok(Number(kilobytes) < 1.2e6, `${String(kilobytes)} kB of anonymous memory`);
    } finally {
      group.remove();
    }
  });
});
