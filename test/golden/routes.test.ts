/** Inference-free models: what each side does, and when the transformer is loaded. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";

import { SparseEncoder, SparseMatrix } from "sparse-rerank";

import { readCheckpoint } from "../../dist/checkpoint";
import { TextTokenizer } from "../../dist/tokenization/tokenizer";
import { assertRows, folderOf, goldens } from "./golden";
import type { SparseGolden } from "./golden";

const routed = goldens().filter((golden): golden is SparseGolden => golden.kind === "sparse" && golden.name.startsWith("inffree-"));

for (const { name, texts, tokens } of routed) {
  describe(`routes of ${name}`, () => {
    it("tokenizes each side like the reference", async () => {
      const { query, document } = (await readCheckpoint(folderOf(name), "sparse")).routes;
      assert.ok(query.kind === "static" && document.kind === "transformer" && typeof tokens.query !== "string");
      const { folder, maxSeqLength } = document.transformer;
      await checkTokens({ folder: query.folder, maxLength: query.maxSeqLength, lowerCase: false }, false, texts, tokens.query.input_ids);
      await checkTokens({ folder, maxLength: maxSeqLength, lowerCase: false }, true, texts, tokens.document.input_ids);
    });

    it("weights each distinct query token once, with the same weight in every text", async () => {
      await using encoder = await SparseEncoder.load(folderOf(name));
      const matrix = await encoder.encodeQuery(texts);
      const weights = new Map<number, number>();
      assert.ok(typeof tokens.query !== "string");
      tokens.query.input_ids.forEach((ids, i) => {
        const { indices, values } = matrix.row(i);
        assert.ok(indices.every((id) => ids.includes(id)));
        for (const [k, id] of indices.entries()) {
          assert.equal(values[k], weights.get(id) ?? values[k]);
          weights.set(id, values[k] ?? NaN);
        }
      });
      const other = await encoder.encodeDocument(texts);
      assert.notDeepEqual(other, matrix);
    });

    it("adds no special tokens to a query: an empty one is an empty vector", async () => {
      await using encoder = await SparseEncoder.load(folderOf(name));
      assert.equal((await encoder.encodeQuery("")).indices.length, 0);
      assert.ok((await encoder.encodeDocument("")).indices.length > 0);
    });
  });
}

async function checkTokens(
  options: Parameters<typeof TextTokenizer.load>[0],
  addSpecialTokens: boolean,
  texts: readonly string[],
  expected: readonly (readonly number[])[],
): Promise<void> {
  const tokenizer = await TextTokenizer.load(options);
  const { ids, offsets } = await tokenizer.encode(texts, { addSpecialTokens });
  tokenizer.dispose();
  const actual = texts.map((_, i) => Array.from(ids.subarray(offsets[i], offsets[i + 1])));
  assert.deepEqual(actual, expected);
}

describe("the transformer of an inference-free model", () => {
  const model = routed.find(({ name }) => name === "inffree-router-v6")!;
  const expected = model.encode_query as Exclude<SparseGolden["encode_query"], string>;

  /** Runs in a process without ONNX Runtime. */
  const run = (code: string): string => {
    const script = `
      const { SparseEncoder } = require(${JSON.stringify(require.resolve("sparse-rerank"))});
      (async () => { const encoder = await SparseEncoder.load(${JSON.stringify(folderOf("inffree-router-v6"))});
        const texts = ${JSON.stringify(model.texts)}; ${code} })()
        .catch((error) => { console.error(error); process.exit(1); });`;
    const env = { ...process.env, ORT_DYLIB_PATH: "/nowhere/libonnxruntime.so" };
    const { status, stdout, stderr } = spawnSync(process.execPath, ["-e", script], { env, encoding: "utf8" });
    assert.equal(status, 0, stderr);
    return stdout.trim();
  };

  it("is not needed for queries", () => {
    const code = "console.log(JSON.stringify([await encoder.encodeQuery(texts), encoder.maxSeqLength])); await encoder.close();";
    const [matrix, maxSeqLength] = JSON.parse(run(code)) as [Parameters<typeof SparseMatrix.fromJSON>[0], number];
    assertRows(SparseMatrix.fromJSON(matrix), expected.embeddings, model.tolerance, "encodeQuery");
    assert.equal(maxSeqLength, model.max_seq_length);
  });

  it("is reported missing at the first document, and at the next", () => {
    const code = `
      for (const text of texts.slice(0, 2)) await encoder.encodeDocument(text).catch((error) => console.log(error.code));
      console.log(encoder.decode(await encoder.encodeQuery(texts)).length);
      await encoder.close();`;
    assert.equal(run(code), `ERR_RUNTIME_NOT_FOUND\nERR_RUNTIME_NOT_FOUND\n${model.texts.length}`);
  });

  it("is loaded once for concurrent calls", async () => {
    await using encoder = await SparseEncoder.load(folderOf("inffree-router-v6"));
    const [first, second] = await Promise.all([encoder.encodeDocument(["one text"]), encoder.encodeDocument(["one text"])]);
    assert.deepEqual(first, second);
  });

  it("is freed if it finishes loading after dispose()", async () => {
    const encoder = await SparseEncoder.load(folderOf("inffree-router-v6"));
    const waiting = encoder.encodeDocument("text");
    encoder.dispose();
    await assert.rejects(waiting, { code: "ERR_DISPOSED" });
    await encoder.close();
  });

  it("is validated when the model is loaded", async () => {
    await assert.rejects(SparseEncoder.load(folderOf("inffree-router-v6"), { maxSeqLength: 513 }), { code: "ERR_INVALID_ARGUMENT" });
  });

  it("is not loaded by a call that was already aborted", async () => {
    await using encoder = await SparseEncoder.load(folderOf("inffree-router-v6"));
    await assert.rejects(encoder.encodeDocument("text", { signal: AbortSignal.abort() }), { code: "ERR_ABORTED" });
    assert.ok((await encoder.encodeDocument("text")).indices.length > 0);
  });
});
