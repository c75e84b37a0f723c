/** Checkpoints as lib/architectures sees them, changed in memory, and the graphs that it makes of them. */

import assert from "node:assert/strict";
import path from "node:path";

import { onnx } from "onnx-proto";

import { architectureFor } from "../../dist/architectures";
import type { Graph, MaskedLanguageModel, SequenceClassifier } from "../../dist/architectures/types";
import { readCheckpoint } from "../../dist/checkpoint";
import type { ModelConfig, TensorInfo, TransformerPart } from "../../dist/checkpoint/types";
import type { ErrorCode } from "../../dist/errors";
import { SparseRerankError } from "../../dist/errors";

const FIXTURES = path.join(__dirname, "../fixtures");

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

/** The same with other fields of config.json; undefined removes a field. */
export function withConfig(part: TransformerPart, changes: Readonly<Record<string, unknown>>): TransformerPart {
  const json = Object.fromEntries(Object.entries({ ...part.config.json, ...changes }).filter(([, value]) => value !== undefined));
  return { ...part, config: { ...part.config, json } };
}

/** The same with every tensor renamed, or left out where there is no new name. */
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

/** The same with another tensor, or with one changed: `like` gives what `changes` leaves open. */
export function withTensor(part: TransformerPart, name: string, like: string, changes: Partial<TensorInfo> = {}): TransformerPart {
  const tensor = part.tensors.get(like);
  assert.ok(tensor, `the fixture has ${like}`);
  return { ...part, tensors: new Map([...part.tensors, [name, { ...tensor, name, ...changes }]]) };
}

export function configOf(json: Readonly<Record<string, unknown>>): ModelConfig {
  return { file: "/models/some/config.json", json };
}

/** Throws that code, and a message that has every part. */
export function refuses(run: () => unknown, code: ErrorCode, ...parts: readonly string[]): void {
  assert.throws(run, (error: unknown) => {
    assert.ok(error instanceof SparseRerankError, String(error));
    assert.equal(error.code, code, error.message);
    for (const text of parts) assert.ok(error.message.includes(text), `${error.message} names ${text}`);
    return true;
  });
}

/** A decoded graph, with the fields that ours always have. */
export interface Decoded {
  readonly model: onnx.ModelProto;
  readonly nodes: readonly Node[];
  /** By the value that a node makes. */
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
  readonly attributes: ReadonlyMap<string, number>;
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

function valueOf(attribute: onnx.IAttributeProto): number {
  return attribute.type === onnx.AttributeProto.AttributeType.FLOAT ? (attribute.f ?? NaN) : Number(attribute.i);
}
