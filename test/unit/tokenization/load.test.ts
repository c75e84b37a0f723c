/** TextTokenizer.load on files that are missing, broken or inconsistent, and the precedence of files. */

import assert from "node:assert/strict";
import { chmod, mkdir } from "node:fs/promises";
import path from "node:path";

import fc from "fast-check";

import type { ErrorCode } from "../../../dist/errors";
import { SparseRerankError } from "../../../dist/errors";
import { TextTokenizer } from "../../../dist/tokenization/tokenizer";
import { fails, withFolder } from "../../support/checkpoint-folder";
import type { Files } from "../../support/checkpoint-folder";
import { skip } from "../../support/skip";
import { loadFixture, readFixture, sequences, tokensOf, withTokenizer, wordLevel } from "../../support/tokenization-support";

const load = (folder: string): Promise<TextTokenizer> => TextTokenizer.load({ folder, maxLength: undefined, lowerCase: false });

/** Asserts that loading these files fails with this error; every message names the file. */
function refuses(what: string, files: Files, code: ErrorCode, ...patterns: RegExp[]): void {
  it(`rejects ${what}`, () => withFolder(files, (folder) => fails(load(folder), code, ...patterns)));
}

/** A tokenizer.json that differs from a valid one in these parts. */
function refusesParts(what: string, parts: object, ...patterns: RegExp[]): void {
  refuses(what, wordLevel(["a"], parts), "ERR_INVALID_TOKENIZER", /tokenizer\.json/, ...patterns);
}

describe("loading a tokenizer: the files", () => {
  refuses("a folder without any", {}, "ERR_FILE_NOT_FOUND", /no tokenizer\.json/);
  refuses(
    "a vocab.json without merges.txt",
    { "vocab.json": { a: 0 }, "tokenizer_config.json": { tokenizer_class: "RobertaTokenizer" } },
    "ERR_FILE_NOT_FOUND",
    /nor a vocab\.json with merges\.txt, which the tokenizer class RobertaTokenizer needs/,
  );
  for (const tokenizer_class of ["XLMRobertaTokenizer", "CamembertTokenizer", "DebertaV2Tokenizer"]) {
    refuses(
      `a SentencePiece model alone for ${tokenizer_class}`,
      { "sentencepiece.bpe.model": "x", "spm.model": "x", "vocab.txt": "a", "tokenizer_config.json": { tokenizer_class } },
      "ERR_FILE_NOT_FOUND",
      /no tokenizer\.json, .* SentencePiece model.*save it, which writes a tokenizer\.json/,
    );
  }
  refuses("what is not JSON", { "tokenizer.json": "{" }, "ERR_INVALID_TOKENIZER", /tokenizer\.json.*not JSON/);
  refuses("an array", { "tokenizer.json": [] }, "ERR_INVALID_TOKENIZER", /tokenizer\.json: the file is an array, expected an object/);
  refuses("another JSON file", { "tokenizer.json": { vocab: {} } }, "ERR_INVALID_TOKENIZER", /the file has no "model"/);
  refuses(
    "a broken tokenizer_config.json",
    { ...wordLevel(["a"]), "tokenizer_config.json": "nothing" },
    "ERR_INVALID_TOKENIZER",
    /tokenizer_config\.json/,
  );
  refuses(
    "a wrong type in tokenizer_config.json",
    { ...wordLevel(["a"]), "tokenizer_config.json": { tokenizer_class: 7 } },
    "ERR_INVALID_TOKENIZER",
    /tokenizer_config\.json: tokenizer_class is 7, expected a string/,
  );
  refuses(
    "an unknown side of truncation",
    { ...wordLevel(["a"]), "tokenizer_config.json": { truncation_side: "top" } },
    "ERR_INVALID_TOKENIZER",
    /truncation_side is "top", expected one of left, right/,
  );
  refuses("a vocab.txt whose class nobody names", { "vocab.txt": "[UNK]\na\n" }, "ERR_FILE_NOT_FOUND", /no tokenizer\.json/);

  it("reports a file that cannot be read", () =>
    withFolder({}, async (folder) => {
      await mkdir(path.join(folder, "tokenizer.json"));
      await fails(load(folder), "ERR_FILE_UNREADABLE", /tokenizer\.json is a folder; expected a file/);
    }));

  it("reports a file without read permission", function () {
    if (process.getuid?.() === 0 || process.platform === "win32") skip(this, "root reads every file");
    return withFolder(wordLevel(["a"]), async (folder) => {
      await chmod(path.join(folder, "tokenizer.json"), 0);
      await fails(load(folder), "ERR_FILE_UNREADABLE", /tokenizer\.json.*EACCES/);
    });
  });

  it("rejects a broken large file like a small one, though a worker reads it", async () => {
    const words = Array.from({ length: 40_000 }, (_, i) => `word${String(i)}`);
    await withTokenizer(wordLevel(words), async (tokenizer) => {
      assert.equal(tokenizer.vocabularySize, 40_001);
      assert.deepEqual(await tokensOf(tokenizer, "word39999 word40000"), ["word39999", "?"]);
    });
    await withFolder(wordLevel(words, { pre_tokenizer: { type: "Nonsense" } }), (folder) =>
      fails(load(folder), "ERR_INVALID_TOKENIZER", /tokenizer\.json: pre_tokenizer .*"Nonsense"/),
    );
  });
});

describe("loading a tokenizer: the fields of tokenizer.json", () => {
  const model = (parts: object): object => ({ model: { type: "WordLevel", vocab: { "?": 0, a: 1 }, unk_token: "?", ...parts } });
  const bpe = (parts: object): object => model({ type: "BPE", vocab: { a: 0, b: 1, ab: 2 }, merges: [], unk_token: null, ...parts });
  const unigram = (parts: object): object => model({ type: "Unigram", vocab: [["a", -1]], unk_id: 0, ...parts });

  refusesParts("an unknown model", model({ type: "Neural" }), /model has the unknown type "Neural"/);
  refusesParts("a model without a vocabulary", model({ vocab: null }), /model has no "vocab"/);
  refusesParts("a vocabulary of holes", model({ vocab: { "?": 0, a: 2 ** 21 } }), /model\.vocab has 2 tokens, but ids up to 2097152/);
  refusesParts("two tokens with one id", model({ vocab: { "?": 0, a: 1, b: 1 } }), /"a" and "b" to the same id 1/);
  for (const id of [1.5, -1, "1", null, 1e20]) {
    refusesParts(
      `the id ${JSON.stringify(id)}`,
      model({ vocab: { "?": 0, a: id } }),
      /model\.vocab maps "a" to the id .*, expected an integer/,
    );
  }
  refusesParts("a token with a lone surrogate", model({ vocab: { "?": 0, "a\ud800": 1 } }), /lone surrogate/);
  refusesParts("an unknown token outside the vocabulary", model({ unk_token: "[UNK]" }), /unk_token "\[UNK\]", which is not in/);
  refusesParts("a merge of unknown tokens", bpe({ merges: ["a x"] }), /merge 0 with "x"/);
  refusesParts("a merge into an unknown token", bpe({ merges: [["b", "a"]] }), /merge 0 with "ba"/);
  refusesParts("a merge that is not a pair", bpe({ merges: ["a b", "a b c"] }), /model\.merges has at index 1/);
  refusesParts("dropout", bpe({ dropout: 0.1 }), /random/);
  refusesParts("a Unigram vocabulary of other things", unigram({ vocab: [["a", -1], ["b"]] }), /model\.vocab has at index 1/);
  refusesParts("an unk_id outside the vocabulary", unigram({ unk_id: 9 }), /unk_id 9/);
  refusesParts("Unigram without an unknown token", unigram({ unk_id: null }), /unk_id undefined/);

  refusesParts("an unknown normalizer", { normalizer: { type: "Magic" } }, /normalizer has the unknown type "Magic"/);
  refusesParts(
    "a normalizer deep in a sequence",
    { normalizer: { type: "Sequence", normalizers: [{ type: "NFC" }, { type: "Strip", strip_left: 1, strip_right: true }] } },
    /normalizer\.normalizers\[1\]\.strip_left is 1, expected true or false/,
  );
  refusesParts("a normalizer without a type", { normalizer: {} }, /normalizer has no "type"/);
  refusesParts("a charsmap that is not base64", { normalizer: { type: "Precompiled", precompiled_charsmap: "?" } }, /not base64/);
  refusesParts("a charsmap that is none", { normalizer: { type: "Precompiled", precompiled_charsmap: "AAAA" } }, /precompiled_charsmap/);
  refusesParts(
    "a pattern that JavaScript does not have",
    { normalizer: { type: "Replace", pattern: { Regex: "(" }, content: "" } },
    /normalizer\.pattern has no equivalent/,
  );
  refusesParts(
    "an unknown pre-tokenizer",
    { pre_tokenizer: { type: "Magic" } },
    /pre_tokenizer has the unknown or unsupported type "Magic"/,
  );
  refusesParts(
    "an unknown behavior",
    { pre_tokenizer: { type: "Punctuation", behavior: "Eaten" } },
    /pre_tokenizer\.behavior is "Eaten", expected one of Removed, Isolated/,
  );
  refusesParts("pieces of length 0", { pre_tokenizer: { type: "FixedLength", length: 0 } }, /length of 0/);
  refusesParts(
    "sequences without end",
    {
      pre_tokenizer: Array.from({ length: 100 }).reduce<object>((inner) => ({ type: "Sequence", pretokenizers: [inner] }), {
        type: "Bert",
      }),
    },
    /nested too deeply/,
  );

  const template = (parts: object): object => ({
    post_processor: {
      type: "TemplateProcessing",
      single: [{ SpecialToken: { id: "X", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
      pair: [],
      special_tokens: { X: { id: "X", ids: [1], tokens: ["a"] } },
      ...parts,
    },
  });
  refusesParts("an unknown post-processor", { post_processor: { type: "Magic" } }, /post_processor has the unknown type/);
  refusesParts("a template with an undeclared token", template({ special_tokens: {} }), /"X", which special_tokens does not have/);
  refusesParts("a template with an unknown id", template({ special_tokens: { X: { ids: [2] } } }), /id 2, but only 2 tokens/);
  refusesParts(
    "a template of one text that wants two",
    template({ single: [{ Sequence: { id: "B", type_id: 0 } }] }),
    /single\[0\]\.Sequence\.id/,
  );
  refusesParts("a type id that is no byte", template({ single: [{ Sequence: { id: "A", type_id: 256 } }] }), /type_id is 256/);
  refusesParts("a processor with an unknown id", { post_processor: { type: "BertProcessing", cls: ["a", 1], sep: ["x", 7] } }, /id 7/);
  refusesParts(
    "two processors that add tokens",
    {
      post_processor: {
        type: "Sequence",
        processors: [1, 2].map(() => ({ type: "BertProcessing", cls: ["a", 1], sep: ["a", 1] })),
      },
    },
    /2 processors that add tokens/,
  );
  refusesParts("an added token without content", { added_tokens: [{ id: 0 }] }, /added_tokens\[0\] has no "content"/);
  refusesParts("an added token of 200,000 letters", { added_tokens: [{ id: 2, content: "x".repeat(200_000) }] }, /too long or too many/);
  refusesParts("an added token with a wrong flag", { added_tokens: [{ id: 2, content: "x", lstrip: "no" }] }, /added_tokens\[0\]\.lstrip/);

  it("accepts model files without a type", async () => {
    const wordPiece = { vocab: { "[UNK]": 0, a: 1, "##b": 2 }, unk_token: "[UNK]", continuing_subword_prefix: "##" };
    await withTokenizer(wordLevel([], { model: wordPiece }), async (tokenizer) => {
      assert.deepEqual(await tokensOf(tokenizer, "ab b"), ["a", "##b", "[UNK]"]);
    });
    await withTokenizer(wordLevel([], { model: { vocab: { a: 0, b: 1, ab: 2 }, merges: ["a b"] } }), async (tokenizer) => {
      assert.deepEqual(await tokensOf(tokenizer, "abb"), ["ab", "b"]);
    });
    await withTokenizer(
      wordLevel([], {
        model: {
          vocab: [
            ["?", 0],
            ["a", -1],
          ],
          unk_id: 0,
        },
      }),
      async (tokenizer) => {
        assert.deepEqual(await tokensOf(tokenizer, "ax"), ["a", "?"]);
      },
    );
    await withTokenizer(wordLevel([], { model: { vocab: { "?": 0, a: 1 }, unk_token: "?" } }), async (tokenizer) => {
      assert.deepEqual(await tokensOf(tokenizer, "a ax"), ["a", "?"]);
    });
  });

  it("loads a tokenizer or throws a coded error, whatever is changed", async () => {
    const sources = ["splade-bert", "splade-roberta", "splade-xlmr", "splade-modernbert"].map((name) =>
      readFixture(name, "tokenizer.json"),
    );
    const junk = fc.constantFrom<unknown>(null, 0, -1, 1.5, 1e300, "", "x", "\ud800", true, [], {}, [[]], { type: "Sequence" }, ["a", 1]);
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...sources),
        fc.array(fc.nat(), { minLength: 1, maxLength: 12 }),
        junk,
        fc.boolean(),
        async (source, steps, value, remove) => {
          const tokenizer = structuredClone(source);
          // Classes would replace much of the file: without a configuration it is used unchanged.
          changeSomewhere(tokenizer, steps, value, remove);
          await withFolder({ "tokenizer.json": tokenizer }, async (folder) => {
            const loaded = await load(folder).catch((error: unknown) => {
              assert.ok(error instanceof SparseRerankError, String(error));
              assert.match(error.message, /tokenizer\.json/);
              return undefined;
            });
            if (loaded === undefined) return;
            const batch = await loaded.encode(["import a module, 東京 [SEP]", ""]);
            assert.ok(batch.ids.every((id) => id >= 0 && id < loaded.vocabularySize));
            loaded.dispose();
          });
        },
      ),
      { numRuns: 300 },
    );
  });

  /** Descends into the object by the steps and replaces or removes what is there. */
  function changeSomewhere(root: Record<string, unknown>, steps: readonly number[], value: unknown, remove: boolean): void {
    let parent: Record<string, unknown> = root;
    for (const [depth, step] of steps.entries()) {
      const keys = Object.keys(parent);
      const key = keys[step % keys.length];
      if (key === undefined) return;
      const child = parent[key];
      if (depth < steps.length - 1 && typeof child === "object" && child !== null && Object.keys(child).length > 0) {
        parent = child as Record<string, unknown>;
        continue;
      }
      if (remove) Reflect.deleteProperty(parent, key);
      else parent[key] = value;
      return;
    }
  }
});

describe("loading a tokenizer: precedence of files", () => {
  const bert = readFixture("splade-bert", "tokenizer.json");
  const ids = async (files: Files, text: string): Promise<number[][]> =>
    withTokenizer({ "tokenizer.json": bert, ...files }, async (tokenizer) => sequences(await tokenizer.encode([text])));

  it("the class of tokenizer_config.json rebuilds the normalizer, and config.json may name the class", async () => {
    const asFile = await ids({ "tokenizer_config.json": { tokenizer_class: "PreTrainedTokenizerFast" } }, "IMPORT");
    const cased = { tokenizer_class: "BertTokenizerFast", do_lower_case: false };
    const rebuilt = await ids({ "tokenizer_config.json": cased }, "IMPORT");
    assert.notDeepEqual(rebuilt, asFile);
    assert.deepEqual(
      await ids({ "tokenizer_config.json": { do_lower_case: false }, "config.json": { model_type: "bert" } }, "IMPORT"),
      rebuilt,
    );
    assert.deepEqual(await ids({ "tokenizer_config.json": { do_lower_case: false } }, "IMPORT"), asFile);
  });

  it("a model type that ignores classes keeps the file", async () => {
    const plain = await ids({}, "IMPORT");
    const cased = { do_lower_case: false };
    const modern = { "config.json": { model_type: "modernbert" }, "tokenizer_config.json": { ...cased, tokenizer_class: "BertTokenizer" } };
    assert.deepEqual(await ids(modern, "IMPORT"), plain);
  });

  it("special tokens come from tokenizer_config.json, then special_tokens_map.json", async () => {
    const words = ["a", "<u>", "<v>"];
    const found = async (files: Files, text: string): Promise<(string | undefined)[]> =>
      withTokenizer({ ...wordLevel(words), ...files }, (tokenizer) => tokensOf(tokenizer, text));
    assert.deepEqual(await found({}, "a<u><v>"), ["?"]);
    assert.deepEqual(await found({ "tokenizer_config.json": { sep_token: "<u>" } }, "a<u>a<v>"), ["a", "<u>", "?"]);
    const map = { "special_tokens_map.json": { sep_token: { content: "<v>", lstrip: true } } };
    assert.deepEqual(await found({ ...map, "tokenizer_config.json": { sep_token: "<u>" } }, "a <v>"), ["a", "<v>"]);
    const decoder = { "7": { content: "<u>" } };
    assert.deepEqual(await found({ ...map, "tokenizer_config.json": { added_tokens_decoder: decoder } }, "<u>a<v>"), ["<u>", "?"]);
    assert.deepEqual(await found({ "tokenizer_config.json": { additional_special_tokens: ["<v>"] } }, "<u>a<v>"), ["?", "<v>"]);
    assert.deepEqual(await found({ "tokenizer_config.json": { extra_special_tokens: { image: "<v>" } } }, "<v>a"), ["<v>", "a"]);
    assert.deepEqual(
      await found({ "tokenizer_config.json": { mask_token: "<absent>" } }, "<absent>"),
      ["<absent>"],
      "behind the vocabulary",
    );
    assert.deepEqual(await found({ "tokenizer_config.json": { image_token: "<v>" } }, "<v>a"), ["<v>", "a"], "a name of its own");
  });

  it("lowerCase comes before everything else", async () => {
    const plain = await loadFixture("splade-bert-cased");
    const lower = await loadFixture("splade-bert-cased", { lowerCase: true });
    assert.deepEqual(sequences(await lower.encode(["Import A MODULE"])), sequences(await plain.encode(["import a module"])));
    plain.dispose();
    lower.dispose();
  });

  it("truncation and padding in tokenizer.json are ignored", async () => {
    const tokenizer = await loadFixture("ce-bert-minilm");
    assert.equal(tokenizer.maxLength, undefined);
    const [short, long] = sequences(await tokenizer.encode(["a", "a ".repeat(50)]));
    assert.deepEqual([short?.length, long?.length], [3, 52]);
    tokenizer.dispose();
  });

  it("vocab.txt, or vocab.json with merges.txt, replace tokenizer.json", async () => {
    const { vocab } = bert["model"] as { vocab: Record<string, number> };
    const lines = Object.keys(vocab).sort((a, b) => vocab[a]! - vocab[b]!);
    const files = { "vocab.txt": `${lines.join("\r\n")}\r\n`, "config.json": { model_type: "bert" } };
    await withTokenizer(files, async (tokenizer) => {
      assert.deepEqual(sequences(await tokenizer.encode(["Import a module"])), await ids({}, "import a module"));
    });
    const roberta = readFixture("splade-roberta", "tokenizer.json")["model"] as { vocab: object; merges: (string | string[])[] };
    const merges = roberta.merges.map((merge) => (typeof merge === "string" ? merge : merge.join(" "))).join("\n");
    const older = { "vocab.json": roberta.vocab, "merges.txt": `#version: 0.2\n${merges}\n`, "config.json": { model_type: "roberta" } };
    await withTokenizer(older, async (tokenizer) => {
      const whole = await loadFixture("splade-roberta");
      assert.deepEqual(sequences(await tokenizer.encode(["import<mask>"])), sequences(await whole.encode(["import<mask>"])));
      whole.dispose();
    });
  });
});
