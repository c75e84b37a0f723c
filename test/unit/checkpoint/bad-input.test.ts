/** readCheckpoint on broken and hostile checkpoints: the coded error of each. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmod, mkdir, symlink, truncate } from "node:fs/promises";
import path from "node:path";

import fc from "fast-check";

import { readCheckpoint } from "../../../dist/checkpoint/index";
import type { TransformerPart } from "../../../dist/checkpoint/types";
import type { ErrorCode } from "../../../dist/errors";
import { SparseRerankError } from "../../../dist/errors";
import { fails, safetensors, spladeOf, withFolder } from "../../support/checkpoint-folder";
import type { Files } from "../../support/checkpoint-folder";
import { skip } from "../../support/skip";
import { CLASSIFIER, CROSS, MLM, PLAIN_CROSS, PLAIN_SPARSE, readCross, readSparse, SPARSE, SPLADE, TRANSFORMER, without } from "./layouts";

describe("checkpoint: bad fields", () => {
  const C = "config_sentence_transformers.json";
  type Case = readonly [file: string, content: string | object, kind: "sparse" | "cross", message: RegExp];
  const cases: readonly Case[] = [
    ["config.json", "{", "sparse", /config\.json is not valid JSON/],
    ["config.json", "", "sparse", /config\.json is not valid JSON/],
    ["config.json", "[1,2]", "sparse", /contains an array of 2; expected a JSON object/],
    ["config.json", "null", "cross", /contains null/],
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
      /"id2label\.0" is missing; expected a label for each id from 0 to 0/,
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
    ["modules.json", "[]", "sparse", /modules\.json contains an array of 0/],
    ["modules.json", "{}", "cross", /modules\.json contains an object/],
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

  it("reads every tensor of the shards, and follows weight_map if two have the same name", async () => {
    const files = {
      [INDEX]: { metadata: {}, weight_map: { a: "s1", b: "s2", c: "s2" } },
      s1: shard("a", "b", "extra"),
      s2: shard("b", "c"),
    };
    assert.deepEqual(await tensors(files), { a: "s1", b: "s2", c: "s2", extra: "s1" });
  });

  it("reads tensors named like properties of objects", async () => {
    const files = { [INDEX]: '{"weight_map":{"__proto__":"s1","toString":"s1"}}', s1: shard("toString", "__proto__x") };
    await fails(tensors(files), "ERR_INVALID_WEIGHTS", /no tensor "__proto__"/);
  });

  type Case = readonly [what: string, files: Files, code: ErrorCode, message: RegExp];
  const cases: readonly Case[] = [
    [
      "no weights",
      {},
      "ERR_FILE_NOT_FOUND",
      /model\.safetensors, model\.safetensors\.index\.json, pytorch_model\.bin, pytorch_model\.bin\.index\.json/,
    ],
    ["an empty pytorch_model.bin", { "pytorch_model.bin": "" }, "ERR_INVALID_WEIGHTS", /pytorch_model\.bin is neither a zip archive nor/],
    [
      "an index of pytorch_model.bin without weight_map",
      { "pytorch_model.bin.index.json": {} },
      "ERR_INVALID_CONFIG",
      /"weight_map" is missing/,
    ],
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
    it(`rejects ${what}`, () => fails(readSparse({ ...base, ...files }), code, message));
  }
});

describe("checkpoint: files", () => {
  it("rejects an absent folder, a file in its place and an invalid name", async () => {
    await withFolder({ file: "" }, async (folder) => {
      for (const name of ["none", "file", "file/below", "a\0b"]) {
        await fails(readCheckpoint(path.join(folder, name), "sparse"), "ERR_MODEL_NOT_FOUND", new RegExp(path.basename(folder)));
      }
    });
  });

  it("rejects an empty folder", async () => {
    await fails(readSparse({}), "ERR_FILE_NOT_FOUND", /no config\.json/);
    await fails(readCross({}), "ERR_FILE_NOT_FOUND", /no config\.json/);
  });

  it("rejects a module's folder without config.json", () =>
    fails(readSparse(without(SPARSE, "config.json")), "ERR_FILE_NOT_FOUND", /no config\.json/));

  it("rejects a folder in place of a file", async () => {
    for (const name of ["config.json", "modules.json", "model.safetensors"]) {
      await withFolder(without(PLAIN_SPARSE, name), async (folder) => {
        await mkdir(path.join(folder, name));
        await fails(readCheckpoint(folder, "sparse"), "ERR_FILE_UNREADABLE", new RegExp(name.replace(".", "\\.")), /is a folder/);
      });
    }
  });

  it("rejects a FIFO without hanging", async function () {
    if (process.platform === "win32") skip(this, "Windows has no such links or modes");
    await withFolder(without(PLAIN_SPARSE, "model.safetensors"), async (folder) => {
      execFileSync("mkfifo", [path.join(folder, "model.safetensors")]);
      await fails(readCheckpoint(folder, "sparse"), "ERR_FILE_UNREADABLE", /not a regular file/);
    });
  });

  it("rejects a symbolic link to itself", async function () {
    if (process.platform === "win32") skip(this, "Windows has no such links or modes");
    await withFolder(PLAIN_SPARSE, async (folder) => {
      await symlink("modules.json", path.join(folder, "modules.json"));
      await fails(readCheckpoint(folder, "sparse"), "ERR_FILE_UNREADABLE", /modules\.json cannot be read \(ELOOP\)/);
    });
  });

  it("rejects a file without read permission", async function () {
    // Root can read everything.
    if (process.platform === "win32" || process.getuid?.() === 0) skip(this, "permissions do not bind here");
    await withFolder(PLAIN_SPARSE, async (folder) => {
      await chmod(path.join(folder, "config.json"), 0);
      await fails(readCheckpoint(folder, "sparse"), "ERR_FILE_UNREADABLE", /config\.json cannot be read \(EACCES\)/, /permission/);
    });
  });

  it("rejects a configuration file above the size limit", () =>
    withFolder(PLAIN_SPARSE, async (folder) => {
      await truncate(path.join(folder, "config.json"), 2 ** 33);
      await fails(readCheckpoint(folder, "sparse"), "ERR_INVALID_CONFIG", /config\.json has 8589934592 bytes/);
    }));

  it("returns absolute paths for a relative folder", () =>
    withFolder(PLAIN_SPARSE, async (folder) => {
      const { root, transformer } = spladeOf(await readCheckpoint(path.relative(process.cwd(), folder), "sparse"));
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

  it("any JSON in any file results in a description or a coded error", () => {
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
          const readers: readonly (() => Promise<{ readonly transformer: TransformerPart }>)[] = [
            async () => spladeOf(await readCheckpoint(folder, "sparse")),
            () => readCheckpoint(folder, "cross"),
          ];
          for (const read of readers) {
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
