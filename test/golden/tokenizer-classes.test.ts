/**
 * Folders as transformers 5 reads them (test/reference-tokenization/tokenizer-classes/generate.py): each tokenizer class, vocabulary files without tokenizer.json,
 * added tokens, and truncation. Ids equal the reference's; what it rejects is rejected.
 */

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";

import { SparseRerankError } from "../../dist/errors";
import { UNSUPPORTED_CLASSES } from "../../dist/tokenization/files/unsupported-classes";
import { TextTokenizer } from "../../dist/tokenization/tokenizer";
import { fails, withFolder } from "../support/checkpoint-folder";
import { sequences, typeIds, withTokenizer } from "../support/tokenization-support";

interface Case {
  readonly name: string;
  readonly files: Readonly<Record<string, number>>;
  readonly max_length?: number;
  readonly single: readonly (readonly number[])[];
  readonly pairs: readonly (readonly number[])[];
  readonly types: readonly (readonly number[] | null)[];
  readonly error?: string;
}

const reference = path.join(__dirname, "..", "data", "tokenization", "tokenizer-classes", "cases.json");
const { texts, pairs, files, cases } = JSON.parse(fs.readFileSync(reference, "utf8")) as {
  readonly texts: readonly string[];
  readonly pairs: readonly (readonly [string, string])[];
  readonly files: readonly (string | object)[];
  readonly cases: readonly Case[];
};

describe("tokenizer folders are read as by transformers", () => {
  for (const example of cases) {
    const contents = Object.fromEntries(Object.entries(example.files).map(([name, file]) => [name, files[file] ?? ""]));
    if (example.error === undefined) {
      it(example.name, () =>
        withTokenizer(
          contents,
          async (tokenizer) => {
            const single = sequences(await tokenizer.encode(texts));
            texts.forEach((text, i) => {
              assert.deepEqual(single[i], example.single[i], JSON.stringify(text));
            });
            const batch = await tokenizer.encodePairs(pairs);
            assert.deepEqual(sequences(batch), example.pairs);
            const types = example.types.map((ids, i) => ids ?? example.pairs[i]?.map(() => 0));
            assert.deepEqual(typeIds(batch), types);
          },
          example.max_length,
        ),
      );
    } else {
      it(`${example.name}: rejected`, () =>
        withFolder(contents, (folder) =>
          assert.rejects(TextTokenizer.load({ folder, maxLength: example.max_length, lowerCase: false }), SparseRerankError),
        ));
    }
  }
});

describe("unsupported tokenizer classes", () => {
  const folder = (name: string): Record<string, object | string> => ({
    "tokenizer.json": files[cases[0]?.files["tokenizer.json"] ?? 0] ?? "",
    "tokenizer_config.json": { tokenizer_class: name },
    "config.json": { model_type: "bert" },
  });
  for (const name of ["BertJapaneseTokenizer", "PhobertTokenizer", "BertweetTokenizer", "CanineTokenizer", "AlbertTokenizerFast"]) {
    it(`${name} is rejected by name, even with a tokenizer.json`, () =>
      withFolder(folder(name), (root) =>
        fails(
          TextTokenizer.load({ folder: root, maxLength: undefined, lowerCase: false }),
          "ERR_NOT_SUPPORTED",
          new RegExp(`tokenizer_config\\.json: the tokenizer class ${name.replace("Fast", "")} .* is not supported`),
        ),
      ));
  }

  it("are all rejected", async () => {
    for (const name of UNSUPPORTED_CLASSES) {
      await withFolder(folder(name), (root) =>
        fails(TextTokenizer.load({ folder: root, maxLength: undefined, lowerCase: false }), "ERR_NOT_SUPPORTED", new RegExp(name)),
      );
    }
  });

  it("include a class in the repository of a model with custom code", () =>
    withFolder(
      {
        ...folder("SomeTokenizer"),
        "tokenizer_config.json": { tokenizer_class: "SomeTokenizer", auto_map: { AutoTokenizer: ["tokenization.SomeTokenizer", null] } },
        "config.json": { model_type: "new" },
      },
      (root) =>
        fails(
          TextTokenizer.load({ folder: root, maxLength: undefined, lowerCase: false }),
          "ERR_NOT_SUPPORTED",
          /auto_map\.AutoTokenizer is Python code of the repository/,
        ),
    ));
});
