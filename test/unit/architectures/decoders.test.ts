/** Causal language models and EuroBERT: what their graphs have in common, and what is refused. reference.test.ts compares their results. */

import assert from "node:assert/strict";

import fc from "fast-check";

import { architectureFor } from "../../../dist/architectures";
import { eurobert } from "../../../dist/architectures/eurobert";
import { qwen3 } from "../../../dist/architectures/qwen3";
import type { GraphLayout } from "../../../dist/architectures/graph";
import type { Graph } from "../../../dist/architectures/types";
import type { CausalScoring, TransformerPart } from "../../../dist/checkpoint/types";
import { SparseRerankError } from "../../../dist/errors";
import {
  assertWellFormed,
  configOf,
  decode,
  maskedLanguageModel,
  operators,
  referencePart,
  refuses,
  sequenceClassifier,
  withConfig,
  withNames,
  without,
  withTensor,
} from "./architecture-graphs";

const LABELS = 3;
const CLASSIFIERS = [
  ...["gemma2-classifier", "gemma-classifier", "mistral-window", "llama3-rope", "qwen2-window", "qwen3-bidirectional"],
  ...["eurobert-late", "eurobert-mean", "eurobert-bos"],
];
const LANGUAGE_MODELS = ["gemma2-caps", "gemma2-odd", "mistral-whole", "llama-linear", "qwen3-wide"];
const PADDED: GraphLayout = { form: "padded", floats: "fp32" };

function scorer(part: TransformerPart, falseTokenId: number | null = 1, trueTokenId = 0, layout?: GraphLayout): Graph {
  const architecture = architectureFor(part.config);
  assert.ok(architecture.causalScorer);
  const scoring: CausalScoring = { kind: "logit-score", trueTokenId, falseTokenId };
  return architecture.causalScorer(part, scoring, 1, layout);
}

describe("families of decoders by config.json", () => {
  it("know the custom code that computes the same", () => {
    const splade = { AutoModelForCausalLM: "splade.Splade", AutoModelForMaskedLM: "splade.Qwen3ForCausalLM" };
    assert.equal(architectureFor(configOf({ model_type: "qwen3", auto_map: splade })), qwen3);
    const there = { AutoModelForMaskedLM: "naver/splade-code-06B--splade.Qwen3ForCausalLM" };
    assert.equal(architectureFor(configOf({ model_type: "qwen3", auto_map: there })), qwen3);
    const euro = { AutoConfig: "configuration_eurobert.EuroBertConfig" };
    assert.equal(architectureFor(configOf({ model_type: "eurobert", auto_map: euro })), eurobert);
  });

  it("refuse other custom code", () => {
    for (const autoMap of [
      { AutoModelForMaskedLM: "splade.OtherModel" },
      { AutoModelForCausalLM: "splade.Qwen3ForCausalLM" },
      { AutoConfig: "splade.Qwen3Config", AutoModelForMaskedLM: "splade.Qwen3ForCausalLM" },
    ]) {
      refuses(() => architectureFor(configOf({ model_type: "qwen3", auto_map: autoMap })), "ERR_UNSUPPORTED_MODEL", '"auto_map"');
    }
    const autoMap = { AutoModelForMaskedLM: "splade.Qwen3ForCausalLM" };
    refuses(() => architectureFor(configOf({ model_type: "qwen2", auto_map: autoMap })), "ERR_UNSUPPORTED_MODEL", '"auto_map"');
  });
});

describe("graphs of decoders", () => {
  for (const name of CLASSIFIERS) {
    it(name, async () => {
      assertWellFormed(sequenceClassifier(await referencePart(name), LABELS), "logits");
    });
  }
  for (const name of LANGUAGE_MODELS) {
    it(name, async () => {
      const part = await referencePart(name);
      assertWellFormed(scorer(part), "logits");
      if (part.config.json["final_logit_softcapping"] === null || part.config.json["model_type"] !== "gemma2") {
        const graph = maskedLanguageModel(part);
        assertWellFormed(graph, "hidden");
        assert.deepEqual(graph.decoder.shape, [part.config.json["vocab_size"], part.config.json["hidden_size"]]);
        assert.equal(graph.decoderBias, undefined);
      }
    });
  }

  it("read two rows of the language model's head, or one", async () => {
    for (const name of LANGUAGE_MODELS) {
      const part = await referencePart(name);
      const { tie_word_embeddings: tied } = part.config.json;
      const head = tied === true ? "model.embed_tokens.weight" : "lm_head.weight";
      for (const [falseTokenId, rows] of [
        [40, 2],
        [null, 1],
      ] as const) {
        const { weights } = scorer(part, falseTokenId, 7);
        const ofHead = [...weights.values()].filter((tensor) => tensor.name.startsWith(`${head}[`));
        assert.deepEqual(
          ofHead.map(({ shape }) => shape[0]),
          Array.from({ length: rows }, () => 1),
          name,
        );
        const whole = [...weights.values()].filter((tensor) => /^(model\.embed_tokens|lm_head)\.weight$/.test(tensor.name));
        assert.deepEqual(
          whole.map((tensor) => tensor.name),
          ["model.embed_tokens.weight"],
        );
      }
    }
  });

  it("fold the difference of the rows unless the logits are capped", async () => {
    const logits = (graph: Graph): number =>
      operators(graph, "Gemm").filter(({ inputs }) => !/(_proj|layers)/.test(inputs[1] ?? "")).length;
    assert.equal(logits(scorer(await referencePart("llama-linear"))), 1);
    assert.equal(logits(scorer(await referencePart("gemma2-caps"))), 2);
  });

  it("compute only one token of each sequence in the last layer", async () => {
    const graph = scorer(await referencePart("llama-linear"));
    assert.equal(operators(graph, "GroupQueryAttention").length, 0, "the head size is 6");
    const { nodes, producers } = decode(scorer(await referencePart("qwen3-wide")));
    assert.equal(nodes.filter(({ operator }) => operator === "GroupQueryAttention").length, 2);
    const query = nodes.find(({ operator, inputs }) => operator === "Gemm" && inputs[1] === "model.layers.2.self_attn.q_proj.weight");
    assert.equal(producers.get(query?.inputs[0] ?? "")?.operator, "Gather");
  });

  it("use the 8-bit path in every layer", async () => {
    for (const name of LANGUAGE_MODELS) {
      const part = await referencePart(name);
      const { layers, weights } = scorer(part).int8();
      assert.equal(layers.length, 7 * Number(part.config.json["num_hidden_layers"]), name);
      assert.ok([...weights.keys()].every((weight) => !weight.includes("_proj.")));
    }
  });

  it("need length² of memory only where attention keeps all scores", async () => {
    const grows = (graph: Graph): number => graph.bytesPerSequence(20_000) / graph.bytesPerSequence(10_000);
    const wide = await referencePart("qwen3-wide");
    assert.ok(grows(scorer(wide)) < 2.01);
    assert.ok(grows(scorer(wide, 1, 0, PADDED)) > 3);
    assert.ok(grows(scorer(await referencePart("gemma2-odd"))) > 3);
    assert.ok(grows(sequenceClassifier(await referencePart("eurobert-late"), LABELS)) < 2.01);
  });

  it("do not need the prefix of the base model", async () => {
    const part = await referencePart("llama3-rope");
    assertWellFormed(
      sequenceClassifier(
        withNames(part, (name) => name.replace(/^model\./, "")),
        LABELS,
      ),
      "logits",
    );
  });

  it("use either tensor of a tied pair, and both if the file has both", async () => {
    const part = await referencePart("gemma2-odd");
    const embeddings = "model.embed_tokens.weight";
    const renamed = withNames(part, (name) => (name === embeddings ? "lm_head.weight" : name));
    assert.equal(maskedLanguageModel(renamed).weights.get("lm_head.weight")?.name, "lm_head.weight");
    const both = withTensor(part, "lm_head.weight", embeddings, { offset: 8 });
    assert.equal(maskedLanguageModel(both).decoder.name, "lm_head.weight");
  });
});

describe("decoders refuse", () => {
  it("token ids outside the vocabulary", async () => {
    const part = await referencePart("llama-linear");
    for (const id of [-1, 48, 1.5, NaN, 2 ** 40]) {
      refuses(() => scorer(part, 1, id), "ERR_INVALID_CONFIG", "true_token_id", String(id), "48");
      refuses(() => scorer(part, id), "ERR_INVALID_CONFIG", "false_token_id", String(id));
    }
  });

  it("variants that are not implemented", async () => {
    const llama = await referencePart("llama3-rope");
    const rope = llama.config.json["rope_parameters"] as Readonly<Record<string, unknown>>;
    const refused: [name: string, changes: Readonly<Record<string, unknown>>, ...parts: string[]][] = [
      ["llama3-rope", { rope_parameters: { ...rope, rope_type: "yarn" } }, '"rope_parameters.rope_type" is "yarn"', "linear"],
      ["llama3-rope", { rope_scaling: { type: "dynamic", factor: 2 } }, '"rope_scaling.type" is "dynamic"'],
      ["llama3-rope", { rope_parameters: { ...rope, partial_rotary_factor: 0.5 } }, "partial_rotary_factor"],
      ["llama3-rope", { partial_rotary_factor: 0.5 }, "partial_rotary_factor"],
      ["llama3-rope", { rope_parameters: { full_attention: rope } }, "full_attention"],
      ["llama3-rope", { hidden_act: "gelu_10" }, "gelu_10"],
      ["mistral-window", { layer_types: ["full_attention"] }, "layer_types"],
      ["mistral-window", { is_causal: false }, "sliding window"],
      ["gemma2-classifier", { is_causal: false, sliding_window: null, layer_types: null }, "attn_logit_softcapping"],
      ["gemma-classifier", { use_bidirectional_attention: true }, "use_bidirectional_attention"],
    ];
    for (const [name, changes, ...parts] of refused) {
      const part = withConfig(await referencePart(name), changes);
      refuses(() => sequenceClassifier(part, LABELS), "ERR_UNSUPPORTED_MODEL", part.config.file, ...parts);
    }
    const capped = await referencePart("gemma2-caps");
    refuses(() => maskedLanguageModel(capped), "ERR_UNSUPPORTED_MODEL", "final_logit_softcapping");
  });

  it("settings that contradict each other", async () => {
    const refused: [name: string, changes: Readonly<Record<string, unknown>>, ...parts: string[]][] = [
      ["llama3-rope", { num_key_value_heads: 3 }, '"num_key_value_heads" is 3'],
      ["llama3-rope", { head_dim: 15 }, '"head_dim" is 15', "even"],
      ["llama3-rope", { head_dim: 2 ** 40 }, '"head_dim"'],
      ["llama3-rope", { head_dim: undefined, num_attention_heads: 7 }, '"num_attention_heads" is 7'],
      ["llama3-rope", { rope_parameters: { rope_type: "llama3", factor: 8, low_freq_factor: 4, high_freq_factor: 4 } }, "high_freq_factor"],
      ["llama3-rope", { rope_parameters: { rope_type: "linear" } }, '"rope_parameters.factor"'],
      ["qwen2-window", { layer_types: ["full_attention"] }, '"layer_types"'],
      ["qwen2-window", { use_sliding_window: false }, '"sliding_window"'],
      ["qwen2-window", { sliding_window: 0 }, '"sliding_window"'],
      ["gemma2-classifier", { query_pre_attn_scalar: 0 }, "query_pre_attn_scalar"],
      ["eurobert-late", { classifier_pooling: "cls" }, '"classifier_pooling" is "cls"'],
    ];
    for (const [name, changes, ...parts] of refused) {
      const part = withConfig(await referencePart(name), changes);
      refuses(() => sequenceClassifier(part, LABELS), "ERR_INVALID_CONFIG", part.config.file, ...parts);
    }
  });

  it("missing tensors and other shapes", async () => {
    for (const [name, tensor] of [
      ["llama3-rope", "model.layers.1.mlp.gate_proj.bias"],
      ["llama3-rope", "model.layers.0.self_attn.o_proj.bias"],
      ["qwen2-window", "model.layers.0.self_attn.q_proj.bias"],
      ["qwen2-window", "score.weight"],
      ["gemma2-classifier", "model.layers.2.post_feedforward_layernorm.weight"],
      ["qwen3-bidirectional", "model.layers.0.self_attn.k_norm.weight"],
      ["eurobert-mean", "dense.bias"],
    ] as const) {
      const part = await referencePart(name);
      refuses(() => sequenceClassifier(without(part, tensor), LABELS), "ERR_MISSING_TENSOR", tensor);
      const rows = part.tensors.get(tensor)?.shape ?? [];
      const wrong = withTensor(part, tensor, tensor, { shape: rows.map((size) => size + 1) });
      refuses(() => sequenceClassifier(wrong, LABELS), "ERR_TENSOR_MISMATCH", tensor);
    }
    const untied = without(await referencePart("llama-linear"), "lm_head.weight");
    refuses(() => scorer(untied), "ERR_MISSING_TENSOR", "lm_head.weight");
  });

  it("or build any other config.json, with coded errors alone", async () => {
    const parts = await Promise.all([...CLASSIFIERS, ...LANGUAGE_MODELS].map(referencePart));
    const fields = [...new Set(parts.flatMap(({ config }) => Object.keys(config.json)))];
    const huge = fc.constantFrom(65_536, 2 ** 31, 1e12, 1e15, Number.MAX_SAFE_INTEGER);
    const number = fc.oneof(fc.integer({ min: -2, max: 70 }), fc.double(), huge);
    const text = fc.constantFrom("full_attention", "sliding_attention", "late", "gelu", "silu");
    const rope = fc.record({ rope_type: fc.constantFrom("default", "linear", "llama3", "yarn"), rope_theta: number, factor: number });
    const value = fc.oneof(number, text, rope, fc.boolean(), fc.array(text, { maxLength: 4 }), fc.jsonValue());
    const changes = fc.dictionary(fc.constantFrom(...fields, "rope_scaling"), value, { minKeys: 1, maxKeys: 3 });
    fc.assert(
      fc.property(fc.constantFrom(...parts), changes, (part, changed) => {
        try {
          const changedPart = withConfig(part, changed);
          const graph = part.tensors.has("lm_head.weight") ? scorer(changedPart) : sequenceClassifier(changedPart, LABELS);
          assert.equal(decode(graph).outputs.length, 1 + 2 * (graph.prefix?.layers ?? 0));
        } catch (error) {
          assert.ok(error instanceof SparseRerankError, String(error));
          assert.notEqual(error.code, "ERR_INTERNAL");
        }
      }),
    );
  });
});
