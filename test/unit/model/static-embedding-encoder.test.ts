/** Vectors from a table of token weights. */

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import path from "node:path";

import { StaticEmbedding } from "../../../dist/model/static-embedding-encoder";
import { TextTokenizer } from "../../../dist/tokenization/tokenizer";
import { safetensors, withFolder } from "../../support/checkpoint-folder";

const FOLDER = path.join(__dirname, "../../data/checkpoints/inffree-router-v6/query_0_SparseStaticEmbedding");
/** Of every call. */
const RUN = { model: "test" };
const TEXT = "import the object , object import and the iterable";

/** With the weight that `weightOf` returns for each id. */
async function withTable<T>(
  weightOf: (id: number) => number,
  use: (embedding: StaticEmbedding) => Promise<T>,
  { size = 670, maxSeqLength }: { readonly size?: number; readonly maxSeqLength?: number } = {},
): Promise<T> {
  return withFolder({}, async (folder) => {
    const weights = new Uint8Array(Float32Array.from({ length: size }, (_, id) => weightOf(id)).buffer);
    const file = path.join(folder, "model.safetensors");
    const header = { weight: { dtype: "F32", shape: [size], data_offsets: [0, weights.length] } };
    const bytes = safetensors(header, weights);
    await writeFile(file, bytes);
    const tensor = {
      name: "weight",
      dtype: "F32",
      shape: [size],
      file,
      offset: bytes.length - weights.length,
      byteLength: weights.length,
    } as const;
    const options = maxSeqLength === undefined ? {} : { maxSeqLength };
    const embedding = await StaticEmbedding.load({ kind: "static", folder: FOLDER, weights: { tensor }, maxSeqLength: 64 }, options);
    try {
      return await use(embedding);
    } finally {
      embedding.dispose();
    }
  });
}

/** The ids of TEXT, each once, ascending. */
async function idsOf(text: string): Promise<number[]> {
  const tokenizer = await TextTokenizer.load({ folder: FOLDER, maxLength: 64, lowerCase: false });
  const { ids } = await tokenizer.encode([text], { addSpecialTokens: false });
  tokenizer.dispose();
  assert.ok(new Set(ids).size < ids.length, "the text repeats a token");
  return [...new Set(ids)].sort((a, b) => a - b);
}

describe("StaticEmbedding", () => {
  it("returns every token of a text once, in ascending order", async () => {
    const ids = await idsOf(TEXT);
    await withTable(
      (id) => id + 1,
      async (embedding) => {
        const matrix = await embedding.encode([TEXT, "", TEXT], undefined, 670, RUN);
        assert.deepEqual([...matrix.indptr], [0, ids.length, ids.length, 2 * ids.length]);
        for (const row of [matrix.row(0), matrix.row(2)]) {
          assert.deepEqual([...row.indices], ids);
          assert.deepEqual(
            [...row.values],
            ids.map((id) => id + 1),
          );
        }
      },
    );
  });

  it("omits tokens without weight and keeps negative ones", async () => {
    const ids = await idsOf(TEXT);
    const [first = -1, second = -1] = ids;
    await withTable(
      (id) => (id === first ? 0 : id === second ? -1.5 : 1),
      async (embedding) => {
        const { indices, values } = (await embedding.encode([TEXT], undefined, 670, RUN)).row(0);
        assert.deepEqual([...indices], ids.slice(1));
        assert.equal(values[0], -1.5);
      },
    );
  });

  it("keeps the weights of the largest magnitude; of equal ones, the lower ids", async () => {
    const ids = await idsOf(TEXT);
    const [first = -1, second = -1] = ids;
    const last = ids.at(-1) ?? -1;
    await withTable(
      (id) => (id === last ? -9 : 2),
      async (embedding) => {
        const { indices, values } = (await embedding.encode([TEXT], 3, 670, RUN)).row(0);
        assert.deepEqual([...indices], [first, second, last]);
        assert.deepEqual([...values], [2, 2, -9]);
      },
    );
  });

  it("truncates texts and reports which", async () => {
    await withTable(
      () => 1,
      async (embedding) => {
        assert.equal(embedding.maxSeqLength, 2);
        const matrix = await embedding.encode(["import", TEXT, ""], undefined, 670, RUN);
        assert.deepEqual([...matrix.truncated], [0, 1]);
        assert.ok(matrix.row(1).indices.length <= 2);
      },
      { maxSeqLength: 2 },
    );
  });

  it("has at least as many columns as requested", async () => {
    await withTable(
      () => 1,
      async (embedding) => {
        assert.equal(embedding.columns, 700);
        assert.equal((await embedding.encode(["import"], undefined, 1000, RUN)).cols, 1000);
      },
      { size: 700 },
    );
  });

  it("rejects a table smaller than the vocabulary", async () => {
    await assert.rejects(
      withTable(
        () => 1,
        () => Promise.resolve(),
        { size: 669 },
      ),
      { code: "ERR_INVALID_TOKENIZER", message: /ids up to 669, but the model has 669 embeddings/ },
    );
  });

  it("stops when aborted", async () => {
    await withTable(
      () => 1,
      async (embedding) => {
        await assert.rejects(embedding.encode([TEXT], undefined, 670, { ...RUN, signal: AbortSignal.abort() }), { code: "ERR_ABORTED" });
        embedding.dispose();
        await assert.rejects(embedding.encode([TEXT], undefined, 670, RUN), { code: "ERR_DISPOSED" });
      },
    );
  });
});
