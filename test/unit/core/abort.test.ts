import assert from "node:assert/strict";
import { getEventListeners, once } from "node:events";

import { LinkedAbort, onAbort } from "../../../dist/core/abort.js";
import { SparseEncoder } from "../../../dist/index.js";

describe("onAbort", () => {
  it("calls each listener once, in order, and those that were taken back not at all", () => {
    const { signal, abort } = source();
    const calls: string[] = [];
    const ignores = ["a", "b", "c", "d"].map((name) =>
      onAbort(signal, () => {
        calls.push(name);
        // Taken back while the signal fires, before its turn.
        if (name === "a") ignores[3]?.();
      }),
    );
    ignores[1]?.();
    ignores[1]?.();
    abort();
    abort();
    assert.deepEqual(calls, ["a", "c"]);
    assert.equal(getEventListeners(signal, "abort").length, 0);
    onAbort(signal, () => {
      calls.push("late");
    })();
    assert.deepEqual(calls, ["a", "c", "late"]);
  });

  it("listens once, and leaves nothing behind", () => {
    const { signal, abort } = source();
    const links = Array.from({ length: 100 }, () => new LinkedAbort(signal));
    assert.equal(getEventListeners(signal, "abort").length, 1);
    for (const link of links) link.unlink();
    assert.equal(getEventListeners(signal, "abort").length, 0);
    const late = new LinkedAbort(signal);
    abort();
    assert.equal(late.signal.aborted, true);
    assert.equal(late.signal.reason, signal.reason);
    assert.equal(new LinkedAbort(signal).signal.aborted, true);
  });

  it("lets many calls share a signal without a warning, and stops all of them", async () => {
    const warnings: Error[] = [];
    const warned = (warning: Error): number => warnings.push(warning);
    process.on("warning", warned);
    await using encoder = await SparseEncoder.load("splade-tiny");
    const { signal, abort } = source();
    const text = "Many calls that stop together. ".repeat(30);
    const running = Promise.allSettled(
      Array.from({ length: 40 }, () =>
        encoder.encodeDocument(
          Array.from({ length: 50 }, () => text),
          { signal },
        ),
      ),
    );
    setImmediate(abort);
    for (const result of await running) {
      assert.equal(result.status, "rejected");
      assert.equal((result.reason as { code: string }).code, "ERR_ABORTED");
    }
    assert.equal(getEventListeners(signal, "abort").length, 0);
    // Node emits warnings in a later turn.
    await once(AbortSignal.timeout(20), "abort");
    process.off("warning", warned);
    assert.deepEqual(warnings, []);
  });
});

function source(): { signal: AbortSignal; abort: () => void } {
  const controller = new AbortController();
  const abort = (): void => {
    controller.abort(new Error("enough"));
  };
  return { signal: controller.signal, abort };
}
