/** Tokenizer files and texts designed to exhaust time or memory. */

import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";

import { compileTokenizer } from "../../../dist/tokenization/files/compile";
import { WorkerClient } from "../../../dist/tokenization/workers/worker-client";
import { fails, withFolder } from "../../support/checkpoint-folder";
import { loadFixture, tokensOf, withTokenizer, wordLevel } from "../../support/tokenization-support";

const sequence = (normalizers: readonly object[]): object => ({ normalizer: { type: "Sequence", normalizers } });
const replace = (pattern: object, content: string): object => ({ type: "Replace", pattern, content });
/** Backtracks practically forever on twenty-odd letters a followed by another character. */
const ENDLESS = { normalizer: replace({ Regex: "(a|a)+$" }, "") };
const ATTACK = `${"a".repeat(60)}!`;

describe("hostile tokenizer files", () => {
  const growing: [what: string, parts: object][] = [
    ["Replace chains", sequence(Array.from({ length: 40 }, () => replace({ String: "a" }, "aa")))],
    ["Replace with long contents", sequence(Array.from({ length: 4 }, () => replace({ Regex: "." }, "a".repeat(1000))))],
    ["Replace of empty matches", sequence(Array.from({ length: 40 }, () => replace({ Regex: "x*" }, "ab")))],
    ["ByteLevel after growth", sequence([...Array.from({ length: 16 }, () => replace({ String: "é" }, "éé")), { type: "ByteLevel" }])],
  ];
  for (const [what, parts] of growing) {
    it(`fail with ERR_TOO_LARGE: ${what}`, () =>
      withTokenizer(wordLevel(["a"], parts), (tokenizer) =>
        fails(tokenizer.encode(["aé".repeat(500)]), "ERR_TOO_LARGE", /256 times as long/),
      ));
  }

  const refused: [what: string, parts: object, pattern: RegExp][] = [
    ["long contents of Replace", { normalizer: replace({ String: "a" }, "a".repeat(2000)) }, /2000 units, expected at most 1024/],
    ["long prefixes", { normalizer: { type: "Prepend", prepend: "a".repeat(2000) } }, /at most 1024/],
    ["many steps", sequence(Array.from({ length: 100 }, () => ({ type: "NFC" }))), /more than 64 steps/],
    [
      "bytes of bytes of bytes",
      {
        pre_tokenizer: {
          type: "Sequence",
          pretokenizers: Array.from({ length: 5 }, () => ({ type: "ByteLevel", add_prefix_space: true })),
        },
      },
      /ByteLevel more than 4 times/,
    ],
    [
      "templates of many tokens",
      {
        post_processor: {
          type: "TemplateProcessing",
          single: Array.from({ length: 1000 }, () => ({ Sequence: { id: "A", type_id: 0 } })),
          pair: [],
          special_tokens: {},
        },
      },
      /more than 256 parts/,
    ],
  ];
  for (const [what, parts, pattern] of refused) {
    it(`are rejected: ${what}`, () =>
      withFolder(wordLevel(["a"], parts), (folder) =>
        fails(compileTokenizer({ folder, maxLength: undefined, lowerCase: false }), "ERR_INVALID_TOKENIZER", pattern),
      ));
  }

  it("never run their own patterns on the JS thread: an abort ends them, and other calls continue", () =>
    withTokenizer(wordLevel(["a", "b"], ENDLESS), async (tokenizer) => {
      assert.deepEqual(await tokensOf(tokenizer, "a b"), ["a", "b"]);
      const controller = new AbortController();
      const stuck = tokenizer.encode([ATTACK], { signal: controller.signal });
      const other = await loadFixture("splade-bert", { maxLength: 32 });
      const waiting = other.encode(["a module ".repeat(5000)]);
      await delay(50);
      controller.abort();
      await fails(stuck, "ERR_ABORTED");
      assert.equal((await waiting).ids.length, 32);
      other.dispose();
      assert.deepEqual(await tokensOf(tokenizer, "b"), ["b"]);
    }));

  it("lose a worker that exceeds its time limit; other requests get their results from another", () =>
    withFolder(wordLevel(["a", "b"], ENDLESS), async (folder) => {
      const options = { folder, maxLength: undefined, lowerCase: false };
      const client = new WorkerClient({ stays: false });
      const definition = await client.compile(options);
      const settings = { pairs: false, addSpecialTokens: true };
      const stuck = client.encode({ id: 1, definition }, [ATTACK], settings, 300);
      const other = client.encode({ id: 1, definition }, ["a b"], settings, 60_000);
      await fails(stuck.result, "ERR_TOO_LARGE", /time limit of 0\.3 s/);
      assert.equal((await other.result).ids.length, 2);
      client.close(1);
    }));
});
