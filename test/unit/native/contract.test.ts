import assert from "node:assert/strict";
import path from "node:path";

import { architectureFor } from "../../../dist/architectures";
import { readCheckpoint } from "../../../dist/checkpoint";
import type { TensorInfo } from "../../../dist/checkpoint/types";
import type { NativeModel, NativeModelSpec } from "../../../dist/native/contract";
import { native, onDisk } from "../../../dist/native/load";
import { loadRuntime } from "../../../dist/native/runtime-library";
import { spladeOf } from "../../support/checkpoint-folder";

const folder = path.join(__dirname, "..", "..", "data", "checkpoints", "splade-bert");

/** Without the times, which differ from run to run. */
const untimed = (csr: object): object => ({ ...csr, times: undefined });

describe("files of the package in Electron", () => {
  it("are the unpacked ones next to the archive", () => {
    const rest = path.join("node_modules", "sparse-rerank", "models");
    assert.equal(onDisk(path.join("/app", "app.asar", rest)), path.join("/app", "app.asar.unpacked", rest));
    for (const file of [path.join("/app", "app.asar.unpacked", rest), path.join("/app", rest), path.join("/my.app.asar.d", rest)]) {
      assert.equal(onDisk(file), file);
    }
  });
});

/** The contract of lib/native/contract.ts, without the classes on top of it. */
describe("the native contract", () => {
  let spec: NativeModelSpec;
  let model: NativeModel;
  const ids = Int32Array.from([2, 9, 30, 4, 3, 2, 8, 3]);
  const sequences = { ids, offsets: Uint32Array.from([0, 5, 8]) };

  before(async () => {
    loadRuntime();
    const { transformer, pooling } = spladeOf(await readCheckpoint(folder, "sparse"));
    const graph = architectureFor(transformer.config).maskedLanguageModel(transformer);
    const files = [...new Set(Array.from(graph.weights.values(), ({ file }) => file))];
    const locate = ({ file, offset, shape }: TensorInfo) => ({ file: files.indexOf(file), offset, dtype: "F32" as const, shape });
    assert.ok(graph.decoderBias !== undefined);
    spec = {
      graph: graph.model,
      files,
      weightFolder: folder,
      weights: Array.from(graph.weights, ([name, tensor]) => ({ name, dtype: "F32" as const, tensor: locate(tensor) })),
      inputs: graph.inputs,
      backend: { kind: "sequences", head: { decoder: locate(graph.decoder), bias: locate(graph.decoderBias), ...pooling } },
    };
    model = await native().createModel(spec);
  });
  after(() => {
    model.dispose();
  });

  it("reports which token attained each weight", async () => {
    const plain = await model.encode(sequences, {});
    const csr = await model.encode(sequences, { positions: true });
    assert.equal(plain.positions, undefined);
    assert.deepEqual(untimed({ ...csr, positions: undefined }), untimed({ ...plain, positions: undefined }));
    const { positions } = csr;
    assert.ok(positions?.length === csr.values.length);
    for (const row of [0, 1]) {
      const length = row === 0 ? 5 : 3;
      const won = positions.subarray(csr.indptr[row], csr.indptr[row + 1]);
      assert.ok(won.every((position) => position < length));
      assert.ok(new Set(won).size > 1, "one token won everything");
    }
  });

  it("copies its inputs before it returns", async () => {
    const expected = await model.encode(sequences, {});
    const mine = { ids: ids.slice(), offsets: sequences.offsets.slice() };
    const pending = model.encode(mine, {});
    mine.ids.fill(0);
    mine.offsets.fill(0);
    assert.deepEqual(untimed(await pending), untimed(expected));
  });

  it("reports the time spent in the body and the head of an encoder", async () => {
    const before = native().stageTimes();
    await model.encode(sequences, {});
    const after = native().stageTimes();
    const [task, body, head] = (["task", "body", "head"] as const).map((stage) => after[stage] - before[stage]);
    assert.ok(task! >= body! + head!);
    assert.ok(body! > 0 && head! > 0);
  });

  it("rejects ids, offsets and shapes that would be out of bounds", async () => {
    const code = (expected: string) => ({ name: "SparseRerankError", code: expected });
    assert.throws(() => model.encode({ ids, offsets: Uint32Array.from([0, 9]) }, {}), code("ERR_INVALID_ARGUMENT"));
    assert.throws(() => model.encode({ ids, offsets: Uint32Array.from([0, 6, 5, 8]) }, {}), code("ERR_INVALID_ARGUMENT"));
    assert.throws(() => model.encode({ ids, offsets: new Uint32Array(0) }, {}), code("ERR_INVALID_ARGUMENT"));
    assert.throws(() => model.encode({ ...sequences, typeIds: new Uint8Array(3) }, {}), code("ERR_INVALID_ARGUMENT"));
    assert.throws(() => model.encode({ ids, offsets: Uint32Array.from([0, 0, 8]) }, {}), code("ERR_INVALID_ARGUMENT"));
    for (const id of [-1, 500, 2 ** 31 - 1]) {
      const outside = { ids: Int32Array.from([id]), offsets: Uint32Array.from([0, 1]) };
      // A negative id counts from the end in ONNX's Gather, so only ids past both ends fail.
      if (id === -1) await model.encode(outside, {});
      else await assert.rejects(model.encode(outside, {}), code("ERR_RUNTIME_FAILED"));
    }
    const weights = spec.weights.map(({ tensor, ...weight }) => ({ ...weight, tensor: { ...tensor, offset: tensor.offset + 2 ** 40 } }));
    await assert.rejects(native().createModel({ ...spec, weights }), code("ERR_INVALID_WEIGHTS"));
    await assert.rejects(native().createModel({ ...spec, graph: new Uint8Array([1, 2, 3]) }), code("ERR_RUNTIME_FAILED"));
    await assert.rejects(native().createModel({ ...spec, files: ["/nonexistent"] }), code("ERR_FILE_NOT_FOUND"));
    assert.throws(() => native().createModel({ ...spec, backend: { kind: "unknown" } as never }), code("ERR_INTERNAL"));
    const array = [0, 1] as unknown as Int32Array;
    assert.throws(() => model.encode({ ...sequences, ids: array }, {}), code("ERR_INTERNAL"));
  });

  it("forces each kernel set, and a model keeps the one it was loaded with", async () => {
    const { available, active } = native().kernels();
    assert.ok(available.includes("scalar") && available.includes(active));
    const expected = await model.encode(sequences, {});
    try {
      for (const name of available) {
        native().useKernels(name);
        assert.equal(native().kernels().active, name);
        const other = await native().createModel(spec);
        const csr = await other.encode(sequences, {});
        assert.deepEqual(csr.indices, expected.indices, name);
        csr.values.forEach((value, i) => {
          assert.ok(Math.abs(value - (expected.values[i] ?? NaN)) < 1e-5, name);
        });
        other.dispose();
        assert.deepEqual(untimed(await model.encode(sequences, {})), untimed(expected));
      }
      assert.throws(
        () => {
          native().useKernels("mmx");
        },
        { code: "ERR_INVALID_ARGUMENT" },
      );
    } finally {
      native().useKernels(active);
    }
  });
});
