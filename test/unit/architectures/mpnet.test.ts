/** MPNet: its constants, and what is rejected. test/golden shows that it computes what the reference does. */

import assert from "node:assert/strict";

import { usablePositions } from "../../../dist/checkpoint/limits";
import {
  crossPart,
  decode,
  maskedLanguageModel,
  refuses,
  sequenceClassifier,
  sparsePart,
  takesTokenTypes,
  withConfig,
  withNames,
} from "./architecture-graphs";

describe("architectures: mpnet", () => {
  it("has a row of biases per distance, like transformers' relative_position_bucket", async () => {
    const { part } = await crossPart("ce-mpnet");
    const { initialisers } = decode(sequenceClassifier(part, 1));
    const rows = Array.from(initialisers.get("distance_rows")?.int64Data ?? [], Number);
    const after = [0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 8, 8, 9, 9, 9, 9, 10, 10, 10, 10, 10, 10, 10, 11, 11, 11, 11, 11, 11, 11, 11, 11, 12];
    assert.equal(rows.length, 257);
    assert.deepEqual(rows.slice(128, 128 + after.length), after);
    assert.deepEqual(
      rows.slice(129 - after.length, 128).toReversed(),
      after.slice(1).map((row) => row + 16),
    );
    // The last boundaries: the logarithm must be rounded as in fp32.
    assert.deepEqual(
      [45, 46, 63, 64, 90, 91, 128].map((distance) => rows[128 + distance]),
      [12, 13, 13, 14, 14, 15, 15],
    );
  });

  it("uses no token types, and accepts as many tokens as have a position, whatever the padding token", async () => {
    const part = await sparsePart("splade-mpnet");
    const graph = maskedLanguageModel(withConfig(part, { pad_token_id: 0 }));
    assert.equal(takesTokenTypes(graph), false);
    const positions = Number(part.config.json["max_position_embeddings"]) - 2;
    assert.deepEqual([graph.maxPositions, usablePositions(part.config)], [positions, positions]);
  });

  it("rejects BERT's weights under its name, for which the reference initializes weights at random", async () => {
    const { part } = await crossPart("ce-bert-minilm");
    const missing = "mpnet.embeddings.word_embeddings.weight";
    refuses(() => sequenceClassifier(withConfig(part, { model_type: "mpnet" }), 1), "ERR_MISSING_TENSOR", missing);
  });

  it("rejects fewer biases than distances, and tables without a position", async () => {
    const { part } = await crossPart("ce-mpnet");
    const few = withConfig(part, { relative_attention_num_buckets: 16 });
    refuses(() => sequenceClassifier(few, 1), "ERR_UNSUPPORTED_MODEL", '"relative_attention_num_buckets" is 16');
    const many = withConfig(part, { relative_attention_num_buckets: 64 });
    refuses(() => sequenceClassifier(many, 1), "ERR_TENSOR_MISMATCH", "relative_attention_bias.weight has shape [32, 5]");
    refuses(() => sequenceClassifier(withConfig(part, { max_position_embeddings: 2 }), 1), "ERR_INVALID_CONFIG", "an integer > 2");
  });

  it("accepts the names of a bare model", async () => {
    const part = await sparsePart("splade-mpnet");
    const bare = withNames(part, (name) => name.replace(/^mpnet\./, ""));
    assert.equal(maskedLanguageModel(bare).weights.size, maskedLanguageModel(part).weights.size);
  });
});
