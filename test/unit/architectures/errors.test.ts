/** What lib/architectures rejects, and what the messages name. */

import assert from "node:assert/strict";
import { inspect } from "node:util";

import fc from "fast-check";

import { architectureFor, MODEL_TYPES } from "../../../dist/architectures";
import type { TransformerPart } from "../../../dist/checkpoint/types";
import { SparseRerankError } from "../../../dist/errors";
import {
  configOf,
  crossPart,
  decode,
  maskedLanguageModel,
  refuses,
  sequenceClassifier,
  sparsePart,
  withConfig,
  withNames,
  without,
  withTensor,
} from "./architecture-graphs";

describe("architectureFor", () => {
  it("selects every family by model_type", () => {
    assert.deepEqual(MODEL_TYPES, [
      ...["bert", "distilbert", "roberta", "xlm-roberta", "camembert", "electra"],
      ...["deberta", "deberta-v2", "modernbert", "mpnet", "new", "gte"],
      ...["qwen2", "qwen3", "llama", "mistral", "gemma", "gemma2", "eurobert"],
    ]);
    for (const modelType of MODEL_TYPES) {
      assert.ok(architectureFor(configOf({ model_type: modelType })).modelTypes.includes(modelType));
    }
  });

  for (const modelType of ["gpt2", "BERT", "", 7, null, undefined, ["bert"], "toString"]) {
    it(`rejects ${inspect(modelType)} and lists the supported types`, () => {
      refuses(
        () => architectureFor(configOf({ model_type: modelType })),
        "ERR_UNSUPPORTED_MODEL",
        ...["/models/some/config.json", '"model_type"', MODEL_TYPES.join(", ")],
      );
    });
  }

  it("does not assign a model with custom code to the family whose name it has", () => {
    for (const autoMap of [{ AutoModel: "owner/name--modeling_bert.OtherModel" }, { AutoConfig: "configuration_bert.OtherConfig" }, {}]) {
      refuses(() => architectureFor(configOf({ model_type: "bert", auto_map: autoMap })), "ERR_UNSUPPORTED_MODEL", '"auto_map"', "bert");
    }
  });
});

describe("architectures reject", () => {
  let bert: TransformerPart;
  let roberta: TransformerPart;

  before(async () => {
    bert = await sparsePart("splade-bert");
    roberta = await sparsePart("splade-roberta");
  });

  it("position embeddings other than absolute ones", async () => {
    for (const type of ["relative_key", "rope"]) {
      const part = withConfig(bert, { position_embedding_type: type });
      refuses(() => maskedLanguageModel(part), "ERR_UNSUPPORTED_MODEL", part.config.file, '"position_embedding_type"', type, "absolute");
    }
    const { part, labels } = await crossPart("ce-electra-qnli");
    const relative = withConfig(part, { position_embedding_type: "relative_key_query" });
    refuses(() => sequenceClassifier(relative, labels), "ERR_UNSUPPORTED_MODEL", "relative_key_query");
  });

  it("a decoder with causal attention", () => {
    refuses(() => maskedLanguageModel(withConfig(bert, { is_decoder: true })), "ERR_UNSUPPORTED_MODEL", '"is_decoder" is true');
  });

  it("an unknown activation, listing the known ones", async () => {
    refuses(
      () => maskedLanguageModel(withConfig(bert, { hidden_act: "gelu_10" })),
      "ERR_UNSUPPORTED_MODEL",
      ...[bert.config.file, "gelu_10", "gelu_new, "],
    );
    const distilbert = withConfig(await sparsePart("splade-distilbert"), { activation: "toString" });
    refuses(() => maskedLanguageModel(distilbert), "ERR_UNSUPPORTED_MODEL", "toString");
  });

  describe("a config.json whose", () => {
    const cases: [field: string, value: unknown, expected: string][] = [
      ["hidden_size", 0, "an integer >= 1"],
      ["hidden_size", undefined, "a positive integer"],
      ["hidden_size", "24", "an integer >= 1"],
      ["num_hidden_layers", 1.5, "an integer >= 1"],
      ["num_hidden_layers", -1, "an integer >= 1"],
      ["num_attention_heads", 7, "a divisor of the hidden size"],
      ["num_attention_heads", null, "a positive integer"],
      ["intermediate_size", true, "an integer >= 1"],
      ["vocab_size", [], "an integer >= 1"],
      ["type_vocab_size", 0, "an integer >= 1"],
      ["max_position_embeddings", 2 ** 53, "an integer >= 1"],
      ["layer_norm_eps", 0, "a positive number"],
      ["layer_norm_eps", Infinity, "a positive number"],
      ["layer_norm_eps", "1e-12", "a positive number"],
      ["hidden_act", 3, "a string"],
      ["tie_word_embeddings", "yes", "true or false"],
    ];
    for (const [field, value, expected] of cases) {
      it(`${field} is ${inspect(value)}`, () => {
        const part = withConfig(bert, { [field]: value });
        refuses(() => maskedLanguageModel(part), "ERR_INVALID_CONFIG", part.config.file, `"${field}"`, `expected ${expected}`);
      });
    }

    it("position table has no room after RoBERTa's padding id", () => {
      const part = withConfig(roberta, { max_position_embeddings: 2 });
      refuses(() => maskedLanguageModel(part), "ERR_INVALID_CONFIG", '"max_position_embeddings" is 2', "at least 3", "pad_token_id 1");
    });

    it("pad_token_id is negative in a RoBERTa", () => {
      refuses(() => maskedLanguageModel(withConfig(roberta, { pad_token_id: -1 })), "ERR_INVALID_CONFIG", '"pad_token_id" is -1');
    });
  });

  describe("architectures reject weights", () => {
    it("that lack a tensor of the body", () => {
      const name = "bert.encoder.layer.1.attention.self.key.bias";
      refuses(() => maskedLanguageModel(without(bert, name)), "ERR_MISSING_TENSOR", name, bert.folder, bert.config.file);
    });

    it("that lack the head of the class", async () => {
      refuses(() => sequenceClassifier(bert, 1), "ERR_MISSING_TENSOR", "pooler.dense.weight");
      const { part } = await crossPart("ce-bert-msmarco");
      refuses(() => maskedLanguageModel(part), "ERR_MISSING_TENSOR", "cls.predictions.transform.dense.weight");
    });

    it("that lack both names of a layer norm", () => {
      refuses(
        () => maskedLanguageModel(without(bert, "bert.embeddings.LayerNorm.weight")),
        "ERR_MISSING_TENSOR",
        "bert.embeddings.LayerNorm.weight or bert.embeddings.LayerNorm.gamma",
      );
    });

    it("of an untied decoder that is missing from the file", () => {
      const part = withConfig(bert, { tie_word_embeddings: false });
      refuses(() => maskedLanguageModel(part), "ERR_MISSING_TENSOR", "cls.predictions.decoder.weight");
    });

    it("with a prefix that the reference does not know either", () => {
      const part = withNames(bert, (name) => `model.${name}`);
      refuses(() => maskedLanguageModel(part), "ERR_MISSING_TENSOR", "bert.embeddings.word_embeddings.weight");
    });

    it("of fewer layers than config.json says", () => {
      const layers = Number(bert.config.json["num_hidden_layers"]);
      const part = withConfig(bert, { num_hidden_layers: 1e15 });
      refuses(() => maskedLanguageModel(part), "ERR_MISSING_TENSOR", `bert.encoder.layer.${String(layers)}.attention`);
    });

    it("whose shape differs from config.json", () => {
      const name = "bert.encoder.layer.0.intermediate.dense.weight";
      const { file = "", shape = [] } = bert.tensors.get(name) ?? {};
      const part = withTensor(bert, name, name, { shape: [...shape].reverse() });
      const found = `[${[...shape].reverse().join(", ")}]`;
      refuses(() => maskedLanguageModel(part), "ERR_TENSOR_MISMATCH", file, name, found, `[${shape.join(", ")}]`, bert.config.file);
      refuses(() => maskedLanguageModel(withTensor(bert, name, name, { shape: shape.slice(0, 1) })), "ERR_TENSOR_MISMATCH", name);
    });

    it("whose embeddings do not have vocab_size, position or token type rows", () => {
      for (const [field, tensor] of [
        ["vocab_size", "word_embeddings"],
        ["max_position_embeddings", "position_embeddings"],
        ["type_vocab_size", "token_type_embeddings"],
      ] as const) {
        const part = withConfig(bert, { [field]: Number(bert.config.json[field]) + 1 });
        refuses(() => maskedLanguageModel(part), "ERR_TENSOR_MISMATCH", `bert.embeddings.${tensor}.weight`);
      }
    });

    it("whose embeddings do not have ELECTRA's default width if config.json names none", async () => {
      const part = withConfig(await sparsePart("splade-electra"), { embedding_size: undefined });
      refuses(() => maskedLanguageModel(part), "ERR_TENSOR_MISMATCH", "electra.embeddings.word_embeddings.weight", ", 128]");
    });

    it("whose classifier does not have one row per label", async () => {
      const { part, labels } = await crossPart("ce-bert-multilabel");
      refuses(() => sequenceClassifier(part, labels + 1), "ERR_TENSOR_MISMATCH", "classifier.weight");
    });

    it("of an unsupported element type", () => {
      for (const dtype of ["F64", "I8", "I64"] as const) {
        const part = withTensor(bert, "cls.predictions.bias", "cls.predictions.bias", { dtype });
        refuses(() => maskedLanguageModel(part), "ERR_TENSOR_MISMATCH", "cls.predictions.bias", dtype, "F32, F16 or BF16");
      }
    });
  });

  it("with a coded error, or build a graph, for any other config.json", async () => {
    const parts = [bert, roberta, await sparsePart("splade-distilbert"), await sparsePart("splade-electra")];
    const fields = [...new Set(parts.flatMap(({ config }) => Object.keys(config.json)))];
    const number = fc.oneof(fc.integer({ min: -2, max: 70 }), fc.double());
    const changes = fc.dictionary(fc.constantFrom(...fields), fc.oneof(number, fc.jsonValue()), { minKeys: 1, maxKeys: 3 });
    fc.assert(
      fc.property(fc.constantFrom(...parts), changes, (part, changed) => {
        try {
          assert.equal(decode(maskedLanguageModel(withConfig(part, changed))).outputs.length, 1);
        } catch (error) {
          assert.ok(error instanceof SparseRerankError, String(error));
          assert.notEqual(error.code, "ERR_INTERNAL");
        }
      }),
    );
  });
});
