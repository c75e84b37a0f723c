/**
 * Checkpoints from public reports (test/fixtures/reports) with unusual tokenizer or JSON files: scores and ids equal the reference's, or a
 * coded error.
 */

import assert from "node:assert/strict";
import { cp, readFile, rm, writeFile } from "node:fs/promises";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

import { CrossEncoder, SparseEncoder } from "../../dist";
import { fails } from "../support/checkpoint-folder";
import { assertRows, close, fixtures } from "./golden";
import type { GoldenRow } from "./golden";

const TOLERANCE = { abs: 2e-5, rel: 2e-5 };

interface SparseReport {
  readonly kind: "sparse";
  readonly texts: readonly string[];
  readonly reference: {
    readonly max: number;
    readonly document: readonly GoldenRow[];
    readonly query: readonly GoldenRow[];
    readonly ids: readonly (readonly number[])[];
  };
}

interface CrossReport {
  readonly kind: "cross";
  readonly pairs: readonly (readonly [string, string])[];
  readonly reference: { readonly max: number; readonly scores: readonly number[] };
}

const folderOf = (name: string): string => path.join(__dirname, "..", "data", "reports", name);
const read = (name: string): SparseReport | CrossReport =>
  JSON.parse(fs.readFileSync(path.join(folderOf(name), "expected.json"), "utf8")) as SparseReport | CrossReport;

/**
 * This tokenizer pads on the left, which shifts BERT's positions: in the reference, the weights of a text depend on the others in its
 * batch. Here they equal those of the text alone.
 */
function alone(name: string): Pick<SparseReport["reference"], "document" | "query"> {
  const rows = JSON.parse(fs.readFileSync(path.join(folderOf(name), "expected-alone.json"), "utf8")) as readonly GoldenRow[];
  return { document: rows, query: rows };
}

for (const name of [
  ...["deberta-v1-pairs-named", "json-nan-config-nan", "truncation-left-bert", "truncation-left-modernbert", "regex-inlineflag"],
  ...["added-tokens-not-resized", "vocab-txt-duplicate", "vocab-txt-trailing-space"],
]) {
  it(`report ${name}: results equal the reference's`, async () => {
    const report = read(name);
    if (report.kind === "sparse") {
      const encoder = await SparseEncoder.load(folderOf(name));
      const { max, ids } = report.reference;
      const { document, query } = name === "truncation-left-bert" ? alone(name) : report.reference;
      assert.equal(encoder.maxSeqLength, max);
      assert.deepEqual(
        (await encoder.tokenize(report.texts)).map((tokens) => [...tokens]),
        ids,
      );
      assertRows(await encoder.encodeDocument(report.texts), document, TOLERANCE, name);
      assertRows(await encoder.encodeQuery(report.texts), query, TOLERANCE, name);
      await encoder.close();
    } else {
      const encoder = await CrossEncoder.load(folderOf(name));
      assert.equal(encoder.maxSeqLength, report.reference.max);
      const { data } = await encoder.predict(report.pairs);
      report.reference.scores.forEach((score, i) => {
        assert.ok(close(data[i] ?? NaN, score, TOLERANCE), `pair ${String(i)}: ${String(data[i])}, expected ${String(score)}`);
      });
      await encoder.close();
    }
  });
}

it("report unsupported-japanese-with-json: a class that exists only in Python is rejected by name", () =>
  fails(
    CrossEncoder.load(folderOf("unsupported-japanese-with-json")),
    "ERR_NOT_SUPPORTED",
    /tokenizer_config\.json: the tokenizer class BertJapaneseTokenizer of transformers is not supported/,
  ));

describe("added tokens without embeddings", () => {
  const TEXT = "plain import zznew";
  const MESSAGE = /"plain import zznew".* contains the added token "zznew" with the id 500, but the model has 500 embeddings/;

  it("are rejected if a text contains one, and other texts still work", async () => {
    const encoder = await SparseEncoder.load(folderOf("added-tokens-not-resized"));
    await fails(encoder.encodeDocument(["plain import", TEXT]), "ERR_INVALID_TOKENIZER", MESSAGE);
    await fails(encoder.encodeQuery([TEXT]), "ERR_INVALID_TOKENIZER", MESSAGE);
    assert.equal((await encoder.encodeDocument(["plain import"])).rows, 1);
    // Truncated: no model sees it.
    assert.equal((await encoder.encodeDocument([`${"plain ".repeat(100)} zznew`])).rows, 1);
    await encoder.close();
  });

  it("do not affect a cross-encoder either", async () => {
    const folder = await temporaryCopy("ce-bert-minilm", (config) => ({ ...config, extra_special_tokens: ["zznew"] }));
    try {
      const encoder = await CrossEncoder.load(folder);
      assert.equal((await encoder.predict([["a query", "a document"]])).rows, 1);
      await fails(encoder.predict([["a query", "a zznew document"]]), "ERR_INVALID_TOKENIZER", /the added token "zznew"/);
      await encoder.close();
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

/** A fixture with another tokenizer_config.json. */
async function temporaryCopy(name: string, change: (config: object) => object): Promise<string> {
  const folder = await fs.promises.mkdtemp(path.join(os.tmpdir(), "sparse-rerank-"));
  await cp(path.join(fixtures, name), folder, { recursive: true });
  const file = path.join(folder, "tokenizer_config.json");
  await writeFile(file, JSON.stringify(change(JSON.parse(await readFile(file, "utf8")) as object)));
  return folder;
}
