import path from "node:path";

import { onnx } from "onnx-proto";

import type { TensorInfo } from "../checkpoint/types";

/** The newest operators in use are LayerNormalization's (17); ONNX Runtime knows them since 1.12. */
const OPSET = 17;
const IR_VERSION = 8;

const { AttributeType } = onnx.AttributeProto;
const { DataType, DataLocation } = onnx.TensorProto;

/** The name of a value in the graph. */
export type Value = string;

/** Whole numbers become INT attributes; write a float attribute as { float: 1 }. */
type Attribute = number | { readonly float: number };

/** The element type of ids, as the attribute `to` of Cast. */
export const INT64: number = DataType.INT64;

/** Operators of ONNX Runtime's own domain. */
export const MICROSOFT = "com.microsoft";

/** Writes an ONNX graph node by node. Values are named after their operator and number; weights keep the checkpoint's names. */
export class GraphBuilder {
  readonly weights = new Map<string, TensorInfo>();

  private readonly nodes: onnx.INodeProto[] = [];
  private readonly constants = new Map<string, onnx.ITensorProto>();
  private readonly inputs: onnx.IValueInfoProto[] = [];
  private count = 0;

  /** An int64 input [batch, sequence]. */
  input(name: string): Value {
    this.inputs.push(valueInfo(name, DataType.INT64, ["batch", "sequence"]));
    return name;
  }

  weight(tensor: TensorInfo): Value {
    this.weights.set(tensor.name, tensor);
    return tensor.name;
  }

  /** An int64 constant: a vector, or a scalar for a number. Equal ones are shared. */
  integers(values: number | readonly number[]): Value {
    const list = typeof values === "number" ? [values] : [...values];
    const name = typeof values === "number" ? `int_${String(values)}` : `ints_${list.join("_")}`;
    this.constants.set(name, { name, dataType: DataType.INT64, dims: typeof values === "number" ? [] : [list.length], int64Data: list });
    return name;
  }

  /** Adds a node and returns its output. */
  node(operator: string, inputs: readonly Value[], attributes: Readonly<Record<string, Attribute>> = {}, domain = ""): Value {
    return this.outputs(operator, inputs, 1, attributes, domain)[0] as Value;
  }

  /** Adds a node with several outputs. */
  outputs(
    operator: string,
    inputs: readonly Value[],
    count: number,
    attributes: Readonly<Record<string, Attribute>> = {},
    domain = "",
  ): Value[] {
    this.count += 1;
    const name = `${operator}_${String(this.count)}`;
    const output = Array.from({ length: count }, (_, i) => (count === 1 ? name : `${name}_${String(i)}`));
    const attribute = Object.entries(attributes).map(([key, value]) =>
      typeof value === "number"
        ? { name: key, type: AttributeType.INT, i: value }
        : { name: key, type: AttributeType.FLOAT, f: value.float },
    );
    this.nodes.push({ name, opType: operator, domain, input: [...inputs], output, attribute });
    return output;
  }

  /** The serialised model, with `value` as its only output under the name `output`. */
  finish(value: Value, output: string): Uint8Array {
    this.nodes.push({ name: output, opType: "Identity", input: [value], output: [output] });
    const [first] = this.weights.values();
    // ONNX Runtime checks that external data lies in a file that exists, but gets the memory of every weight from us: one real file will do.
    const location = first === undefined ? "" : path.basename(first.file);
    const external = Array.from(this.weights, ([name, tensor]) => ({
      name,
      dataType: DataType.FLOAT,
      dims: [...tensor.shape],
      dataLocation: DataLocation.EXTERNAL,
      externalData: [{ key: "location", value: location }],
    }));
    return onnx.ModelProto.encode({
      irVersion: IR_VERSION,
      opsetImport: [
        { domain: "", version: OPSET },
        { domain: MICROSOFT, version: 1 },
      ],
      producerName: "sparse-rerank",
      graph: {
        name: "body",
        node: this.nodes,
        initializer: [...external, ...this.constants.values()],
        input: this.inputs,
        output: [valueInfo(output, DataType.FLOAT, ["rows", "columns"])],
      },
    }).finish();
  }
}

function valueInfo(name: string, elemType: onnx.TensorProto.DataType, dimensions: readonly string[]): onnx.IValueInfoProto {
  return { name, type: { tensorType: { elemType, shape: { dim: dimensions.map((dimParam) => ({ dimParam })) } } } };
}
