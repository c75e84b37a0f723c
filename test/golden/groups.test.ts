/**
 * The graphs for CUDA on the CPU provider: neither padding nor packing changes the results, and fp16 changes them little. Packed attention,
 * which only CUDA supports, is composed of other operators here.
 */

import assert from "node:assert/strict";

import type { ExecutionPlan, GroupPlan } from "../../dist/architectures/execution-plan";
import { readCheckpoint } from "../../dist/checkpoint";
import { planCross } from "../../dist/model/cross-graph";
import { encodeWork, predictWork } from "../../dist/model/dynamic-batcher";
import { maxSeqLengthOf } from "../../dist/model/plan";
import type { TransformerPlan } from "../../dist/model/plan";
import { runBatch } from "../../dist/model/run";
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

/** How the texts are passed: in one call, or each in its own, all at once. */
type Calls = "one call" | "concurrent calls";

function split<T>(inputs: readonly T[], calls: Calls): (readonly T[])[] {
  return calls === "one call" ? [inputs] : inputs.map((input) => [input]);
}

async function encode(golden: SparseGolden, execution: ExecutionPlan, calls: Calls): Promise<Map<string, number>[]> {
  const { routes } = await readCheckpoint(folderOf(golden.name), "sparse");
  assert.ok(routes.document.kind === "transformer");
  const { plan, columns, defaultDims } = planRoute(routes.document, execution);
  const whole = completed(plan);
  const running = await startTransformer(whole, maxSeqLengthOf(whole, {}));
  const { tokenizer, model, admit } = running;
  try {
    const rows = split(golden.texts, calls).map(async (texts) => {
      const sequences = admit(await tokenizer.encode(texts), String);
      const work = encodeWork(model, defaultDims ?? 0);
      const { indptr, indices, values } = await runBatch(running, work, sequences, { model: golden.name });
      assert.ok(indices.every((index) => index < columns));
      const entries = Array.from(indices, (index, i) => [String(index), values[i] ?? 0] as const);
      return texts.map((_, i) => new Map(entries.slice(indptr[i], indptr[i + 1])));
    });
    return (await Promise.all(rows)).flat();
  } finally {
    tokenizer.dispose();
    model.dispose();
  }
}

async function predict(golden: CrossGolden, execution: ExecutionPlan, calls: Calls): Promise<Float32Array> {
  const checkpoint = await readCheckpoint(folderOf(golden.name), "cross");
  const whole = completed(planCross(checkpoint, execution));
  const running = await startTransformer(whole, maxSeqLengthOf(whole, {}));
  const { tokenizer, model, admit } = running;
  try {
    const scores = split(golden.pairs, calls).map(async (pairs) => {
      const sequences = admit(await tokenizer.encodePairs(pairs), String);
      const { logits } = await runBatch(running, predictWork(model, golden.num_labels), sequences, { model: golden.name });
      return Array.from(logits);
    });
    return Float32Array.from((await Promise.all(scores)).flat());
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
  run: (execution: ExecutionPlan, calls: Calls) => Promise<T>,
  same: (actual: T, expected: T, tolerance: Tolerance) => void,
): void {
  describe(`groups of ${golden.name}`, () => {
    let expected: T;
    before(async () => {
      expected = await run({ backend: "sequences" }, "one call");
    });

    for (const packed of [false, true]) {
      const form = packed ? "packed if it can be" : "padded";
      for (const [name, memory] of Object.entries(MEMORIES)) {
        it(`produce the same ${form} in ${name}`, async () => {
          same(await run(grouped({ floats: "fp32", packed, memory }), "one call"), expected, golden.tolerance);
        });
      }

      it(`produce the same ${form} for concurrent calls that are merged`, async () => {
        const execution = grouped({ floats: "fp32", packed, memory: MEMORIES["one group"] });
        same(await run(execution, "concurrent calls"), expected, golden.tolerance);
      });

      // Among nearly equal features, a CSR model keeps different ones.
      if (golden.name.startsWith("csr")) continue;
      it(`produce nearly the same ${form} in fp16`, async () => {
        same(await run(grouped({ floats: "fp16", packed, memory: MEMORIES["one group"] }), "one call"), expected, HALF);
      });
    }
  });
}

for (const golden of sparse) compare(golden, (execution, calls) => encode(golden, execution, calls), assertWeights);
for (const golden of cross) compare(golden, (execution, calls) => predict(golden, execution, calls), assertScores);

describe("packed groups", () => {
  it("are supported by every family whose attention needs only the start of each sequence", async () => {
    const packed = new Set<unknown>();
    const padded = new Set<unknown>();
    for (const golden of cross) {
      const checkpoint = await readCheckpoint(folderOf(golden.name), "cross");
      if (checkpoint.head !== undefined) continue;
      const { graph } = planCross(checkpoint, grouped({ floats: "fp16", packed: true, memory: 0 }));
      assert.ok(!("file" in graph));
      const { model_type: type, position_embedding_type: positions } = checkpoint.transformer.config.json as Record<string, unknown>;
      (graph.layout.form === "packed" ? packed : padded).add(positions === "alibi" ? "bert with ALiBi" : type);
    }
    assert.deepEqual([...packed].sort(), ["bert", "camembert", "distilbert", "electra", "new", "roberta", "xlm-roberta"]);
    assert.deepEqual([...padded].sort(), ["bert with ALiBi", "deberta-v2", "gemma", "llama", "modernbert", "mpnet", "qwen3"]);
  });
});
