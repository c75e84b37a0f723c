/** The graphs of lib/architectures, decoded. test/golden shows that they compute what the reference does. */

import assert from "node:assert/strict";

import type { Graph } from "../../../dist/architectures/types";
import type { TransformerPart } from "../../../dist/checkpoint/types";
import {
  assertWellFormed,
  crossPart,
  decode,
  maskedLanguageModel,
  operators,
  querySource,
  sequenceClassifier,
  sparsePart,
  takesTokenTypes,
  withConfig,
  withNames,
  without,
  withTensor,
} from "./architecture-graphs";

const SPARSE = [
  ...["splade-bert", "splade-bert-cased", "splade-bert-gamma-beta", "splade-bert-log1p", "splade-bert-sum", "splade-bert-untied"],
  ...["splade-distilbert", "splade-do-lower-case", "splade-electra", "splade-no-modules", "splade-prompts", "splade-prompts-passage"],
  ...["splade-roberta", "splade-safetensors-bf16", "splade-safetensors-fp16", "splade-sharded", "splade-tie-conflict", "splade-xlmr"],
];
const CROSS = [
  ...["ce-bert-minilm", "ce-bert-msmarco", "ce-bert-multilabel", "ce-camembert", "ce-distilbert", "ce-electra-qnli"],
  ...["ce-modules-v6", "ce-modules-v6-prompt", "ce-roberta-nli", "ce-roberta-stsb", "ce-xlmr-bge"],
];

describe("architectures", () => {
  describe("graphs of the fixtures", () => {
    for (const name of SPARSE) {
      it(name, async () => {
        const part = await sparsePart(name);
        const graph = maskedLanguageModel(part);
        assertWellFormed(graph, "hidden");
        const width = part.config.json["embedding_size"] ?? part.config.json["hidden_size"] ?? part.config.json["dim"];
        assert.deepEqual(graph.decoder.shape, [part.config.json["vocab_size"], width]);
        assert.deepEqual(graph.decoderBias?.shape, [part.config.json["vocab_size"]]);
        assert.equal(graph.vocabularySize, part.config.json["vocab_size"]);
        const layers = part.config.json["num_hidden_layers"] ?? part.config.json["n_layers"];
        assert.equal(operators(graph, "Attention").length, layers);
      });
    }
    for (const name of CROSS) {
      it(name, async () => {
        const { part, labels } = await crossPart(name);
        const graph = sequenceClassifier(part, labels);
        assertWellFormed(graph, "logits");
        assert.equal(graph.labels, labels);
      });
    }
  });

  it("writes a model that ONNX Runtime 1.17 reads", async () => {
    const { model } = decode(maskedLanguageModel(await sparsePart("splade-bert")));
    assert.ok(Number(model.irVersion) <= 9);
    const opset = model.opsetImport.find(({ domain }) => domain === "");
    assert.ok(Number(opset?.version) <= 20);
  });

  it("ignores tensors of other heads", async () => {
    const part = await sparsePart("splade-bert-gamma-beta");
    const used = maskedLanguageModel(part).weights;
    for (const name of ["bert.embeddings.position_ids", "bert.pooler.dense.weight", "cls.seq_relationship.weight"]) {
      assert.ok(part.tensors.has(name) && !used.has(name), name);
    }
  });

  it("reads layer norms under their old names, gamma and beta", async () => {
    const part = await sparsePart("splade-bert");
    const old = withNames(part, (name) => name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"));
    const [now, before] = [maskedLanguageModel(part), maskedLanguageModel(old)];
    assert.equal(before.weights.size, now.weights.size);
    assert.ok(before.weights.has("cls.predictions.transform.LayerNorm.gamma"));
    assert.ok(before.weights.has("bert.encoder.layer.0.output.LayerNorm.beta"));
  });

  it("reads the epsilon of layer norms from config.json, except DistilBERT's, which is fixed", async () => {
    const epsilons = (graph: Graph) =>
      new Set(
        [...operators(graph, "LayerNormalization"), ...operators(graph, "SkipLayerNormalization")].map((node) =>
          node.attributes.get("epsilon"),
        ),
      );
    const bert = await sparsePart("splade-bert");
    assert.deepEqual(epsilons(maskedLanguageModel(withConfig(bert, { layer_norm_eps: 1e-5 }))), new Set([Math.fround(1e-5)]));
    assert.deepEqual(epsilons(maskedLanguageModel(withConfig(bert, { layer_norm_eps: undefined }))), new Set([Math.fround(1e-12)]));
    assert.deepEqual(epsilons(maskedLanguageModel(await sparsePart("splade-distilbert"))), new Set([Math.fround(1e-12)]));
  });

  describe("names of the base model without prefix", () => {
    const families: [string, string][] = [
      ["splade-bert", "bert."],
      ["splade-distilbert", "distilbert."],
      ["splade-roberta", "roberta."],
      ["splade-xlmr", "roberta."],
      ["splade-electra", "electra."],
    ];
    for (const [name, prefix] of families) {
      it(name, async () => {
        const part = await sparsePart(name);
        const bare = maskedLanguageModel(withNames(part, (tensor) => tensor.replace(prefix, "")));
        assertWellFormed(bare, "hidden");
        const expected = [...maskedLanguageModel(part).weights.keys()].map((tensor) => tensor.replace(prefix, ""));
        assert.deepEqual([...bare.weights.keys()], expected);
      });
    }
  });

  describe("decoder", () => {
    const WORDS = "bert.embeddings.word_embeddings.weight";
    const DECODER = "cls.predictions.decoder.weight";
    let tied: TransformerPart;
    let untied: TransformerPart;

    before(async () => {
      tied = await sparsePart("splade-bert");
      untied = await sparsePart("splade-bert-untied");
    });

    it("is the word embeddings if the file has no separate matrix", () => {
      assert.equal(maskedLanguageModel(tied).decoder.name, WORDS);
      assert.equal(maskedLanguageModel(withConfig(tied, { tie_word_embeddings: undefined })).decoder.name, WORDS);
    });

    it("is the separate matrix if the file has one, tied or not", async () => {
      assert.equal(maskedLanguageModel(untied).decoder.name, DECODER);
      const conflict = await sparsePart("splade-tie-conflict");
      assert.equal(conflict.config.json["tie_word_embeddings"], true);
      const { decoder, weights } = maskedLanguageModel(conflict);
      assert.equal(decoder.name, DECODER);
      assert.ok(weights.has(WORDS) && !weights.has(DECODER), "the embeddings stay the file's");
    });

    it("replaces the word embeddings if a file of tied weights has only the decoder", () => {
      const { decoder, weights } = maskedLanguageModel(withNames(tied, (name) => (name === WORDS ? DECODER : name)));
      assert.equal(decoder.name, DECODER);
      assert.ok(weights.has(DECODER));
    });

    it("has its own bias if the file contains one, else the head's", () => {
      assert.equal(maskedLanguageModel(untied).decoderBias?.name, "cls.predictions.decoder.bias");
      assert.equal(maskedLanguageModel(tied).decoderBias?.name, "cls.predictions.bias");
      assert.equal(maskedLanguageModel(without(untied, "cls.predictions.decoder.bias")).decoderBias?.name, "cls.predictions.bias");
    });

    const heads: [fixture: string, matrix: string, bias: string][] = [
      ["splade-distilbert", "vocab_projector.weight", "vocab_projector.bias"],
      ["splade-roberta", "lm_head.decoder.weight", "lm_head.bias"],
      ["splade-electra", "generator_lm_head.weight", "generator_lm_head.bias"],
    ];
    for (const [name, matrix, bias] of heads) {
      it(`has this family's names in ${name}`, async () => {
        const part = await sparsePart(name);
        const words = [...part.tensors.keys()].find((tensor) => tensor.endsWith("word_embeddings.weight")) ?? "";
        assert.equal(maskedLanguageModel(part).decoder.name, words);
        assert.equal(maskedLanguageModel(part).decoderBias?.name, bias);
        assert.equal(maskedLanguageModel(withTensor(part, matrix, words)).decoder.name, matrix);
      });
    }

    it("of RoBERTa may have its own bias", async () => {
      const part = withTensor(await sparsePart("splade-roberta"), "lm_head.decoder.bias", "lm_head.bias");
      assert.equal(maskedLanguageModel(part).decoderBias?.name, "lm_head.decoder.bias");
    });
  });

  describe("embeddings", () => {
    it("add token types if there is more than one", async () => {
      const bert = await sparsePart("splade-bert");
      assert.equal(takesTokenTypes(maskedLanguageModel(bert)), true);
      assert.equal(takesTokenTypes(maskedLanguageModel(await sparsePart("splade-distilbert"))), false);
      const TYPES = "bert.embeddings.token_type_embeddings.weight";
      const width = bert.tensors.get(TYPES)?.shape[1] ?? 0;
      const one = withTensor(withConfig(bert, { type_vocab_size: 1 }), TYPES, TYPES, { shape: [1, width] });
      assertWellFormed(maskedLanguageModel(one), "hidden");
      assert.equal(takesTokenTypes(maskedLanguageModel(one)), false);
    });

    it("of ELECTRA are projected if they are narrower than the layers", async () => {
      const { part, labels } = await crossPart("ce-electra-qnli");
      assert.ok(sequenceClassifier(part, labels).weights.has("electra.embeddings_project.weight"));
    });

    it("limit the length to the rows of the position table", async () => {
      const bert = await sparsePart("splade-bert");
      assert.equal(maskedLanguageModel(bert).maxPositions, bert.config.json["max_position_embeddings"]);
      const distilbert = await sparsePart("splade-distilbert");
      assert.equal(maskedLanguageModel(distilbert).maxPositions, distilbert.config.json["max_position_embeddings"]);
      const roberta = await sparsePart("splade-roberta");
      assert.equal(roberta.config.json["pad_token_id"], 1);
      assert.equal(maskedLanguageModel(roberta).maxPositions, Number(roberta.config.json["max_position_embeddings"]) - 2);
    });

    it("of RoBERTa count positions past the padding id and skip literal padding tokens", async () => {
      const part = await sparsePart("splade-roberta");
      assert.deepEqual(positionsOf(maskedLanguageModel(part), [0, 9, 9, 2]), [2, 3, 4, 5]);
      assert.deepEqual(positionsOf(maskedLanguageModel(part), [1, 0, 1, 1, 9, 2, 1]), [1, 2, 1, 1, 3, 4, 1]);
      assert.deepEqual(positionsOf(maskedLanguageModel(withConfig(part, { pad_token_id: 3 })), [0, 3, 1]), [4, 3, 5]);
    });
  });

  describe("classifiers", () => {
    const pooler = ["bert.pooler.dense.weight", "classifier.weight"];
    const head = ["classifier.dense.weight", "classifier.out_proj.weight"];
    const heads: [fixture: string, activation: string, weights: readonly string[]][] = [
      ["ce-bert-msmarco", "Tanh", pooler],
      ["ce-distilbert", "Relu", ["pre_classifier.weight", "classifier.weight"]],
      ["ce-roberta-stsb", "Tanh", head],
      ["ce-xlmr-bge", "Tanh", head],
      ["ce-camembert", "Tanh", head],
      ["ce-electra-qnli", "Gelu", head],
    ];
    for (const [name, activation, weights] of heads) {
      it(`of ${name} are two matrices around ${activation}`, async () => {
        const { part, labels } = await crossPart(name);
        const { nodes } = decode(sequenceClassifier(part, labels));
        const tail = nodes.slice(-4);
        assert.deepEqual(
          tail.map(({ operator }) => operator),
          ["Gemm", activation, "Gemm", "Identity"],
        );
        assert.deepEqual([tail[0]?.inputs[1], tail[2]?.inputs[1]], weights);
      });

      it(`of ${name} compute only the first token in the last layer`, async () => {
        const { part, labels } = await crossPart(name);
        const graph = decode(sequenceClassifier(part, labels));
        const attention = graph.nodes.filter(({ operator }) => operator === "Attention");
        const queries = attention.map((node) => querySource(graph, node));
        assert.deepEqual(queries, [...Array.from({ length: attention.length - 1 }, () => "LayerNormalization"), "Gather"]);
      });
    }
  });

  describe("activations", () => {
    const TANH_GELU = { linear: Math.fround(1.5957691216057308), cubic: Math.fround(0.07135481627159725) };
    const ACTIVATIONS: [name: string, operator: string, attributes?: Readonly<Record<string, number>>][] = [
      ...["gelu", "gelu_python"].map((name): [string, string] => [name, "Gelu"]),
      ...["gelu_new", "gelu_fast", "gelu_pytorch_tanh", "gelu_python_tanh"].map(
        (name): [string, string, Readonly<Record<string, number>>] => [name, "Swish", TANH_GELU],
      ),
      ["silu", "Swish", { linear: 1, cubic: 0 }],
      ["swish", "Swish", { linear: 1, cubic: 0 }],
      ["quick_gelu", "Swish", { linear: Math.fround(1.702), cubic: 0 }],
      ["relu", "Relu"],
      ["sigmoid", "Sigmoid"],
      ["tanh", "Tanh"],
    ];
    for (const [name, operator, expected = {}] of ACTIVATIONS) {
      it(`${name} is ${operator}`, async () => {
        const part = withConfig(await sparsePart("splade-bert"), { hidden_act: name });
        const found = operators(maskedLanguageModel(part), operator);
        assert.equal(found.length, Number(part.config.json["num_hidden_layers"]) + 1, "one in each layer and one in the head");
        for (const { attributes } of found) assert.deepEqual(Object.fromEntries(attributes), expected);
      });
    }

    it("linear is the identity", async () => {
      const part = withConfig(await sparsePart("splade-bert"), { hidden_act: "linear" });
      const { nodes, producers } = decode(maskedLanguageModel(part));
      const after = (weight: string) => producers.get(nodes.find(({ inputs }) => inputs[1] === weight)?.inputs[0] ?? "");
      assert.equal(after("bert.encoder.layer.0.output.dense.weight")?.inputs[1], "bert.encoder.layer.0.intermediate.dense.weight");
    });

    it("of the heads of RoBERTa and ELECTRA ignore config.json", async () => {
      for (const name of ["splade-roberta", "splade-electra"]) {
        const part = withConfig(await sparsePart(name), { hidden_act: "relu" });
        assert.equal(operators(maskedLanguageModel(part), "Gelu").length, 1, name);
        assert.equal(operators(maskedLanguageModel(part), "Relu").length, Number(part.config.json["num_hidden_layers"]), name);
      }
    });
  });
});

/** Computes the positions that are looked up for one sequence. */
function positionsOf(graph: Graph, inputIds: readonly number[]): number[] {
  const { nodes, producers, initialisers } = decode(graph);
  const compute = (value: string): number[] => {
    if (value === "input_ids") return [...inputIds];
    const node = producers.get(value);
    if (node === undefined) return (initialisers.get(value)?.int64Data ?? []).map(Number);
    const [a = [], b = []] = node.inputs.map(compute);
    const eachWith = (operation: (x: number, y: number) => number) => a.map((x, i) => operation(x, b[b.length === 1 ? 0 : i] ?? NaN));
    switch (node.operator) {
      case "Equal":
        return eachWith((x, y) => Number(x === y));
      case "Not":
        return a.map((x) => 1 - x);
      case "Cast":
        return a;
      case "CumSum":
        assert.deepEqual(b, [1], "along the sequence");
        return a.map((_, i) => a.slice(0, i + 1).reduce((sum, x) => sum + x, 0));
      case "Mul":
        return eachWith((x, y) => x * y);
      case "Add":
        return eachWith((x, y) => x + y);
      default:
        throw new Error(`unexpected operator ${node.operator}`);
    }
  };
  const lookup = nodes.find(({ operator, inputs }) => operator === "Gather" && inputs[0]?.endsWith("position_embeddings.weight"));
  return compute(lookup?.inputs[1] ?? "");
}
