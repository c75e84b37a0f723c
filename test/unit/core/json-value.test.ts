/** Values that can be stored with a document: those that JSON preserves, and none that it would silently change. */

import assert from "node:assert/strict";
import vm from "node:vm";

import fc from "fast-check";

import { jsonOf } from "../../../dist/core/json-value";
import { LocalEngine } from "../../../dist/engines";
import { shardsOf } from "../../../dist/queue/shards";
import { SparseIndex } from "../../../dist/sparse-index/sparse-index";
import { SparseMatrix } from "../../../dist/sparse-matrix";

const VECTOR = SparseMatrix.fromRows([{ indices: [0], values: [1] }], 4);

class Instance {
  readonly field = 1;
}

const cycle: Record<string, unknown> = {};
cycle["list"] = [{ cycle }];

/** A value, and the path in it that is rejected. */
const REFUSED: Readonly<Record<string, readonly [value: unknown, place: string, what: RegExp]>> = {
  Map: [new Map([["a", 1]]), "", /is a Map/],
  Set: [new Set([1]), "", /is a Set/],
  "Map in an array": [{ a: [1, new Map()] }, ".a[1]", /is a Map/],
  "Set far inside": [{ a: { b: [{ c: new Set() }] } }, ".a.b[0].c", /is a Set/],
  "invalid Date": [{ day: new Date(NaN) }, ".day", /is a Date.*invalid/],
  "instance of a class": [{ a: new Instance() }, ".a", /an instance of a class/],
  function: [{ f: () => 1 }, ".f", /not function/],
  symbol: [{ s: Symbol("s") }, ".s", /not symbol/],
  "symbol as a key": [{ a: { [Symbol("s")]: 1 } }, ".a", /a key that is a symbol/],
  bigint: [{ n: 1n }, ".n", /not bigint/],
  NaN: [{ n: NaN }, ".n", /not NaN/],
  Infinity: [{ n: [-Infinity] }, ".n[0]", /not -Infinity/],
  cycle: [cycle, ".list[0].cycle", /a cycle/],
  "typed array": [{ v: new Float32Array(2) }, ".v", /is a Float32Array/],
  Buffer: [{ v: Buffer.from("ab") }, ".v", /is a Uint8Array/],
  ArrayBuffer: [{ v: new ArrayBuffer(2) }, ".v", /is an ArrayBuffer/],
  RegExp: [{ r: /x/ }, ".r", /is a RegExp/],
  Error: [{ e: new Error("e") }, ".e", /is an Error/],
  Promise: [{ p: Promise.resolve(1) }, ".p", /is a Promise/],
  "boxed number": [{ n: Object(1) as unknown }, ".n", /is a Number/],
  "hole in an array": [{ a: [1, , 3] }, ".a[1]", /not undefined/],
  "undefined in an array": [{ a: [undefined] }, ".a[0]", /not undefined/],
  "toJSON() that gives a Map": [{ a: { toJSON: () => new Map() } }, ".a", /is a Map/],
  "toJSON() of a function": [{ a: { toJSON: () => () => 1 } }, ".a", /not function/],
};

describe("values stored with documents", () => {
  const index = SparseIndex.create({ dimension: 4 });
  after(() => index.close());

  for (const [name, [value, place, what]] of Object.entries(REFUSED)) {
    it(`rejects: ${name}`, async () => {
      const refusal = (path: string) => (error: unknown) => {
        const { code, message } = error as { code: string; message: string };
        assert.equal(code, "ERR_INVALID_ARGUMENT");
        assert.ok(message.startsWith(`${path} `), message);
        assert.match(message, what);
        return true;
      };
      await assert.rejects(index.add(["a"], VECTOR, { payloads: [value] }), refusal(`payloads[0]${place}`));
      const metadata = [{ field: value }] as never;
      await assert.rejects(index.add(["a"], VECTOR, { metadata }), refusal(`metadata[0].field${place}`));
      const payload = { field: value };
      await assert.rejects(new LocalEngine({ index }).upsert(["a"], VECTOR, [payload]), refusal(`payloads[0].field${place}`));
      await assert.rejects(shardsOf([{ id: "a", text: "a", payload }], 2).next(), refusal(`documents[0].payload.field${place}`));
      assert.equal(index.size, 0);
    });
  }

  it("rejects a getter and a toJSON() that throw", () => {
    const throwing = (): never => {
      throw new TypeError("private");
    };
    for (const value of [Object.defineProperty({}, "a", { get: throwing, enumerable: true }), { toJSON: throwing }]) {
      assert.throws(() => jsonOf(value, "it"), { code: "ERR_INVALID_ARGUMENT", message: /getter or toJSON\(\) in it throws/ });
    }
  });

  it("rejects values nested too deep for the stack", () => {
    let deep: unknown = 1;
    for (let i = 0; i < 100_000; i++) deep = [deep];
    assert.throws(() => jsonOf(deep, "it"), { code: "ERR_INVALID_ARGUMENT", message: /nested more than 512 levels deep/ });
  });

  it("accepts everything else: JSON of any shape, dates, undefined fields, __proto__, objects of other realms", async () => {
    const kept: [unknown, unknown][] = [
      [{ day: new Date(0) }, { day: "1970-01-01T00:00:00.000Z" }],
      [{ a: undefined, b: 1 }, { b: 1 }],
      [JSON.parse('{"__proto__":{"x":1}}'), JSON.parse('{"__proto__":{"x":1}}')],
      [vm.runInNewContext("({ a: [1, { b: null }] })"), { a: [1, { b: null }] }],
      [Object.assign(Object.create(null) as object, { a: 1 }), { a: 1 }],
      [{ toJSON: () => ({ a: "own" }) }, { a: "own" }],
      [
        [[1, [2]], [], {}],
        [[1, [2]], [], {}],
      ],
      [Array.from({ length: 3 }, () => VECTOR.toJSON()), Array.from({ length: 3 }, () => VECTOR.toJSON())],
    ];
    for (const [value, expected] of kept) {
      await index.add(["a"], VECTOR, { payloads: [value], metadata: [{ field: value }] as never });
      const [hit] = await index.search(VECTOR.row(0), { withPayload: true });
      assert.deepEqual(hit?.payload, expected);
    }
    fc.assert(fc.property(fc.jsonValue(), (value) => jsonOf(value, "it") === JSON.stringify(value)));
  });
});
