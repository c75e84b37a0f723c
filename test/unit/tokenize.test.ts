import assert from "node:assert/strict";
import path from "node:path";

import { SparseEncoder } from "sparse-rerank";

describe("SparseEncoder.tokenize", () => {
  let encoder: SparseEncoder;
  before(async () => {
    encoder = await SparseEncoder.load("splade-tiny", { maxSeqLength: 8 });
  });
  after(() => encoder.close());

  /** In the order of the ids, each once. */
  const tokensOf = (ids: Uint32Array): string[] => {
    const indices = ids.slice().sort();
    const values = new Float32Array(ids.length).fill(1);
    return encoder.decode({ indices, values, size: encoder.embeddingDimension }).map(({ token }) => token);
  };

  it("returns the ids that the model reads, including special tokens", async () => {
    const [heart, empty] = await encoder.tokenize(["Heart attacks", ""]);
    assert.equal(heart?.length, 4);
    assert.deepEqual([heart[0], heart[3]], [...(empty ?? [])]);
    assert.deepEqual(tokensOf(heart).sort(), ["[CLS]", "[SEP]", "attacks", "heart"]);
    assert.deepEqual(await encoder.tokenize([]), []);
  });

  it("truncates like encoding", async () => {
    const [ids] = await encoder.tokenize(["word ".repeat(100)]);
    assert.equal(ids?.length, 8);
  });

  it("uses the side of the model that the task names", async () => {
    const fixture = path.join(__dirname, "..", "data", "checkpoints", "inffree-router-v6");
    await using router = await SparseEncoder.load(fixture);
    const [query] = await router.tokenize(["the module"], { task: "query" });
    const [document] = await router.tokenize(["the module"], { task: "document" });
    // A table of weights ignores special tokens.
    assert.deepEqual(query, document?.slice(1, -1));
    assert.deepEqual(await router.tokenize(["the module"]), [document]);
  });

  it("rejects anything but an array of texts, and other tasks", async () => {
    await assert.rejects(encoder.tokenize("text" as unknown as string[]), { code: "ERR_INVALID_ARGUMENT" });
    await assert.rejects(encoder.tokenize([], { task: "plain" as "query" }), { code: "ERR_INVALID_ARGUMENT", message: /^task must be/ });
  });
});
