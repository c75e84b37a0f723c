/**
 * Every activation of torch.nn that a checkpoint can name, over values of all magnitudes, against PyTorch's results: see
 * activations/generate.py.
 */

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";

import { InferenceSession, Tensor } from "onnxruntime-node";

import { FLOAT, GraphBuilder } from "../../dist/architectures/graph";
import { torchActivation } from "../../dist/architectures/torch-activations";
import { LOGIT_ACTIVATIONS, TORCH_ACTIVATIONS } from "../../dist/checkpoint/torch-activation";
import type { TorchActivation } from "../../dist/checkpoint/torch-activation";
import type { CrossEncoderActivation } from "../../dist/checkpoint/types";
import { activate } from "../../dist/model/activations";

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

/** A chain of nodes, as in the graph of a checkpoint. */
async function run(name: TorchActivation, values: Numbers, size: number): Promise<Float32Array> {
  const graph = new GraphBuilder();
  const x = graph.input("x", ["rows", "columns"], FLOAT);
  const slope = (): string => graph.floats("slope", [0.25], [1]);
  const { model } = graph.finish(torchActivation(graph, name, x, { slope }), "y");
  const session = await InferenceSession.create(model);
  try {
    const data = Float32Array.from(values, numberOf);
    const { y } = await session.run({ x: new Tensor("float32", data, [data.length / size, size]) });
    return y?.data as Float32Array;
  } finally {
    await session.release();
  }
}

describe("activations of torch.nn", () => {
  it("cover all that PyTorch can construct without arguments", () => {
    assert.deepEqual([...TORCH_ACTIVATIONS].sort(), [...Object.keys(golden.elements), ...Object.keys(golden.of_rows)].sort());
  });

  for (const name of TORCH_ACTIVATIONS) {
    it(`${name} in a graph`, async () => {
      const elements = golden.elements[name];
      if (elements !== undefined) {
        assertEqual(await run(name, golden.values, golden.values.length), elements, golden.values, name);
        return;
      }
      for (const [i, row] of golden.rows.entries()) {
        const expected = golden.of_rows[name]?.[i] ?? [];
        assertEqual(await run(name, row, row.length), expected, row, `${name} of row ${String(i)}`);
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
