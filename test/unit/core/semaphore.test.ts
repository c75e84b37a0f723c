import assert from "node:assert/strict";

import { Semaphore } from "../../../lib/core/semaphore";

const never = (): AbortSignal => new AbortController().signal;

describe("Semaphore", () => {
  it("runs as many calls at once as it has permits, the others in their order", async () => {
    const semaphore = new Semaphore(3);
    const started: number[] = [];
    let running = 0;
    let most = 0;
    const call = (i: number): Promise<number> =>
      semaphore.run(async () => {
        started.push(i);
        most = Math.max(most, ++running);
        for (let turns = 0; turns < 1 + (i % 4); turns++) await new Promise(setImmediate);
        running--;
        return i;
      }, never());
    const numbers = Array.from({ length: 40 }, (_, i) => i);
    assert.deepEqual(await Promise.all(numbers.map(call)), numbers);
    assert.deepEqual(started, numbers);
    assert.equal(most, 3);
    // All permits are back.
    await Promise.all(numbers.map(call));
    assert.equal(most, 3);
  });

  it("passes errors on and gives the permit back, also when work throws before it returns a promise", async () => {
    const semaphore = new Semaphore(1);
    await assert.rejects(
      semaphore.run(() => Promise.reject(new Error("late")), never()),
      /late/,
    );
    await assert.rejects(
      semaphore.run(() => {
        throw new Error("early");
      }, never()),
      /early/,
    );
    assert.equal(await semaphore.run(() => Promise.resolve(1), never()), 1);
  });

  it("ends calls whose signal fires while they wait, and leaves no listener", async () => {
    const semaphore = new Semaphore(1);
    let end = (): void => undefined;
    const first = semaphore.run(
      () =>
        new Promise<void>((resolve) => {
          end = resolve;
        }),
      never(),
    );
    const abort = new AbortController();
    let ran = false;
    const second = semaphore.run(() => {
      ran = true;
      return Promise.resolve();
    }, abort.signal);
    const third = semaphore.run(() => Promise.resolve("third"), never());
    abort.abort();
    await assert.rejects(second, { code: "ERR_ABORTED" });
    await assert.rejects(
      semaphore.run(() => Promise.resolve(), abort.signal),
      { code: "ERR_ABORTED" },
    );
    end();
    await first;
    assert.equal(await third, "third");
    assert.equal(ran, false);
    assert.equal(await semaphore.run(() => Promise.resolve("after"), never()), "after");
  });
});
