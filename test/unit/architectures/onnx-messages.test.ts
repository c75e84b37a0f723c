import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import path from "node:path";

import fc from "fast-check";
import { onnx } from "onnx-proto";

import { encodeModel } from "../../../dist/architectures/onnx-messages";
import type { AttributeProto, NodeProto, TensorProto } from "../../../dist/architectures/onnx-messages";

const root = path.join(__dirname, "..", "..", "..");

const name = fc.string({ unit: "grapheme", maxLength: 20 });
const int64 = fc.oneof(fc.integer(), fc.maxSafeInteger());
const float = fc.float({ noNaN: true });
const attribute: fc.Arbitrary<AttributeProto> = fc.oneof(
  fc.record({ name, type: fc.constant(2), i: int64 }),
  fc.record({ name, type: fc.constant(1), f: float }),
  fc.record({ name, type: fc.constant(3), s: fc.uint8Array() }),
  fc.record({ name, type: fc.constant(7), ints: fc.array(int64) }),
);
const node: fc.Arbitrary<NodeProto> = fc.record({
  name,
  opType: name,
  domain: name,
  input: fc.array(name),
  output: fc.array(name),
  attribute: fc.array(attribute),
});
const initializer: fc.Arbitrary<TensorProto> = fc.record({
  name,
  dataType: fc.constantFrom(1, 6, 7, 10, 16),
  dims: fc.array(fc.nat()),
  floatData: fc.array(float),
  int64Data: fc.array(int64),
  dataLocation: fc.constantFrom(0, 1),
  externalData: fc.array(fc.record({ key: name, value: name })),
});

/** As the other library reads them: 64-bit integers as text, since its numbers are objects. */
function decoded(bytes: Uint8Array): unknown {
  return onnx.ModelProto.toObject(onnx.ModelProto.decode(bytes), { longs: String, bytes: Array, defaults: true, arrays: true });
}

describe("ONNX messages", () => {
  it("equal those that another library writes, for any contents", () => {
    fc.assert(
      fc.property(fc.array(node, { maxLength: 4 }), fc.array(initializer, { maxLength: 4 }), name, (nodes, initializers, label) => {
        const dim = [{ dimParam: label }, { dimParam: "" }];
        const value = { name: label, type: { tensorType: { elemType: 7, shape: { dim } } } };
        const model = {
          irVersion: 8,
          producerName: label,
          opsetImport: [{ domain: label, version: 17 }],
          graph: { name: label, node: nodes, initializer: initializers, input: [value], output: [value] },
        };
        const theirs = onnx.ModelProto.encode(model as unknown as onnx.IModelProto).finish();
        assert.deepEqual(decoded(encodeModel(model)), decoded(theirs));
      }),
      { numRuns: 50 },
    );
  });

  it("write zero-valued attributes, since some readers check for their presence", () => {
    const attributes = [
      { name: "i", type: 2, i: 0 },
      { name: "f", type: 1, f: 0 },
      { name: "s", type: 3, s: new Uint8Array() },
    ];
    const model = encodeModel({ graph: { node: [{ attribute: attributes }] } });
    const [read] = onnx.ModelProto.decode(model).graph?.node ?? [];
    const present = (read?.attribute ?? []).map((one, i) => Object.hasOwn(one, attributes[i]!.name));
    assert.deepEqual(present, [true, true, true]);
  });

  it("have the types in onnx.proto", () => {
    const { status, stderr } = spawnSync(process.execPath, [path.join(root, "scripts", "write-onnx-messages.mjs"), "--check"], {
      encoding: "utf8",
    });
    assert.equal(status, 0, stderr);
  });
});
