/** DeBERTa, ModernBERT, GTE and Jina's models: how config.json selects the family, and what all their graphs have in common. */

import assert from "node:assert/strict";

import fc from "fast-check";

import { architectureFor } from "../../../dist/architectures";
import { debertaV2 } from "../../../dist/architectures/deberta-v2";
import { gte } from "../../../dist/architectures/gte";
import { jinaBert } from "../../../dist/architectures/jina-bert";
import { jinaRoberta } from "../../../dist/architectures/jina-roberta";
import { modernbert } from "../../../dist/architectures/modernbert";
import { roberta } from "../../../dist/architectures/roberta";
import type { Architecture } from "../../../dist/architectures/types";
import type { TransformerPart } from "../../../dist/checkpoint/types";
import { SparseRerankError } from "../../../dist/errors";
import {
  assertWellFormed,
  configOf,
  crossPart,
  decode,
  maskedLanguageModel,
  referencePart,
  querySource,
  refuses,
  sequenceClassifier,
  sparsePart,
  withConfig,
  withNames,
  without,
  withTensor,
} from "./architecture-graphs";

const SPARSE = ["splade-mpnet", "splade-gte-new", "splade-modernbert", "splade-modernbert-v5cfg"];
const CROSS = [
  "ce-mpnet",
  "ce-deberta-v3-nli",
  "ce-deberta-v3-rerank",
  "ce-gte-new",
  "ce-jina-v1",
  "ce-modernbert-cls",
  "ce-modernbert-mean",
];
const REFERENCES = [
  ...["deberta-v1", "deberta-v1-short-table", "deberta-v2-convolution", "deberta-v3", "gte-ntk", "gte-native"],
  ...["jina-roberta", "modernbert-biases", "modernbert-local"],
];
const REFERENCE_LABELS = 3;

const hiddenOf = (part: TransformerPart): number => Number(part.config.json["hidden_size"]);

describe("families by config.json", () => {
  const families: [title: string, json: Readonly<Record<string, unknown>>, family: Architecture][] = [
    ["deberta-v2", { model_type: "deberta-v2" }, debertaV2],
    ["modernbert", { model_type: "modernbert" }, modernbert],
    ["GTE", { model_type: "new", auto_map: { AutoConfig: "Alibaba-NLP/new-impl--configuration.NewConfig" } }, gte],
    ["GTE without auto_map", { model_type: "new" }, gte],
    ["GTE as transformers has it", { model_type: "gte" }, gte],
    [
      "JinaBERT, which calls itself bert",
      { model_type: "bert", auto_map: { AutoConfig: "jinaai/jina-bert-implementation--configuration_bert.JinaBertConfig" } },
      jinaBert,
    ],
    ["JinaBERT with its code beside it", { model_type: "bert", auto_map: { AutoConfig: "configuration_bert.JinaBertConfig" } }, jinaBert],
    ["JinaBERT without auto_map", { model_type: "bert", position_embedding_type: "alibi" }, jinaBert],
    [
      "Jina's XLM-RoBERTa",
      { model_type: "xlm-roberta", auto_map: { AutoConfig: "configuration_xlm_roberta.XLMRobertaFlashConfig" } },
      jinaRoberta,
    ],
    ["XLM-RoBERTa", { model_type: "xlm-roberta", auto_map: null }, roberta],
  ];
  for (const [title, json, family] of families) {
    it(title, () => {
      assert.equal(architectureFor(configOf(json)), family);
    });
  }

  it("rejects an auto_map that is not an object", () => {
    refuses(() => architectureFor(configOf({ model_type: "bert", auto_map: "JinaBertConfig" })), "ERR_INVALID_CONFIG", '"auto_map"');
  });
});

describe("graphs of other families", () => {
  for (const name of SPARSE) {
    it(name, async () => {
      const part = await sparsePart(name);
      const graph = maskedLanguageModel(part);
      assertWellFormed(graph, "hidden");
      assert.deepEqual(graph.decoder.shape, [part.config.json["vocab_size"], hiddenOf(part)]);
      assert.deepEqual(graph.decoderBias?.shape, [part.config.json["vocab_size"]]);
    });
  }
  for (const name of CROSS) {
    it(name, async () => {
      const { part, labels } = await crossPart(name);
      assertWellFormed(sequenceClassifier(part, labels), "logits");
    });
  }
  for (const name of REFERENCES) {
    it(name, async () => {
      assertWellFormed(sequenceClassifier(await referencePart(name), REFERENCE_LABELS), "logits");
    });
  }

  it("do not need the prefix of the base model", async () => {
    for (const [name, prefix] of [
      ["splade-gte-new", "new."],
      ["splade-modernbert", "model."],
    ] as const) {
      const part = await sparsePart(name);
      assertWellFormed(maskedLanguageModel(withNames(part, (tensor) => tensor.replace(prefix, ""))), "hidden");
    }
    const part = await referencePart("deberta-v3");
    assertWellFormed(
      sequenceClassifier(
        withNames(part, (tensor) => tensor.replace("deberta.", "")),
        REFERENCE_LABELS,
      ),
      "logits",
    );
  });

  it("name the tensor that is missing or has another shape", async () => {
    for (const [name, tensor] of [
      ["deberta-v1", "deberta.encoder.layer.1.attention.self.pos_q_proj.bias"],
      ["deberta-v1", "deberta.encoder.layer.0.attention.self.q_bias"],
      ["deberta-v2-convolution", "deberta.encoder.conv.conv.weight"],
      ["deberta-v3", "deberta.encoder.LayerNorm.weight"],
      ["deberta-v3", "deberta.encoder.rel_embeddings.weight"],
      ["gte-ntk", "new.encoder.layer.0.mlp.up_gate_proj.weight"],
      ["modernbert-local", "model.layers.1.attn_norm.weight"],
      ["modernbert-biases", "model.layers.2.attn.Wqkv.bias"],
    ] as const) {
      const part = await referencePart(name);
      refuses(() => sequenceClassifier(without(part, tensor), REFERENCE_LABELS), "ERR_MISSING_TENSOR", tensor);
      const rows = part.tensors.get(tensor)?.shape ?? [];
      const wrong = withTensor(part, tensor, tensor, { shape: rows.map((size) => size + 1) });
      refuses(() => sequenceClassifier(wrong, REFERENCE_LABELS), "ERR_TENSOR_MISMATCH", tensor, `[${rows.join(", ")}]`);
    }
  });

  it("reject an unknown activation", async () => {
    for (const [name, field] of [
      ["deberta-v3", "hidden_act"],
      ["deberta-v3", "pooler_hidden_act"],
      ["gte-ntk", "hidden_act"],
      ["modernbert-local", "hidden_activation"],
      ["modernbert-local", "classifier_activation"],
    ] as const) {
      const part = withConfig(await referencePart(name), { [field]: "gelu_10" });
      refuses(() => sequenceClassifier(part, REFERENCE_LABELS), "ERR_UNSUPPORTED_MODEL", "gelu_10", part.config.file);
    }
  });

  it("reject sizes that the tensors do not have, before allocating by them", async () => {
    for (const name of REFERENCES) {
      const part = await referencePart(name);
      const { json } = part.config;
      const fields = ["hidden_size", "num_hidden_layers", "vocab_size", "intermediate_size", "position_buckets"];
      // With buckets, a greater distance adds no rows.
      if (json["position_buckets"] === undefined || json["position_buckets"] === -1) fields.push("max_relative_positions");
      for (const field of fields.filter((known) => typeof json[known] === "number")) {
        const lying = withConfig(part, { [field]: 2 ** 50, num_attention_heads: field === "hidden_size" ? 1 : 3, layer_types: undefined });
        assert.throws(() => sequenceClassifier(lying, REFERENCE_LABELS), SparseRerankError, `${name}: ${field}`);
      }
    }
  });

  it("reject heads that do not divide the hidden size, or that rotary positions cannot pair", async () => {
    for (const name of REFERENCES) {
      const part = withConfig(await referencePart(name), { num_attention_heads: 7 });
      refuses(() => sequenceClassifier(part, REFERENCE_LABELS), "ERR_INVALID_CONFIG", '"num_attention_heads" is 7');
    }
    for (const name of ["gte-ntk", "modernbert-local"]) {
      const part = withConfig(await referencePart(name), { num_attention_heads: 8 });
      refuses(() => sequenceClassifier(part, REFERENCE_LABELS), "ERR_INVALID_CONFIG", '"num_attention_heads" is 8', "even");
    }
  });

  it("compute only the first token in the last layer of a classifier", async () => {
    for (const name of ["deberta-v1", "deberta-v3", "gte-ntk"]) {
      const graph = decode(sequenceClassifier(await referencePart(name), REFERENCE_LABELS));
      const last = graph.nodes.filter(({ operator }) => operator === "Attention").at(-1);
      assert.equal(querySource(graph, last), "Gather", name);
    }
  });

  it("are built from any other config.json, or rejected with a coded error", async () => {
    const parts = await Promise.all(["deberta-v1", "deberta-v3", "gte-ntk", "modernbert-local", "jina-roberta"].map(referencePart));
    parts.push((await crossPart("ce-jina-v1")).part);
    const fields = [...new Set(parts.flatMap(({ config }) => Object.keys(config.json)))];
    const huge = fc.constantFrom(65_536, 2 ** 31, 1e12, 1e15, Number.MAX_SAFE_INTEGER);
    const number = fc.oneof(fc.integer({ min: -2, max: 70 }), fc.double(), huge);
    const text = fc.constantFrom("c2p", "p2c|c2p", "none", "layer_norm", "mean", "alibi", "rope", "ntk", "sliding_attention");
    const value = fc.oneof(number, text, fc.array(text, { maxLength: 4 }), fc.jsonValue());
    const changes = fc.dictionary(fc.constantFrom(...fields, "conv_kernel_size", "mixed_b"), value, { minKeys: 1, maxKeys: 3 });
    fc.assert(
      fc.property(fc.constantFrom(...parts), changes, (part, changed) => {
        try {
          assert.equal(decode(sequenceClassifier(withConfig(part, changed), REFERENCE_LABELS)).outputs.length, 1);
        } catch (error) {
          assert.ok(error instanceof SparseRerankError, String(error));
          assert.notEqual(error.code, "ERR_INTERNAL");
        }
      }),
    );
  });
});
