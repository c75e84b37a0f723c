import assert from "node:assert/strict";
import path from "node:path";

import { CrossEncoder, SparseEncoder } from "sparse-rerank";

import { FIXTURES } from "../support/retrieval-support";

describe("textTokens", () => {
  it("has the strings and places of the tokens that tokenize() has", async () => {
    const texts = ["Heart attacks, unbelievableness 東京", "", "  two   words "];
    for (const name of ["splade-bert", "splade-roberta", "splade-xlmr", "splade-modernbert"]) {
      const encoder = await SparseEncoder.load(path.join(FIXTURES, name));
      const ids = await encoder.tokenize(texts);
      const tokens = await encoder.textTokens(texts);
      assert.deepEqual(
        tokens.map((each) => each.map(({ id }) => id)),
        ids.map((each) => [...each]),
      );
      let placed = 0;
      for (const [i, each] of tokens.entries()) {
        let last = 0;
        for (const { start, end, special, token } of each) {
          assert.equal(start === undefined, end === undefined);
          if (start === undefined || end === undefined) continue;
          assert.ok(!special && start >= last && end > start && end <= texts[i]!.length, `${name} ${token}`);
          last = end;
          placed++;
        }
      }
      assert.ok(placed >= 4, name);
      const bare = await encoder.textTokens(texts, { addSpecialTokens: false });
      assert.deepEqual(
        bare.map((each) => each.map(({ id }) => id)),
        tokens.map((each) => each.filter(({ special }) => !special).map(({ id }) => id)),
      );
      await encoder.close();
    }
  });

  it("is the same for cross-encoders, and refuses what is no text", async () => {
    const reranker = await CrossEncoder.load(path.join(FIXTURES, "ce-bert-minilm"));
    const [tokens = []] = await reranker.textTokens(["heart"]);
    assert.deepEqual(
      tokens.map(({ special }) => special),
      [true, ...tokens.slice(2).map(() => false), true],
    );
    await assert.rejects(reranker.textTokens("heart" as unknown as string[]), { code: "ERR_INVALID_ARGUMENT" });
    await assert.rejects(reranker.textTokens([], { addSpecialTokens: 1 as unknown as boolean }), { code: "ERR_INVALID_ARGUMENT" });
    await reranker.close();
  });
});

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
