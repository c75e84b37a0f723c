import assert from "node:assert/strict";

import { SparseEncoder, SparseMatrix } from "sparse-rerank";

import { assertRows, close, folderOf, goldens } from "./golden";
import type { SparseGolden } from "./golden";

const sparse = goldens().filter((golden): golden is SparseGolden => golden.kind === "sparse");

for (const golden of sparse) {
  describe(`golden ${golden.name}`, () => {
    const { texts, tolerance } = golden;
    const query = typeof golden.encode_query === "string" ? golden.encode_document : golden.encode_query;
    const plain = typeof golden.encode === "string" ? golden.encode_document : golden.encode;
    let encoder: SparseEncoder;

    before(async () => {
      encoder = await SparseEncoder.load(folderOf(golden.name));
    });
    after(() => encoder.close());

    it("has the reference's description", () => {
      assert.equal(encoder.maxSeqLength, golden.max_seq_length);
      assert.equal(encoder.embeddingDimension, golden.dimension);
      assert.equal(encoder.similarityFunction, golden.similarity_fn_name);
    });

    it("encodes documents, queries and plain texts", async () => {
      assertRows(await encoder.encodeDocument(texts), golden.encode_document.embeddings, tolerance, "encodeDocument");
      assertRows(await encoder.encodeQuery(texts), query.embeddings, tolerance, "encodeQuery");
      assertRows(await encoder.encode(texts), plain.embeddings, tolerance, "encode");
    });

    it("computes the same bits for a text alone, in any batch and in a stream", async () => {
      const together = await encoder.encodeDocument(texts);
      for (const batchSize of [1, 3]) assert.deepEqual(await encoder.encodeDocument(texts, { batchSize }), together);
      const blocks: SparseMatrix[] = [];
      for await (const block of encoder.encodeDocumentStream(texts, { batchSize: 5 })) blocks.push(block);
      assert.deepEqual(SparseMatrix.concat(blocks), together);
    });

    it("keeps the largest weights with maxActiveDims", async () => {
      const maxActiveDims = golden.max_active_dims.k;
      const kept = await encoder.encodeDocument(texts, { maxActiveDims });
      assertRows(kept, golden.max_active_dims.encode_document, tolerance, "maxActiveDims");
      for (const row of kept) assert.ok(row.indices.length <= maxActiveDims);
      const { encode_query: queries, encode_document: documents } = golden.max_active_dims;
      const expected = typeof queries === "string" ? documents : queries;
      assertRows(await encoder.encodeQuery(texts, { maxActiveDims }), expected, tolerance, "maxActiveDims of queries");
    });

    it("compares with its similarity function", async () => {
      const similarities = await encoder.similarity(await encoder.encodeQuery(texts), await encoder.encodeDocument(texts));
      assert.deepEqual([similarities.rows, similarities.cols], [texts.length, texts.length]);
      // A product of hundreds of weights, each within the tolerance.
      const wide = { abs: 1e-3, rel: 1e-3 };
      golden.similarity_query_document.flat().forEach((expected, i) => {
        const actual = similarities.data[i] ?? NaN;
        assert.ok(close(actual, expected, wide), `pair ${String(i)}: ${String(actual)}, expected ${String(expected)}`);
      });
    });

    it("decodes to the same tokens", async () => {
      const decoded = encoder.decode(await encoder.encodeDocument(texts), 10);
      golden.encode_document.decode_top10.forEach((expected, i) => {
        const actual = decoded[i] ?? [];
        assert.equal(actual.length, expected.length, `text ${String(i)}`);
        expected.forEach(([token, weight], rank) => {
          const found = actual[rank];
          assert.ok(found !== undefined && close(found.weight, weight, tolerance), `text ${String(i)}, rank ${String(rank)}`);
          // Tokens of nearly equal weight may swap places.
          const peers = expected.filter(([, other]) => close(other, weight, tolerance)).map(([peer]) => peer);
          // The reference has no token for a column above the tokenizer's vocabulary; decode() writes its number.
          if (peers.includes(null) && /^\[\d+\]$/.test(found.token)) return;
          const last = rank === expected.length - 1 || close(expected.at(-1)?.[1] ?? NaN, weight, tolerance);
          assert.ok(
            last || peers.includes(found.token),
            `text ${String(i)}, rank ${String(rank)}: ${found.token} instead of ${String(token)}`,
          );
        });
      });
    });
  });
}
