import assert from "node:assert/strict";
import fs from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";

import { skip } from "../support/skip";

import { runProgram, soak, spladeTiny } from "./children";

const linux = fs.existsSync("/proc/self/status");

/** Bytes of anonymous memory, as a function inside a program. */
const anonymous = `
  function anonymous() {
    global.gc?.();
    return 1024 * Number(/RssAnon:\\s+(\\d+)/.exec(require("node:fs").readFileSync("/proc/self/status", "utf8"))[1]);
  }`;

describe("memory", function () {
  this.timeout(soak ? 600_000 : 120_000);

  /** A checkpoint that needs 130 KB for each token of a text. */
  let wide: string;

  before(async function () {
    if (!linux) skip(this, "RssAnon is only told by Linux");
    wide = await mkdtemp(path.join(os.tmpdir(), "sparse-rerank-wide-"));
    await writeCrossEncoder(wide, { positions: 3000, intermediate: 16384 });
  });

  after(async () => {
    if (linux) await rm(wide, { recursive: true });
  });

  it("does not grow over 200 rounds of load, encode and dispose", async () => {
    const ended = await runProgram(
      `${anonymous}
      const { SparseEncoder } = require("sparse-rerank");
      async function round() {
        const encoder = await SparseEncoder.load(${JSON.stringify(spladeTiny)});
        await encoder.encodeDocument(["a text", "another one of a few words"]);
        await encoder.close();
      }
      (async () => {
        const samples = [];
        for (let i = 1; i <= 200; i++) {
          await round();
          if (i >= 50 && i % 25 === 0) samples.push(anonymous());
        }
        console.log(((Math.min(...samples.slice(-3)) - Math.min(...samples.slice(0, 3))) / 2 ** 20).toFixed(1));
      })();`,
      { nodeArguments: ["--expose-gc"] },
    );
    assert.deepEqual([ended.code, ended.stderr], [0, ""]);
    // One leaked model per round would be at least 16 MB in each of 75 rounds. The allocator's own variation reached 90 MB.
    assert.ok(Number(ended.stdout) < 300, `grew by ${ended.stdout} MB`);
  });

  it("is freed by the garbage collector without dispose()", async () => {
    const ended = await runProgram(
      `${anonymous}
      const { SparseEncoder } = require("sparse-rerank");
      (async () => {
        const load = async () => void (await (await SparseEncoder.load(${JSON.stringify(spladeTiny)})).encode("x"));
        for (let i = 0; i < 5; i++) await load();
        const before = anonymous();
        for (let i = 0; i < 30; i++) { await load(); global.gc(); await new Promise((r) => setTimeout(r, 10)); }
        console.log(((anonymous() - before) / 2 ** 20).toFixed(0));
      })();`,
      { nodeArguments: ["--expose-gc"] },
    );
    assert.deepEqual([ended.code, ended.stderr], [0, ""]);
    // 30 models of 16 MB and more each, if none were freed.
    assert.ok(Number(ended.stdout) < 240, `grew by ${ended.stdout} MB`);
  });

  it("maps weights instead of copying them", async () => {
    const folder = await mkdtemp(path.join(os.tmpdir(), "sparse-rerank-mapped-"));
    try {
      const vocabulary = 400_000;
      const bytes = await writeCrossEncoder(folder, { vocabulary });
      const ended = await runProgram(
        `${anonymous}
        const { CrossEncoder } = require("sparse-rerank");
        (async () => {
          const small = await CrossEncoder.load("test/data/checkpoints/ce-bert-minilm");
          await small.predict([["a", "b"]]);
          const before = anonymous();
          const encoder = await CrossEncoder.load(${JSON.stringify(folder)});
          await encoder.predict([["a", "b"]]);
          console.log(((anonymous() - before) / 2 ** 20).toFixed(1));
        })();`,
        { nodeArguments: ["--expose-gc"] },
      );
      assert.deepEqual([ended.code, ended.stderr], [0, ""]);
      assert.ok(bytes > 1e8);
      assert.ok(
        Number(ended.stdout) < 0.1 * (bytes / 2 ** 20),
        `${ended.stdout} MB of anonymous memory for ${String(bytes / 2 ** 20)} MB of weights`,
      );
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("of a long text is returned to the system", async () => {
    const ended = await runProgram(
      `${anonymous}
      const { CrossEncoder } = require("sparse-rerank");
      (async () => {
        const encoder = await CrossEncoder.load(${JSON.stringify(wide)}, { maxSeqLength: 3000 });
        await encoder.predict([["a", "b"]]);
        const before = anonymous();
        let most = 0;
        const timer = setInterval(() => (most = Math.max(most, anonymous())), 2);
        await encoder.predict([["a", ${JSON.stringify(words(3000))}]]);
        clearInterval(timer);
        console.log(((most - before) / 2 ** 20).toFixed(0), ((anonymous() - before) / 2 ** 20).toFixed(0));
      })();`,
      { nodeArguments: ["--expose-gc"] },
    );
    assert.deepEqual([ended.code, ended.stderr], [0, ""]);
    const [most, kept] = ended.stdout.split(" ").map(Number);
    // The feed-forward layer's values before and after GELU take 3000 * 16384 floats each.
    assert.ok(Number(most) > 200 && Number(kept) < 60, ended.stdout);
  });

  it("of long texts stays within the limit, or they are rejected", async () => {
    const ended = await runProgram(
      `const { CrossEncoder, configure } = require("sparse-rerank");
      const memoryLimit = 50e6;
      configure({ memoryLimit });
      (async () => {
        const encoder = await CrossEncoder.load(${JSON.stringify(wide)}, { maxSeqLength: 3000 });
        const texts = Array.from({ length: 12 }, (_, i) => ${JSON.stringify(words(50))} + i);
        const alone = [];
        for (const text of texts) alone.push((await encoder.predict([["a", text]])).data[0]);
        const together = await encoder.predict(texts.map((text) => ["a", text]));
        console.log(together.data.every((score, i) => score === alone[i]));
        await encoder.predict([["a", "b"], ["a", ${JSON.stringify(words(3000))}]]).catch(({ code, message }) => console.log(code, message));
        console.log((await encoder.predict([["a", "b"]])).rows);
        for (const other of [memoryLimit, 1e9, 0, "1 GB"]) {
          try { configure({ memoryLimit: other }); console.log("taken"); } catch ({ code }) { console.log(code); }
        }
      })();`,
    );
    assert.deepEqual([ended.code, ended.stderr], [0, ""]);
    const [equal, refused, rows, ...configured] = ended.stdout.trim().split("\n");
    assert.deepEqual([equal, rows], ["true", "1"]);
    assert.match(refused ?? "", /^ERR_TOO_LARGE A text of 3000 tokens \("word word .*needs about .* GB .*0\.050 GB.*memoryLimit/);
    assert.deepEqual(configured, ["taken", "ERR_ALREADY_CONFIGURED", "ERR_INVALID_ARGUMENT", "ERR_INVALID_ARGUMENT"]);
  });
});

function words(count: number): string {
  return "word ".repeat(count);
}

/** A BERT cross-encoder of two layers: the last one computes only the first token. Returns the size of its weight file in bytes. */
async function writeCrossEncoder(
  folder: string,
  { vocabulary = 1000, positions = 64, intermediate = 64 }: { vocabulary?: number; positions?: number; intermediate?: number },
): Promise<number> {
  const source = path.join(__dirname, "..", "data", "checkpoints", "ce-bert-minilm");
  const hidden = 64;
  const shapes: Record<string, number[]> = {
    "bert.embeddings.word_embeddings.weight": [vocabulary, hidden],
    "bert.embeddings.position_embeddings.weight": [positions, hidden],
    "bert.embeddings.token_type_embeddings.weight": [2, hidden],
    "bert.embeddings.LayerNorm.weight": [hidden],
    "bert.embeddings.LayerNorm.bias": [hidden],
    "bert.pooler.dense.weight": [hidden, hidden],
    "bert.pooler.dense.bias": [hidden],
    "classifier.weight": [1, hidden],
    "classifier.bias": [1],
  };
  for (const layer of [0, 1]) {
    for (const [name, shape] of Object.entries({
      "attention.self.query": [hidden, hidden],
      "attention.self.key": [hidden, hidden],
      "attention.self.value": [hidden, hidden],
      "attention.output.dense": [hidden, hidden],
      "intermediate.dense": [intermediate, hidden],
      "output.dense": [hidden, intermediate],
    })) {
      shapes[`bert.encoder.layer.${String(layer)}.${name}.weight`] = shape;
      shapes[`bert.encoder.layer.${String(layer)}.${name}.bias`] = shape.slice(0, 1);
    }
    for (const name of ["attention.output.LayerNorm", "output.LayerNorm"]) {
      shapes[`bert.encoder.layer.${String(layer)}.${name}.weight`] = [hidden];
      shapes[`bert.encoder.layer.${String(layer)}.${name}.bias`] = [hidden];
    }
  }
  let offset = 0;
  const header: Record<string, unknown> = {};
  for (const [name, shape] of Object.entries(shapes)) {
    const end = offset + 4 * shape.reduce((a, b) => a * b, 1);
    header[name] = { dtype: "F32", shape, data_offsets: [offset, end] };
    offset = end;
  }
  const json = Buffer.from(JSON.stringify(header));
  const padded = Buffer.concat([json, Buffer.alloc((8 - (json.length % 8)) % 8, " ")]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  const weights = Float32Array.from({ length: offset / 4 }, (_, i) => ((i * 7919) % 1009) / 5000 - 0.1);
  await writeFile(path.join(folder, "model.safetensors"), Buffer.concat([length, padded, Buffer.from(weights.buffer)]));
  const config = {
    model_type: "bert",
    architectures: ["BertForSequenceClassification"],
    vocab_size: vocabulary,
    hidden_size: hidden,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    intermediate_size: intermediate,
    hidden_act: "gelu",
    max_position_embeddings: positions,
    type_vocab_size: 2,
    layer_norm_eps: 1e-12,
    num_labels: 1,
    id2label: { 0: "LABEL_0" },
  };
  await writeFile(path.join(folder, "config.json"), JSON.stringify(config));
  for (const name of ["tokenizer.json", "tokenizer_config.json"]) fs.copyFileSync(path.join(source, name), path.join(folder, name));
  return offset;
}
