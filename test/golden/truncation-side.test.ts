/** Texts and pairs that are cut at either end: ids equal those of tokenizers (data/tokenization/truncation-side). */

import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";

import { CrossEncoder, SparseEncoder } from "../../dist";
import type { Pair } from "../../dist";
import { fixtures, loadFixture, sequences } from "../support/tokenization-support";

interface Cases {
  readonly texts: readonly string[];
  readonly pairs: readonly Pair[];
  readonly cases: readonly {
    readonly name: string;
    readonly side: "left" | "right";
    readonly maxLength: number;
    readonly texts: readonly (readonly number[])[];
    readonly pairs: readonly (readonly number[])[];
  }[];
}

const LONG = "the module is imported, and the name is bound. ".repeat(2000);
const SIDES = ["left", "right"] as const;

describe("the option truncationSide", () => {
  for (const name of ["ce-bert-minilm", "ce-roberta-nli", "ce-xlmr-bge"]) {
    it(`cuts as tokenizers does: ${name}`, async () => {
      const file = path.join(fixtures, "..", "tokenization", "truncation-side", "cases.json");
      const { texts, pairs, cases } = JSON.parse(await readFile(file, "utf8")) as Cases;
      const own = cases.filter((each) => each.name === name);
      assert.equal(own.length, 16);
      for (const { side: truncationSide, maxLength, ...expected } of own) {
        const tokenizer = await loadFixture(name, { maxLength });
        const message = `${truncationSide}, ${String(maxLength)} tokens`;
        assert.deepEqual(sequences(await tokenizer.encode(texts, { truncationSide })), expected.texts, message);
        assert.deepEqual(sequences(await tokenizer.encodePairs(pairs, { truncationSide })), expected.pairs, message);
        tokenizer.dispose();
      }
    });
  }

  it("cuts in worker threads as on the JavaScript thread", async () => {
    const tokenizer = await loadFixture("ce-bert-minilm", { maxLength: 16 });
    const untruncated = tokenizer.withMaxLength(undefined);
    const [whole = []] = sequences(await untruncated.encode([LONG]));
    for (const truncationSide of SIDES) {
      const batch = await tokenizer.encode([LONG, "a"], { truncationSide });
      const kept = truncationSide === "left" ? whole.slice(-15, -1) : whole.slice(1, 15);
      assert.deepEqual(sequences(batch)[0], [whole[0], ...kept, whole.at(-1)]);
      assert.deepEqual([...batch.truncated], [0]);
      const pairs = sequences(await tokenizer.encodePairs([["a", LONG]], { truncationSide }));
      const [short = []] = sequences(await tokenizer.encodePairs([["a", "a"]]));
      const room = 16 - (short.length - 1);
      assert.deepEqual(pairs[0]?.slice(-room - 1, -1), truncationSide === "left" ? whole.slice(-room - 1, -1) : whole.slice(1, room + 1));
    }
    tokenizer.dispose();
    untruncated.dispose();
  });

  it("reads a text as a tokenizer of that side does, and overrides the tokenizer's own", async () => {
    const folder = await mkdtemp(path.join(os.tmpdir(), "sparse-rerank-left-"));
    try {
      const source = path.join(fixtures, "ce-bert-minilm");
      await cp(source, folder, { recursive: true });
      const config = JSON.parse(await readFile(path.join(source, "tokenizer_config.json"), "utf8")) as object;
      await writeFile(path.join(folder, "tokenizer_config.json"), JSON.stringify({ ...config, truncation_side: "left" }));
      await using right = await CrossEncoder.load(source);
      await using left = await CrossEncoder.load(folder);
      const documents = [LONG, "a name", `${LONG} a class block`];
      const pairs = documents.map((document): Pair => ["what is a module?", document]);
      const scores = async (model: CrossEncoder, options?: Parameters<CrossEncoder["predict"]>[1]): Promise<number[]> => [
        ...(await model.predict(pairs, options)).data,
      ];
      const ofLeft = await scores(left);
      const ofRight = await scores(right);
      assert.notEqual(ofLeft[2], ofRight[2]);
      assert.deepEqual(await scores(right, { truncationSide: "left" }), ofLeft);
      assert.deepEqual(await scores(left, { truncationSide: "right" }), ofRight);
      assert.deepEqual(await scores(right, { truncationSide: "right" }), ofRight);
      const [end = []] = await right.tokenize(["a class block"]);
      const limited = { maxDocumentTokens: end.length - 2, truncationSide: "left" } as const;
      assert.equal((await scores(right, limited))[2], (await right.predict([["what is a module?", "a class block"]])).data[0]);
      assert.deepEqual(
        await right.rank("what is a module?", documents, { truncationSide: "left" }),
        await left.rank("what is a module?", documents),
      );
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it("reads the end of texts for sparse vectors, of a transformer and of a table", async () => {
    for (const name of ["splade-bert", "inffree-router-v6"]) {
      await using encoder = await SparseEncoder.load(path.join(fixtures, name), { maxSeqLength: 8 });
      const options = { truncationSide: "left" } as const;
      const cut = await encoder.encodeQuery([LONG + "a class block"], options);
      assert.deepEqual([...cut.truncated], [0]);
      const same = await encoder.encodeQuery(["is bound. a name. a class block"], options);
      assert.deepEqual([...same.truncated], [0], "longer than what is kept");
      const other = await encoder.encodeQuery([`${LONG} a class block`]);
      assert.notDeepEqual(cut.row(0), other.row(0));
      const short = await encoder.encodeQuery(["a class"], options);
      assert.deepEqual(short.row(0), (await encoder.encodeQuery(["a class"])).row(0));
    }
  });

  it("is refused for chat templates, except for the tokenizer's own side", async () => {
    await using model = await CrossEncoder.load(path.join(fixtures, "ce-qwen3-logitscore"));
    const pairs: readonly Pair[] = [["a", "b"]];
    const own = await model.predict(pairs);
    const refused = { code: "ERR_NOT_SUPPORTED", message: /truncationSide: "\w+" for this model, which has a chat template/ };
    const outcomes = await Promise.allSettled(SIDES.map((truncationSide) => model.predict(pairs, { truncationSide })));
    assert.deepEqual(outcomes.map(({ status }) => status).toSorted(), ["fulfilled", "rejected"]);
    for (const outcome of outcomes) {
      if (outcome.status === "fulfilled") assert.deepEqual(outcome.value, own);
      else
        assert.throws(() => {
          throw outcome.reason;
        }, refused);
    }
  });
});
