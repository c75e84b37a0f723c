import assert from "node:assert/strict";
import path from "node:path";

import * as ours from "../../dist";
import { codeOf, isError, isErrorNamed, messageOf } from "../../dist/core/error-code";
import { newRealm } from "../support/realm";

const root = path.join(__dirname, "..", "..");
const spladeTiny = path.join(root, "models", "splade-tiny");

async function rejection(promise: Promise<unknown>): Promise<ours.SparseRerankError> {
  return promise.then(
    () => assert.fail("nothing was refused"),
    (error: unknown) => error as ours.SparseRerankError,
  );
}

describe("the package in another realm, as under Jest", function () {
  const realm = newRealm();
  const theirs = realm.load(path.join(root, "dist", "index.js")) as typeof ours;

  it("is a separate copy", () => {
    assert.notEqual(theirs.SparseRerankError, ours.SparseRerankError);
    assert.equal(realm.run("return value instanceof Error", { value: new Error("outside") }), false);
  });

  it("loads a model, encodes, indexes and searches with the same results", async () => {
    const texts = ["a cat sat on the mat", "the market fell"];
    const search = async ({ SparseEncoder, SparseIndex }: typeof ours) => {
      const encoder = await SparseEncoder.load(spladeTiny);
      const vectors = await encoder.encodeDocument(texts);
      const index = SparseIndex.create({ dimension: vectors.cols });
      await index.add(["mat", "market"], vectors);
      const hits = await index.search(await encoder.encodeQuery("cat"), { topK: 2 });
      await encoder.close();
      return JSON.stringify([vectors, hits]);
    };
    assert.equal(await search(theirs), await search(ours));
  });

  it("reranks with a model that lacks every optional file", async () => {
    const encoder = await theirs.CrossEncoder.load(path.join(root, "test", "data", "checkpoints", "ce-bert-minilm"));
    const ranked = await encoder.rank("cat", ["a cat", "a dog"]);
    assert.equal(ranked.length, 2);
    const texts = ["a cat", "a dog"];
    const bm25 = new theirs.BM25Index();
    await bm25.add(["0", "1"], texts);
    const search = new theirs.RetrieveAndRerank({ retrievers: [bm25], reranker: encoder, text: (id) => texts[Number(id)] });
    assert.equal((await search.search("cat", { timeBudgetMs: 60_000 })).hits[0]?.id, "0");
    await encoder.close();
  });

  it("throws errors that are a SparseRerankError of every copy", async () => {
    for (const { SparseEncoder, SparseMatrix } of [ours, theirs]) {
      const missing = await rejection(SparseEncoder.load(path.join(root, "no-such-folder")));
      assert.equal(missing.code, "ERR_MODEL_NOT_FOUND");
      const native = await rejection(ours.SparseIndex.open(path.join(root, "package.json")));
      assert.equal(native.code, "ERR_INDEX_CORRUPT");
      for (const error of [missing, native]) {
        assert.ok(error instanceof ours.SparseRerankError);
        assert.ok(error instanceof theirs.SparseRerankError);
      }
      assert.throws(() => SparseMatrix.fromRows([], 0), { code: "ERR_INVALID_ARGUMENT" });
    }
    assert.ok(!((new Error("x") as unknown) instanceof ours.SparseRerankError));
    assert.ok(!((Object.assign(new Error("x"), { code: "ERR_ABORTED" }) as unknown) instanceof ours.SparseRerankError));
  });

  it("accepts typed arrays and matrices of another realm", async () => {
    const parts = realm.run(
      "return { rows: 1, cols: 9, indptr: Uint32Array.of(0, 2), indices: Uint32Array.of(1, 4), values: Float32Array.of(1, 2) }",
    ) as ours.SparseMatrix;
    const matrix = new ours.SparseMatrix(parts);
    const index = ours.SparseIndex.create({ dimension: 9 });
    await index.add(["a"], new theirs.SparseMatrix(parts));
    await index.add(["b"], parts);
    const row = realm.run("return { indices: Uint32Array.of(4), values: Float32Array.of(1), size: 9 }") as ours.SparseVector;
    assert.deepEqual(
      (await index.search(row, { topK: 2 })).map(({ id, score }) => [id, score]),
      [
        ["a", 2],
        ["b", 2],
      ],
    );
    assert.equal(ours.SparseMatrix.concat([matrix, new theirs.SparseMatrix(parts)]).rows, 2);
    const wrong = realm.run("return { rows: 1, cols: 9, indptr: [0, 1], indices: [1], values: [1] }") as ours.SparseMatrix;
    assert.throws(() => new ours.SparseMatrix(wrong), { code: "ERR_INVALID_ARGUMENT", message: /indptr must be a Uint32Array/ });
  });

  it("accepts the scores of an activation function of another realm", async () => {
    const encoder = await ours.CrossEncoder.load(path.join(root, "test", "data", "checkpoints", "ce-bert-minilm"));
    const activation = realm.run("return (logits) => Float32Array.from(logits)") as (logits: Float32Array) => Float32Array;
    assert.equal((await encoder.predict([["a", "b"]], { activation })).data.length, 1);
    await encoder.close();
  });

  it("accepts a signal of another class, such as jsdom's", async () => {
    const encoder = await ours.SparseEncoder.load(spladeTiny);
    const foreign = (aborted: boolean): { signal: AbortSignal; fire: () => void } => {
      const target = new EventTarget();
      const signal = Object.assign(target, { aborted, reason: aborted ? "enough" : undefined }) as unknown as AbortSignal;
      return { signal, fire: () => target.dispatchEvent(new Event("abort")) };
    };
    assert.equal((await encoder.encodeDocument(["a"], { signal: foreign(false).signal })).rows, 1);
    const before = await rejection(encoder.encodeDocument(["a"], { signal: foreign(true).signal }));
    assert.equal(before.code, "ERR_ABORTED");
    const { signal, fire } = foreign(false);
    const texts = Array.from({ length: 5000 }, () => "a sentence of some words that takes a while to encode");
    const running = rejection(encoder.encodeDocument(texts, { signal }));
    Object.assign(signal, { aborted: true });
    fire();
    assert.equal((await running).code, "ERR_ABORTED");
    for (const wrong of [{}, { aborted: false }, "x", null]) {
      const refused = await rejection(encoder.encodeDocument(["a"], { signal: wrong as AbortSignal }));
      assert.equal(refused.code, "ERR_INVALID_ARGUMENT");
    }
    await encoder.close();
  });

  it("reads errors by their nature, not their class", () => {
    const theirError = realm.run('return Object.assign(new TypeError("no"), { code: "EX" })');
    assert.deepEqual(
      [isError(theirError), isErrorNamed(theirError, "TypeError"), codeOf(theirError), messageOf(theirError)],
      [true, true, "EX", "no"],
    );
    const inherited: unknown = Object.create(Error.prototype, { message: { value: "inherited" } });
    assert.deepEqual([isError(inherited), messageOf(inherited)], [true, "inherited"]);
    assert.ok(isError(new DOMException("stop", "AbortError")));
    for (const other of [undefined, null, "text", 1, {}, { message: "text", code: 5 }]) {
      assert.deepEqual([isError(other), codeOf(other)], [false, "UNKNOWN"]);
    }
  });
});
