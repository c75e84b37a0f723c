/** Requests that arrive together take turns with the rest of the event loop. */

import assert from "node:assert/strict";

import { Turns } from "../../../dist/server/turns";

describe("requests that arrive together", () => {
  it("begin in their order, and leave time for the event loop", async () => {
    const turns = new Turns();
    let iteration = 0;
    let isDone = false;
    const count = (): void => {
      iteration++;
      if (!isDone) setImmediate(count);
    };
    setImmediate(count);
    const begun: [request: number, iteration: number][] = [];
    await Promise.all(
      Array.from({ length: 20 }, async (_, request) => {
        if (!turns.tryTake()) await turns.take();
        begun.push([request, iteration]);
        const end = performance.now() + 3;
        while (performance.now() < end);
      }),
    );
    isDone = true;
    assert.deepEqual(
      begun.map(([request]) => request),
      Array.from(begun.keys()),
    );
    // With 3 ms for each request, two begin within 4 ms.
    for (let i = 2; i < begun.length; i++) assert.notEqual(begun[i]?.[1], begun[i - 2]?.[1], String(i));
  });

  it("begin at once when nothing else has", () => {
    const turns = new Turns();
    assert.ok(turns.tryTake());
  });

  it("wait for those that came before", async () => {
    const turns = new Turns();
    assert.ok(turns.tryTake());
    const order: string[] = [];
    const first = turns.take().then(() => order.push("first"));
    assert.equal(turns.tryTake(), false);
    const second = turns.take().then(() => order.push("second"));
    await Promise.all([first, second]);
    assert.deepEqual(order, ["first", "second"]);
    await new Promise((resolve) => setTimeout(resolve, 5));
    assert.ok(turns.tryTake());
  });
});
