/** Checkpoints as lib/architectures sees them, modified in memory, and the graphs built from them. */

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import path from "node:path";

import { onnx } from "onnx-proto";

import { architectureFor } from "../../../dist/architectures";
import type { ExecutionPlan } from "../../../dist/architectures/execution-plan";
import type { Graph, MaskedLanguageModel, SequenceClassifier } from "../../../dist/architectures/types";
import { readCheckpoint } from "../../../dist/checkpoint";
import { readModelConfig, readTransformer } from "../../../dist/checkpoint/transformer";
import type { ModelConfig, TensorInfo, TransformerPart } from "../../../dist/checkpoint/types";
import type { ErrorCode } from "../../../dist/errors";
import { SparseRerankError } from "../../../dist/errors";
import { describeModel } from "../../../dist/model/native-spec";
import type { NativeModel } from "../../../dist/native/contract";
import { native } from "../../../dist/native/load";

const FIXTURES = path.join(__dirname, "../../data/checkpoints");
const { DataType, DataLocation } = onnx.TensorProto;
const TYPES: Readonly<Record<string, number>> = { F16: DataType.FLOAT16, BF16: DataType.BFLOAT16 };
export const REFERENCE = path.join(__dirname, "../../data/architectures");

/** The document side's. */
export async function sparsePart(name: string): Promise<TransformerPart> {
  const { document } = (await readCheckpoint(path.join(FIXTURES, name), "sparse")).routes;
  assert.ok(document.kind === "transformer");
  return document.transformer;
}

export async function crossPart(name: string): Promise<{ readonly part: TransformerPart; readonly labels: number }> {
  const { transformer, numLabels } = await readCheckpoint(path.join(FIXTURES, name), "cross");
  return { part: transformer, labels: numLabels };
}

export function maskedLanguageModel(part: TransformerPart): MaskedLanguageModel {
  return architectureFor(part.config).maskedLanguageModel(part);
}

export function sequenceClassifier(part: TransformerPart, labels: number): SequenceClassifier {
  return architectureFor(part.config).sequenceClassifier(part, labels);
}

/** A copy with other fields of config.json; undefined removes a field. */
export function withConfig(part: TransformerPart, changes: Readonly<Record<string, unknown>>): TransformerPart {
  const json = Object.fromEntries(Object.entries({ ...part.config.json, ...changes }).filter(([, value]) => value !== undefined));
  return { ...part, config: { ...part.config, json } };
}

/** A copy with every tensor renamed, or removed if there is no new name. */
export function withNames(part: TransformerPart, rename: (name: string) => string | undefined): TransformerPart {
  const tensors = new Map<string, TensorInfo>();
  for (const tensor of part.tensors.values()) {
    const name = rename(tensor.name);
    if (name !== undefined) tensors.set(name, { ...tensor, name });
  }
  return { ...part, tensors };
}

export function without(part: TransformerPart, ...names: readonly string[]): TransformerPart {
  for (const name of names) assert.ok(part.tensors.has(name), `the fixture has ${name}`);
  return withNames(part, (name) => (names.includes(name) ? undefined : name));
}

/** A copy with a tensor added or changed: `like` provides what `changes` leaves open. */
export function withTensor(part: TransformerPart, name: string, like: string, changes: Partial<TensorInfo> = {}): TransformerPart {
  const tensor = part.tensors.get(like);
  assert.ok(tensor, `the fixture has ${like}`);
  return { ...part, tensors: new Map([...part.tensors, [name, { ...tensor, name, ...changes }]]) };
}

export function configOf(json: Readonly<Record<string, unknown>>): ModelConfig {
  return { file: "/models/some/config.json", json };
}

/** Asserts that it throws that code, with a message that contains every part. */
export function refuses(run: () => unknown, code: ErrorCode, ...parts: readonly string[]): void {
  assert.throws(run, (error: unknown) => {
    assert.ok(error instanceof SparseRerankError, String(error));
    assert.equal(error.code, code, error.message);
    for (const text of parts) assert.ok(error.message.includes(text), `${error.message} names ${text}`);
    return true;
  });
}

/** The checkpoint in a folder of test/data/architectures. */
export async function referencePart(name: string): Promise<TransformerPart> {
  return readTransformer(await readModelConfig(path.join(REFERENCE, name)));
}

/** A classifier in the native runtime, as lib/model/start.ts starts it, without a tokenizer. */
export async function startGraph(
  part: TransformerPart,
  graph: Graph,
  execution: ExecutionPlan = { backend: "sequences" },
): Promise<NativeModel> {
  return native().createModel(describeModel(graph, { part, graph, execution }));
}

/** Token types can be chosen. */
export function takesTokenTypes({ inputs }: Graph): boolean {
  assert.deepEqual(
    inputs.filter((name) => name !== "token_type_ids"),
    ["input_ids"],
  );
  return inputs.length === 2;
}

/** A decoded graph, with the fields that ours always set. */
export interface Decoded {
  readonly model: onnx.ModelProto;
  readonly nodes: readonly Node[];
  /** By the value that a node outputs. */
  readonly producers: ReadonlyMap<string, Node>;
  readonly initialisers: ReadonlyMap<string, onnx.ITensorProto>;
  readonly inputs: readonly onnx.IValueInfoProto[];
  readonly outputs: readonly onnx.IValueInfoProto[];
}

export interface Node {
  readonly operator: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, number | readonly number[]>;
}

export function decode({ model: bytes }: Graph): Decoded {
  const model = onnx.ModelProto.decode(bytes);
  const { graph } = model;
  assert.ok(graph);
  const nodes = (graph.node ?? []).map((node): Node => ({
    operator: node.opType ?? "",
    domain: node.domain ?? "",
    inputs: node.input ?? [],
    outputs: node.output ?? [],
    attributes: new Map((node.attribute ?? []).map((attribute) => [attribute.name ?? "", valueOf(attribute)])),
  }));
  return {
    model,
    nodes,
    producers: new Map(nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const))),
    initialisers: new Map((graph.initializer ?? []).map((tensor) => [tensor.name ?? "", tensor])),
    inputs: graph.input ?? [],
    outputs: graph.output ?? [],
  };
}

function valueOf(attribute: onnx.IAttributeProto): number | readonly number[] {
  const { FLOAT, INTS } = onnx.AttributeProto.AttributeType;
  if (attribute.type === INTS) return (attribute.ints ?? []).map(Number);
  return attribute.type === FLOAT ? (attribute.f ?? NaN) : Number(attribute.i);
}

/** What ONNX Runtime requires of a graph before it looks at any operator, and what native code requires of its weights. */
export function assertWellFormed(graph: Graph, output: string): void {
  const decoded = decode(graph);
  const known = new Set([...decoded.initialisers.keys(), ...decoded.inputs.map(({ name }) => name ?? "")]);
  const used = new Set<string>();
  const domains = new Set(decoded.model.opsetImport.map(({ domain }) => domain ?? ""));
  for (const node of decoded.nodes) {
    assert.ok(domains.has(node.domain), `${node.operator} is of an imported domain`);
    // An omitted optional input has no name.
    for (const input of node.inputs.filter((name) => name !== "")) {
      assert.ok(known.has(input), `${node.operator} uses ${input} after it is made`);
      used.add(input);
    }
    for (const value of node.outputs) {
      assert.ok(!known.has(value), `${value} is made once`);
      known.add(value);
    }
  }
  for (const name of decoded.initialisers.keys()) assert.ok(used.has(name), `${name} is used`);
  const { prefix } = graph;
  // Keys and values of each layer.
  const states = Array.from({ length: prefix === undefined ? 0 : 2 * prefix.layers }, (_, i) => String(i));
  assert.deepEqual(
    decoded.inputs.map(({ name, type }) => [name, type?.tensorType?.elemType, type?.tensorType?.shape?.dim?.length]),
    [
      ...graph.inputs.map((name) => [name, DataType.INT64, 2]),
      ...(prefix === undefined ? [] : [["kept_tokens", DataType.INT64, 1]]),
      ...states.map((i) => [`past_${i}`, DataType.FLOAT, 4]),
    ],
  );
  assert.deepEqual(
    decoded.outputs.map(({ name }) => name),
    [output, ...states.map((i) => `kept_${i}`)],
  );
  assert.ok(decoded.producers.has(output));
  assertExternalWeights(graph, decoded);
}

function assertExternalWeights(graph: Graph, decoded: Decoded): void {
  const external = [...decoded.initialisers.values()].filter(({ dataLocation }) => dataLocation === DataLocation.EXTERNAL);
  assert.deepEqual(external.map(({ name }) => name).sort(), [...graph.weights.keys()].sort());
  const [first] = graph.weights.values();
  assert.ok(first);
  for (const { name, dataType, dims, externalData } of external) {
    const floats = graph.weightFloats.get(name ?? "");
    // The word embeddings of decoders stay as they are stored.
    const isStored = (name ?? "").includes("embed_tokens") && floats !== "fp32";
    assert.equal(dataType, isStored ? TYPES[graph.weights.get(name ?? "")?.dtype ?? ""] : DataType.FLOAT, "others are widened at load");
    assert.deepEqual((dims ?? []).map(Number), graph.weights.get(name ?? "")?.shape);
    // The folder that native code names is the first weight's.
    assert.deepEqual(
      (externalData ?? []).map(({ key, value }) => [key, value]),
      [["location", path.basename(first.file)]],
    );
  }
  assert.ok(existsSync(first.file));
}

/** The operator whose output a layer of attention projects to its queries. */
export function querySource({ producers }: Decoded, attention: Node | undefined): string | undefined {
  let node = producers.get(attention?.inputs[0] ?? "");
  while (node !== undefined && ["Gemm", "Add"].includes(node.operator)) node = producers.get(node.inputs[0] ?? "");
  return node?.operator;
}

export const operators = (graph: Graph, operator: string) => decode(graph).nodes.filter((node) => node.operator === operator);
