/** Names of weights in a graph: different tensors never share one. */

import assert from "node:assert/strict";

import { GraphBuilder } from "../../../dist/architectures/graph";
import type { TensorInfo } from "../../../dist/checkpoint/types";

const TENSOR: TensorInfo = {
  name: "linear.weight",
  dtype: "F32",
  shape: [2, 3],
  file: "/m/a/dense/model.safetensors",
  offset: 64,
  byteLength: 24,
};

describe("names of weights in a graph", () => {
  it("are the tensor's own, once per tensor", () => {
    const graph = new GraphBuilder();
    assert.equal(graph.weight(TENSOR), "linear.weight");
    assert.equal(graph.weight({ ...TENSOR }), "linear.weight");
  });

  it("differ if the tensors are in other places, are read differently or are needed in another type", () => {
    const others: readonly Partial<TensorInfo>[] = [
      { file: "/m/b/dense/model.safetensors" },
      { offset: 128 },
      { shape: [3, 2] },
      { dtype: "BF16", byteLength: 12 },
    ];
    const graph = new GraphBuilder({ form: "padded", floats: "fp16" });
    const tensors = [TENSOR, ...others.map((change) => ({ ...TENSOR, ...change }))];
    const names = tensors.map((tensor) => graph.weight(tensor));
    const wide = graph.weight(TENSOR, "fp32");
    const sum = [...names, wide].reduce((a, b) => graph.node("Add", [a, b]));
    const { weights, weightFloats } = graph.finish(sum, "sum");
    assert.deepEqual([...weights], [...names.map((name, i) => [name, tensors[i]]), [wide, TENSOR]]);
    assert.equal(new Set([...names, wide]).size, tensors.length + 1);
    assert.deepEqual([weightFloats.get(names[0] ?? ""), weightFloats.get(wide)], ["fp16", "fp32"]);
  });

  it("stay distinct from a tensor whose name looks like a numbered duplicate", () => {
    const graph = new GraphBuilder();
    const odd = { ...TENSOR, name: "linear.weight#2", offset: 0 };
    const names = [graph.weight(odd), graph.weight(TENSOR), graph.weight({ ...TENSOR, offset: 128 })];
    assert.deepEqual(names, ["linear.weight#2", "linear.weight", "linear.weight#3"]);
  });

  it("keep 8-bit linear layers distinct as well", () => {
    const graph = new GraphBuilder();
    const weight = { ...TENSOR, name: "encoder.layer.0.dense.weight" };
    const other = { ...weight, file: "/m/b/model.safetensors" };
    const product = [weight, other, weight].reduce(
      (x, tensor) => graph.node("Gemm", [x, graph.weight(tensor)], { transB: 1 }),
      graph.input("x"),
    );
    const { layers } = graph.finish(product, "y").int8();
    assert.deepEqual(layers, [{ weight }, { weight: other }]);
  });
});
