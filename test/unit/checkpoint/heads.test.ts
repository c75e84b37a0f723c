/** Pooled heads and lexical weights: valid descriptions, and the coded error of each invalid one. */

import assert from "node:assert/strict";

import fc from "fast-check";

import { poolsPrompt } from "../../../dist/checkpoint/embedding-modules";
import { readCheckpoint } from "../../../dist/checkpoint/index";
import type { ErrorCode } from "../../../dist/errors";
import { SparseRerankError } from "../../../dist/errors";
import { fails, WEIGHTS, withFolder } from "../../support/checkpoint-folder";
import type { Files } from "../../support/checkpoint-folder";
import {
  CROSS,
  CSR,
  LEXICAL,
  MLM_TRANSFORMER,
  MODELS,
  ROUTER,
  ROUTER_CONFIG,
  SPARSE_MODELS,
  SPLADE,
  STATIC,
  pipeline,
  readCross,
  readSparse,
  without,
} from "./pipelines";

describe("checkpoint: pooled heads", () => {
  it("reads poolings of old and new versions", async () => {
    const modes = async (config: object): Promise<unknown> => {
      const { document } = (await readSparse({ ...CSR, "1/config.json": config })).routes;
      assert.ok(document.kind === "transformer" && document.head.kind === "autoencoder");
      const [pooling] = document.head.modules;
      return pooling?.kind === "pooling" ? pooling.modes : undefined;
    };
    assert.deepEqual(await modes({ pooling_mode_cls_token: true, pooling_mode_mean_tokens: false }), ["cls"]);
    assert.deepEqual(await modes({ pooling_mode_mean_tokens: true, pooling_mode_cls_token: true }), ["cls", "mean"]);
    assert.deepEqual(await modes({}), ["mean"]);
    assert.deepEqual(await modes({ pooling_mode: "lasttoken", pooling_mode_cls_token: true }), ["lasttoken"]);
    assert.deepEqual(await modes({ pooling_mode: ["max", "cls"] }), ["max", "cls"]);
  });

  it("uses the autoencoder's k for every vector, 8 by default", async () => {
    for (const [k, expected] of [
      [3, 3],
      [null, 8],
    ]) {
      const { document } = (await readSparse({ ...CSR, "2/config.json": { input_dim: 2, hidden_dim: 8, k } })).routes;
      assert.ok(document.kind === "transformer" && document.head.kind === "autoencoder");
      assert.equal(document.head.k, expected);
    }
  });

  it("has as many labels as the last Dense has outputs", async () => {
    const checkpoint = await readCross({ ...CROSS, "2/config.json": { in_features: 2, out_features: 3, module_output_name: "scores" } });
    assert.deepEqual(checkpoint.labels, ["LABEL_0", "LABEL_1", "LABEL_2"]);
    assert.equal(checkpoint.activation, "identity");
    assert.equal((await readCross(CROSS)).activation, "sigmoid");
  });

  it("reads the modules after the transformer in any order, and the features that they name", async () => {
    const order = [
      ["Normalize", "n"],
      ["Dense", "d"],
      ["Pooling", "1"],
      ["Dropout", "x"],
      ["Dense", "2"],
      ["Dropout", "x"],
    ] as const;
    const { head, numLabels, activation } = await readCross({
      ...CROSS,
      "modules.json": pipeline([`${MODELS}.Transformer`, ""], ...order.map(([name, folder]) => [`${MODELS}.${name}`, folder] as const)),
      "config_sentence_transformers.json": { model_type: "CrossEncoder", activation_fn: "torch.nn.modules.activation.LeakyReLU" },
      "d/config.json": { in_features: 2, out_features: 2, module_input_name: "token_embeddings", activation_function: "torch.nn.Mish" },
      "d/model.safetensors": WEIGHTS,
      "1/config.json": { pooling_mode: "cls", include_prompt: false },
    });
    assert.deepEqual(
      head?.map(({ kind, input, output }) => [kind, input, output]),
      [
        ["dense", "token_embeddings", "token_embeddings"],
        ["pooling", "token_embeddings", "sentence_embedding"],
        ["dense", "sentence_embedding", "scores"],
      ],
    );
    assert.deepEqual([numLabels, activation, poolsPrompt(head)], [1, "leakyrelu", false]);
  });

  it("ignores the normalization of an absent feature, as the reference does", async () => {
    const modules = pipeline(
      [`${MODELS}.Transformer`, ""],
      [`${MODELS}.Normalize`, "n"],
      [`${MODELS}.Pooling`, "1"],
      [`${MODELS}.Dense`, "2"],
    );
    const { head } = await readCross({ ...CROSS, "modules.json": modules });
    assert.deepEqual(
      head?.map(({ kind }) => kind),
      ["pooling", "dense"],
    );
  });

  const dense = (changes: object): Files => ({
    ...CROSS,
    "2/config.json": { in_features: 2, out_features: 1, module_output_name: "scores", ...changes },
  });
  type Case = readonly [what: string, kind: "sparse" | "cross", files: Files, code: ErrorCode, message: RegExp];
  const cases: readonly Case[] = [
    [
      "an unknown pooling",
      "sparse",
      { ...CSR, "1/config.json": { pooling_mode: "median" } },
      "ERR_INVALID_CONFIG",
      /"pooling_mode" is "median"/,
    ],
    ["no pooling mode at all", "sparse", { ...CSR, "1/config.json": { pooling_mode: [] } }, "ERR_INVALID_CONFIG", /"pooling_mode"/],
    ["an autoencoder without sizes", "sparse", { ...CSR, "2/config.json": {} }, "ERR_INVALID_CONFIG", /"input_dim" is missing/],
    [
      "an autoencoder of astronomical size",
      "sparse",
      { ...CSR, "2/config.json": { input_dim: 2, hidden_dim: 1e12 } },
      "ERR_INVALID_CONFIG",
      /"hidden_dim"/,
    ],
    ["an autoencoder without weights", "sparse", without(CSR, "2/model.safetensors"), "ERR_FILE_NOT_FOUND", /no weights/],
    [
      "a head without pooling",
      "sparse",
      { ...CSR, "modules.json": pipeline([`${MODELS}.Transformer`, ""], [`${SPARSE_MODELS}.SparseAutoEncoder`, "2"]) },
      "ERR_UNSUPPORTED_MODEL",
      /2.config\.json: the module reads "sentence_embedding", but the modules before it output only "token_embeddings"/,
    ],
    [
      "an unknown module",
      "sparse",
      {
        ...CSR,
        "modules.json": pipeline(
          [`${MODELS}.Transformer`, ""],
          [`${MODELS}.Pooling`, "1"],
          [`${MODELS}.LSTM`, "1"],
          [`${SPARSE_MODELS}.SparseAutoEncoder`, "2"],
        ),
      },
      "ERR_UNSUPPORTED_MODEL",
      /"LSTM"/,
    ],
    [
      "scores that no module gives",
      "cross",
      dense({ module_output_name: null }),
      "ERR_UNSUPPORTED_MODEL",
      /lists Pooling \+ Dense after the transformer; none of them outputs "scores"/,
    ],
    [
      "a Dense over tokens",
      "cross",
      dense({ module_input_name: "token_embeddings" }),
      "ERR_UNSUPPORTED_MODEL",
      /none of them outputs "scores" per text/,
    ],
    [
      "a Dense that reads what nothing gives",
      "cross",
      dense({ module_input_name: "pooled" }),
      "ERR_UNSUPPORTED_MODEL",
      /reads "pooled", but the modules before it output only "token_embeddings", "sentence_embedding"/,
    ],
    ["a Dense that changes a mask", "cross", dense({ module_output_name: "attention_mask" }), "ERR_UNSUPPORTED_MODEL", /"attention_mask"/],
    [
      "a softmax over the texts of a batch",
      "cross",
      dense({ module_input_name: "token_embeddings", activation_function: "torch.nn.modules.activation.Softmax" }),
      "ERR_UNSUPPORTED_MODEL",
      /Softmax/,
    ],
    ["scores that GLU halves", "cross", dense({ activation_function: "torch.nn.GLU" }), "ERR_UNSUPPORTED_MODEL", /GLU/],
    ["more scores than a checkpoint has", "cross", dense({ out_features: 70_000 }), "ERR_INVALID_CONFIG", /"out_features" is 70000/],
    ...(
      [
        [
          { text: { method: "forward", method_output_name: "pooler_output" } },
          /"modality_config.text.method_output_name" is "pooler_output"/,
        ],
        [
          { text: { method: "forward", method_output_name: ["hidden_states", -2] } },
          /"modality_config.text.method_output_name" is an array of 2/,
        ],
        [{ text: { method: "get_text_features" } }, /"modality_config.text.method" is "get_text_features"/],
        [{ image: { method: "forward" } }, /"modality_config.text" is missing/],
      ] as const
    ).map(([modality_config, message]): Case => [
      `the output ${JSON.stringify(modality_config)} of a transformer`,
      "cross",
      { ...CROSS, "sentence_bert_config.json": { modality_config } },
      "ERR_UNSUPPORTED_MODEL",
      message,
    ]),
    [
      "a transformer that gives the embedding itself",
      "sparse",
      { ...CSR, "sentence_bert_config.json": { module_output_name: "sentence_embedding" } },
      "ERR_UNSUPPORTED_MODEL",
      /"module_output_name" is "sentence_embedding"; only "token_embeddings" is supported/,
    ],
    ["no activation at all", "cross", dense({ activation_function: null }), "ERR_INVALID_CONFIG", /"activation_function" is missing/],
    [
      "an autoencoder before another module",
      "sparse",
      {
        ...CSR,
        "modules.json": pipeline(
          [`${MODELS}.Transformer`, ""],
          [`${MODELS}.Pooling`, "1"],
          ...["2", "2"].map((folder) => [`${SPARSE_MODELS}.SparseAutoEncoder`, folder] as const),
        ),
      },
      "ERR_UNSUPPORTED_MODEL",
      /a SparseAutoEncoder must be the last module/,
    ],
    ...["BoW", "CNN", "LSTM", "WeightedLayerPooling", "WordWeights", "LogitScore"].map((name): Case => [
      `the module ${name}`,
      "cross",
      { ...CROSS, "modules.json": pipeline([`${MODELS}.Transformer`, ""], [`${MODELS}.${name}`, "1"], [`${MODELS}.Dense`, "2"]) },
      "ERR_UNSUPPORTED_MODEL",
      new RegExp(`The module "${name}" of`),
    ]),
    [
      "an unknown activation",
      "cross",
      dense({ activation_function: "torch.nn.modules.activation.Threshold" }),
      "ERR_UNSUPPORTED_MODEL",
      /the activation "torch.nn.modules.activation.Threshold" \("activation_function"\) is not supported/,
    ],
    [
      "an activation outside of torch.nn's classes",
      "cross",
      dense({ activation_function: "torch.nn.utils.parametrize.Tanh" }),
      "ERR_UNSUPPORTED_MODEL",
      /parametrize/,
    ],
    ["an activation that is code", "cross", dense({ activation_function: "my.Tanh" }), "ERR_UNSUPPORTED_MODEL", /my\.Tanh/],
    [
      "a cross-encoder that ends in pooling",
      "cross",
      { ...CROSS, "modules.json": pipeline([`${MODELS}.Transformer`, ""], [`${MODELS}.Pooling`, "1"]) },
      "ERR_UNSUPPORTED_MODEL",
      /lists Pooling after the transformer/,
    ],
  ];
  for (const [what, kind, files, code, message] of cases) {
    it(`rejects ${what}`, () => fails(kind === "sparse" ? readSparse(files) : readCross(files), code, message));
  }
});

describe("checkpoint: lexical weights", () => {
  const lexical = async (files: Files): Promise<readonly string[]> => {
    const { routes, similarityFunction } = await readSparse(files);
    assert.ok(routes.document.kind === "transformer" && routes.document.head.kind === "lexical");
    assert.equal(routes.query, routes.document);
    assert.equal(similarityFunction, "dot");
    assert.deepEqual(routes.document.head.part.tensors.get("weight")?.shape, [1, 2]);
    return routes.document.head.ignoredTokens;
  };

  it("reads a dense model that has them as a sparse encoder", async () => {
    assert.deepEqual(await lexical(LEXICAL), ["<s>", "</s>", "<pad>", "<unk>"]);
    assert.deepEqual(await lexical(without(LEXICAL, "modules.json")), ["<s>", "</s>", "<pad>", "<unk>"]);
  });

  it("reads the names of special tokens from the tokenizer's files", async () => {
    const files: Files = {
      ...LEXICAL,
      "special_tokens_map.json": { cls_token: "[A]", eos_token: { content: "[B]" }, pad_token: "[C]" },
      "tokenizer_config.json": { pad_token: "[D]" },
    };
    assert.deepEqual(await lexical(files), ["[A]", "[B]", "[D]", "<unk>"]);
    await fails(
      lexical({ ...files, "tokenizer_config.json": { pad_token: 5 } }),
      "ERR_INVALID_CONFIG",
      /"pad_token" is 5; expected a token/,
    );
  });

  it("rejects a dense model without them", () =>
    fails(readSparse(without(LEXICAL, "sparse_linear.pt")), "ERR_WRONG_MODEL_KIND", /does not produce sparse vectors/));
});

describe("checkpoint: hostile routes and heads", function () {
  this.timeout(120_000);

  it("any JSON in any file results in a description or a coded error", () => {
    const names = [...Object.keys(ROUTER), ...Object.keys(CSR)].filter((name) => name.endsWith(".json"));
    const text = fc.constantFrom(
      STATIC,
      SPLADE,
      MLM_TRANSFORMER,
      `${MODELS}.Router`,
      `${MODELS}.Dense`,
      "",
      "query",
      "document_1",
      "query_0",
      ".",
      "__proto__",
      "(None, None)",
    );
    const value = fc.oneof(
      fc.jsonValue(),
      text,
      fc.array(text, { maxLength: 3 }),
      fc.dictionary(text, fc.oneof(text, fc.array(text, { maxLength: 3 }))),
    );
    const fields = [
      "types",
      "structure",
      "parameters",
      "default_route",
      "route_mappings",
      "path",
      "pooling_mode",
      "k",
      "input_dim",
      "hidden_dim",
      "in_features",
    ];
    const object = fc.dictionary(fc.oneof(fc.constantFrom(...fields), fc.string()), value, { maxKeys: 4 });
    const edits = fc.dictionary(fc.constantFrom(...names), fc.oneof(object, value, fc.constant(ROUTER_CONFIG)), { maxKeys: 3 });
    return fc.assert(
      fc.asyncProperty(fc.constantFrom(ROUTER, CSR, CROSS, LEXICAL), edits, async (files, changes) => {
        const texts = Object.fromEntries(Object.entries(changes).map(([name, json]): [string, string] => [name, JSON.stringify(json)]));
        await withFolder({ ...files, ...texts }, async (folder) => {
          for (const kind of ["sparse", "cross"] as const) {
            try {
              await (kind === "sparse" ? readCheckpoint(folder, kind) : readCheckpoint(folder, kind));
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
