/** Who waits for whom. */

import assert from "node:assert/strict";
import { setImmediate as nextTurn } from "node:timers/promises";

import { SharedGate } from "../../dist/internal/shared-gate";

/** A call whose end the test decides. */
function call(): { readonly run: () => Promise<void>; readonly end: () => void; readonly started: () => boolean } {
  let resolve = (): void => {};
  const promise = new Promise<void>((settled) => {
    resolve = settled;
  });
  let started = false;
  return {
    run: () => {
      started = true;
      return promise;
    },
    end: () => {
      resolve();
    },
    started: () => started,
  };
}

/** Lets everything run that can. */
const settle = (): Promise<void> => nextTurn();

describe("SharedGate", () => {
  it("runs shared calls side by side and others alone, in order of arrival", async () => {
    const gate = new SharedGate();
    const calls = { a: call(), b: call(), add: call(), c: call(), d: call() };
    const done = [
      gate.shared(calls.a.run),
      gate.shared(calls.b.run),
      gate.alone(calls.add.run),
      gate.shared(calls.c.run),
      gate.alone(calls.d.run),
    ];
    const started = async (): Promise<string> => {
      await settle();
      return Object.entries(calls)
        .filter(([, { started }]) => started())
        .map(([name]) => name)
        .join(" ");
    };
    assert.equal(await started(), "a b");
    calls.a.end();
    assert.equal(await started(), "a b");
    calls.b.end();
    assert.equal(await started(), "a b add");
    calls.add.end();
    assert.equal(await started(), "a b add c");
    calls.c.end();
    assert.equal(await started(), "a b add c d");
    calls.d.end();
    await Promise.all(done);
  });

  it("hands on results and failures, and goes on after a failure", async () => {
    const gate = new SharedGate();
    const failure = new Error("no");
    await assert.rejects(
      gate.alone(() => Promise.reject(failure)),
      failure,
    );
    assert.equal(await gate.shared(() => Promise.resolve(3)), 3);
  });

  it("ends a wait by signal and lets the next ones in", async () => {
    const gate = new SharedGate();
    const first = call();
    const blocker = call();
    const running = gate.shared(first.run);
    const waiting = gate.alone(blocker.run);
    const abort = new AbortController();
    const aborted = gate.shared(() => Promise.resolve(), abort.signal);
    abort.abort(new Error("enough"));
    await assert.rejects(aborted, { code: "ERR_ABORTED", name: "AbortError" });
    await assert.rejects(
      gate.shared(() => Promise.resolve(), abort.signal),
      { code: "ERR_ABORTED" },
    );
    first.end();
    await running;
    await settle();
    assert.ok(blocker.started());
    blocker.end();
    await waiting;
  });

  it("keeps working when a signal fires after the call got in", async () => {
    const gate = new SharedGate();
    const first = call();
    const running = gate.alone(first.run);
    const abort = new AbortController();
    const second = gate.shared(() => Promise.resolve("in"), abort.signal);
    first.end();
    await running;
    abort.abort();
    assert.equal(await second, "in");
    assert.equal(await gate.alone(() => Promise.resolve("alone")), "alone");
  });

  it("rejects those who wait and lets those inside go on", async () => {
    const gate = new SharedGate();
    const inside = call();
    const running = gate.alone(inside.run);
    const waiting = [gate.shared(() => Promise.resolve()), gate.alone(() => Promise.resolve())];
    const reason = new Error("closed");
    gate.rejectWaiting(reason);
    for (const promise of waiting) await assert.rejects(promise, reason);
    inside.end();
    await running;
    assert.equal(await gate.shared(() => Promise.resolve(1)), 1);
  });
});
