import assert from "node:assert/strict";

import fc from "fast-check";

import { IdSet } from "../../../dist/core/id-set";

describe("IdSet", () => {
  it("behaves like a set of strings", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "binary", maxLength: 3 }), { maxLength: 300 }), (ids) => {
        const set = new IdSet();
        const expected = new Set<string>();
        for (const id of ids) {
          assert.equal(set.add(id), !expected.has(id));
          expected.add(id);
        }
      }),
    );
  });

  it("distinguishes lone surrogates, which UTF-8 would not", () => {
    const set = new IdSet();
    assert.deepEqual(
      ["\ud800", "\ud801", "\ufffd", "\ud800"].map((id) => set.add(id)),
      [true, true, true, false],
    );
  });

  it("keeps every id while it grows", () => {
    const set = new IdSet();
    for (let i = 0; i < 100_000; i++) assert.equal(set.add(String(i)), true);
    for (let i = 0; i < 100_000; i += 7) assert.equal(set.add(String(i)), false);
  });
});
