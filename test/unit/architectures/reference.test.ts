/**
 * Inputs longer than the golden fixtures' and settings that those lack: test/reference has the logits of transformers (see its
 * generate.py).
 */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

import type { NativeModel, NativeSequences } from "../../../dist/native/contract";
import { loadRuntime } from "../../../dist/native/runtime-library";
import { REFERENCE, referencePart, sequenceClassifier, startGraph } from "./architecture-graphs";

const ABSOLUTE = 2e-5;
const RELATIVE = 1e-4;

interface Expected {
  readonly vocabulary: number;
  readonly labels: number;
  readonly types: boolean;
  readonly lengths: readonly number[];
  readonly logits: readonly (readonly number[])[];
}

/** As in generate.py. */
function inputOf({ vocabulary, types }: Expected, length: number): NativeSequences {
  const ids = Int32Array.from({ length }, (_, i) => (7919 * i + 13 * length) % vocabulary);
  const offsets = Uint32Array.of(0, length);
  return types ? { ids, offsets, typeIds: Uint8Array.from({ length }, (_, i) => Number(2 * i >= length)) } : { ids, offsets };
}

describe("architectures compute the same as transformers", () => {
  before(() => {
    loadRuntime();
  });

  for (const name of readdirSync(REFERENCE).filter((entry) => !entry.includes("."))) {
    describe(name, () => {
      const expected = JSON.parse(readFileSync(path.join(REFERENCE, name, "expected.json"), "utf8")) as Expected;
      let model: NativeModel;

      before(async () => {
        model = await startGraph(sequenceClassifier(await referencePart(name), expected.labels));
      });

      after(() => {
        model.dispose();
      });

      expected.lengths.forEach((length, i) => {
        it(`for ${String(length)} tokens`, async () => {
          const { logits } = await model.predict(inputOf(expected, length), expected.labels, {});
          assert.equal(logits.length, expected.labels);
          expected.logits[i]?.forEach((wanted, label) => {
            const found = logits[label] ?? NaN;
            assert.ok(Math.abs(found - wanted) <= ABSOLUTE + RELATIVE * Math.abs(wanted), `${String(found)}, expected ${String(wanted)}`);
          });
        });
      });
    });
  }
});
