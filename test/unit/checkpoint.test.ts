/** readCheckpoint on checkpoints made for each rule: which file and field wins, and the coded error of each bad input. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmod, mkdir, symlink, truncate } from "node:fs/promises";
import path from "node:path";

import fc from "fast-check";

import { readCheckpoint } from "../../dist/checkpoint/index";
import { readModelMaxLength } from "../../dist/checkpoint/limits";
import type { CrossCheckpoint, SparseCheckpoint } from "../../dist/checkpoint/types";
import type { ErrorCode } from "../../dist/errors";
import { SparseRerankError } from "../../dist/errors";
import { WEIGHTS, fails, safetensors, withFolder } from "./checkpoint-folder";
import type { Files } from "./checkpoint-folder";
import { skip } from "../skip";

const MLM = { architectures: ["BertForMaskedLM"], model_type: "bert", max_position_embeddings: 40 };
const CLASSIFIER = {
  architectures: ["BertForSequenceClassification"],
  model_type: "bert",
  max_position_embeddings: 40,
  id2label: { "0": "x" },
};
const TRANSFORMER = { idx: 0, name: "0", path: "", type: "sentence_transformers.base.modules.transformer.Transformer" };
const SPLADE = {
  idx: 1,
  name: "1",
  path: "1_SpladePooling",
  type: "sentence_transformers.sparse_encoder.modules.splade_pooling.SpladePooling",
};

const PLAIN_SPARSE: Files = { "config.json": MLM, "model.safetensors": WEIGHTS };
const PLAIN_CROSS: Files = { "config.json": CLASSIFIER, "model.safetensors": WEIGHTS };
const SPARSE: Files = {
  ...PLAIN_SPARSE,
  "modules.json": [TRANSFORMER, SPLADE],
  "sentence_bert_config.json": { transformer_task: "fill-mask" },
  "1_SpladePooling/config.json": { pooling_strategy: "max", activation_function: "relu" },
  "config_sentence_transformers.json": { model_type: "SparseEncoder" },
};
const CROSS: Files = {
  ...PLAIN_CROSS,
  "modules.json": [TRANSFORMER],
  "sentence_bert_config.json": { transformer_task: "sequence-classification" },
  "config_sentence_transformers.json": { model_type: "CrossEncoder" },
};

const readSparse = (files: Files): Promise<SparseCheckpoint> => withFolder(files, (folder) => readCheckpoint(folder, "sparse"));
const readCross = (files: Files): Promise<CrossCheckpoint> => withFolder(files, (folder) => readCheckpoint(folder, "cross"));
const without = (files: Files, ...names: string[]): Files =>
  Object.fromEntries(Object.entries(files).filter(([name]) => !names.includes(name)));

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

  it("reads the settings file's names from before version 2", async () => {
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
  it("knows modules by class name wherever the class lived", async () => {
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
      const { root, transformer } = await readCheckpoint(folder, "sparse");
      assert.equal(root, folder);
      assert.equal(transformer.folder, path.join(folder, "0_Transformer"));
      assert.equal(transformer.maxSeqLength, 11);
    });
  });

  it("pools as SPLADE v2 without a pooling config, like the reference", async () => {
    const { pooling } = await readSparse(without(SPARSE, "1_SpladePooling/config.json"));
    assert.deepEqual(pooling, { pooling: "max", activation: "relu" });
  });

  it("takes SPLADE modules whose model type was not stored", async () => {
    assert.equal((await readSparse(without(SPARSE, "config_sentence_transformers.json"))).kind, "sparse");
  });

  it("always has the prompts query and document", async () => {
    const stored = { model_type: "SparseEncoder", prompts: { query: null, web: "w: " }, default_prompt_name: "web" };
    const { prompts, defaultPromptName } = await readSparse({ ...SPARSE, "config_sentence_transformers.json": stored });
    assert.deepEqual(prompts, { query: "", document: "", web: "w: " });
    assert.equal(defaultPromptName, "web");
  });

  it("keeps a prompt named __proto__ a prompt", async () => {
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

  it("takes the activation from config.json, the new key before the old, even when the new one is null", async () => {
    const old = { sbert_ce_default_activation_function: "torch.nn.modules.linear.Identity" };
    assert.equal(await activation(old), "identity");
    assert.equal(await activation({ ...old, sentence_transformers: { version: "4.0.1" } }), "identity");
    assert.equal(await activation({ ...old, sentence_transformers: { activation_fn: "torch.nn.Softmax" } }), "softmax");
    assert.equal(await activation({ ...old, sentence_transformers: { activation_fn: null } }), "sigmoid");
    assert.equal(await activation({ ...TWO, sentence_transformers: { activation_fn: "torch.nn.modules.activation.Sigmoid" } }), "sigmoid");
  });

  it("takes the pipeline's activation first, with modules.json only", async () => {
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

  it("refuses an activation that it does not know, and names it", async () => {
    for (const name of ["torch.nn.modules.activation.Tanh", "my.module.Sigmoid", "torch.nn.", "Sigmoid"]) {
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

  it("has no prompts but the stored ones", async () => {
    const stored = { model_type: "CrossEncoder", prompts: { rank: "Find: " }, default_prompt_name: "rank" };
    const checkpoint = await readCross({ ...CROSS, "config_sentence_transformers.json": stored });
    assert.deepEqual(checkpoint.prompts, { rank: "Find: " });
    assert.equal(checkpoint.defaultPromptName, "rank");
    assert.deepEqual((await readCross(PLAIN_CROSS)).prompts, {});
  });

  it("takes a classifier in a pipeline that another class saved, like the reference", async () => {
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
      "a generative reranker as cross",
      "cross",
      { ...PLAIN_CROSS, "config.json": { architectures: ["Qwen3ForCausalLM"] } },
      "ERR_UNSUPPORTED_MODEL",
      /Qwen3ForCausalLM/,
    ],
    [
      "a sparse model with a further module",
      "sparse",
      { ...SPARSE, "modules.json": [TRANSFORMER, SPLADE, POOLING] },
      "ERR_UNSUPPORTED_MODEL",
      /SpladePooling \+ Pooling/,
    ],
    ["pooling without a transformer", "sparse", { ...SPARSE, "modules.json": [SPLADE] }, "ERR_UNSUPPORTED_MODEL", /lists SpladePooling/],
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
    it(`refuses ${what}`, () => fails(kind === "sparse" ? readSparse(files) : readCross(files), code, ...messages));
  }

  it("takes settings that are empty", async () => {
    const settings = { transformer_task: "fill-mask", query_length: null, processing_kwargs: {} };
    assert.equal((await readSparse({ ...SPARSE, "sentence_bert_config.json": settings })).transformer.maxSeqLength, 40);
  });
});

describe("checkpoint: bad fields", () => {
  const C = "config_sentence_transformers.json";
  type Case = readonly [file: string, content: string | object, kind: "sparse" | "cross", message: RegExp];
  const cases: readonly Case[] = [
    ["config.json", "{", "sparse", /config\.json is not valid JSON/],
    ["config.json", "", "sparse", /config\.json is not valid JSON/],
    ["config.json", "[1,2]", "sparse", /holds an array of 2; expected a JSON object/],
    ["config.json", "null", "cross", /holds null/],
    ["config.json", { ...CLASSIFIER, architectures: "X" }, "cross", /"architectures" is "X"; expected an array of strings/],
    ["config.json", { ...CLASSIFIER, architectures: [1] }, "cross", /"architectures"/],
    ["config.json", { ...MLM, max_position_embeddings: "many" }, "sparse", /"max_position_embeddings" is "many"/],
    ["config.json", { ...MLM, max_position_embeddings: 40.5 }, "sparse", /"max_position_embeddings" is 40\.5; expected an integer/],
    ["config.json", { ...MLM, max_position_embeddings: 0 }, "sparse", /"max_position_embeddings" is 0/],
    ["config.json", { ...MLM, model_type: "roberta", max_position_embeddings: 2 }, "sparse", /is 2; expected an integer > 2/],
    ["config.json", { ...CLASSIFIER, id2label: ["a"] }, "cross", /"id2label" is an array of 1; expected an object/],
    [
      "config.json",
      { ...CLASSIFIER, id2label: { "1": "a" } },
      "cross",
      /"id2label\.0" is missing; expected a label, for each id from 0 to 0/,
    ],
    ["config.json", { ...CLASSIFIER, id2label: { "0": {} } }, "cross", /"id2label\.0" is an object/],
    [
      "config.json",
      { ...CLASSIFIER, id2label: null, num_labels: 1e9 },
      "cross",
      /"num_labels" is 1000000000; expected an integer from 1 to 65536/,
    ],
    ["config.json", { ...CLASSIFIER, id2label: null, num_labels: 0 }, "cross", /"num_labels" is 0/],
    ["config.json", { ...CLASSIFIER, sentence_transformers: "x" }, "cross", /"sentence_transformers" is "x"/],
    ["config.json", { ...CLASSIFIER, sentence_transformers: { activation_fn: 1 } }, "cross", /"sentence_transformers\.activation_fn" is 1/],
    ["modules.json", "[]", "sparse", /modules\.json holds an array of 0/],
    ["modules.json", "{}", "cross", /modules\.json holds an object/],
    ["modules.json", "[null]", "sparse", /entry 0 is null/],
    ["modules.json", [{ path: "" }], "sparse", /"\[0\]\.type" is missing/],
    ["modules.json", [{ type: "sentence_transformers.models.X" }], "sparse", /"\[0\]\.path" is missing/],
    ["sentence_bert_config.json", { max_seq_length: -1, transformer_task: "fill-mask" }, "sparse", /"max_seq_length" is -1/],
    [
      "sentence_bert_config.json",
      { do_lower_case: 1, transformer_task: "fill-mask" },
      "sparse",
      /"do_lower_case" is 1; expected true or false/,
    ],
    ["sentence_bert_config.json", { transformer_task: 1 }, "sparse", /"transformer_task" is 1/],
    ["tokenizer_config.json", { model_max_length: "512" }, "sparse", /"model_max_length" is "512"/],
    ["1_SpladePooling/config.json", { pooling_strategy: "mean" }, "sparse", /"pooling_strategy" is "mean"; expected "max" or "sum"/],
    ["1_SpladePooling/config.json", { activation_function: "gelu" }, "sparse", /"activation_function" is "gelu"/],
    [C, { model_type: 5 }, "sparse", /"model_type" is 5/],
    [C, { model_type: "SparseEncoder", prompts: [] }, "sparse", /"prompts" is an array of 0/],
    [C, { model_type: "SparseEncoder", prompts: { query: 1 } }, "sparse", /"prompts\.query" is 1/],
    [
      C,
      { model_type: "SparseEncoder", default_prompt_name: "web" },
      "sparse",
      /"default_prompt_name" is "web"; expected one of the prompts: "query", "document"/,
    ],
    [C, { model_type: "CrossEncoder", default_prompt_name: "toString" }, "cross", /there are none/],
    [C, { model_type: "SparseEncoder", similarity_fn_name: 1 }, "sparse", /"similarity_fn_name" is 1/],
  ];
  for (const [file, content, kind, message] of cases) {
    it(`${file}: ${typeof content === "string" ? JSON.stringify(content) : message.source}`, () =>
      fails(
        kind === "sparse" ? readSparse({ ...SPARSE, [file]: content }) : readCross({ ...CROSS, [file]: content }),
        "ERR_INVALID_CONFIG",
        new RegExp(file.replaceAll(".", "\\.")),
        message,
      ));
  }

  for (const bad of ["../x", "a/../../x", "/etc", "..", "a\\b", "C:", "c:/x", ".. /x", "a\0b"]) {
    it(`a module's path ${JSON.stringify(bad)}`, () =>
      fails(
        readSparse({ ...SPARSE, "modules.json": [TRANSFORMER, { ...SPLADE, path: bad }] }),
        "ERR_INVALID_CONFIG",
        /inside the model's folder/,
      ));
    it(`a shard's name ${JSON.stringify(bad)}`, () =>
      fails(
        readSparse({ ...without(PLAIN_SPARSE, "model.safetensors"), "model.safetensors.index.json": { weight_map: { w: bad } } }),
        "ERR_INVALID_CONFIG",
        /index\.json/,
        /inside the model's folder/,
      ));
  }
});

describe("checkpoint: weights", () => {
  const INDEX = "model.safetensors.index.json";
  const base = without(PLAIN_SPARSE, "model.safetensors");
  const shard = (...names: string[]): Uint8Array =>
    safetensors(
      Object.fromEntries(names.map((name, i) => [name, { dtype: "U8", shape: [1], data_offsets: [i, i + 1] }])),
      new Uint8Array(names.length),
    );
  const tensors = async (files: Files): Promise<Record<string, string>> =>
    Object.fromEntries(
      [...(await readSparse({ ...base, ...files })).transformer.tensors].map(([name, { file }]) => [name, path.basename(file)]),
    );

  it("prefers model.safetensors to shards and to other variants", async () => {
    const files = {
      "model.safetensors": shard("a"),
      "model.fp16.safetensors": shard("b"),
      [INDEX]: { weight_map: { a: "s1" } },
      s1: shard("a"),
    };
    assert.deepEqual(await tensors(files), { a: "model.safetensors" });
  });

  it("takes every tensor of the shards, and weight_map's word where two have the name", async () => {
    const files = {
      [INDEX]: { metadata: {}, weight_map: { a: "s1", b: "s2", c: "s2" } },
      s1: shard("a", "b", "extra"),
      s2: shard("b", "c"),
    };
    assert.deepEqual(await tensors(files), { a: "s1", b: "s2", c: "s2", extra: "s1" });
  });

  it("takes tensors named like properties of objects", async () => {
    const files = { [INDEX]: '{"weight_map":{"__proto__":"s1","toString":"s1"}}', s1: shard("toString", "__proto__x") };
    await fails(tensors(files), "ERR_INVALID_WEIGHTS", /no tensor "__proto__"/);
  });

  type Case = readonly [what: string, files: Files, code: ErrorCode, message: RegExp];
  const cases: readonly Case[] = [
    ["no weights", {}, "ERR_FILE_NOT_FOUND", /model\.safetensors, model\.safetensors\.index\.json and pytorch_model\.bin/],
    ["pytorch_model.bin only", { "pytorch_model.bin": "" }, "ERR_NOT_SUPPORTED", /save_pretrained/],
    ["a sharded pytorch_model.bin only", { "pytorch_model.bin.index.json": {} }, "ERR_NOT_SUPPORTED", /pytorch_model\.bin\.index\.json/],
    ["TensorFlow weights only", { "tf_model.h5": "" }, "ERR_UNSUPPORTED_MODEL", /tf_model\.h5/],
    ["Flax weights only", { "flax_model.msgpack": "" }, "ERR_UNSUPPORTED_MODEL", /flax_model\.msgpack/],
    ["ONNX weights only", { "onnx/model.onnx": "" }, "ERR_UNSUPPORTED_MODEL", /onnx\/model\.onnx/],
    ["broken weights", { "model.safetensors": "junk" }, "ERR_INVALID_WEIGHTS", /model\.safetensors/],
    ["an index without weight_map", { [INDEX]: {} }, "ERR_INVALID_CONFIG", /"weight_map" is missing/],
    ["an index whose weight_map is a list", { [INDEX]: { weight_map: [] } }, "ERR_INVALID_CONFIG", /"weight_map" is an array/],
    ["an index that names no file", { [INDEX]: { weight_map: { a: 1 } } }, "ERR_INVALID_CONFIG", /"weight_map\.a" is 1/],
    ["an index that names the folder", { [INDEX]: { weight_map: { a: "" } } }, "ERR_INVALID_CONFIG", /"weight_map\.a" is ""/],
    ["an absent shard", { [INDEX]: { weight_map: { a: "s1" } } }, "ERR_FILE_NOT_FOUND", /s1 is missing/],
    [
      "a shard without a tensor of the index",
      { [INDEX]: { weight_map: { a: "s1", b: "s1" } }, s1: shard("a") },
      "ERR_INVALID_WEIGHTS",
      /no tensor "b"/,
    ],
    ["a broken shard", { [INDEX]: { weight_map: { a: "s1" } }, s1: "x" }, "ERR_INVALID_WEIGHTS", /s1 has 1 bytes/],
  ];
  for (const [what, files, code, message] of cases) {
    it(`refuses ${what}`, () => fails(readSparse({ ...base, ...files }), code, message));
  }
});

describe("checkpoint: files", () => {
  it("an absent folder, a file in its place, an impossible name", async () => {
    await withFolder({ file: "" }, async (folder) => {
      for (const name of ["none", "file", "file/below", "a\0b"]) {
        await fails(readCheckpoint(path.join(folder, name), "sparse"), "ERR_MODEL_NOT_FOUND", new RegExp(path.basename(folder)));
      }
    });
  });

  it("an empty folder", async () => {
    await fails(readSparse({}), "ERR_FILE_NOT_FOUND", /no config\.json/);
    await fails(readCross({}), "ERR_FILE_NOT_FOUND", /no config\.json/);
  });

  it("a module's folder without config.json", () =>
    fails(readSparse(without(SPARSE, "config.json")), "ERR_FILE_NOT_FOUND", /no config\.json/));

  it("a folder where a file should be", async () => {
    for (const name of ["config.json", "modules.json", "model.safetensors"]) {
      await withFolder(without(PLAIN_SPARSE, name), async (folder) => {
        await mkdir(path.join(folder, name));
        await fails(readCheckpoint(folder, "sparse"), "ERR_FILE_UNREADABLE", new RegExp(name.replace(".", "\\.")), /is a folder/);
      });
    }
  });

  it("a FIFO does not hang", async function () {
    if (process.platform === "win32") skip(this, "Windows has no such links or modes");
    await withFolder(without(PLAIN_SPARSE, "model.safetensors"), async (folder) => {
      execFileSync("mkfifo", [path.join(folder, "model.safetensors")]);
      await fails(readCheckpoint(folder, "sparse"), "ERR_FILE_UNREADABLE", /not a regular file/);
    });
  });

  it("a symbolic link to itself", async function () {
    if (process.platform === "win32") skip(this, "Windows has no such links or modes");
    await withFolder(PLAIN_SPARSE, async (folder) => {
      await symlink("modules.json", path.join(folder, "modules.json"));
      await fails(readCheckpoint(folder, "sparse"), "ERR_FILE_UNREADABLE", /modules\.json cannot be read \(ELOOP\)/);
    });
  });

  it("a file without permission to read", async function () {
    // Root reads everything.
    if (process.platform === "win32" || process.getuid?.() === 0) skip(this, "permissions do not bind here");
    await withFolder(PLAIN_SPARSE, async (folder) => {
      await chmod(path.join(folder, "config.json"), 0);
      await fails(readCheckpoint(folder, "sparse"), "ERR_FILE_UNREADABLE", /config\.json cannot be read \(EACCES\)/, /permission/);
    });
  });

  it("a configuration file above the size limit", () =>
    withFolder(PLAIN_SPARSE, async (folder) => {
      await truncate(path.join(folder, "config.json"), 2 ** 33);
      await fails(readCheckpoint(folder, "sparse"), "ERR_INVALID_CONFIG", /config\.json has 8589934592 bytes/);
    }));

  it("a relative folder gives absolute paths", () =>
    withFolder(PLAIN_SPARSE, async (folder) => {
      const { root, transformer } = await readCheckpoint(path.relative(process.cwd(), folder), "sparse");
      assert.equal(root, folder);
      assert.ok(path.isAbsolute(transformer.config.file));
    }));
});

describe("checkpoint: hostile configuration", function () {
  this.timeout(120_000);

  const FIELDS = [
    ...["architectures", "model_type", "max_position_embeddings", "pad_token_id", "num_labels", "id2label", "sentence_transformers"],
    ...[
      "sbert_ce_default_activation_function",
      "activation_fn",
      "prompts",
      "default_prompt_name",
      "similarity_fn_name",
      "transformer_task",
    ],
    ...["max_seq_length", "do_lower_case", "tokenizer_args", "pooling_strategy", "activation_function", "model_max_length", "weight_map"],
  ];
  const NAMES = [
    ...Object.keys(SPARSE).filter((name) => name !== "model.safetensors"),
    "tokenizer_config.json",
    "model.safetensors.index.json",
  ];

  it("any JSON in any file gives a description or a coded error", () => {
    const value = fc.oneof(
      fc.jsonValue(),
      fc.constantFrom(
        "fill-mask",
        "sequence-classification",
        "SparseEncoder",
        "CrossEncoder",
        ["BertForMaskedLM"],
        ["BertForSequenceClassification"],
        "roberta",
      ),
      fc.dictionary(fc.constantFrom("0", "1", "query", "__proto__", "activation_fn", "model_max_length"), fc.jsonValue()),
    );
    const object = fc.dictionary(fc.constantFrom(...FIELDS), value, { maxKeys: 5 });
    const module = fc.record(
      {
        type: fc.constantFrom("sentence_transformers.a.Transformer", "sentence_transformers.SpladePooling", "x"),
        path: fc.oneof(fc.constant(""), fc.string()),
      },
      { requiredKeys: [] },
    );
    const content = fc.oneof(object, object, fc.array(fc.oneof(module, value), { maxLength: 3 }), value);
    const edits = fc.dictionary(fc.constantFrom(...NAMES), content, { maxKeys: 3 });
    return fc.assert(
      fc.asyncProperty(fc.constantFrom(SPARSE, CROSS, PLAIN_SPARSE, PLAIN_CROSS), edits, async (files, changes) => {
        const texts = Object.entries(changes).map(([name, json]) => [name, JSON.stringify(json)]);
        await withFolder({ ...files, ...(Object.fromEntries(texts) as Files) }, async (folder) => {
          for (const read of [() => readCheckpoint(folder, "sparse"), () => readCheckpoint(folder, "cross")]) {
            try {
              const { transformer } = await read();
              assert.ok(transformer.maxSeqLength === undefined || transformer.maxSeqLength >= 1);
              assert.deepEqual([...transformer.tensors.keys()], ["w"]);
            } catch (error) {
              assert.ok(error instanceof SparseRerankError, String(error));
              assert.ok(error.message.length < 2000);
            }
          }
        });
      }),
      { numRuns: 400 },
    );
  });
});
