/**
 * PackedMultiHeadAttention, which ONNX Runtime supports only on CUDA, composed of operators that the CPU supports too: the function in its
 * documentation (docs/ContribOperators.md). With it, the CPU provider runs the graphs for GPUs, otherwise unchanged.
 */

import { onnx } from "onnx-proto";

import type { Graph } from "../../dist/architectures/types";

const DOMAIN = "test";
const { AttributeType } = onnx.AttributeProto;
const { DataType } = onnx.TensorProto;

type Attributes = Readonly<Record<string, number | readonly number[]>>;

/** The same graph, with packed attention replaced by the function. */
export function withPackedAttention(graph: Graph): Graph {
  return {
    ...graph,
    model: withFunction(graph.model),
    continued: (build, output) => {
      const continued = graph.continued(build, output);
      return { ...continued, model: withFunction(continued.model) };
    },
  };
}

function withFunction(bytes: Uint8Array): Uint8Array {
  const model = onnx.ModelProto.decode(bytes);
  for (const node of model.graph?.node ?? []) {
    if (node.opType === "PackedMultiHeadAttention") node.domain = DOMAIN;
  }
  model.opsetImport.push({ domain: DOMAIN, version: 1 });
  model.functions.push(packedAttention(Number(model.opsetImport.find(({ domain }) => domain === "")?.version)));
  return onnx.ModelProto.encode(model).finish();
}

function packedAttention(opset: number): onnx.IFunctionProto {
  const nodes: onnx.INodeProto[] = [];
  const node = (opType: string, inputs: readonly string[], attributes: Attributes = {}): string => {
    const output = `${opType}_${String(nodes.length)}`;
    const attribute = Object.entries(attributes).map(([name, value]) =>
      typeof value === "number" ? { name, type: AttributeType.INT, i: value } : { name, type: AttributeType.INTS, ints: [...value] },
    );
    nodes.push({ opType, input: [...inputs], output: [output], attribute });
    return output;
  };
  const ints = (...values: readonly number[]): string => node("Constant", [], { value_ints: values });
  const heads = node("Constant", []);
  nodes.at(-1)?.attribute?.push({ name: "value_int", type: AttributeType.INT, refAttrName: "num_heads" });

  const sizes = node("Shape", ["token_offset"]);
  const tokensAndHidden = node("Shape", ["query"]);
  const tokens = node("Gather", [tokensAndHidden, ints(0)]);
  const hidden = node("Gather", [tokensAndHidden, ints(1)]);
  const places = node("Cast", [node("Slice", [node("Reshape", ["token_offset", ints(-1)]), ints(0), tokens])], { to: DataType.INT64 });
  const all = node("ReduceProd", [sizes], { keepdims: 1 });
  const empty = node("Expand", [node("Sub", [first("query"), first("query")]), node("Concat", [all, hidden], { axis: 0 })]);
  const byHead = node("Concat", [sizes, node("Reshape", [heads, ints(1)]), ints(-1)], { axis: 0 });

  /** The first value of a matrix, [1, 1]. */
  function first(matrix: string): string {
    return node("Slice", [matrix, ints(0, 0), ints(1, 1)]);
  }
  /** [tokens, hidden] -> [batch, heads, longest, size], with 0 for padding. */
  const split = (x: string): string => {
    const padded = node("ScatterND", [empty, node("Unsqueeze", [places, ints(1)]), x]);
    return node("Transpose", [node("Reshape", [padded, byHead])], { perm: [0, 2, 1, 3] });
  };
  const [query, key, value] = ["query", "key", "value"].map(split);

  const size = node("Gather", [node("Shape", [query ?? ""]), ints(3)]);
  const root = node("Sqrt", [node("CastLike", [size, "query"])]);
  const products = node("MatMul", [query ?? "", node("Transpose", [key ?? ""], { perm: [0, 1, 3, 2] })]);
  const bounds = node("Cast", ["bounds"], { to: DataType.INT64 });
  const lengths = node("Sub", [node("Slice", [bounds, ints(1), ints(2 ** 31 - 1)]), node("Slice", [bounds, ints(0), ints(-1)])]);
  const longest = node("Squeeze", [node("Gather", [sizes, ints(1)])]);
  const zero = node("Squeeze", [ints(0)]);
  const positions = node("Range", [zero, longest, node("Squeeze", [ints(1)])]);
  const seen = node("Less", [positions, node("Unsqueeze", [lengths, ints(1, 2, 3)])]);
  const hiddenScore = node("CastLike", [node("Constant", []), "query"]);
  nodes.at(-2)?.attribute?.push({ name: "value_float", type: AttributeType.FLOAT, f: -1e4 });
  const scores = node("Where", [seen, node("Div", [products, root]), hiddenScore]);
  const context = node("MatMul", [node("Softmax", [scores], { axis: -1 }), value ?? ""]);
  const rows = node("Reshape", [node("Transpose", [context], { perm: [0, 2, 1, 3] }), node("Concat", [all, hidden], { axis: 0 })]);
  nodes.push({ opType: "Gather", input: [rows, places], output: ["output"] });

  return {
    name: "PackedMultiHeadAttention",
    domain: DOMAIN,
    input: ["query", "key", "value", "bias", "token_offset", "bounds"],
    output: ["output"],
    attribute: ["num_heads"],
    opsetImport: [{ domain: "", version: opset }],
    node: nodes,
  };
}
