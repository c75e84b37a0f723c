import assert from "node:assert/strict";
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";

import { CrossEncoder, SparseEncoder, SparseRerankError } from "sparse-rerank";

const root = path.join(__dirname, "..", "..");
const fixture = (name: string): string => path.join(root, "test", "data", "checkpoints", name);

/** Asserts a rejection with a coded error, without regard to the argument's TypeScript type. */
async function refuses(call: () => Promise<unknown>, code: string, message?: RegExp): Promise<void> {
  await assert.rejects(call, (error: unknown) => {
    assert.ok(error instanceof SparseRerankError, String(error));
    assert.equal(error.code, code, error.message);
    if (message !== undefined) assert.match(error.message, message);
    return true;
  });
}

/* eslint-disable @typescript-eslint/no-unsafe-argument, @typescript-eslint/no-unsafe-return, @typescript-eslint/no-unsafe-member-access,
   @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-explicit-any --
   JavaScript callers can pass anything, which is what these tests do. */

describe("arguments of load", () => {
  it("rejects values that are not a model", async () => {
    for (const name of [null, undefined, 5, "", {}, [], "a\0b"])
      await refuses(() => SparseEncoder.load(name as any), "ERR_INVALID_ARGUMENT");
    await refuses(() => SparseEncoder.load("/no/such/folder"), "ERR_MODEL_NOT_FOUND", /no model folder/);
    await refuses(() => SparseEncoder.load(path.join(root, "package.json")), "ERR_INVALID_ARGUMENT", /is a file/);
    await refuses(() => SparseEncoder.load(path.join(root, "docs")), "ERR_FILE_NOT_FOUND", /config\.json/);
  });

  it("names the class that a checkpoint of the other kind needs", async () => {
    await refuses(() => SparseEncoder.load(fixture("ce-bert-minilm")), "ERR_WRONG_MODEL_KIND", /CrossEncoder/);
    await refuses(() => CrossEncoder.load(fixture("splade-bert")), "ERR_WRONG_MODEL_KIND", /SparseEncoder/);
  });

  it("rejects unknown and invalid options", async () => {
    const load = (options: unknown) => () => SparseEncoder.load("splade-tiny", options as any);
    await refuses(load(null), "ERR_INVALID_ARGUMENT");
    await refuses(load({ devices: "cpu" }), "ERR_INVALID_ARGUMENT", /devices.*known are/);
    await refuses(load({ device: "gpu" }), "ERR_INVALID_ARGUMENT");
    await refuses(load({ dtype: "fp8" }), "ERR_INVALID_ARGUMENT");
    await refuses(load({ maxSeqLength: 0 }), "ERR_INVALID_ARGUMENT");
    await refuses(load({ maxSeqLength: 513 }), "ERR_INVALID_ARGUMENT", /512 positions/);
    await refuses(load({ signal: {} }), "ERR_INVALID_ARGUMENT");
    await refuses(load({ onProgress: 1 }), "ERR_INVALID_ARGUMENT");
    for (const dtype of ["fp16", "bf16"]) await refuses(load({ dtype }), "ERR_NOT_SUPPORTED");
    for (const device of ["cuda:", "cuda:-1", "cuda:1000", "cuda:1.0", "CUDA", "", null, 0]) {
      await refuses(load({ device }), "ERR_INVALID_ARGUMENT", /device must be/);
    }
    await refuses(load({ device: "cuda", dtype: "int8" }), "ERR_NOT_SUPPORTED", /int8.*CUDA/);
    await refuses(load({ device: "cuda", modelFile: "onnx/model.onnx" }), "ERR_NOT_SUPPORTED", /modelFile on CUDA/);
    await refuses(
      load({ cuda: { streams: 2 } }),
      "ERR_INVALID_ARGUMENT",
      /known are: memoryLimit, arenaGrowth, graphs, packed, maxBatchTokens, tf32/,
    );
    await refuses(load({ cuda: { memoryLimit: -1 } }), "ERR_INVALID_ARGUMENT", /cuda\.memoryLimit/);
    await refuses(load({ cuda: { arenaGrowth: "kSameAsRequested" } }), "ERR_INVALID_ARGUMENT", /"as-requested"/);
    await refuses(load({ cuda: { tf32: 1 } }), "ERR_INVALID_ARGUMENT", /cuda\.tf32 must be a boolean/);
  });

  it("applies maxSeqLength", async () => {
    const encoder = await SparseEncoder.load("splade-tiny", { maxSeqLength: 4, device: "cpu", dtype: "fp32" });
    const matrix = await encoder.encode(["one two three four", "one two"]);
    assert.deepEqual([...matrix.truncated], [0]);
    await encoder.close();
  });

  it("rejects a tokenizer with more ids than the model has embeddings", async () => {
    const folder = await mkdtemp(path.join(os.tmpdir(), "sparse-rerank-vocabulary-"));
    try {
      await cp(fixture("splade-bert"), folder, { recursive: true });
      await cp(path.join(root, "models", "splade-tiny", "tokenizer.json"), path.join(folder, "tokenizer.json"));
      await refuses(() => SparseEncoder.load(folder), "ERR_INVALID_TOKENIZER", /different checkpoints/);
      await writeFile(path.join(folder, "tokenizer.json"), "{}");
      await refuses(() => SparseEncoder.load(folder), "ERR_INVALID_TOKENIZER");
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe("arguments of SparseEncoder", () => {
  let encoder: SparseEncoder;
  before(async () => {
    encoder = await SparseEncoder.load("splade-tiny");
  });
  after(() => encoder.close());

  it("rejects values that are not texts, before any work", async () => {
    for (const texts of [null, undefined, 5, {}, new Set(["a"]), [1], ["a", null], [["a"]], ["a", , "b"]]) {
      await refuses(() => encoder.encodeDocument(texts as any), "ERR_INVALID_ARGUMENT", /texts/);
    }
    await refuses(() => encoder.encodeDocumentStream("abc" as any).next(), "ERR_INVALID_ARGUMENT");
    await refuses(() => encoder.encodeDocumentStream(["a", 5 as any]).next(), "ERR_INVALID_ARGUMENT");
  });

  it("rejects invalid options", async () => {
    for (const options of [
      { batchSize: 0 },
      { batchSize: 1.5 },
      { maxActiveDims: 0 },
      { maxActiveDims: "3" },
      { prompt: 5 },
      { promptName: "nothing" },
      { truncationSide: "Left" },
      { signal: 1 },
      { onProgress: "x" },
      { batch_size: 3 },
    ]) {
      await refuses(() => encoder.encode("a", options as any), "ERR_INVALID_ARGUMENT");
    }
    assert.throws(() => encoder.decode({ indices: new Uint32Array([1]), values: new Float32Array([1]), size: 5 }), {
      code: "ERR_DIMENSION_MISMATCH",
    });
    const vector = await encoder.encode("a");
    assert.throws(() => encoder.decode(vector, 0), { code: "ERR_INVALID_ARGUMENT" });
  });

  it("accepts empty input, unusual strings and very long ones", async () => {
    const none = await encoder.encode([]);
    assert.deepEqual([none.rows, none.cols, none.values.length], [0, encoder.embeddingDimension, 0]);
    const odd = ["", " \t\n", "\ud800 lone", "\udfff", "\0\u0001", "👩‍👩‍👧‍👦", "x".repeat(1_000_000), "[CLS] [SEP] [PAD] [MASK]"];
    const matrix = await encoder.encode(odd);
    assert.equal(matrix.rows, odd.length);
    assert.ok(matrix.values.every((value) => value > 0 && Number.isFinite(value)));
  });

  it("reports progress up to the total", async () => {
    const seen: unknown[] = [];
    await encoder.encode(["a", "b", "c"], { batchSize: 2, onProgress: (progress) => seen.push(progress) });
    assert.deepEqual(seen, [
      { stage: "encode", done: 2, total: 3 },
      { stage: "encode", done: 3, total: 3 },
    ]);
  });

  it("returns vectors that survive postMessage", async () => {
    const matrix = await encoder.encode(["a b c"]);
    const clone = structuredClone({ values: matrix.values }, { transfer: [matrix.values.buffer as ArrayBuffer] });
    assert.ok(clone.values.length > 0);
    assert.equal(matrix.values.length, 0);
  });
});

describe("arguments of CrossEncoder", () => {
  let encoder: CrossEncoder;
  before(async () => {
    encoder = await CrossEncoder.load(fixture("ce-bert-minilm"));
  });
  after(() => encoder.close());

  it("rejects values that are not pairs", async () => {
    for (const pairs of [null, "a", ["a", "b"], [["a"]], [["a", "b", "c"]], [["a", 5]], [null]]) {
      await refuses(() => encoder.predict(pairs as any), "ERR_INVALID_ARGUMENT", /pairs/);
    }
  });

  it("rejects invalid arguments of rank", async () => {
    await refuses(() => encoder.rank(5 as any, ["a"]), "ERR_INVALID_ARGUMENT");
    await refuses(() => encoder.rank("q", "a" as any), "ERR_INVALID_ARGUMENT");
    await refuses(() => encoder.rank("q", [{ text: "a" }] as any), "ERR_INVALID_ARGUMENT", /documents\[0\]/);
    await refuses(() => encoder.rank("q", [{ body: 1 }], { text: (d: any) => d.body }), "ERR_INVALID_ARGUMENT", /text\(/);
    await refuses(() => encoder.rank("q", ["a"], { topK: 0 }), "ERR_INVALID_ARGUMENT");
    await refuses(() => encoder.predict([["a", "b"]], { activation: "cube" as any }), "ERR_INVALID_ARGUMENT", /activation/);
    await refuses(() => encoder.predict([["a", "b"]], { activation: () => [1] as any }), "ERR_INVALID_ARGUMENT", /Float32Array/);
    await refuses(() => encoder.predict([["a", "b"]], { applySoftmax: 1 as any }), "ERR_INVALID_ARGUMENT");
    for (const truncationSide of ["Left", true, null]) {
      await refuses(
        () => encoder.predict([["a", "b"]], { truncationSide: truncationSide as any }),
        "ERR_INVALID_ARGUMENT",
        /truncationSide/,
      );
    }
  });

  it("ranks objects by the text that the caller selects, and keeps input order for ties", async () => {
    const documents = [{ body: "same" }, { body: "other words" }, { body: "same" }];
    const ranked = await encoder.rank("q", documents, { text: ({ body }) => body, returnDocuments: true });
    assert.equal(ranked.length, 3);
    const same = ranked.filter(({ document }) => document?.body === "same");
    assert.deepEqual(
      same.map(({ index }) => index),
      [0, 2],
    );
    assert.deepEqual(await encoder.rank("q", []), []);
  });

  it("applies a custom activation", async () => {
    const logits = await encoder.predict([["a", "b"]], { activation: "identity" });
    const doubled = await encoder.predict([["a", "b"]], { activation: (row) => row.map((logit) => 2 * logit) });
    assert.equal(doubled.data[0], 2 * (logits.data[0] ?? NaN));
    assert.deepEqual((await encoder.predict([])).data, new Float32Array(0));
  });
});
