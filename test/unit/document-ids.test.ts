/** The table of ids and slots. */

import assert from "node:assert/strict";

import fc from "fast-check";

import { DocumentIds } from "../../dist/internal/document-ids";

describe("DocumentIds", () => {
  it("equals a plain map whatever is assigned and deleted, also over several maps", () => {
    const step = fc.oneof(
      fc.record({ add: fc.uniqueArray(fc.stringMatching(/^[a-e][0-9]?$/), { maxLength: 5 }) }),
      fc.record({ remove: fc.stringMatching(/^[a-e][0-9]?$/) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.integer({ min: 1, max: 8 }), (steps, mapSize) => {
        const ids = new DocumentIds(mapSize);
        const model = new Map<string, number>();
        let next = 0;
        for (const change of steps) {
          if ("add" in change) {
            ids.assign(change.add, next);
            for (const id of change.add) model.set(id, next++);
          } else {
            ids.delete(change.remove);
            model.delete(change.remove);
          }
        }
        assert.equal(ids.size, model.size);
        const slots = new Map(Array.from(model, ([id, slot]) => [slot, id]));
        for (let slot = 0; slot < next; slot++) assert.equal(ids.id(slot), slots.get(slot));
        for (const [id, slot] of model) assert.equal(ids.slot(id), slot);
        assert.equal(ids.slot("unknown"), undefined);
      }),
    );
  });

  it("renumbers after compaction, and lets other events through", async () => {
    const ids = new DocumentIds(1000);
    const names = Array.from({ length: 120_000 }, (_, i) => `d${i}`);
    ids.assign(names, 0);
    const kept = Uint32Array.from(names.keys()).filter((slot) => slot % 3 !== 0);
    for (const [slot, name] of names.entries()) if (slot % 3 === 0) ids.delete(name);
    let turns = 0;
    const counting = setInterval(() => turns++, 0);
    const renumbered = await ids.renumbered(kept);
    clearInterval(counting);
    assert.ok(turns > 0);
    assert.equal(renumbered.size, kept.length);
    assert.deepEqual(
      Array.from(kept, (_, slot) => renumbered.id(slot)),
      Array.from(kept, (old) => names[old]),
    );
    assert.equal(renumbered.slot("d4"), 2);
    assert.equal(renumbered.slot("d3"), undefined);
  });
});
