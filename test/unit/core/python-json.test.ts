/** JSON as Python reads it, with NaN and Infinity, and the files that are read that way. */

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";

import fc from "fast-check";

import { readCheckpoint } from "../../../dist/checkpoint";
import { parsePythonJson } from "../../../dist/core/python-json";
import { TextTokenizer } from "../../../dist/tokenization/tokenizer";
import { fails, withFolder } from "../../support/checkpoint-folder";
import type { Files } from "../../support/checkpoint-folder";
import { fixtures, tokensOf, withTokenizer, wordLevel } from "../../support/tokenization-support";

/** As json.dumps writes it, with random white space. */
function dump(value: unknown, space: string): string {
  if (typeof value === "number") return Number.isFinite(value) ? JSON.stringify(value) : String(value);
  if (Array.isArray(value)) return `[${space}${value.map((item) => dump(item, space)).join(`${space},`)}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}${space}:${dump(item, space)}`);
  return `{${entries.join(`,${space}`)}${space}}`;
}

describe("parsePythonJson", () => {
  const words = fc.constantFrom("NaN", "-Infinity", '"NaN"', "\\", '\\"Infinity', "a\\\\", "__proto__", "\ud800", "NaN:");
  const text = fc.oneof(fc.string({ unit: "binary" }), words);
  const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
    tree: fc.oneof(
      { depthSize: "small" },
      fc.constantFrom<unknown>(NaN, Infinity, -Infinity, null, true, 0, 1e21),
      // JSON.stringify writes -0 as 0.
      fc.double().map((number) => (number === 0 ? 0 : number)),
      text,
      fc.array(tie("tree"), { maxLength: 4 }),
      fc.dictionary(text, tie("tree"), { maxKeys: 4, noNullPrototype: true }),
    ),
  }));

  it("reads what Python's dumps wrote", () => {
    fc.assert(
      fc.property(tree, fc.constantFrom("", " ", "\n\t"), (value, space) => {
        assert.deepEqual(parsePythonJson(dump(value, space)), value);
      }),
      { numRuns: 500 },
    );
  });

  for (const [json, value] of [
    ['{"a":NaN,"b":[Infinity,-Infinity]}', { a: NaN, b: [Infinity, -Infinity] }],
    ["NaN", NaN],
    ['{"NaN":"NaN","b":NaN}', { NaN: "NaN", b: NaN }],
    ['{"a":NaN,"a":2}', { a: 2 }],
    ['{"a":"\\ud800 NaN"}', { a: "\ud800 NaN" }],
    ['["\\"",NaN,"\\\\",-Infinity]', ['"', NaN, "\\", -Infinity]],
    ['{"a":123456789012345678901234567890,"b":1e999,"c":NaN}', { a: 1.2345678901234568e29, b: Infinity, c: NaN }],
    [" \t\r\n[NaN]\n", [NaN]],
  ] as const) {
    it(`accepts ${JSON.stringify(json)}`, () => {
      assert.deepEqual(parsePythonJson(json), value);
    });
  }

  // Each is an error of json.load in Python 3.11.
  for (const json of [
    ...['{"a":-NaN}', '{"a":+Infinity}', '{"a":nan}', '{"a":NaNs}', "[NaN", '{"a":1.5NaN}', '{"a":-Infinity1}', '{"a":1Infinity}'],
    ...[
      "{NaN:1}",
      "{Infinity:1}",
      "[1 NaN]",
      "[NaN NaN]",
      "[NaN,]",
      "NaN x",
      "[- Infinity]",
      "[--Infinity]",
      "[5-Infinity]",
      "[Infinityx]",
    ],
    ...['["NaN]', "[NaN\\]", '{"a":"\tNaN"}', "\ufeff[NaN]", "[InfinityNaN]", "[1e5Infinity]", "[-Infinity.5]", "[-Infinitye5]", ""],
  ]) {
    it(`rejects ${JSON.stringify(json)}`, () => {
      assert.throws(() => parsePythonJson(json), SyntaxError);
    });
  }

  it("takes linear time", () => {
    for (const part of ['"', "NaN", '\\"', "[NaN,", "Infinity", '"\\', "-"]) {
      assert.throws(
        () => parsePythonJson(`[NaN,${part.repeat(2_000_000)}`),
        (error) => error instanceof SyntaxError || error instanceof RangeError,
      );
    }
  });
});

const cross = path.join(fixtures, "ce-bert-minilm");
const contents = (): Files => Object.fromEntries(fs.readdirSync(cross).map((name) => [name, fs.readFileSync(path.join(cross, name))]));
/** A file of the fixture with one more field, which nothing reads. */
const withField = (name: string, field: string): string =>
  fs.readFileSync(path.join(cross, name), "utf8").replace("{", `{"unused": ${field},`);

describe("JSON files of a checkpoint", () => {
  it("config.json and tokenizer_config.json may contain NaN and Infinity", () =>
    withFolder(
      {
        ...contents(),
        "config.json": withField("config.json", "[NaN, -Infinity]"),
        "tokenizer_config.json": withField("tokenizer_config.json", "Infinity"),
        "special_tokens_map.json": '{"unused": NaN}',
        "added_tokens.json": "{}",
      },
      async (folder) => {
        await readCheckpoint(folder, "cross");
        (await TextTokenizer.load({ folder, maxLength: 8, lowerCase: false })).dispose();
      },
    ));

  it("a field that is read must not be NaN, and the message says so", () =>
    withFolder({ ...contents(), "tokenizer_config.json": '{"model_max_length": NaN}' }, (folder) =>
      fails(readCheckpoint(folder, "cross"), "ERR_INVALID_CONFIG", /"model_max_length" is NaN; expected an integer/),
    ));

  it("model_max_length may be Infinity: no limit", () =>
    withFolder({ ...contents(), "tokenizer_config.json": '{"model_max_length": Infinity}' }, async (folder) => {
      const checkpoint = await readCheckpoint(folder, "cross");
      assert.equal(checkpoint.transformer.maxSeqLength, 50);
    }));

  it("a byte order mark is rejected, as in Python", () =>
    withFolder({ ...contents(), "config.json": `\ufeff${withField("config.json", "1")}` }, (folder) =>
      fails(readCheckpoint(folder, "cross"), "ERR_INVALID_CONFIG", /config\.json is not valid JSON/),
    ));

  const load = (folder: string): Promise<TextTokenizer> => TextTokenizer.load({ folder, maxLength: undefined, lowerCase: false });
  const tokenizer = (json: string): Files => ({
    "tokenizer.json": JSON.stringify(wordLevel(["a"])["tokenizer.json"]).replace("{", `{${json},`),
  });
  for (const [what, files, pattern] of [
    ["NaN", tokenizer('"version": NaN'), /tokenizer\.json: the file is not JSON/],
    ["a lone surrogate", tokenizer('"unused": "\\ud800"'), /lone surrogate/],
    ["a lone surrogate as a key", tokenizer('"\\udc00": 1'), /lone surrogate/],
    ["a byte order mark", { "tokenizer.json": `\ufeff${JSON.stringify(wordLevel(["a"])["tokenizer.json"])}` }, /the file is not JSON/],
    ["what is not UTF-8", { "tokenizer.json": Uint8Array.of(0x7b, 0xff, 0x7d) }, /not UTF-8/],
  ] as const) {
    it(`tokenizer.json is parsed more strictly, as in tokenizers: ${what}`, () =>
      withFolder(files, (folder) => fails(load(folder), "ERR_INVALID_TOKENIZER", pattern)));
  }

  it("of duplicate keys the later value wins, in tokenizer.json too", () =>
    withTokenizer(
      { "tokenizer.json": JSON.stringify(wordLevel(["a"])["tokenizer.json"]).replace('"a":1', '"a":1,"b":2,"b":1,"a":2') },
      async (loaded) => {
        assert.deepEqual(await tokensOf(loaded, "a b"), ["a", "b"]);
      },
    ));
});
