/** Token ids of every fixture, and of texts that are hard for every kind of tokenizer, equal the reference's. */

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";

import { TextTokenizer } from "../../dist/tokenization/tokenizer";
import { withFolder } from "../support/checkpoint-folder";
import { skip } from "../support/skip";
import { fixtures, loadFixture, readFixture, sequences, typeIds } from "../support/tokenization-support";
import { readSentencePiece } from "./sentencepiece";

interface GoldenTokens {
  readonly prompt: string;
  readonly input_ids: readonly (readonly number[])[];
  /** "none" if the tokenizer returns none: the model reads zeros, or has no types. */
  readonly token_type_ids: readonly (readonly number[])[] | "all zero" | "none";
}

interface Golden {
  readonly kind: "sparse" | "cross";
  readonly input_names: readonly string[];
  readonly texts: readonly string[];
  readonly pairs: readonly (readonly [string, string])[];
  readonly max_seq_length: number;
  readonly max_seq_length_per_route?: Readonly<Record<string, number>>;
  /** Absent for encoders, which read texts. Messages: test/golden/chat.test.ts. */
  readonly modality?: "text" | "message";
  /** For a sparse encoder, by route: tokens, or "same as …". */
  readonly tokens: GoldenTokens | Readonly<Record<string, GoldenTokens | string>>;
}

/** The folder of a route's first module: its own (Router, Asym), or the checkpoint's. */
function tokenizerFolder(root: string, route: string): string {
  const own = fs.readdirSync(root).find((name) => name.startsWith(`${route}_0_`));
  return own === undefined ? root : path.join(root, own);
}

/** According to sentence_bert_config.json of one fixture. */
function lowerCases(folder: string): boolean {
  const file = path.join(folder, "sentence_bert_config.json");
  return fs.existsSync(file) && (JSON.parse(fs.readFileSync(file, "utf8")) as { do_lower_case?: boolean }).do_lower_case === true;
}

describe("token ids of the fixtures", () => {
  const names = fs
    .readdirSync(fixtures, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);

  for (const name of names) {
    const golden = readFixture(name, "golden.json") as unknown as Golden;
    if (golden.modality === "message") continue;
    const routes = "input_ids" in golden.tokens ? { "": golden.tokens as GoldenTokens } : golden.tokens;
    for (const [route, expected] of Object.entries(routes)) {
      if (typeof expected === "string") continue;
      it([name, route].join(" ").trim(), async () => {
        const folder = tokenizerFolder(path.join(fixtures, name), route);
        const maxLength = golden.max_seq_length_per_route?.[route] ?? golden.max_seq_length;
        const tokenizer = await TextTokenizer.load({ folder, maxLength, lowerCase: lowerCases(folder) });
        const addSpecialTokens = !folder.endsWith("SparseStaticEmbedding");
        const batch =
          golden.kind === "cross"
            ? await tokenizer.encodePairs(golden.pairs.map(([query, document]) => [expected.prompt + query, document]))
            : await tokenizer.encode(
                golden.texts.map((text) => expected.prompt + text),
                { addSpecialTokens },
              );
        tokenizer.dispose();
        const zeros = expected.input_ids.map((ids) => ids.map(() => 0));
        golden.input_names.forEach((input, i) => {
          assert.deepEqual(sequences(batch)[i], expected.input_ids[i], input);
        });
        const { token_type_ids: types } = expected;
        const areZero = types === "all zero" || types === "none";
        assert.deepEqual(typeIds(batch), areZero ? zeros : types);
        assert.equal(batch.typeIds === undefined, areZero);
      });
    }
  }
});

describe("token ids of hard texts", () => {
  const { texts, ids } = readFixture("tokenization.json") as unknown as {
    readonly texts: readonly string[];
    readonly ids: Readonly<Record<string, readonly (readonly number[])[]>>;
  };
  for (const [name, expected] of Object.entries(ids)) {
    it(name, async () => {
      const tokenizer = await loadFixture(name, { lowerCase: name === "splade-do-lower-case" });
      const actual = sequences(await tokenizer.encode(texts));
      tokenizer.dispose();
      texts.forEach((text, i) => {
        assert.deepEqual(actual[i], expected[i], JSON.stringify(text));
      });
    });
  }
});

/** Data that is only on developers' machines; see its README.md. */
const data = path.join(__dirname, "..", "..", "..", "shared", "data", "tokenizers");

interface PublishedGolden {
  readonly datasets: readonly { readonly input: string; readonly ids: readonly number[] }[];
}

describe("token ids of published vocabularies", () => {
  before(function () {
    if (!fs.existsSync(data)) skip(this, `${data} is absent`);
  });

  async function compare(folder: string, golden: string, except: readonly RegExp[] = []): Promise<void> {
    const { datasets } = JSON.parse(fs.readFileSync(path.join(data, "golden", golden), "utf8")) as PublishedGolden;
    const tokenizer = await TextTokenizer.load({ folder, maxLength: undefined, lowerCase: false });
    const compared = datasets.filter(({ input }) => !except.some((pattern) => pattern.test(input)));
    const actual = sequences(await tokenizer.encode(compared.map(({ input }) => input)));
    tokenizer.dispose();
    assert.ok(compared.length >= 36);
    compared.forEach(({ input, ids }, i) => {
      assert.deepEqual(actual[i], ids, input);
    });
  }

  // The published ids are those of the slow tokenizer, which returns one more token for a number in this text.
  const LLAMA = [/llama/i];

  it("bert-base-uncased", () =>
    withFolder(
      {
        "tokenizer.json": fs.readFileSync(path.join(data, "bert-base-uncased", "tokenizer.json")),
        "tokenizer_config.json": { tokenizer_class: "BertTokenizer" },
      },
      (folder) => compare(folder, "models--bert-base-uncased.json", LLAMA),
    ));

  it("a cross-encoder's, from vocab.txt", () =>
    compare(path.join(data, "ms-marco-TinyBERT-L-2-v2"), "models--cross-encoder--ms-marco-MiniLM-L-12-v2.json", LLAMA));

  it("roberta-base, from vocab.json and merges.txt", () =>
    withFolder(
      {
        "vocab.json": fs.readFileSync(path.join(data, "roberta-base", "vocab.json")),
        "merges.txt": fs.readFileSync(path.join(data, "roberta-base", "merges.txt")),
        "tokenizer_config.json": { tokenizer_class: "RobertaTokenizer" },
      },
      (folder) => compare(folder, "models--roberta-base.json"),
    ));

  it("deberta-v3, 128,000 Unigram pieces with their charsmap and byte fallback", () => {
    const { pieces, charsmap } = readSentencePiece(fs.readFileSync(path.join(data, "deberta-v3", "spm.model")));
    const tokenizer = {
      normalizer: {
        type: "Sequence",
        normalizers: [
          { type: "Strip", strip_left: true, strip_right: true },
          { type: "Precompiled", precompiled_charsmap: charsmap.toString("base64") },
          { type: "Replace", pattern: { Regex: " {2,}" }, content: " " },
        ],
      },
      pre_tokenizer: { type: "Metaspace", replacement: "▁", prepend_scheme: "always", split: true },
      post_processor: { type: "BertProcessing", cls: ["[CLS]", 1], sep: ["[SEP]", 2] },
      model: { type: "Unigram", unk_id: 3, vocab: pieces, byte_fallback: true },
    };
    // The published ids have special tokens of the text as special ids; nothing here declares them.
    return withFolder({ "tokenizer.json": tokenizer }, (folder) =>
      compare(folder, "models--microsoft--deberta-v3-base.json", [/\[CLS\]|\[SEP\]/]),
    );
  });
});
