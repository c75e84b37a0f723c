/**
 * Inputs longer than the golden fixtures' and settings that those lack: test/data/architectures has the logits of transformers (see its
 * generate.py and decoders.py).
 */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

import { architectureFor } from "../../../dist/architectures";
import { layoutFor } from "../../../dist/architectures/execution-plan";
import type { ExecutionPlan } from "../../../dist/architectures/execution-plan";
import type { Graph } from "../../../dist/architectures/types";
import type { CausalScoring, TransformerPart } from "../../../dist/checkpoint/types";
import type { NativeModel, NativeSequences } from "../../../dist/native/contract";
import { native } from "../../../dist/native/load";
import { loadRuntime } from "../../../dist/native/runtime-library";
import { REFERENCE, referencePart, startGraph } from "./architecture-graphs";

const ABSOLUTE = 2e-5;
const RELATIVE = 1e-4;

interface Expected {
  readonly vocabulary: number;
  readonly labels: number;
  readonly types: boolean;
  readonly lengths: readonly number[];
  /** Absent for a classifier. */
  readonly scoring?: CausalScoring;
  readonly logits: readonly (readonly number[])[];
}

const DECODERS = /^(qwen|llama|mistral|gemma)/;

/** As in generate.py. */
function inputOf({ vocabulary, types }: Expected, lengths: readonly number[]): NativeSequences {
  const ids = Int32Array.from(lengths.flatMap((length) => Array.from({ length }, (_, i) => (7919 * i + 13 * length) % vocabulary)));
  const offsets = Uint32Array.from([0, ...lengths.map((_, i) => lengths.slice(0, i + 1).reduce((sum, length) => sum + length))]);
  const bytes = new Float64Array(lengths.length);
  const typeIds = lengths.flatMap((length) => Array.from({ length }, (_, i) => Number(2 * i >= length)));
  return { ids, offsets, bytes, ...(types ? { typeIds: Uint8Array.from(typeIds) } : {}) };
}

function assertLogits(logits: Float32Array, expected: readonly number[]): void {
  assert.equal(logits.length, expected.length);
  expected.forEach((wanted, i) => {
    const found = logits[i] ?? NaN;
    assert.ok(Math.abs(found - wanted) <= ABSOLUTE + RELATIVE * Math.abs(wanted), `${String(found)}, expected ${String(wanted)}`);
  });
}

/** As on the CPU, and as on a GPU. */
const PLANS: readonly ExecutionPlan[] = [{ backend: "sequences" }, { backend: "groups", floats: "fp32", packed: false, memory: 4e9 }];

function graphOf(part: TransformerPart, { scoring, labels }: Expected, plan: ExecutionPlan): Graph {
  const architecture = architectureFor(part.config);
  const layout = layoutFor(architecture, plan);
  if (scoring === undefined) return architecture.sequenceClassifier(part, labels, layout);
  assert.ok(architecture.causalScorer);
  return architecture.causalScorer(part, scoring, labels, layout);
}

describe("architectures compute the same as transformers", () => {
  before(() => {
    loadRuntime();
  });

  for (const name of readdirSync(REFERENCE).filter((entry) => !entry.includes("."))) {
    for (const plan of PLANS) {
      describe(`${name}, ${plan.backend}`, () => {
        const expected = JSON.parse(readFileSync(path.join(REFERENCE, name, "expected.json"), "utf8")) as Expected;
        const { labels, lengths, logits: all } = expected;
        let model: NativeModel;

        before(async () => {
          const part = await referencePart(name);
          model = await startGraph(part, graphOf(part, expected, plan), plan);
        });

        after(() => {
          model.dispose();
        });

        lengths.forEach((length, i) => {
          it(`for ${String(length)} tokens`, async () => {
            const { logits } = await model.predict(inputOf(expected, [length]), labels, {});
            assertLogits(logits, all[i] ?? []);
          });
        });

        it("after a prefix that another run kept", async () => {
          const part = await referencePart(name);
          const isCausal = DECODERS.test(name) && part.config.json["is_causal"] !== false;
          assert.equal(graphOf(part, expected, plan).prefix !== undefined, isCausal && plan.backend === "sequences");
          if (!isCausal || plan.backend !== "sequences") return;
          for (const [i, length] of lengths.entries()) {
            const sequence = inputOf(expected, [length]);
            for (const tokens of new Set([1, length >> 1, length - 1].filter((count) => count > 0))) {
              const prefix = new (native().Prefix)(sequence.ids.slice(0, tokens));
              assert.equal(await model.keep(prefix, 0, {}), true);
              const { logits } = await model.predict({ ...sequence, prefix }, labels, {});
              prefix.dispose();
              assertLogits(logits, all[i] ?? []);
            }
          }
        });

        it("for several sequences together", async () => {
          const { logits } = await model.predict(inputOf(expected, lengths), labels, {});
          assertLogits(logits, all.flat());
        });
      });
    }
  }
});
