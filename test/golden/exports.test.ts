/** A repository's own ONNX files (modelFile): exports of golden fixtures, created by ../exports/generate.py. */

import assert from "node:assert/strict";
import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { InferenceSession, Tensor } from "onnxruntime-node";
import { CrossEncoder, SparseEncoder } from "sparse-rerank";
import type { LoadOptions } from "sparse-rerank";

import { assertRows, close, folderOf, goldens } from "./golden";
import type { CrossGolden, Golden, SparseGolden, Tolerance } from "./golden";

const exported = path.join(__dirname, "..", "data", "exports");
const modelFile = "onnx/model.onnx";

function golden(name: string): Golden {
  const found = goldens().find((known) => known.name === name);
  assert.ok(found !== undefined);
  return found;
}

const sparseGolden = (name: string): SparseGolden => golden(name) as SparseGolden;
const crossGolden = (name: string): CrossGolden => golden(name) as CrossGolden;

describe("modelFile", () => {
  const folders: string[] = [];

  after(() => {
    for (const folder of folders) fs.rmSync(folder, { recursive: true });
  });

  /** A fixture without its weights, and with an export in onnx/. */
  function repository(fixture: string, file: string, change: (folder: string) => void = () => undefined): string {
    const folder = fs.mkdtempSync(path.join(tmpdir(), "sparse-rerank-export-"));
    folders.push(folder);
    fs.cpSync(folderOf(fixture), folder, { recursive: true });
    fs.rmSync(path.join(folder, "model.safetensors"));
    fs.mkdirSync(path.join(folder, "onnx"));
    fs.copyFileSync(path.join(exported, `${file}.onnx`), path.join(folder, modelFile));
    fs.copyFileSync(path.join(exported, "model.onnx_data"), path.join(folder, "onnx", "model.onnx_data"));
    change(folder);
    return folder;
  }

  for (const [file, tolerance] of [
    ["splade-bert", undefined],
    ["splade-bert-pooled", undefined],
    // 11 bits of each weight, and of each sum.
    ["splade-bert-fp16", { abs: 2e-2, rel: 2e-2 }],
  ] as const) {
    it(`${file}: equals the reference's vectors`, async () => {
      const { texts, encode_document, dimension, tolerance: exact } = sparseGolden("splade-bert");
      const encoder = await SparseEncoder.load(repository("splade-bert", file), { modelFile });
      const vectors = await encoder.encodeDocument(texts);
      assert.equal(encoder.embeddingDimension, dimension);
      assertRows(vectors, encode_document.embeddings, tolerance ?? exact, file);
      assert.deepEqual(await encoder.encodeDocument(texts, { batchSize: 1 }), vectors);
      await encoder.close();
    });
  }

  it("pools logits according to the checkpoint's settings", async () => {
    // With the same weights.
    for (const name of ["splade-bert-sum", "splade-bert-log1p"]) {
      const settings = JSON.parse(fs.readFileSync(path.join(folderOf(name), "1_SpladePooling", "config.json"), "utf8")) as object;
      const change = (folder: string): void => {
        fs.writeFileSync(path.join(folder, "1_SpladePooling", "config.json"), JSON.stringify(settings));
      };
      const { texts } = sparseGolden("splade-bert");
      const ours = await SparseEncoder.load(repositoryWithWeights(change));
      const theirs = await SparseEncoder.load(repository("splade-bert", "splade-bert", change), { modelFile });
      const [expected, actual] = [await ours.encode(texts), await theirs.encode(texts)];
      const rows = Array.from(expected, (row) => Array.from(row.indices, (index, i) => [index, row.values[i] ?? 0] as const));
      assertRows(actual, rows, sparseGolden(name).tolerance, name);
      await Promise.all([ours.close(), theirs.close()]);
    }
  });

  function repositoryWithWeights(change: (folder: string) => void): string {
    const folder = fs.mkdtempSync(path.join(tmpdir(), "sparse-rerank-export-"));
    folders.push(folder);
    fs.cpSync(folderOf("splade-bert"), folder, { recursive: true });
    change(folder);
    return folder;
  }

  for (const [name, remark] of [
    ["ce-bert-minilm", "with token types"],
    ["ce-roberta-stsb", "with its weights beside it"],
  ] as const) {
    it(`${name}: equals the reference's scores, ${remark}`, async () => {
      const { pairs, logits, tolerance } = crossGolden(name);
      await predicts(repository(name, name), { modelFile }, pairs, logits ?? [], tolerance);
    });
  }

  it("a quantized file produces the results of ONNX Runtime", async () => {
    const { pairs, tokens } = crossGolden("ce-bert-minilm");
    const folder = repository("ce-bert-minilm", "ce-bert-minilm-quantized");
    // On the same machine: without VNNI, its 8-bit products saturate, which changes the first digit.
    const session = await InferenceSession.create(path.join(folder, modelFile));
    const logits: number[][] = [];
    for (const [i, ids] of tokens.input_ids.entries()) {
      const tensor = (values: readonly number[]): Tensor => new Tensor("int64", BigInt64Array.from(values, BigInt), [1, values.length]);
      const feeds = { input_ids: ids, attention_mask: ids.map(() => 1), token_type_ids: tokens.token_type_ids?.[i] ?? [] };
      const { logits: output } = await session.run(
        Object.fromEntries(Object.entries(feeds).map(([name, values]) => [name, tensor(values)])),
      );
      logits.push([...(output?.data as Float32Array)]);
    }
    await session.release();
    await predicts(folder, { modelFile }, pairs, logits, { abs: 1e-5, rel: 1e-5 });
  });

  async function predicts(
    folder: string,
    options: LoadOptions,
    pairs: CrossGolden["pairs"],
    expected: readonly (readonly number[])[],
    tolerance: Tolerance,
  ): Promise<void> {
    const encoder = await CrossEncoder.load(folder, options);
    const scores = await encoder.predict(pairs, { activation: "identity" });
    assert.equal(scores.data.length, expected.flat().length);
    expected.flat().forEach((wanted, i) => {
      const got = scores.data[i] ?? NaN;
      assert.ok(close(got, wanted, tolerance), `pair ${String(i)}: ${String(got)}, expected ${String(wanted)}`);
    });
    await encoder.close();
  }

  it("rejects files that it cannot run, with the reason", async () => {
    const splade = repository("splade-bert", "splade-bert");
    const load = (folder: string, file: unknown): Promise<unknown> => SparseEncoder.load(folder, { modelFile: file as string });
    for (const bad of ["", 1, "model.safetensors", "../model.onnx", "/model.onnx", "onnx//model.onnx", "onnx\\model.onnx"]) {
      await assert.rejects(load(splade, bad), { code: "ERR_INVALID_ARGUMENT" });
    }
    await assert.rejects(load(splade, "onnx/other.onnx"), { code: "ERR_FILE_NOT_FOUND", message: /onnx\/other\.onnx/ });
    await assert.rejects(load(folderOf("csr-bert"), "x.onnx"), { code: "ERR_FILE_NOT_FOUND" });

    const damaged = repository("splade-bert", "splade-bert", (folder) => {
      fs.truncateSync(path.join(folder, modelFile), 10_000);
    });
    await assert.rejects(load(damaged, modelFile), { code: "ERR_RUNTIME_FAILED", message: /load the ONNX file/ });
    const alone = repository("ce-roberta-stsb", "ce-roberta-stsb", (folder) => {
      fs.rmSync(path.join(folder, "onnx", "model.onnx_data"));
    });
    await assert.rejects(CrossEncoder.load(alone, { modelFile }), { code: "ERR_RUNTIME_FAILED", message: /model\.onnx_data/ });

    const other = await SparseEncoder.load(repository("splade-bert", "ce-bert-minilm"), { modelFile });
    await assert.rejects(other.encode("a"), { code: "ERR_TENSOR_MISMATCH", message: /\[1, 1\].*expected the logits/ });
    await other.close();
    const heads = repository("csr-bert", "splade-bert");
    await assert.rejects(load(heads, modelFile), { code: "ERR_NOT_SUPPORTED", message: /modelFile/ });
  });
});
