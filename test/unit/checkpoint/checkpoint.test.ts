/** readCheckpoint on a checkpoint for each rule: which file and field takes precedence. */

import assert from "node:assert/strict";
import path from "node:path";

import { readCheckpoint } from "../../../dist/checkpoint/index";
import { readModelMaxLength } from "../../../dist/checkpoint/limits";
import type { ErrorCode } from "../../../dist/errors";
import { WEIGHTS, fails, spladeOf, withFolder } from "../../support/checkpoint-folder";
import type { Files } from "../../support/checkpoint-folder";
import { CLASSIFIER, CROSS, MLM, PLAIN_CROSS, PLAIN_SPARSE, readCross, readSparse, SPARSE, SPLADE, TRANSFORMER, without } from "./layouts";

describe("checkpoint: sequence length", () => {
  const length = async (files: Files): Promise<number | undefined> => (await readSparse({ ...SPARSE, ...files })).transformer.maxSeqLength;

  const cases: readonly (readonly [string, Files, number | undefined])[] = [
    ["positions without anything else", {}, 40],
    ["the tokenizer's limit when it is smaller", { "tokenizer_config.json": { model_max_length: 30 } }, 30],
    ["the positions when they are smaller", { "tokenizer_config.json": { model_max_length: 50 } }, 40],
    [
      "positions when the tokenizer's limit is absurd",
      { "tokenizer_config.json": '{"model_max_length":1000000000000000019884624838656}' },
      40,
    ],
    ["max_len of old tokenizers", { "tokenizer_config.json": { max_len: 20 } }, 20],
    ["the settings before both", { "sentence_bert_config.json": { transformer_task: "fill-mask", max_seq_length: 99 } }, 99],
    [
      "tokenizer arguments before max_seq_length",
      { "sentence_bert_config.json": { transformer_task: "fill-mask", max_seq_length: 9, tokenizer_args: { model_max_length: 8 } } },
      8,
    ],
    ["no limit from max_position_embeddings -1", { "config.json": { ...MLM, max_position_embeddings: -1 } }, undefined],
    ["the family's default where config.json is silent", { "config.json": { ...MLM, max_position_embeddings: null } }, 512],
    ["undefined where nothing is known", { "config.json": { architectures: ["XForMaskedLM"], model_type: "x" } }, undefined],
    ["two positions less for RoBERTa", { "config.json": { ...MLM, model_type: "roberta" } }, 38],
    ["pad_token_id + 1 positions less for XLM-RoBERTa", { "config.json": { ...MLM, model_type: "xlm-roberta", pad_token_id: 4 } }, 35],
  ];
  for (const [what, files, expected] of cases) {
    it(what, async () => {
      assert.equal(await length(files), expected);
    });
  }

  it("ignores sentence_bert_config.json without modules.json, as the reference does", async () => {
    const checkpoint = await readSparse({ ...PLAIN_SPARSE, "sentence_bert_config.json": { max_seq_length: 7, do_lower_case: true } });
    assert.equal(checkpoint.transformer.maxSeqLength, 40);
    assert.equal(checkpoint.transformer.lowerCase, false);
  });

  it("reads the settings file under its names before version 2", async () => {
    const files = {
      ...without(SPARSE, "sentence_bert_config.json"),
      "sentence_roberta_config.json": { max_seq_length: 17, do_lower_case: true },
    };
    const modules = [{ ...TRANSFORMER, type: "sentence_transformers.sparse_encoder.models.MLMTransformer" }, SPLADE];
    const { transformer } = await readSparse({ ...files, "modules.json": modules });
    assert.equal(transformer.maxSeqLength, 17);
    assert.equal(transformer.lowerCase, true);
  });

  it("readModelMaxLength is undefined without the file, the field or a real limit", async () => {
    for (const files of [{}, { "tokenizer_config.json": {} }, { "tokenizer_config.json": { model_max_length: 1e30 } }] as Files[]) {
      assert.equal(await withFolder(files, readModelMaxLength), undefined);
    }
  });
});

describe("checkpoint: sparse encoders", () => {
  it("recognizes modules by class name in any Python module", async () => {
    for (const [transformer, pooling] of [
      ["sentence_transformers.sparse_encoder.models.MLMTransformer", "sentence_transformers.sparse_encoder.models.SpladePooling"],
      [
        "sentence_transformers.sparse_encoder.models.MLMTransformer.MLMTransformer",
        "sentence_transformers.sparse_encoder.models.SpladePooling.SpladePooling",
      ],
      ["sentence_transformers.base.modules.transformer.Transformer", "sentence_transformers.sparse_encoder.modules.SpladePooling"],
    ]) {
      const modules = [
        { ...TRANSFORMER, type: transformer },
        { ...SPLADE, type: pooling },
      ];
      assert.equal((await readSparse({ ...SPARSE, "modules.json": modules })).pooling.pooling, "max");
    }
  });

  it("reads the transformer from its module's folder", async () => {
    const files = without(SPARSE, "config.json", "model.safetensors", "sentence_bert_config.json");
    const nested: Files = {
      ...files,
      "modules.json": [{ ...TRANSFORMER, path: "0_Transformer" }, SPLADE],
      "0_Transformer/config.json": MLM,
      "0_Transformer/model.safetensors": WEIGHTS,
      "0_Transformer/sentence_bert_config.json": { transformer_task: "fill-mask", max_seq_length: 11 },
    };
    await withFolder(nested, async (folder) => {
      const { root, transformer } = spladeOf(await readCheckpoint(folder, "sparse"));
      assert.equal(root, folder);
      assert.equal(transformer.folder, path.join(folder, "0_Transformer"));
      assert.equal(transformer.maxSeqLength, 11);
    });
  });

  it("pools as in SPLADE v2 without a pooling config, like the reference", async () => {
    const { pooling } = await readSparse(without(SPARSE, "1_SpladePooling/config.json"));
    assert.deepEqual(pooling, { kind: "splade", pooling: "max", activation: "relu" });
  });

  it("accepts SPLADE modules without a stored model type", async () => {
    assert.equal((await readSparse(without(SPARSE, "config_sentence_transformers.json"))).kind, "sparse");
  });

  it("always has the prompts query and document", async () => {
    const stored = { model_type: "SparseEncoder", prompts: { query: null, web: "w: " }, default_prompt_name: "web" };
    const { prompts, defaultPromptName } = await readSparse({ ...SPARSE, "config_sentence_transformers.json": stored });
    assert.deepEqual(prompts, { query: "", document: "", web: "w: " });
    assert.equal(defaultPromptName, "web");
  });

  it("keeps a prompt named __proto__", async () => {
    const json = '{"model_type":"SparseEncoder","prompts":{"__proto__":"p"}}';
    const { prompts } = await readSparse({ ...SPARSE, "config_sentence_transformers.json": json });
    assert.deepEqual(Object.keys(prompts).sort(), ["__proto__", "document", "query"]);
    assert.equal(Object.getPrototypeOf(prompts), Object.prototype);
  });

  it("compares with dot unless one of the four functions is named", async () => {
    for (const [name, expected] of [
      ["cosine", "cosine"],
      ["euclidean", "euclidean"],
      ["manhattan", "manhattan"],
      ["dot", "dot"],
      ["maxsim", "dot"],
      [null, "dot"],
    ]) {
      const stored = { model_type: "SparseEncoder", similarity_fn_name: name };
      assert.equal((await readSparse({ ...SPARSE, "config_sentence_transformers.json": stored })).similarityFunction, expected);
    }
  });

  it("ignores config_sentence_transformers.json without modules.json, as the reference does", async () => {
    const stored = { model_type: "SparseEncoder", prompts: { query: "q" }, similarity_fn_name: "cosine" };
    const checkpoint = await readSparse({ ...PLAIN_SPARSE, "config_sentence_transformers.json": stored });
    assert.deepEqual(checkpoint.prompts, { query: "", document: "" });
    assert.equal(checkpoint.similarityFunction, "dot");
  });
});

describe("checkpoint: cross-encoders", () => {
  const activation = async (config: object, files: Files = {}): Promise<string> =>
    (await readCross({ ...PLAIN_CROSS, "config.json": { ...CLASSIFIER, ...config }, ...files })).activation;
  const TWO = { id2label: { "0": "no", "1": "yes" } };

  it("defaults to sigmoid for one label and to identity for several", async () => {
    assert.equal(await activation({}), "sigmoid");
    assert.equal(await activation(TWO), "identity");
  });

  it("reads the activation from config.json, the new key before the old, even if the new one is null", async () => {
    const old = { sbert_ce_default_activation_function: "torch.nn.modules.linear.Identity" };
    assert.equal(await activation(old), "identity");
    assert.equal(await activation({ ...old, sentence_transformers: { version: "4.0.1" } }), "identity");
    assert.equal(await activation({ ...old, sentence_transformers: { activation_fn: "torch.nn.Softmax" } }), "softmax");
    assert.equal(await activation({ ...old, sentence_transformers: { activation_fn: null } }), "sigmoid");
    assert.equal(await activation({ ...TWO, sentence_transformers: { activation_fn: "torch.nn.modules.activation.Sigmoid" } }), "sigmoid");
  });

  it("prefers the pipeline's activation, only with modules.json", async () => {
    const pipeline = { model_type: "CrossEncoder", activation_fn: "torch.nn.modules.linear.Identity" };
    const config = { sentence_transformers: { activation_fn: "torch.nn.Softmax" } };
    assert.equal(await activation(config, { "config_sentence_transformers.json": pipeline }), "softmax");
    assert.equal(await activation(config, { ...without(CROSS, "config.json"), "config_sentence_transformers.json": pipeline }), "identity");
    assert.equal(
      await activation(config, {
        ...without(CROSS, "config.json"),
        "config_sentence_transformers.json": { ...pipeline, activation_fn: null },
      }),
      "softmax",
    );
  });

  it("rejects an unknown activation and names it", async () => {
    // In the reference: without arguments an error, random scores, and fewer scores than labels.
    const UNSUPPORTED = ["Threshold", "RReLU", "GLU", "ReLU7"].map((name) => `torch.nn.modules.activation.${name}`);
    for (const name of [...UNSUPPORTED, "my.module.Sigmoid", "torch.nn.", "Sigmoid"]) {
      await fails(
        activation({ sentence_transformers: { activation_fn: name } }),
        "ERR_UNSUPPORTED_MODEL",
        new RegExp(name.replaceAll(".", "\\.")),
      );
    }
  });

  const ELEVEN = Array.from({ length: 11 }, (_, id) => `label ${id}`);
  const labels: readonly (readonly [string, object, readonly string[]])[] = [
    ["in the order of ids", { id2label: Object.fromEntries(ELEVEN.map((label, id): [string, string] => [String(id), label])) }, ELEVEN],
    ["from num_labels", { id2label: null, num_labels: 3 }, ["LABEL_0", "LABEL_1", "LABEL_2"]],
    ["two where nothing is stated", { id2label: null }, ["LABEL_0", "LABEL_1"]],
    ["from num_labels where id2label disagrees", { ...TWO, num_labels: 1 }, ["LABEL_0"]],
    ["that are numbers", { id2label: { "0": 7 } }, ["7"]],
    ["one where no architecture is named", { architectures: null, ...TWO, num_labels: 2 }, ["LABEL_0"]],
    ["one with its name where no architecture is named", { architectures: null }, ["x"]],
  ];
  for (const [what, config, expected] of labels) {
    it(`labels ${what}`, async () => {
      const checkpoint = await readCross({ ...PLAIN_CROSS, "config.json": { ...CLASSIFIER, ...config } });
      assert.deepEqual(checkpoint.labels, expected);
      assert.equal(checkpoint.numLabels, expected.length);
    });
  }

  it("has only the stored prompts", async () => {
    const stored = { model_type: "CrossEncoder", prompts: { rank: "Find: " }, default_prompt_name: "rank" };
    const checkpoint = await readCross({ ...CROSS, "config_sentence_transformers.json": stored });
    assert.deepEqual(checkpoint.prompts, { rank: "Find: " });
    assert.equal(checkpoint.defaultPromptName, "rank");
    assert.deepEqual((await readCross(PLAIN_CROSS)).prompts, {});
  });

  it("accepts a classifier in a pipeline that another class saved, like the reference", async () => {
    const stored = { model_type: "SentenceTransformer", prompts: { a: "b" }, default_prompt_name: "a" };
    const checkpoint = await readCross({ ...CROSS, "config_sentence_transformers.json": stored });
    assert.deepEqual(checkpoint.prompts, {});
  });
});

describe("checkpoint: wrong kinds and unsupported models", () => {
  const POOLING = { idx: 1, name: "1", path: "1_Pooling", type: "sentence_transformers.models.Pooling" };
  type Case = readonly [what: string, kind: "sparse" | "cross", files: Files, code: ErrorCode, ...messages: RegExp[]];
  const cases: readonly Case[] = [
    [
      "a plain cross-encoder as sparse",
      "sparse",
      PLAIN_CROSS,
      "ERR_WRONG_MODEL_KIND",
      /BertForSequenceClassification/,
      /CrossEncoder\.load/,
    ],
    ["a cross-encoder pipeline as sparse", "sparse", CROSS, "ERR_WRONG_MODEL_KIND", /CrossEncoder\.load/],
    ["a plain masked language model as cross", "cross", PLAIN_SPARSE, "ERR_WRONG_MODEL_KIND", /BertForMaskedLM/, /SparseEncoder\.load/],
    ["a sparse pipeline as cross", "cross", SPARSE, "ERR_WRONG_MODEL_KIND", /SparseEncoder\.load/],
    [
      "a dense pipeline as sparse",
      "sparse",
      { ...without(SPARSE, "config_sentence_transformers.json"), "modules.json": [TRANSFORMER, POOLING] },
      "ERR_WRONG_MODEL_KIND",
      /SentenceTransformer/,
      /Transformer \+ Pooling/,
    ],
    [
      "a dense pipeline as cross",
      "cross",
      { ...PLAIN_CROSS, "config.json": { ...MLM, architectures: ["BertModel"] }, "modules.json": [TRANSFORMER, POOLING] },
      "ERR_UNSUPPORTED_MODEL",
      /BertModel/,
      /ForSequenceClassification/,
    ],
    [
      "a multi-vector pipeline as sparse",
      "sparse",
      { ...SPARSE, "config_sentence_transformers.json": { model_type: "MultiVectorEncoder" } },
      "ERR_WRONG_MODEL_KIND",
      /MultiVectorEncoder/,
    ],
    [
      "a body without head as sparse",
      "sparse",
      { ...PLAIN_SPARSE, "config.json": { architectures: ["BertModel"] } },
      "ERR_UNSUPPORTED_MODEL",
      /BertModel/,
    ],
    ["no architecture as sparse", "sparse", { ...PLAIN_SPARSE, "config.json": {} }, "ERR_UNSUPPORTED_MODEL", /no architecture/],
    [
      "a sequence-to-sequence model as cross",
      "cross",
      { ...PLAIN_CROSS, "config.json": { architectures: ["T5ForConditionalGeneration"] } },
      "ERR_UNSUPPORTED_MODEL",
      /T5ForConditionalGeneration/,
    ],
    [
      "a sparse model with a further module",
      "sparse",
      { ...SPARSE, "modules.json": [TRANSFORMER, SPLADE, POOLING] },
      "ERR_UNSUPPORTED_MODEL",
      /SpladePooling \+ Pooling/,
    ],
    ["pooling without a transformer", "sparse", { ...SPARSE, "modules.json": [SPLADE] }, "ERR_UNSUPPORTED_MODEL", /lists SpladePooling;/],
    [
      "a module that is the repository's own code",
      "sparse",
      { ...SPARSE, "modules.json": [{ ...TRANSFORMER, type: "custom_st.Transformer" }, SPLADE] },
      "ERR_UNSUPPORTED_MODEL",
      /custom_st\.Transformer/,
    ],
    [
      "a transformer that does another task",
      "sparse",
      { ...SPARSE, "sentence_bert_config.json": {} },
      "ERR_UNSUPPORTED_MODEL",
      /"feature-extraction"; expected "fill-mask"/,
    ],
    [
      "a setting that would change the tokens",
      "sparse",
      { ...SPARSE, "sentence_bert_config.json": { transformer_task: "fill-mask", query_length: 32 } },
      "ERR_UNSUPPORTED_MODEL",
      /query_length/,
    ],
    ["a PEFT adapter", "cross", { ...PLAIN_CROSS, "adapter_config.json": {} }, "ERR_UNSUPPORTED_MODEL", /PEFT/],
  ];
  for (const [what, kind, files, code, ...messages] of cases) {
    it(`rejects ${what}`, () => fails(kind === "sparse" ? readSparse(files) : readCross(files), code, ...messages));
  }

  it("rejects arguments for transformers that change the results, and accepts the others", async () => {
    const changing = {
      config_kwargs: { hidden_act: "relu" },
      config_args: { num_hidden_layers: 1 },
      processor_kwargs: { truncation_side: "left" },
      tokenizer_args: { do_lower_case: true },
    };
    for (const [section, value] of Object.entries(changing)) {
      const settings = { transformer_task: "fill-mask", [section]: value };
      await fails(
        readSparse({ ...SPARSE, "sentence_bert_config.json": settings }),
        "ERR_UNSUPPORTED_MODEL",
        new RegExp(`${section}.*${Object.keys(value).join("")}`),
      );
    }
    const harmless = { trust_remote_code: true, local_files_only: true };
    const settings = { transformer_task: "fill-mask", config_kwargs: harmless, processor_kwargs: { ...harmless, model_max_length: 7 } };
    assert.equal((await readSparse({ ...SPARSE, "sentence_bert_config.json": settings })).transformer.maxSeqLength, 7);
  });

  it("accepts empty settings", async () => {
    const settings = { transformer_task: "fill-mask", query_length: null, processing_kwargs: {} };
    assert.equal((await readSparse({ ...SPARSE, "sentence_bert_config.json": settings })).transformer.maxSeqLength, 40);
  });
});
