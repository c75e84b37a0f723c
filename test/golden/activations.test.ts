/**
 * Every activation of torch.nn that a checkpoint can name, over values of all magnitudes, against PyTorch's results: see
 * activations/generate.py.
 */

import assert from "node:assert/strict";
import fs from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

import { InferenceSession, Tensor } from "onnxruntime-node";

import { FLOAT, GraphBuilder } from "../../dist/architectures/graph";
import { torchActivation } from "../../dist/architectures/torch-activations";
import { LOGIT_ACTIVATIONS, TORCH_ACTIVATIONS } from "../../dist/checkpoint/torch-activation";
import type { TorchActivation } from "../../dist/checkpoint/torch-activation";
import type { CrossEncoderActivation } from "../../dist/checkpoint/types";
import { activate } from "../../dist/model/activations";
import { native } from "../../dist/native/load";
import { loadRuntime } from "../../dist/native/runtime-library";

type Numbers = readonly (number | "inf" | "-inf" | "nan")[];

const golden = JSON.parse(fs.readFileSync(path.join(__dirname, "..", "data", "activations", "golden.json"), "utf8")) as {
  readonly values: Numbers;
  readonly rows: readonly Numbers[];
  readonly elements: Readonly<Record<string, Numbers>>;
  readonly of_rows: Readonly<Record<string, readonly Numbers[]>>;
};

const numberOf = (value: number | string): number => Number(String(value).replace("inf", "Infinity"));

/** PyTorch computes in fp32: its rounding error is at most a few units in the last place of the input or the result. */
function assertEqual(found: ArrayLike<number>, expected: Numbers, inputs: Numbers, what: string): void {
  assert.equal(found.length, expected.length, what);
  expected.forEach((value, i) => {
    const [wanted, input, actual] = [numberOf(value), numberOf(inputs[i] ?? 0), found[i] ?? 0];
    const tolerance = 2 ** -21 * Math.max(Math.abs(wanted), Math.min(Math.abs(input), 1));
    const isEqual = Object.is(actual, wanted) || Math.abs(actual - wanted) <= tolerance;
    assert.ok(isEqual, `${what} of ${String(input)} is ${String(actual)}, in PyTorch ${String(wanted)}`);
  });
}

/** A chain of nodes, as in the graph of a checkpoint for groups: of ONNX Runtime's operators. */
async function runInGroups(name: TorchActivation, values: Numbers, size: number): Promise<Float32Array> {
  const graph = new GraphBuilder({ form: "padded", floats: "fp32" });
  const x = graph.input("x", ["rows", "columns"], FLOAT);
  const { model } = graph.finish(activated(graph, name, x), "y");
  const session = await InferenceSession.create(model);
  try {
    const data = Float32Array.from(values, numberOf);
    const { y } = await session.run({ x: new Tensor("float32", data, [data.length / size, size]) });
    return y?.data as Float32Array;
  } finally {
    await session.release();
  }
}

/** The same for a single sequence, with operators of this package: x is a row of an embedding matrix. */
async function runAlone(name: TorchActivation, values: Numbers, results: number, folder: string): Promise<Float32Array> {
  const graph = new GraphBuilder();
  const file = path.join(folder, "row");
  await writeFile(file, Float32Array.from(values, numberOf));
  const row = graph.weight({ name: "row", file, offset: 0, dtype: "F32", shape: [1, values.length], byteLength: 4 * values.length });
  const x = graph.node("Gather", [row, graph.input("input_ids")]);
  const { model: encoded } = graph.finish(activated(graph, name, x), "logits");
  const model = await native().createModel({
    graph: encoded,
    files: [file],
    weightFolder: folder,
    weights: [{ name: "row", dtype: "F32", tensor: { file: 0, offset: 0, dtype: "F32", shape: [1, values.length] } }],
    inputs: ["input_ids"],
    backend: { kind: "sequences" },
    maxThreads: 1,
  });
  try {
    return (await model.predict({ ids: Int32Array.of(0), offsets: Uint32Array.of(0, 1) }, results, {})).logits;
  } finally {
    model.dispose();
  }
}

function activated(graph: GraphBuilder, name: TorchActivation, x: string): string {
  return torchActivation(graph, name, x, { slope: () => graph.floats("slope", [0.25], [1]) });
}

describe("activations of torch.nn", () => {
  let folder: string;

  before(async () => {
    loadRuntime();
    folder = await mkdtemp(path.join(tmpdir(), "sparse-rerank-"));
  });

  after(() => rm(folder, { recursive: true }));

  it("cover all that PyTorch can construct without arguments", () => {
    assert.deepEqual([...TORCH_ACTIVATIONS].sort(), [...Object.keys(golden.elements), ...Object.keys(golden.of_rows)].sort());
  });

  for (const name of TORCH_ACTIVATIONS) {
    it(`${name} in a graph`, async () => {
      const elements = golden.elements[name];
      const rows = elements === undefined ? golden.rows : [golden.values];
      for (const [i, row] of rows.entries()) {
        const expected = elements ?? golden.of_rows[name]?.[i] ?? [];
        assertEqual(await runInGroups(name, row, row.length), expected, row, `${name} of row ${String(i)} in groups`);
        assertEqual(await runAlone(name, row, expected.length, folder), expected, row, `${name} of row ${String(i)}`);
      }
    });
  }

  for (const name of LOGIT_ACTIVATIONS) {
    it(`${name} of logits`, () => {
      const lower = name.toLowerCase() as CrossEncoderActivation;
      const elements = golden.elements[name];
      if (elements !== undefined) {
        assertEqual(activate(Float32Array.from(golden.values, numberOf), 1, lower, false), elements, golden.values, name);
        return;
      }
      const scores = activate(Float32Array.from(golden.rows.flat(), numberOf), 4, lower, false);
      golden.rows.forEach((row, i) => {
        assertEqual(scores.subarray(4 * i, 4 * i + 4), golden.of_rows[name]?.[i] ?? [], row, `${name} of row ${String(i)}`);
      });
    });
  }
});
