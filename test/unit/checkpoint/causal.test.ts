/** Causal language models as cross-encoders: scoring, chat templates and limits, as sentence-transformers 6 reads them. */

import assert from "node:assert/strict";
import path from "node:path";

import { readCheckpoint } from "../../../dist/checkpoint/index";
import type { ChatFormat } from "../../../dist/checkpoint/types";
import type { ErrorCode } from "../../../dist/errors";
import { fails, WEIGHTS, withFolder } from "../../support/checkpoint-folder";
import type { Files } from "../../support/checkpoint-folder";
import { fixtures, readFixture } from "../../support/tokenization-support";
import { CLASSIFIER, CROSS, readCross, readSparse, SPARSE, TRANSFORMER, without } from "./layouts";

const CAUSAL = { architectures: ["Qwen3ForCausalLM"], model_type: "qwen3", vocab_size: 100, max_position_embeddings: 40 };
const PLAIN: Files = { "config.json": CAUSAL, "model.safetensors": WEIGHTS };
const LOGIT_SCORE = { idx: 1, name: "1", path: "1", type: "sentence_transformers.cross_encoder.modules.logit_score.LogitScore" };
const TEXT = { text: { method: "forward", method_output_name: "logits" } };
const MESSAGE = { ...TEXT, message: { method: "forward", method_output_name: "logits", format: "flat" } };
const settings = (parts: object): object => ({
  transformer_task: "text-generation",
  modality_config: MESSAGE,
  module_output_name: "causal_logits",
  ...parts,
});
const PIPELINE: Files = {
  ...PLAIN,
  "modules.json": [TRANSFORMER, LOGIT_SCORE],
  "1/config.json": { true_token_id: 9, false_token_id: 5, module_input_name: "causal_logits" },
  "sentence_bert_config.json": settings({}),
  "config_sentence_transformers.json": { model_type: "CrossEncoder" },
  "chat_template.jinja": "{{ messages }}\n",
};

interface Golden {
  readonly modality: "text" | "message";
  readonly message_format?: "flat" | "structured";
  readonly logit_score?: { readonly true_token_id: number; readonly false_token_id: number | null };
  readonly prompts: Readonly<Record<string, string>>;
  readonly default_prompt_name: string | null;
  readonly max_seq_length: number;
  readonly default_activation: string;
}

const NAMES = ["qwen3-logitscore", "qwen3-zerank", "qwen2-logitscore", "gemma-logitscore", "qwen3-bare", "qwen2-bare-chatml", "gemma-bare"];

describe("checkpoint: causal language models", () => {
  for (const name of [...NAMES, "qwen3-seqcls", "llama-seqcls"].map((rest) => `ce-${rest}`)) {
    it(`reads ${name} as the reference does`, async () => {
      const golden = readFixture(name, "golden.json") as unknown as Golden;
      const checkpoint = await readCheckpoint(path.join(fixtures, name), "cross");
      const { chat, scoring, scoringTokens } = checkpoint;
      assert.equal(chat?.format, golden.message_format);
      assert.equal(chat === undefined, golden.modality === "text");
      assert.equal(checkpoint.transformer.maxSeqLength, golden.max_seq_length);
      assert.equal(checkpoint.activation, golden.default_activation.toLowerCase());
      assert.deepEqual([checkpoint.numLabels, checkpoint.labels], [1, ["LABEL_0"]]);
      assert.deepEqual(checkpoint.prompts, golden.prompts);
      assert.equal(checkpoint.defaultPromptName, golden.default_prompt_name ?? undefined);
      const { true_token_id: yes, false_token_id: no } = golden.logit_score ?? {};
      if (name.includes("-bare")) assert.deepEqual([scoring, scoringTokens], [undefined, ["yes", "no"]]);
      else if (name.endsWith("-seqcls")) {
        const padTokenId = checkpoint.transformer.config.json["pad_token_id"];
        assert.deepEqual(scoring, { kind: "sequence-classification", padTokenId });
      } else assert.deepEqual(scoring, { kind: "logit-score", trueTokenId: yes, falseTokenId: no });
    });
  }

  it("reads a head without a padding token, and none of encoders", async () => {
    const llama = { ...CLASSIFIER, architectures: ["LlamaForSequenceClassification"], model_type: "llama" };
    const { scoring } = await readCross({ ...PLAIN, "config.json": llama });
    assert.deepEqual(scoring, { kind: "sequence-classification", padTokenId: null });
    const { scoring: none, scoringTokens, chat } = await readCross(CROSS);
    assert.deepEqual([none, scoringTokens, chat], [undefined, undefined, undefined]);
  });

  it("takes the limits of a family that config.json leaves out", async () => {
    for (const [model_type, length] of Object.entries({
      llama: 2048,
      mistral: 131_072,
      qwen2: 32_768,
      qwen3: 32_768,
      gemma: 8192,
      gemma2: 8192,
    })) {
      const { transformer } = await readCross({ ...PLAIN, "config.json": { architectures: ["XForCausalLM"], model_type } });
      assert.equal(transformer.maxSeqLength, length, model_type);
    }
  });
});

describe("checkpoint: chat templates", () => {
  const chatOf = async (files: Files): Promise<ChatFormat | undefined> => (await readCross(files)).chat;
  const inConfig = (chat_template: unknown): Files => ({
    ...without(PIPELINE, "chat_template.jinja"),
    "tokenizer_config.json": { chat_template },
  });
  const named = [
    { name: "tool_use", template: "B" },
    { name: "default", template: "A" },
  ];
  const chosen = (chat_template: string): Files => ({
    "sentence_bert_config.json": settings({ processing_kwargs: { chat_template: { chat_template } } }),
  });

  it("are chosen as transformers chooses them", async () => {
    const cases: readonly (readonly [what: string, files: Files, source: string | undefined])[] = [
      [
        "a file of its own before tokenizer_config.json",
        { ...PIPELINE, "tokenizer_config.json": { chat_template: "A" } },
        "{{ messages }}\n",
      ],
      ["tokenizer_config.json", inConfig("A"), "A"],
      ["the default of a list", inConfig(named), "A"],
      ["the default of an object", inConfig({ tool_use: "B", default: "A" }), "A"],
      ["one of a list by name", { ...inConfig(named), ...chosen("tool_use") }, "B"],
      ["a template as an argument", { ...inConfig(named), ...chosen("{{ x }}") }, "{{ x }}"],
      ["further files", { ...PIPELINE, ...chosen("rank"), "additional_chat_templates/rank.jinja": "C" }, "C"],
      ["the default beside further files", { ...PIPELINE, "additional_chat_templates/rank.jinja": "C" }, "{{ messages }}\n"],
      ["none for texts", { ...PIPELINE, "sentence_bert_config.json": settings({ modality_config: TEXT }) }, undefined],
      ["none without a modality", { ...PIPELINE, "sentence_bert_config.json": { transformer_task: "text-generation" } }, undefined],
      ["any without modules.json", { ...PLAIN, "tokenizer_config.json": { chat_template: "A" } }, "A"],
      ["any for a classifier", { ...PLAIN, "config.json": CLASSIFIER, "chat_template.jinja": "A" }, "A"],
      ["none without modules.json", PLAIN, undefined],
    ];
    for (const [what, files, source] of cases) assert.equal((await chatOf(files))?.source, source, what);
  });

  it("have the format that the settings state or that the template shows", async () => {
    const plain = (template: unknown, model_type = "qwen3"): Files => ({
      ...PLAIN,
      "config.json": { ...CAUSAL, model_type },
      "tokenizer_config.json": { chat_template: template },
    });
    const formats: readonly (readonly [Files, ChatFormat["format"]])[] = [
      [plain("{{ messages[0].content }}"), "flat"],
      [plain("{{ messages[0].content[0].text }}"), "structured"],
      [plain("{% if part.type == 'text' %}{% endif %}"), "structured"],
      [plain("{% if part.type == 'text' %}{% endif %}", "gpt_oss"), "flat"],
      [plain([{ name: "default", template: "flat" }]), "structured"],
      [{ ...PIPELINE, "chat_template.jinja": "{{ x.type }}" }, "flat"],
      [
        {
          ...PIPELINE,
          "sentence_bert_config.json": settings({ modality_config: { message: { ...MESSAGE.message, format: "structured" } } }),
        },
        "structured",
      ],
      [
        { ...PIPELINE, "sentence_bert_config.json": settings({ modality_config: { message: { ...MESSAGE.message, format: "auto" } } }) },
        "flat",
      ],
    ];
    for (const [files, format] of formats) assert.equal((await chatOf(files))?.format, format);
  });

  it("get the arguments of processing_kwargs", async () => {
    const kwargs = { add_generation_prompt: true, enable_thinking: false, tools: null, truncation: true, restore_suffix: false };
    const chat = await chatOf({
      ...PIPELINE,
      "sentence_bert_config.json": settings({ processing_kwargs: { chat_template: kwargs, text: {} } }),
    });
    assert.deepEqual(chat?.variables, { add_generation_prompt: true, enable_thinking: false });
    assert.equal(chat.restoresTail, false);
  });
});

describe("checkpoint: bad causal language models", () => {
  const score = (config: object): Files => ({ ...PIPELINE, "1/config.json": config });
  const kwargs = (processing_kwargs: object): Files => ({ ...PIPELINE, "sentence_bert_config.json": settings({ processing_kwargs }) });
  const tokenizer = (chat_template: unknown): Files => ({ ...PLAIN, "tokenizer_config.json": { chat_template } });
  const cases: readonly (readonly [what: string, files: Files, code: ErrorCode, message: RegExp])[] = [
    [
      "a true token outside the vocabulary",
      score({ true_token_id: 100 }),
      "ERR_INVALID_CONFIG",
      /"true_token_id" is 100; expected an integer from 0 to 99/,
    ],
    [
      "a false token outside the vocabulary",
      score({ true_token_id: 1, false_token_id: -1 }),
      "ERR_INVALID_CONFIG",
      /"false_token_id" is -1/,
    ],
    ["no true token", score({ false_token_id: 1 }), "ERR_INVALID_CONFIG", /"true_token_id" is missing/],
    ["no LogitScore", without(PIPELINE, "1/config.json"), "ERR_FILE_NOT_FOUND", /names the tokens of LogitScore/],
    ["another input", score({ true_token_id: 1, module_input_name: "x" }), "ERR_UNSUPPORTED_MODEL", /LogitScore reads "x"/],
    [
      "a module behind LogitScore",
      { ...PIPELINE, "modules.json": [TRANSFORMER, LOGIT_SCORE, { ...LOGIT_SCORE, idx: 2 }] },
      "ERR_UNSUPPORTED_MODEL",
      /transformer_task/,
    ],
    [
      "no template",
      without(PIPELINE, "chat_template.jinja"),
      "ERR_FILE_NOT_FOUND",
      /no chat_template\.jinja and no chat_template in tokenizer_config\.json/,
    ],
    ["several templates without a default", tokenizer([{ name: "a", template: "" }]), "ERR_FILE_NOT_FOUND", /"a".*none is named "default"/],
    ["a template that is no text", tokenizer(5), "ERR_INVALID_CONFIG", /"chat_template" is 5; expected a template/],
    ["a list of templates without names", tokenizer([{ template: "x" }]), "ERR_INVALID_CONFIG", /"chat_template" is an array of 1/],
    [
      "a long template",
      { ...PIPELINE, "chat_template.jinja": "x".repeat(200_000) },
      "ERR_INVALID_CONFIG",
      /200000 characters; the limit is 65536/,
    ],
    ["a long template in tokenizer_config.json", tokenizer("x".repeat(200_000)), "ERR_INVALID_CONFIG", /the limit is 65536/],
    ["a template that is not UTF-8", { ...PIPELINE, "chat_template.jinja": Buffer.from([0xff]) }, "ERR_INVALID_CONFIG", /not UTF-8/],
    [
      "another format",
      { ...PIPELINE, "sentence_bert_config.json": settings({ modality_config: { message: { ...MESSAGE.message, format: "x" } } }) },
      "ERR_INVALID_CONFIG",
      /"flat", "structured" or "auto"/,
    ],
    [
      "another output for messages",
      { ...PIPELINE, "sentence_bert_config.json": settings({ modality_config: { message: { method: "x" } } }) },
      "ERR_UNSUPPORTED_MODEL",
      /message\.method" is "x"/,
    ],
    [
      "other lengths",
      kwargs({ chat_template: { max_length: 5 } }),
      "ERR_UNSUPPORTED_MODEL",
      /"processing_kwargs.chat_template.max_length" is 5/,
    ],
    ["tools", kwargs({ chat_template: { tools: [{}] } }), "ERR_UNSUPPORTED_MODEL", /tools" is an array/],
    [
      "arguments of the tokenizer",
      kwargs({ text: { max_length: 5 } }),
      "ERR_UNSUPPORTED_MODEL",
      /"processing_kwargs.text.max_length" is not supported/,
    ],
  ];
  for (const [what, files, code, message] of cases) {
    it(`rejects ${what}`, () => fails(readCross(files), code, message));
  }

  it("rejects messages for sparse encoders", () =>
    fails(
      readSparse({ ...SPARSE, "sentence_bert_config.json": { transformer_task: "fill-mask", modality_config: MESSAGE } }),
      "ERR_UNSUPPORTED_MODEL",
      /only the modality text is supported/,
    ));

  it("rejects an export", async () => {
    for (const files of [PLAIN, PIPELINE]) {
      await withFolder({ ...files, "model.onnx": "" }, (folder) =>
        fails(readCheckpoint(folder, "cross", "model.onnx"), "ERR_UNSUPPORTED_MODEL", /modelFile is not supported/),
      );
    }
  });
});
