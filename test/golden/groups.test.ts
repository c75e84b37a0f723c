/**
 * The graphs for CUDA on the CPU provider: neither padding nor packing changes the results, and fp16 changes them little. Packed attention,
 * which only CUDA supports, is composed of other operators here.
 */

import assert from "node:assert/strict";

import type { ExecutionPlan, GroupPlan } from "../../dist/architectures/execution-plan";
import { readCheckpoint } from "../../dist/checkpoint";
import { crossEncoderGraph } from "../../dist/model/cross-graph";
import { maxSeqLengthOf } from "../../dist/model/plan";
import type { TransformerPlan } from "../../dist/model/plan";
import { planRoute } from "../../dist/model/sparse-route";
import { startTransformer } from "../../dist/model/start";

import { close, folderOf, goldens } from "./golden";
import type { CrossGolden, SparseGolden, Tolerance } from "./golden";
import { withPackedAttention } from "./packed-attention";

/** Enough for all texts of a golden file in one group, and too little for two of them. */
const MEMORIES = { "one group": 4e9, "a group for each text": 0 };

/** Observed on the fixtures, whose weights are random and amplify errors: up to 0.026 for weights and 0.024 for logits. */
const HALF: Tolerance = { abs: 0.03, rel: 0.03 };

const sparse = goldens().filter((golden): golden is SparseGolden => golden.kind === "sparse");
const cross = goldens().filter((golden): golden is CrossGolden => golden.kind === "cross");

/** On the CPU, packed groups get the attention that it lacks. */
function completed(plan: TransformerPlan): TransformerPlan {
  const { graph, execution } = plan;
  assert.ok(!("file" in graph));
  if (graph.layout.form !== "packed") return plan;
  assert.ok(execution.backend === "groups" && execution.packed);
  return { ...plan, graph: withPackedAttention(graph) };
}

async function encode(golden: SparseGolden, execution: ExecutionPlan): Promise<Map<string, number>[]> {
  const { routes } = await readCheckpoint(folderOf(golden.name), "sparse");
  assert.ok(routes.document.kind === "transformer");
  const { plan, columns, defaultDims } = planRoute(routes.document, execution);
  const whole = completed(plan);
  const { tokenizer, model, admit } = await startTransformer(whole, maxSeqLengthOf(whole, {}));
  try {
    const { indptr, indices, values } = await model.encode(admit(await tokenizer.encode(golden.texts), String), {
      maxActiveDims: defaultDims ?? 0,
    });
    assert.ok(indices.every((index) => index < columns));
    const entries = Array.from(indices, (index, i) => [String(index), values[i] ?? 0] as const);
    return golden.texts.map((_, i) => new Map(entries.slice(indptr[i], indptr[i + 1])));
  } finally {
    tokenizer.dispose();
    model.dispose();
  }
}

async function predict(golden: CrossGolden, execution: ExecutionPlan): Promise<Float32Array> {
  const checkpoint = await readCheckpoint(folderOf(golden.name), "cross");
  const whole = completed({ part: checkpoint.transformer, graph: crossEncoderGraph(checkpoint, execution), execution });
  const { tokenizer, model, admit } = await startTransformer(whole, maxSeqLengthOf(whole, {}));
  try {
    return await model.predict(admit(await tokenizer.encodePairs(golden.pairs), String), golden.num_labels, {});
  } finally {
    tokenizer.dispose();
    model.dispose();
  }
}

function assertWeights(actual: readonly Map<string, number>[], expected: readonly Map<string, number>[], tolerance: Tolerance): void {
  assert.equal(actual.length, expected.length);
  expected.forEach((row, i) => {
    const other = actual[i] ?? new Map<string, number>();
    for (const index of new Set([...row.keys(), ...other.keys()])) {
      const [got, wanted] = [other.get(index) ?? 0, row.get(index) ?? 0];
      assert.ok(close(got, wanted, tolerance), `text ${String(i)}, dimension ${index}: ${String(got)} instead of ${String(wanted)}`);
    }
  });
}

function assertScores(actual: Float32Array, expected: Float32Array, tolerance: Tolerance): void {
  assert.equal(actual.length, expected.length);
  expected.forEach((score, i) => {
    assert.ok(close(actual[i] ?? NaN, score, tolerance), `score ${String(i)} is ${String(actual[i])} instead of ${String(score)}`);
  });
}

function grouped(plan: Omit<GroupPlan, "backend">): GroupPlan {
  return { backend: "groups", ...plan };
}

/** In each layout and memory, in fp32 and fp16. */
function compare<T>(
  golden: SparseGolden | CrossGolden,
  run: (execution: ExecutionPlan) => Promise<T>,
  same: (actual: T, expected: T, tolerance: Tolerance) => void,
): void {
  describe(`groups of ${golden.name}`, () => {
    let expected: T;
    before(async () => {
      expected = await run({ backend: "sequences" });
    });

    for (const packed of [false, true]) {
      const form = packed ? "packed if it can be" : "padded";
      for (const [name, memory] of Object.entries(MEMORIES)) {
        it(`produce the same ${form} in ${name}`, async () => {
          same(await run(grouped({ floats: "fp32", packed, memory })), expected, golden.tolerance);
        });
      }

      // Among nearly equal features, a CSR model keeps different ones.
      if (golden.name.startsWith("csr")) continue;
      it(`produce nearly the same ${form} in fp16`, async () => {
        same(await run(grouped({ floats: "fp16", packed, memory: MEMORIES["one group"] })), expected, HALF);
      });
    }
  });
}

for (const golden of sparse) compare(golden, (execution) => encode(golden, execution), assertWeights);
for (const golden of cross) compare(golden, (execution) => predict(golden, execution), assertScores);

describe("packed groups", () => {
  it("are supported by every family whose attention needs only the start of each sequence", async () => {
    const packed = new Set<unknown>();
    const padded = new Set<unknown>();
    for (const golden of cross) {
      const checkpoint = await readCheckpoint(folderOf(golden.name), "cross");
      if (checkpoint.head !== undefined) continue;
      const graph = crossEncoderGraph(checkpoint, grouped({ floats: "fp16", packed: true, memory: 0 }));
      assert.ok(!("file" in graph));
      const { model_type: type, position_embedding_type: positions } = checkpoint.transformer.config.json as Record<string, unknown>;
      (graph.layout.form === "packed" ? packed : padded).add(positions === "alibi" ? "bert with ALiBi" : type);
    }
    assert.deepEqual([...packed].sort(), ["bert", "camembert", "distilbert", "electra", "new", "roberta", "xlm-roberta"]);
    assert.deepEqual([...padded].sort(), ["bert with ALiBi", "deberta-v2", "modernbert", "mpnet"]);
  });
});
