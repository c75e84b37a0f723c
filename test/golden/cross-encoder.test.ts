import assert from "node:assert/strict";

import { CrossEncoder } from "sparse-rerank";
import type { PredictOptions } from "sparse-rerank";

import { close, folderOf, goldens } from "./golden";
import type { CrossGolden, Tolerance } from "./golden";

const cross = goldens().filter((golden): golden is CrossGolden => golden.kind === "cross");

/** The calls behind the keys of a golden file's "predict". */
const CALLS: Readonly<Record<string, PredictOptions>> = {
  default: {},
  identity: { activation: "identity" },
  sigmoid: { activation: "sigmoid" },
  apply_softmax: { applySoftmax: true },
  identity_then_softmax: { activation: "identity", applySoftmax: true },
};

for (const golden of cross) {
  describe(`golden ${golden.name}`, () => {
    let encoder: CrossEncoder;

    before(async () => {
      encoder = await CrossEncoder.load(folderOf(golden.name));
    });
    after(() => encoder.close());

    it("has the reference's description", () => {
      assert.equal(encoder.maxSeqLength, golden.max_seq_length);
      assert.equal(encoder.numLabels, golden.num_labels);
      assert.equal(encoder.labels.length, golden.num_labels);
    });

    for (const [name, expected] of Object.entries(golden.predict)) {
      it(`predicts: ${name}`, async () => {
        const options = CALLS[name];
        assert.ok(options !== undefined, `no call for ${name}`);
        const scores = await encoder.predict(golden.pairs, options);
        assert.deepEqual([scores.rows, scores.cols], [golden.pairs.length, golden.num_labels]);
        assertScores(scores.data, expected.flat(), golden.tolerance);
      });
    }

    it("computes the same bits for a pair in any batch", async () => {
      const together = await encoder.predict(golden.pairs, { activation: "identity" });
      assertScores(together.data, (golden.logits ?? golden.predict["identity"] ?? []).flat(), golden.tolerance);
      assert.deepEqual(await encoder.predict(golden.pairs, { activation: "identity", batchSize: 3 }), together);
    });

    it("ranks like the reference", async () => {
      const { rank } = golden;
      if ("error" in rank) {
        await assert.rejects(encoder.rank("a", ["b"]), { code: "ERR_INVALID_ARGUMENT" });
        return;
      }
      const all = await encoder.rank(rank.query, rank.documents, { returnDocuments: true });
      assert.deepEqual(new Set(all.map(({ index }) => index)), new Set(rank.documents.keys()));
      rank.all.forEach(({ corpus_id, score }, i) => {
        const hit = all[i];
        assert.ok(hit !== undefined && close(hit.score, score, golden.tolerance), `rank ${String(i)}`);
        assert.equal(hit.document, rank.documents[hit.index]);
        // Documents with nearly equal scores may swap places.
        const same = all.find(({ index }) => index === corpus_id);
        assert.ok(same !== undefined && close(same.score, score, golden.tolerance), `document ${String(corpus_id)}`);
      });
      const top = await encoder.rank(rank.query, rank.documents, { topK: 5 });
      assert.deepEqual(
        top.map(({ index }) => index),
        all.slice(0, 5).map(({ index }) => index),
      );
    });
  });
}

/** The pairs with these names. */
function named({ pairs, input_names: known }: CrossGolden, names: readonly string[]): readonly (readonly [string, string])[] {
  return names.map((name) => pairs[known.indexOf(name)] ?? assert.fail(name));
}

for (const golden of cross) {
  const { prompted, max_seq_length_override: shorter, rank, tolerance } = golden;
  if (prompted === undefined || shorter === undefined || "error" in rank) continue;
  describe(`golden ${golden.name}: prompts and a shorter maximum`, () => {
    for (const { options, pairs, default: scores, rank: ranked } of prompted) {
      it(`applies ${JSON.stringify(options)}`, async () => {
        const encoder = await CrossEncoder.load(folderOf(golden.name));
        try {
          const { prompt, prompt_name: promptName } = options;
          const given = { ...(prompt === undefined ? {} : { prompt }), ...(promptName === undefined ? {} : { promptName }) };
          assertScores((await encoder.predict(named(golden, pairs), given)).data, scores, tolerance);
          const found = await encoder.rank(rank.query, rank.documents, given);
          assertScores(
            Float32Array.from(found, ({ score }) => score),
            ranked.map(({ score }) => score),
            tolerance,
          );
        } finally {
          await encoder.close();
        }
      });
    }

    it("cuts to a shorter maximum", async () => {
      const encoder = await CrossEncoder.load(folderOf(golden.name), { maxSeqLength: shorter.max_seq_length });
      try {
        const { data } = await encoder.predict(named(golden, shorter.pairs), { activation: "identity" });
        assertScores(data, shorter.identity, tolerance);
      } finally {
        await encoder.close();
      }
    });
  });
}

function assertScores(actual: Float32Array, expected: readonly number[], tolerance: Tolerance): void {
  assert.equal(actual.length, expected.length);
  expected.forEach((score, i) => {
    assert.ok(close(actual[i] ?? NaN, score, tolerance), `score ${String(i)} is ${String(actual[i])}, expected ${String(score)}`);
  });
}
