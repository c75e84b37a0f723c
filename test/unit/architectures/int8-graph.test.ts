import assert from "node:assert/strict";
import path from "node:path";

import { onnx } from "onnx-proto";

import { architectureFor } from "../../../dist/architectures";
import { readCheckpoint } from "../../../dist/checkpoint";
import { derivedFolder } from "../../../dist/hub/settings";

const fixtures = path.join(__dirname, "..", "..", "data", "checkpoints");

describe("the graph with 8-bit layers", () => {
  it("replaces the linear layers of the transformer and nothing else", async () => {
    const { transformer, numLabels } = await readCheckpoint(path.join(fixtures, "ce-bert-minilm"), "cross");
    const graph = architectureFor(transformer.config).sequenceClassifier(transformer, numLabels);
    const { model, weights, layers } = graph.int8();
    const [exact, quantised] = [graph.model, model].map((bytes) => onnx.ModelProto.decode(bytes).graph?.node ?? []);
    assert.ok(exact !== undefined && quantised !== undefined);
    assert.equal(quantised.length, exact.length);
    const remaining = quantised.filter(({ opType }) => opType === "Gemm").map(({ input }) => input?.[1]);
    assert.deepEqual(remaining, ["bert.pooler.dense.weight", "classifier.weight"]);
    const places = quantised.filter(({ opType }) => opType === "Int8Linear").map(({ attribute }) => Number(attribute?.[0]?.i));
    assert.deepEqual(places, [...layers.keys()]);
    for (const { weight, bias } of layers) {
      assert.match(weight.name, /^bert\.encoder\.layer\.\d+\./);
      assert.ok(!weights.has(weight.name) && graph.weights.has(weight.name));
      assert.equal(bias?.name, weight.name.replace(/weight$/, "bias"));
    }
    assert.equal(weights.size + 2 * layers.length, graph.weights.size);
  });

  it("shares a layer that a graph uses twice", async () => {
    const { transformer, numLabels } = await readCheckpoint(path.join(fixtures, "ce-deberta-v3-rerank"), "cross");
    const { model, layers } = architectureFor(transformer.config).sequenceClassifier(transformer, numLabels).int8();
    const nodes = (onnx.ModelProto.decode(model).graph?.node ?? []).filter(({ opType }) => opType === "Int8Linear");
    assert.equal(new Set(layers.map(({ weight }) => weight.name)).size, layers.length);
    assert.ok(nodes.length > layers.length);
  });
});

describe("the folder of quantized weights", () => {
  it("is next to the hub cache unless a variable overrides it", () => {
    const at = (...parts: string[]) => path.resolve(path.sep, ...parts);
    assert.equal(derivedFolder({}, { HF_HOME: at("home") }), at("home", "sparse-rerank"));
    assert.equal(derivedFolder({}, { HF_HUB_CACHE: at("big", "hub") }), at("big", "sparse-rerank"));
    assert.equal(derivedFolder({ cacheDir: at("option", "hub") }, { HF_HOME: at("home") }), at("option", "sparse-rerank"));
    assert.equal(derivedFolder({}, { HF_HOME: at("home"), SPARSE_RERANK_CACHE: at("own") }), at("own"));
    assert.equal(derivedFolder({}, { SPARSE_RERANK_CACHE: "off" }), undefined);
  });
});
