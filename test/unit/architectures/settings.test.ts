/** How single settings of config.json change the graphs of DeBERTa, ModernBERT, GTE and Jina's models. */

import assert from "node:assert/strict";

import type { TransformerPart } from "../../../dist/checkpoint/types";
import {
  assertWellFormed,
  crossPart,
  decode,
  maskedLanguageModel,
  querySource,
  operators,
  referencePart,
  refuses,
  sequenceClassifier,
  sparsePart,
  takesTokenTypes,
  withConfig,
  without,
  withTensor,
} from "./architecture-graphs";

const LABELS = 3;
const classifier = (part: TransformerPart) => sequenceClassifier(part, LABELS);
const weightsOf = (part: TransformerPart): string[] => [...classifier(part).weights.keys()];

describe("DeBERTa", () => {
  let v1: TransformerPart;
  let v2: TransformerPart;
  let v3: TransformerPart;
  const SELF = "deberta.encoder.layer.0.attention.self";
  const WORDS = "deberta.embeddings.word_embeddings.weight";

  before(async () => {
    [v1, v2, v3] = [await referencePart("deberta-v1"), await referencePart("deberta-v2-convolution"), await referencePart("deberta-v3")];
  });

  it("adds a term to the scores per entry of pos_att_type, given as an array or as one string", () => {
    // The rows of distances, and the terms of the queries and of the keys.
    const given = (value: unknown): boolean[][] =>
      operators(classifier(withConfig(v3, { pos_att_type: value })), "Attention").map(({ inputs }) =>
        [6, 7, 8].map((index) => (inputs[index] ?? "") !== ""),
      );
    const inEachLayer = (...inputs: boolean[]): boolean[][] => [inputs, inputs];
    for (const both of ["c2p|p2c", "P2C | c2p", ["p2c", "c2p"], ["c2p", "p2c", "c2p"]]) {
      assert.deepEqual(given(both), inEachLayer(true, true, true));
    }
    assert.deepEqual(given("c2p"), inEachLayer(true, true, false));
    assert.deepEqual(given(["p2c"]), inEachLayer(true, false, true));
    for (const none of [null, []]) assert.deepEqual(given(none), inEachLayer(false, false, false));
    for (const other of ["p2p|c2p", ["C2P"], ""]) {
      refuses(() => classifier(withConfig(v3, { pos_att_type: other })), "ERR_UNSUPPORTED_MODEL", '"pos_att_type"', "c2p, p2c");
    }
  });

  it("divides the scores by the root of the number of terms, even without relative attention", () => {
    const scaleOf = (part: TransformerPart) => operators(classifier(part), "Attention")[0]?.attributes.get("scale");
    const expected = (terms: number): number => Math.fround(1 / Math.sqrt(8 * terms));
    assert.equal(scaleOf(v3), expected(3));
    assert.equal(scaleOf(withConfig(v3, { pos_att_type: "c2p" })), expected(2));
    assert.equal(scaleOf(withConfig(v3, { pos_att_type: null })), expected(1));
    const plain = withConfig(v3, { relative_attention: false });
    assert.equal(scaleOf(plain), expected(3));
    assert.ok(operators(classifier(plain), "Attention").every(({ inputs }) => inputs.length === 3));
    assert.ok(!weightsOf(plain).includes("deberta.encoder.rel_embeddings.weight"));
  });

  it("projects distances with the matrices of the content, or with their own", () => {
    assert.ok(!weightsOf(v3).some((name) => name.includes("pos_")));
    const own = withConfig(v3, { share_att_key: false });
    refuses(() => classifier(own), "ERR_MISSING_TENSOR", `${SELF}.pos_key_proj.weight`);
    assert.ok(weightsOf(v2).includes(`${SELF}.pos_query_proj.weight`) && !weightsOf(v2).includes(`${SELF}.pos_key_proj.weight`));
    assert.ok(weightsOf(v1).includes(`${SELF}.pos_proj.weight`) && !weightsOf(v1).includes(`${SELF}.pos_proj.bias`));
  });

  it("normalizes the distances only if norm_rel_ebd is set", () => {
    const normed = (value: unknown): boolean =>
      weightsOf(withConfig(v3, { norm_rel_ebd: value })).includes("deberta.encoder.LayerNorm.weight");
    assert.deepEqual(["layer_norm", "none | Layer_Norm", "none", null].map(normed), [true, true, false, false]);
  });

  it("requires as many rows of the distance table as config.json implies", () => {
    const table = "deberta.encoder.rel_embeddings.weight";
    refuses(() => classifier(withConfig(v3, { position_buckets: 128 })), "ERR_TENSOR_MISMATCH", table, "[256, 24]");
    refuses(() => classifier(withConfig(v3, { position_buckets: -1 })), "ERR_TENSOR_MISMATCH", table, "[1024, 24]");
    refuses(() => classifier(withConfig(v1, { max_relative_positions: 100 })), "ERR_TENSOR_MISMATCH", table, "[200, 24]");
    refuses(() => classifier(withConfig(v3, { position_buckets: 1 })), "ERR_INVALID_CONFIG", '"position_buckets" is 1');
  });

  it("does not limit the length without positions in the input", () => {
    assert.equal(classifier(v3).maxPositions, undefined);
    const table = "deberta.embeddings.position_embeddings.weight";
    const biased = withConfig(withTensor(v3, table, WORDS, { shape: [512, 24] }), { position_biased_input: true });
    assert.equal(classifier(biased).maxPositions, 512);
    assert.ok(weightsOf(biased).includes(table));
  });

  it("limits the length to the distances that the bucket formula reaches", () => {
    assert.equal(classifier(withConfig(v3, { max_relative_positions: 100 })).maxPositions, 129);
  });

  it("adds token types if there are any", () => {
    const table = "deberta.embeddings.token_type_embeddings.weight";
    assert.equal(takesTokenTypes(classifier(v3)), false);
    assert.equal(takesTokenTypes(classifier(v2)), true);
    const one = withConfig(withTensor(v3, table, WORDS, { shape: [1, 24] }), { type_vocab_size: 1 });
    assert.ok(weightsOf(one).includes(table));
    assert.equal(takesTokenTypes(classifier(one)), false);
  });

  it("projects embeddings narrower than the layers", () => {
    const narrow = withTensor(withConfig(v3, { embedding_size: 8 }), WORDS, WORDS, { shape: [48, 8] });
    const part = withTensor(narrow, "deberta.embeddings.embed_proj.weight", WORDS, { shape: [24, 8] });
    assertWellFormed(classifier(part), "logits");
    assert.ok(weightsOf(part).includes("deberta.embeddings.embed_proj.weight"));
  });

  it("adds a convolution after the first layer if config.json sets its width", () => {
    const [convolution] = operators(classifier(v2), "Conv");
    assert.ok(convolution);
    assert.deepEqual(Object.fromEntries(convolution.attributes), { kernel_shape: [3], pads: [1, 1], group: 3 });
    for (const width of [0, null]) assert.equal(operators(classifier(withConfig(v2, { conv_kernel_size: width })), "Conv").length, 0);
    refuses(() => classifier(withConfig(v2, { conv_kernel_size: 4 })), "ERR_INVALID_CONFIG", '"conv_kernel_size" is 4', "odd");
    refuses(() => classifier(withConfig(v2, { conv_groups: 5 })), "ERR_INVALID_CONFIG", '"conv_groups" is 5', "24");
  });

  it("reads the head of a masked language model under the names of transformers or of its authors", () => {
    const named = (at: string, part: TransformerPart): TransformerPart => {
      const dense = withTensor(part, `${at}.dense.weight`, `${SELF}.query_proj.weight`);
      const tensors = [`${at}.dense.bias`, `${at}.LayerNorm.weight`, `${at}.LayerNorm.bias`];
      return tensors.reduce((made, name) => withTensor(made, name, `${SELF}.query_proj.bias`), dense);
    };
    const bias = (name: string, part: TransformerPart) => withTensor(part, name, "pooler.dense.bias", { shape: [48] });
    const bert = maskedLanguageModel(bias("cls.predictions.bias", named("cls.predictions.transform", v3)));
    assert.deepEqual([bert.decoder.name, bert.decoderBias?.name], [WORDS, "cls.predictions.bias"]);
    const authors = withConfig(bias("lm_predictions.lm_head.bias", named("lm_predictions.lm_head", v3)), { legacy: false });
    const graph = maskedLanguageModel(authors);
    assertWellFormed(graph, "hidden");
    assert.deepEqual([graph.decoder.name, graph.decoderBias?.name], [WORDS, "lm_predictions.lm_head.bias"]);
    refuses(() => maskedLanguageModel(v3), "ERR_MISSING_TENSOR", "cls.predictions.transform.dense.weight");
  });

  it("rejects what it does not implement", () => {
    for (const changes of [{ pooler_hidden_size: 48 }, { attention_head_size: 16 }]) {
      refuses(() => classifier(withConfig(v3, changes)), "ERR_UNSUPPORTED_MODEL", ...Object.keys(changes));
    }
    refuses(() => classifier(withConfig(v1, { talking_head: true })), "ERR_UNSUPPORTED_MODEL", '"talking_head" is true');
  });
});

describe("ModernBERT", () => {
  let local: TransformerPart;
  let biases: TransformerPart;
  const FULL = "full_attention";
  const SLIDING = "sliding_attention";

  before(async () => {
    [local, biases] = [await referencePart("modernbert-local"), await referencePart("modernbert-biases")];
  });

  const countOf = (part: TransformerPart): { full: number; sliding: number } => {
    const reaches = operators(classifier(part), "Attention").map(({ attributes }) => attributes.get("reach"));
    const full = reaches.filter((reach) => reach === -1).length;
    const reach = Math.floor(Number(part.config.json["local_attention"]) / 2);
    return { full, sliding: reaches.filter((found) => found === reach).length };
  };

  it("reads the layer types from transformers 5's list or transformers 4's period", () => {
    assert.deepEqual(countOf(local), { full: 1, sliding: 2 });
    const old = (period: number | undefined) => withConfig(local, { layer_types: undefined, global_attn_every_n_layers: period });
    assert.deepEqual(countOf(old(undefined)), { full: 1, sliding: 2 });
    assert.deepEqual(countOf(old(2)), { full: 2, sliding: 1 });
    assert.deepEqual(countOf(old(1)), { full: 3, sliding: 0 });
    assert.deepEqual(countOf(withConfig(local, { layer_types: [SLIDING, SLIDING, SLIDING] })), { full: 0, sliding: 3 });
    for (const types of [[FULL], [FULL, FULL, FULL, FULL], [FULL, "chunked_attention", FULL], "full_attention"]) {
      refuses(() => classifier(withConfig(local, { layer_types: types })), "ERR_INVALID_CONFIG", '"layer_types"');
    }
  });

  it("has a rotation per layer type, with either version's names for the bases", () => {
    const turns = (part: TransformerPart, kind: string): number | undefined =>
      decode(classifier(part)).initialisers.get(`frequencies_${kind}`)?.floatData?.[1];
    const expected = (base: number): number => Math.fround(1 / Math.fround(base ** Math.fround(2 / 8)));
    assert.equal(turns(local, FULL), expected(160_000));
    assert.equal(turns(local, SLIDING), expected(10_000));
    const old = withConfig(local, { rope_parameters: undefined, global_rope_theta: 5000, local_rope_theta: 700 });
    assert.equal(turns(old, FULL), expected(5000));
    assert.equal(turns(old, SLIDING), expected(700));
    const changed = withConfig(local, { rope_parameters: { [FULL]: { rope_theta: 90 } }, global_rope_theta: 5000 });
    assert.equal(turns(changed, FULL), expected(90));
    assert.equal(turns(changed, SLIDING), expected(10_000));
    const scaled = { [FULL]: { rope_type: "yarn", rope_theta: 90 } };
    refuses(
      () => classifier(withConfig(local, { rope_parameters: scaled })),
      "ERR_UNSUPPORTED_MODEL",
      "rope_parameters.full_attention.rope_type",
    );
    refuses(() => classifier(withConfig(local, { rope_scaling: { type: "ntk" } })), "ERR_UNSUPPORTED_MODEL", '"rope_scaling"');
  });

  it("adds the biases that config.json enables, and no norm before the first attention", () => {
    const kinds = (part: TransformerPart) =>
      new Set(
        weightsOf(part)
          .filter((name) => name.includes(".bias"))
          .map((name) => name.replace(/\d+/, "")),
      );
    assert.deepEqual(kinds(local), new Set(["classifier.bias"]));
    for (const name of ["final_norm", "layers..attn_norm", "layers..attn.Wo", "layers..mlp.Wo", "embeddings.norm"]) {
      assert.ok(kinds(biases).has(`model.${name}.bias`), name);
    }
    assert.ok(kinds(biases).has("head.dense.bias") && kinds(biases).has("head.norm.bias"));
    assert.ok(!weightsOf(biases).some((name) => name.startsWith("model.layers.0.attn_norm")));
  });

  it("pools the first token or the mean of all tokens", () => {
    assert.equal(operators(classifier(local), "ReduceMean").length, 1);
    const first = withConfig(local, { classifier_pooling: "cls" });
    assert.equal(operators(classifier(first), "ReduceMean").length, 0);
    refuses(() => classifier(withConfig(local, { classifier_pooling: "max" })), "ERR_INVALID_CONFIG", '"classifier_pooling" is "max"');
  });

  it("computes only the first token in a last layer of full attention", () => {
    const queryOf = (types: readonly string[]): string | undefined => {
      const graph = decode(classifier(withConfig(local, { classifier_pooling: "cls", layer_types: types })));
      return querySource(graph, graph.nodes.filter(({ operator }) => operator === "Attention").at(-1));
    };
    assert.equal(queryOf([SLIDING, SLIDING, FULL]), "Gather");
    assert.equal(queryOf([FULL, SLIDING, SLIDING]), "LayerNormalization");
  });

  it("has a decoder with or without bias, tied or untied", async () => {
    const part = await sparsePart("splade-modernbert");
    const words = "model.embeddings.tok_embeddings.weight";
    assert.equal(maskedLanguageModel(part).decoder.name, words);
    assert.equal(maskedLanguageModel(part).decoderBias?.name, "decoder.bias");
    assert.equal(maskedLanguageModel(withConfig(part, { decoder_bias: false })).decoderBias, undefined);
    assert.equal(maskedLanguageModel(withTensor(part, "decoder.weight", words)).decoder.name, "decoder.weight");
    refuses(() => maskedLanguageModel(withConfig(part, { tie_word_embeddings: false })), "ERR_MISSING_TENSOR", "decoder.weight");
    refuses(() => maskedLanguageModel(without(part, "decoder.bias")), "ERR_MISSING_TENSOR", "decoder.bias");
  });
});

describe("GTE", () => {
  let part: TransformerPart;

  before(async () => {
    part = await referencePart("gte-ntk");
  });

  const turnsOf = (changes: Readonly<Record<string, unknown>>): readonly number[] =>
    decode(classifier(withConfig(part, changes))).initialisers.get("frequencies")?.floatData ?? [];

  it("scales rotations with ntk scaling, unless the factor requests no more positions", () => {
    const plain = turnsOf({ rope_scaling: null, rope_theta: 160_000 });
    const scaled = turnsOf({ rope_scaling: { type: "ntk", factor: 8 }, rope_theta: 20_000 });
    assert.equal(plain[0], 1);
    scaled.forEach((turn, i) => {
      assert.ok(Math.abs(turn / (plain[i] ?? NaN) - 8 ** (-2 / 8)) < 1e-6, "the larger base, and slower by factor^(2 / size)");
    });
    assert.deepEqual(turnsOf({ rope_scaling: { type: "ntk", factor: 1 }, rope_theta: 160_000 }), plain);
    assert.deepEqual(turnsOf({ rope_scaling: null, rope_theta: undefined }), turnsOf({ rope_scaling: null, rope_theta: 10_000 }));
  });

  it("reads rotary settings as transformers 5 writes them", () => {
    const rewritten = (parameters: unknown) => ({ rope_scaling: undefined, rope_theta: undefined, rope_parameters: parameters });
    const ntk = { factor: 8, rope_theta: 20_000, rope_type: "ntk", type: "ntk" };
    assert.deepEqual(turnsOf(rewritten(ntk)), turnsOf({}));
    assert.deepEqual(turnsOf(rewritten({ ...ntk, type: undefined })), turnsOf({}));
    assert.deepEqual(turnsOf(rewritten({ rope_type: "default", rope_theta: 20_000 })), turnsOf({ rope_scaling: null }));
  });

  it("reads rotary settings of transformers' own class", () => {
    const native = (parameters: unknown) =>
      turnsOf({ model_type: "gte", rope_scaling: undefined, rope_theta: undefined, rope_parameters: parameters });
    const plain = native({ rope_type: "default", rope_theta: 160_000 });
    assert.deepEqual(native(undefined), plain);
    assert.deepEqual(native({ rope_theta: 160_000 }), plain);
    assert.deepEqual(
      native({ rope_type: "linear", rope_theta: 160_000, factor: 2 }),
      plain.map((turn) => turn / 2),
    );
    // The published ntk scaling, expressed with transformers' settings.
    const linear = native({ rope_type: "linear", rope_theta: 160_000, factor: 8 ** (2 / 8) });
    assert.deepEqual(linear, turnsOf({ rope_scaling: { type: "ntk", factor: 8 }, rope_theta: 20_000 }));
  });

  it("rejects other scalings and settings of its custom code", () => {
    const cases: [changes: Readonly<Record<string, unknown>>, code: "ERR_UNSUPPORTED_MODEL" | "ERR_INVALID_CONFIG", field: string][] = [
      [{ rope_scaling: { type: "linear", factor: 2 } }, "ERR_UNSUPPORTED_MODEL", '"rope_scaling.type"'],
      [{ rope_scaling: { type: "ntk", factor: 2, mixed_b: 0.6 } }, "ERR_UNSUPPORTED_MODEL", '"rope_scaling.mixed_b"'],
      [{ rope_scaling: { type: "ntk" } }, "ERR_INVALID_CONFIG", '"rope_scaling.factor"'],
      [{ rope_scaling: {} }, "ERR_INVALID_CONFIG", '"rope_scaling.factor"'],
      [{ rope_scaling: null, rope_parameters: { rope_type: "yarn" } }, "ERR_UNSUPPORTED_MODEL", '"rope_parameters.rope_type"'],
      [{ rope_scaling: "ntk" }, "ERR_INVALID_CONFIG", '"rope_scaling"'],
      [{ model_type: "gte", rope_scaling: { type: "linear" } }, "ERR_INVALID_CONFIG", '"rope_scaling.factor"'],
      [{ model_type: "gte", rope_scaling: { type: "dynamic", factor: 2 } }, "ERR_UNSUPPORTED_MODEL", '"rope_scaling.type"'],
      [{ position_embedding_type: "absolute" }, "ERR_UNSUPPORTED_MODEL", '"position_embedding_type"'],
      [{ layer_norm_type: "rms_norm" }, "ERR_UNSUPPORTED_MODEL", '"layer_norm_type"'],
      [{ pack_qkv: false }, "ERR_UNSUPPORTED_MODEL", '"pack_qkv"'],
      [{ logn_attention_scale: true }, "ERR_UNSUPPORTED_MODEL", '"logn_attention_scale"'],
    ];
    for (const [changes, code, field] of cases) refuses(() => classifier(withConfig(part, changes)), code, field);
  });

  it("has several token types, one, or none", () => {
    const table = "new.embeddings.token_type_embeddings.weight";
    assert.equal(takesTokenTypes(classifier(part)), true);
    const one = withTensor(withConfig(part, { type_vocab_size: 1 }), table, table, { shape: [1, 24] });
    assert.ok(weightsOf(one).includes(table));
    assert.equal(takesTokenTypes(classifier(one)), false);
    const none = withConfig(without(part, table), { type_vocab_size: 0 });
    assertWellFormed(classifier(none), "logits");
    assert.equal(takesTokenTypes(classifier(none)), false);
  });

  it("slices query, key and value from one matrix without copying it", () => {
    const name = "new.encoder.layer.1.attention.qkv_proj.weight";
    const whole = part.tensors.get(name);
    assert.ok(whole);
    const { weights } = classifier(part);
    const thirds = [0, 1, 2].map((i) => weights.get(`${name}[${String(i)}/3]`));
    assert.deepEqual(
      thirds.map((third) => [third?.offset, third?.byteLength, third?.shape, third?.file]),
      [0, 1, 2].map((i) => [whole.offset + (i * whole.byteLength) / 3, whole.byteLength / 3, [24, 24], whole.file]),
    );
    assert.equal(whole.byteLength, 3 * 24 * 24 * 2, "bf16");
  });
});

describe("JinaBERT", () => {
  let part: TransformerPart;
  let labels: number;

  before(async () => {
    ({ part, labels } = await crossPart("ce-jina-v1"));
  });

  it("uses ALiBi's slopes, including for head counts that are not powers of two", () => {
    const slopes = decode(sequenceClassifier(part, labels)).initialisers.get("alibi");
    assert.deepEqual((slopes?.dims ?? []).map(Number), [10, 1]);
    const expected = [1, 2, 3, 4, 5, 6, 7, 8].map((i) => -(2 ** -i)).concat([-(2 ** -0.5), -(2 ** -1.5)]);
    assert.deepEqual(slopes?.floatData, expected.map(Math.fround));
  });

  it("supports two kinds of gates", () => {
    const count = (kind: string, operator: string): number =>
      operators(sequenceClassifier(withConfig(part, { feed_forward_type: kind }), labels), operator).length;
    assert.deepEqual([count("geglu", "Gelu"), count("geglu", "Relu")], [2, 0]);
    assert.deepEqual([count("reglu", "Gelu"), count("reglu", "Relu")], [0, 2]);
    for (const kind of ["original", "swiglu", undefined]) {
      const other = withConfig(part, { feed_forward_type: kind });
      refuses(() => sequenceClassifier(other, labels), "ERR_UNSUPPORTED_MODEL", '"feed_forward_type"', "geglu, reglu");
    }
  });

  it("rejects other positions", () => {
    for (const type of ["absolute", undefined]) {
      const other = withConfig(part, { position_embedding_type: type });
      refuses(() => sequenceClassifier(other, labels), "ERR_UNSUPPORTED_MODEL", '"position_embedding_type"', "alibi");
    }
  });

  it("has BERT's head of a masked language model", () => {
    const at = "cls.predictions";
    const self = "bert.encoder.layer.0.attention.self.query";
    const dense = withTensor(part, `${at}.transform.dense.weight`, `${self}.weight`);
    const norms = ["dense.bias", "LayerNorm.weight", "LayerNorm.bias"].map((name) => `${at}.transform.${name}`);
    const head = norms.reduce((made, name) => withTensor(made, name, `${self}.bias`), dense);
    const vocabulary = Number(part.config.json["vocab_size"]);
    const graph = maskedLanguageModel(withTensor(head, `${at}.bias`, `${self}.bias`, { shape: [vocabulary] }));
    assertWellFormed(graph, "hidden");
    assert.equal(graph.decoder.name, "bert.embeddings.word_embeddings.weight");
  });
});

describe("Jina's XLM-RoBERTa", () => {
  it("has RoBERTa's graph with renamed tensors", async () => {
    const part = await referencePart("jina-roberta");
    const graph = classifier(part);
    assert.equal(graph.maxPositions, 200);
    for (const name of ["mixer.Wqkv.weight[2/3]", "mixer.Wqkv.bias[0/3]", "mixer.out_proj.weight", "norm1.bias", "mlp.fc2.weight"]) {
      assert.ok(graph.weights.has(`roberta.encoder.layers.1.${name}`), name);
    }
    assert.ok(graph.weights.has("roberta.emb_ln.weight") && graph.weights.has("classifier.out_proj.weight"));
    refuses(() => classifier(without(part, "roberta.emb_ln.bias")), "ERR_MISSING_TENSOR", "roberta.embeddings.LayerNorm.bias");
  });
});
