import path from "node:path";

import type { TensorInfo } from "../checkpoint/types";
import { OWN_DOMAIN, quantizeLayers } from "./int8";
import type { Int8Layer } from "./int8";
import {
  AttributeProtoAttributeType as AttributeType,
  encodeModel,
  TensorProtoDataLocation as DataLocation,
  TensorProtoDataType as DataType,
} from "./onnx-messages";
import type { AttributeProto, NodeProto, TensorProto, ValueInfoProto } from "./onnx-messages";

/** LayerNormalization requires 17, which ONNX Runtime supports since 1.12. See useOpset for newer operators. */
const OPSET = 17;
const IR_VERSION = 8;

/** The name of a value in the graph. */
export type Value = string;

/** A number becomes an INT attribute, an array INTS and a string STRING; write a FLOAT attribute as { float: 1 }. */
type Attribute = number | readonly number[] | string | { readonly float: number };

export type Attributes = Readonly<Record<string, Attribute>>;

/** Element types, for the attribute `to` of Cast. Ids are int64. */
export const INT64: number = DataType.INT64;
export const INT32: number = DataType.INT32;
export const FLOAT: number = DataType.FLOAT;
export const FLOAT16: number = DataType.FLOAT16;

/** The float type of a graph. */
export type Floats = "fp32" | "fp16" | "bf16";

/** The sequences that one run of a graph takes, and its float type. */
export interface GraphLayout {
  /** A single sequence, or a group of sequences of different length (group-inputs.ts): padded to the longest, or packed one after the other. */
  readonly form: "single" | "padded" | "packed";
  readonly floats: Floats;
}

export const SINGLE_SEQUENCE: GraphLayout = { form: "single", floats: "fp32" };

const FLOAT_TYPES: Readonly<Record<Floats, number>> = {
  fp32: DataType.FLOAT,
  fp16: DataType.FLOAT16,
  bf16: DataType.BFLOAT16,
};

/** Operators of ONNX Runtime's own domain. */
export const MICROSOFT = "com.microsoft";

/** A serialized ModelProto, and the weights that it refers to. */
export interface EncodedGraph {
  readonly model: Uint8Array;
  readonly weights: ReadonlyMap<string, TensorInfo>;
  /** The type of each weight in the graph. */
  readonly weightFloats: ReadonlyMap<string, Floats>;
  /** The weights that only linear layers read, as their matrices. */
  readonly matrices: ReadonlySet<string>;
  readonly inputs: readonly string[];
  readonly layout: GraphLayout;
  /**
   * For the input position_ids: the id of the padding token, after which positions start; padding tokens have this id. Absent: they start
   * at 0.
   */
  readonly positionsAfter?: number;
  /** Present if runs can continue from a prefix (kept-prefix.ts). */
  readonly prefix?: PrefixShape;
}

/** The keys and values that a graph keeps. */
export interface PrefixShape {
  readonly layers: number;
  /** Heads of keys and values. */
  readonly heads: number;
  readonly size: number;
  /** If not null, the head reads the last token that is not this one. */
  readonly padTokenId: number | null;
}

/** Variants of a finished graph. */
export interface Variants {
  /** The graph with the linear layers of the transformer in 8 bits. */
  readonly int8: () => Int8Graph;
  /** The graph with more nodes: `build` gets the previous output and returns a new one, named `output`. Can be called once. */
  readonly continued: (build: (graph: GraphBuilder, value: Value) => Value, output: string) => EncodedGraph;
}

/** A graph with layers in 8 bits, whose weights are only in `layers`. */
export interface Int8Graph extends EncodedGraph {
  readonly layers: readonly Int8Layer[];
}

/**
 * Builds an ONNX graph node by node. Values are named by operator and number. Weights keep the names of the checkpoint, with a number if
 * several tensors have the same name.
 */
export class GraphBuilder {
  private readonly weights = new Map<string, TensorInfo>();
  /** Names of weights, by all properties that distinguish two weights. */
  private readonly weightNames = new Map<string, Value>();
  private readonly weightFloats = new Map<string, Floats>();
  private readonly made = new Map<string, Value>();
  private readonly nodes: NodeProto[] = [];
  private readonly constants = new Map<string, TensorProto>();
  private readonly inputs = new Map<string, ValueInfoProto>();
  private readonly states = new Map<string, ValueInfoProto>();
  private readonly outputs: ValueInfoProto[] = [];
  private prefix: PrefixShape | undefined;
  private opset = OPSET;
  private positionsAfter: number | undefined;
  private count = 0;
  private precision: Floats;

  constructor(readonly layout: GraphLayout = SINGLE_SEQUENCE) {
    this.precision = layout.floats;
  }

  /** Whether the sequences of a run may differ in length. */
  get takesGroups(): boolean {
    return this.layout.form !== "single";
  }

  /** The current float type of weights and nodes, for the attribute `to` of Cast. */
  get floatType(): number {
    return FLOAT_TYPES[this.precision];
  }

  /** Casts an fp32 value to the graph's float type. */
  narrow(value: Value): Value {
    return this.precision === "fp32" ? value : this.node("Cast", [value], { to: this.floatType });
  }

  /** Casts the value to fp32, which also becomes the graph's float type: for small heads, which gain nothing from lower precision. */
  widen(value: Value): Value {
    return this.convert(value, "fp32");
  }

  /** Casts the value to another type, which also becomes the graph's float type. */
  convert(value: Value, floats: Floats): Value {
    if (this.precision === floats) return value;
    this.precision = floats;
    return this.node("Cast", [value], { to: this.floatType });
  }

  /** Calls `make` the first time, and returns the same value for all further calls with this key. */
  once(key: string, make: () => Value): Value {
    const known = this.made.get(key);
    if (known !== undefined) return known;
    const value = make();
    this.made.set(key, value);
    return value;
  }

  /**
   * Raises the opset for a newer operator. The caller must check that the other nodes stay valid, since some operators changed their
   * inputs.
   */
  useOpset(version: number): void {
    this.opset = version;
  }

  /** Declares an input. Declaring it again has no effect. */
  input(name: string, dimensions: readonly string[] = ["batch", "sequence"], type: number = INT64): Value {
    this.inputs.set(name, valueInfo(name, type, dimensions));
    return name;
  }

  /** Declares an input of kept-prefix.ts. */
  state(name: string, dimensions: readonly string[], type: number = INT64): Value {
    this.states.set(name, valueInfo(name, type, dimensions));
    return name;
  }

  /** Declares a further fp32 output. */
  output(value: Value, name: string, dimensions: readonly string[]): void {
    this.nodes.push({ name, opType: "Identity", input: [value], output: [name] });
    this.outputs.push(valueInfo(name, FLOAT, dimensions));
  }

  /** See EncodedGraph. */
  continueFrom(prefix: PrefixShape): void {
    this.prefix = prefix;
  }

  /** See EncodedGraph. */
  countPositionsAfter(padding: number): void {
    this.positionsAfter = padding;
  }

  /** Declares a weight. @param floats its type in the graph, if it differs from the graph's float type */
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

  /** An int64 constant: a vector for an array, a scalar for a number. Equal constants are shared. */
  integers(values: number | readonly number[]): Value {
    const list = typeof values === "number" ? [values] : [...values];
    const name = typeof values === "number" ? `int_${String(values)}` : `ints_${list.join("_")}`;
    this.constants.set(name, { name, dataType: DataType.INT64, dims: typeof values === "number" ? [] : [list.length], int64Data: list });
    return name;
  }

  /** A named fp32 constant. Declaring it again has no effect. */
  floats(name: string, values: readonly number[], shape: readonly number[]): Value {
    this.constants.set(name, { name, dataType: DataType.FLOAT, dims: [...shape], floatData: [...values] });
    return name;
  }

  /** A named int64 vector, for tables that are too long to be named by their values as in `integers`. */
  table(name: string, values: readonly number[]): Value {
    this.constants.set(name, { name, dataType: DataType.INT64, dims: [values.length], int64Data: [...values] });
    return name;
  }

  /**
   * Adds a node and returns its output.
   * @param others names of further outputs, by position; empty strings for omitted ones
   */
  node(operator: string, inputs: readonly Value[], attributes: Attributes = {}, domain = "", others: readonly Value[] = []): Value {
    const name = this.nameOf(operator);
    const attribute = Object.entries(attributes).map(([key, value]) => attributeOf(key, value));
    this.nodes.push({ name, opType: operator, domain, input: [...inputs], output: [name, ...others], attribute });
    return name;
  }

  /** A unique name for a value. */
  nameOf(what: string): Value {
    this.count += 1;
    return `${what}_${String(this.count)}`;
  }

  /** Encodes the model, with `value` as its first output, named `output`. */
  finish(value: Value, output: string): EncodedGraph & Variants {
    const nodes = this.endedBy(value, output);
    return {
      ...this.encode(nodes, this.weights, output),
      int8: () => {
        const quantized = quantizeLayers(nodes, this.weights);
        return { ...this.encode(quantized.nodes, quantized.weights, output), layers: quantized.layers };
      },
      continued: (build, name) => {
        const end = build(this, value);
        return this.encode(this.endedBy(end, name), this.weights, name);
      },
    };
  }

  /** Appends a node that names the output. bf16 is cast to fp32, since native code does not read bf16. */
  private endedBy(value: Value, name: string): NodeProto[] {
    const end = { name, input: [value], output: [name] };
    const to = [attributeOf("to", FLOAT)];
    return [...this.nodes, this.precision === "bf16" ? { ...end, opType: "Cast", attribute: to } : { ...end, opType: "Identity" }];
  }

  private encode(node: NodeProto[], weights: ReadonlyMap<string, TensorInfo>, output: string): EncodedGraph {
    const [first] = weights.values();
    // ONNX Runtime checks that files of external data exist, but native code supplies the memory of every weight: any existing file will
    // do.
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
        input: [...this.inputs.values(), ...this.states.values()],
        output: [valueInfo(output, this.precision === "bf16" ? FLOAT : this.floatType, ["rows", "columns"]), ...this.outputs],
      },
    });
    return {
      model,
      weights,
      weightFloats: this.weightFloats,
      matrices: matricesOf(node),
      inputs: [...this.inputs.keys()],
      layout: this.layout,
      ...(this.positionsAfter === undefined ? {} : { positionsAfter: this.positionsAfter }),
      ...(this.prefix === undefined ? {} : { prefix: this.prefix }),
    };
  }
}

function matricesOf(nodes: readonly NodeProto[]): Set<string> {
  const matrices = new Set<string>();
  const others = new Set<string>();
  for (const { opType, input = [] } of nodes) {
    for (const [i, name] of input.entries()) (opType === "Gemm" && i === 1 ? matrices : others).add(name);
  }
  for (const name of others) matrices.delete(name);
  return matrices;
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
