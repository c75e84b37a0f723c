import path from "node:path";

import type { TensorInfo } from "../checkpoint/types";
import { OWN_DOMAIN, quantiseLayers } from "./int8";
import type { Int8Layer } from "./int8";
import {
  AttributeProtoAttributeType as AttributeType,
  encodeModel,
  TensorProtoDataLocation as DataLocation,
  TensorProtoDataType as DataType,
} from "./onnx-messages";
import type { AttributeProto, NodeProto, TensorProto, ValueInfoProto } from "./onnx-messages";

/** The newest operators in use are LayerNormalization's (17); ONNX Runtime knows them since 1.12. See useOpset for newer ones. */
const OPSET = 17;
const IR_VERSION = 8;

/** The name of a value in the graph. */
export type Value = string;

/** Whole numbers become INT attributes and lists of them INTS, text STRING; write a float attribute as { float: 1 }. */
type Attribute = number | readonly number[] | string | { readonly float: number };

export type Attributes = Readonly<Record<string, Attribute>>;

/** Element types, as the attribute `to` of Cast. Ids are int64. */
export const INT64: number = DataType.INT64;
export const INT32: number = DataType.INT32;
export const FLOAT: number = DataType.FLOAT;
export const FLOAT16: number = DataType.FLOAT16;

/** The type that a graph computes in. */
export type Floats = "fp32" | "fp16" | "bf16";

/** What one run of a graph takes. */
export interface GraphLayout {
  /** One sequence; or a group of sequences of different length (group-inputs.ts), padded to the longest, or packed one after the other. */
  readonly form: "single" | "padded" | "packed";
  readonly floats: Floats;
}

/** Also takes several sequences of equal length. */
export const SINGLE_SEQUENCE: GraphLayout = { form: "single", floats: "fp32" };

const FLOAT_TYPES: Readonly<Record<Floats, number>> = {
  fp32: DataType.FLOAT,
  fp16: DataType.FLOAT16,
  bf16: DataType.BFLOAT16,
};

/** Operators of ONNX Runtime's own domain. */
export const MICROSOFT = "com.microsoft";

/** A serialised ModelProto, and the weights that it names. */
export interface EncodedGraph {
  readonly model: Uint8Array;
  readonly weights: ReadonlyMap<string, TensorInfo>;
  /** The type that the graph has each weight in. */
  readonly weightFloats: ReadonlyMap<string, Floats>;
  readonly inputs: readonly string[];
  readonly layout: GraphLayout;
  /** Of the input position_ids: positions count from this id of the padding token plus 1, and padding tokens stay at it. Absent: they count from 0. */
  readonly positionsAfter?: number;
}

/** What a finished graph can become beside what it is. */
export interface Variants {
  /** With the linear layers of the transformer in 8 bits. */
  readonly int8: () => Int8Graph;
  /** With more nodes: `build` takes the value that was the output, and returns another, which is called `output`. Once. */
  readonly continued: (build: (graph: GraphBuilder, value: Value) => Value, output: string) => EncodedGraph;
}

/** The same with layers in 8 bits, whose weights are only in `layers`. */
export interface Int8Graph extends EncodedGraph {
  readonly layers: readonly Int8Layer[];
}

/**
 * Writes an ONNX graph node by node. Values are named after their operator and number; weights keep the checkpoint's names, numbered where several
 * tensors have the same.
 */
export class GraphBuilder {
  private readonly weights = new Map<string, TensorInfo>();
  /** The names of weights by all that tells two of them apart. */
  private readonly weightNames = new Map<string, Value>();
  private readonly weightFloats = new Map<string, Floats>();
  private readonly made = new Map<string, Value>();
  private readonly nodes: NodeProto[] = [];
  private readonly constants = new Map<string, TensorProto>();
  private readonly inputs = new Map<string, ValueInfoProto>();
  private opset = OPSET;
  private positionsAfter: number | undefined;
  private count = 0;
  private precision: Floats;

  constructor(readonly layout: GraphLayout = SINGLE_SEQUENCE) {
    this.precision = layout.floats;
  }

  /** Whether sequences of a run may differ in length. */
  get takesGroups(): boolean {
    return this.layout.form !== "single";
  }

  /** The type that weights have and nodes compute in, as the attribute `to` of Cast. */
  get floatType(): number {
    return FLOAT_TYPES[this.precision];
  }

  /** A value of fp32 in the type that the graph computes in. */
  narrow(value: Value): Value {
    return this.precision === "fp32" ? value : this.node("Cast", [value], { to: this.floatType });
  }

  /** The value in fp32, in which the graph computes from here on: for small heads that gain nothing from less. */
  widen(value: Value): Value {
    return this.convert(value, "fp32");
  }

  /** The value in another type, in which the graph computes from here on. */
  convert(value: Value, floats: Floats): Value {
    if (this.precision === floats) return value;
    this.precision = floats;
    return this.node("Cast", [value], { to: this.floatType });
  }

  /** The value that `make` returned the first time. */
  once(key: string, make: () => Value): Value {
    const known = this.made.get(key);
    if (known !== undefined) return known;
    const value = make();
    this.made.set(key, value);
    return value;
  }

  /** For an operator that came with a later version. Whoever asks answers for the other nodes: some operators changed their inputs. */
  useOpset(version: number): void {
    this.opset = version;
  }

  /** An input, of int64 unless another type is given; one may be asked for again. */
  input(name: string, dimensions: readonly string[] = ["batch", "sequence"], type: number = INT64): Value {
    this.inputs.set(name, valueInfo(name, type, dimensions));
    return name;
  }

  /** See EncodedGraph. */
  countPositionsAfter(padding: number): void {
    this.positionsAfter = padding;
  }

  /** @param floats the type that it is needed in, where that is not the graph's */
  weight(tensor: TensorInfo, floats: Floats = this.precision): Value {
    const { file, offset, dtype, shape } = tensor;
    const key = JSON.stringify([tensor.name, file, offset, dtype, shape, floats]);
    const known = this.weightNames.get(key);
    if (known !== undefined) return known;
    let name = tensor.name;
    for (let i = 2; this.weights.has(name); i++) name = `${tensor.name}#${String(i)}`;
    this.weightNames.set(key, name);
    this.weights.set(name, tensor);
    this.weightFloats.set(name, floats);
    return name;
  }

  /** An int64 constant: a vector, or a scalar for a number. Equal ones are shared. */
  integers(values: number | readonly number[]): Value {
    const list = typeof values === "number" ? [values] : [...values];
    const name = typeof values === "number" ? `int_${String(values)}` : `ints_${list.join("_")}`;
    this.constants.set(name, { name, dataType: DataType.INT64, dims: typeof values === "number" ? [] : [list.length], int64Data: list });
    return name;
  }

  /** A constant of a given name; one may be asked for again. */
  floats(name: string, values: readonly number[], shape: readonly number[]): Value {
    this.constants.set(name, { name, dataType: DataType.FLOAT, dims: [...shape], floatData: [...values] });
    return name;
  }

  /** A vector of a given name, for tables that are too long for a name like that of `integers`. */
  table(name: string, values: readonly number[]): Value {
    this.constants.set(name, { name, dataType: DataType.INT64, dims: [values.length], int64Data: [...values] });
    return name;
  }

  /**
   * Adds a node and returns its output.
   * @param others names of further outputs, in their places; empty for those that are left out
   */
  node(operator: string, inputs: readonly Value[], attributes: Attributes = {}, domain = "", others: readonly Value[] = []): Value {
    const name = this.nameOf(operator);
    const attribute = Object.entries(attributes).map(([key, value]) => attributeOf(key, value));
    this.nodes.push({ name, opType: operator, domain, input: [...inputs], output: [name, ...others], attribute });
    return name;
  }

  /** A new name for a value. */
  nameOf(what: string): Value {
    this.count += 1;
    return `${what}_${String(this.count)}`;
  }

  /** The model with `value` as its only output under the name `output`. */
  finish(value: Value, output: string): EncodedGraph & Variants {
    const nodes = this.endedBy(value, output);
    return {
      ...this.encode(nodes, this.weights, output),
      int8: () => {
        const quantised = quantiseLayers(nodes, this.weights);
        return { ...this.encode(quantised.nodes, quantised.weights, output), layers: quantised.layers };
      },
      continued: (build, name) => {
        const end = build(this, value);
        return this.encode(this.endedBy(end, name), this.weights, name);
      },
    };
  }

  /** The nodes, and one more that gives the output its name. Nobody outside reads bf16. */
  private endedBy(value: Value, name: string): NodeProto[] {
    const end = { name, input: [value], output: [name] };
    const to = [attributeOf("to", FLOAT)];
    return [...this.nodes, this.precision === "bf16" ? { ...end, opType: "Cast", attribute: to } : { ...end, opType: "Identity" }];
  }

  private encode(node: NodeProto[], weights: ReadonlyMap<string, TensorInfo>, output: string): EncodedGraph {
    const [first] = weights.values();
    // ONNX Runtime checks that external data lies in a file that exists, but gets the memory of every weight from us: one real file will do.
    const location = first === undefined ? "" : path.basename(first.file);
    const external = Array.from(weights, ([name, tensor]) => ({
      name,
      dataType: FLOAT_TYPES[this.weightFloats.get(name) ?? "fp32"],
      dims: [...tensor.shape],
      dataLocation: DataLocation.EXTERNAL,
      externalData: [{ key: "location", value: location }],
    }));
    const model = encodeModel({
      irVersion: IR_VERSION,
      opsetImport: [
        { domain: "", version: this.opset },
        { domain: MICROSOFT, version: 1 },
        { domain: OWN_DOMAIN, version: 1 },
      ],
      producerName: "sparse-rerank",
      graph: {
        name: "body",
        node,
        initializer: [...external, ...this.constants.values()],
        input: [...this.inputs.values()],
        output: [valueInfo(output, this.precision === "bf16" ? FLOAT : this.floatType, ["rows", "columns"])],
      },
    });
    return {
      model,
      weights,
      weightFloats: this.weightFloats,
      inputs: [...this.inputs.keys()],
      layout: this.layout,
      ...(this.positionsAfter === undefined ? {} : { positionsAfter: this.positionsAfter }),
    };
  }
}

function attributeOf(name: string, value: Attribute): AttributeProto {
  if (typeof value === "number") return { name, type: AttributeType.INT, i: value };
  if (typeof value === "string") return { name, type: AttributeType.STRING, s: Buffer.from(value) };
  if ("float" in value) return { name, type: AttributeType.FLOAT, f: value.float };
  return { name, type: AttributeType.INTS, ints: [...value] };
}

function valueInfo(name: string, elemType: number, dimensions: readonly string[]): ValueInfoProto {
  return { name, type: { tensorType: { elemType, shape: { dim: dimensions.map((dimParam) => ({ dimParam })) } } } };
}
