/** Pairs of models that read messages, and prompts and shorter maxima of all causal ones: texts and token ids equal the reference's. */

import assert from "node:assert/strict";
import path from "node:path";

import { readCheckpoint } from "../../dist/checkpoint/index";
import { ChatPairs, pairEncoder } from "../../dist/model/pairs";
import { TextTokenizer } from "../../dist/tokenization/tokenizer";
import { fixtures, readFixture, sequences } from "../support/tokenization-support";

type Pair = readonly [string, string];

interface Ids {
  readonly pairs: readonly string[];
  readonly input_ids: readonly (readonly number[])[];
}

interface Golden {
  readonly input_names: readonly string[];
  readonly pairs: readonly Pair[];
  readonly modality: "text" | "message";
  readonly prompts: Readonly<Record<string, string>>;
  readonly max_seq_length: number;
  readonly tokens: {
    readonly prompt: string;
    readonly input_ids: readonly (readonly number[])[];
    readonly untruncated_lengths: readonly number[];
    readonly rendered?: Readonly<Record<string, string>>;
    readonly template_suffix_ids?: readonly number[];
    readonly changed_although_it_fits?: readonly string[];
  };
  readonly prompted: readonly (Ids & { readonly options: { readonly prompt?: string; readonly prompt_name?: string } })[];
  readonly max_seq_length_override: Ids & { readonly max_seq_length: number };
}

const NAMES = [
  ...["ce-qwen3-logitscore", "ce-qwen3-zerank", "ce-qwen2-logitscore", "ce-gemma-logitscore", "ce-qwen2-bare-chatml"],
  ...["ce-qwen3-bare", "ce-gemma-bare", "ce-qwen3-seqcls", "ce-llama-seqcls"],
];

for (const name of NAMES) {
  describe(`pairs of ${name}`, () => {
    const golden = readFixture(name, "golden.json") as unknown as Golden;
    const folder = path.join(fixtures, name);
    const { signal } = new AbortController();

    async function encode(pairs: readonly Pair[], prompt: string, maxLength = golden.max_seq_length): Promise<number[][]> {
      const checkpoint = await readCheckpoint(folder, "cross");
      const tokenizer = await TextTokenizer.load({ folder, maxLength, lowerCase: false });
      const batch = await pairEncoder(checkpoint, tokenizer)(pairs, { prompt, limits: undefined, signal });
      tokenizer.dispose();
      return sequences(batch);
    }
    const named = (names: readonly string[]): Pair[] =>
      names.map((one) => golden.pairs[golden.input_names.indexOf(one)] ?? assert.fail(one));

    it("have the reference's ids", async () => {
      const ids = await encode(golden.pairs, golden.tokens.prompt);
      golden.input_names.forEach((input, i) => {
        assert.deepEqual(ids[i], golden.tokens.input_ids[i], input);
      });
    });

    it("have the reference's ids with each prompt", async () => {
      for (const { options, pairs, input_ids } of golden.prompted) {
        const prompt = options.prompt ?? golden.prompts[options.prompt_name ?? ""] ?? assert.fail();
        assert.deepEqual(await encode(named(pairs), prompt), input_ids, JSON.stringify(options));
      }
    });

    it("have the reference's ids at a smaller maximum", async () => {
      const { max_seq_length, pairs, input_ids } = golden.max_seq_length_override;
      assert.deepEqual(await encode(named(pairs), golden.tokens.prompt, max_seq_length), input_ids);
    });

    if (golden.modality === "text") return;
    it("have the reference's texts and tail", async () => {
      const { chat } = await readCheckpoint(folder, "cross");
      assert.ok(chat !== undefined);
      const tokenizer = await TextTokenizer.load({ folder, maxLength: golden.max_seq_length, lowerCase: false });
      const { prompt, rendered = {}, template_suffix_ids: tail } = golden.tokens;
      const pairs = new ChatPairs(chat, tokenizer);
      assert.ok(Object.keys(rendered).length > 0);
      for (const [input, text] of Object.entries(rendered)) {
        assert.equal(pairs.render(named([input])[0] ?? assert.fail(), prompt), text, input);
      }
      assert.deepEqual(Array.from(await pairs.tail(prompt)), tail);
      const batch = await pairs.encode(golden.pairs, { prompt, limits: undefined, signal });
      const cut = golden.tokens.untruncated_lengths.flatMap((length, i) => (length > golden.max_seq_length ? [i] : []));
      assert.deepEqual(Array.from(batch.truncated), cut);
      tokenizer.dispose();
    });
  });
}
