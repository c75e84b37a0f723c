import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";

import { skip } from "../support/skip";

import { root, runProgram, spladeTiny } from "./children";

const encode = `
  const { SparseEncoder } = require("sparse-rerank");
  const encode = async () => {
    const encoder = await SparseEncoder.load(${JSON.stringify(spladeTiny)});
    return (await encoder.encodeQuery("what is a sparse vector")).indices.length > 3;
  };`;

/** Runs a model with the other package: an ONNX graph of one Identity node, as bytes. */
const otherRuntime = `
  const runOther = async () => {
    const ort = require("onnxruntime-node-other");
    const { onnx } = require("onnx-proto");
    const value = (name) => ({ name, type: { tensorType: { elemType: 1, shape: { dim: [{ dimValue: 1 }] } } } });
    const graph = { name: "g", node: [{ opType: "Identity", input: ["x"], output: ["y"] }], input: [value("x")], output: [value("y")] };
    const model = onnx.ModelProto.encode({ irVersion: 8, opsetImport: [{ domain: "", version: 17 }], graph }).finish();
    const session = await ort.InferenceSession.create(model);
    const { y } = await session.run({ x: new ort.Tensor("float32", [3], [1]) });
    return y.data[0] === 3;
  };`;

describe("ONNX Runtime", () => {
  it("runs next to another version of onnxruntime-node, in either loading order", async () => {
    for (const order of ["await encode(), await runOther(), await encode()", "await runOther(), await encode(), await runOther()"]) {
      const ended = await runProgram(`${encode}${otherRuntime} (async () => console.log(${order}))();`);
      assert.deepEqual([ended.code, ended.stdout.trim(), ended.stderr], [0, "true true true", ""], order);
    }
  });

  it("may be another version, named by ORT_DYLIB_PATH or configure()", async function () {
    if (process.platform !== "linux") skip(this, "the library of the other package is named by its Linux path");
    const folder = path.join(root, "node_modules", "onnxruntime-node-other", "bin", "napi-v6", process.platform, process.arch);
    const library = path.join(folder, "libonnxruntime.so.1");
    const byEnvironment = await runProgram(`${encode} encode().then(console.log);`, { env: { ORT_DYLIB_PATH: library } });
    assert.deepEqual([byEnvironment.code, byEnvironment.stdout, byEnvironment.stderr], [0, "true\n", ""]);
    const byCall = await runProgram(`
      ${encode} require("sparse-rerank").configure({ runtimePath: ${JSON.stringify(library)} }); encode().then(console.log);`);
    assert.deepEqual([byCall.code, byCall.stdout, byCall.stderr], [0, "true\n", ""]);
  });

  it("reports one clear error if it is missing or unusable, and the next path works", async () => {
    const folder = await mkdtemp(path.join(os.tmpdir(), "sparse-rerank-runtime-"));
    try {
      const text = path.join(folder, "not-a-library.so");
      await writeFile(text, "not a library");
      const addon = path.join(root, "build", "Release", "sparse_rerank.node");
      for (const [library, code] of [
        [path.join(folder, "missing.so"), "ERR_RUNTIME_NOT_FOUND"],
        [text, "ERR_RUNTIME_NOT_FOUND"],
        [addon, "ERR_RUNTIME_INCOMPATIBLE"],
      ] as const) {
        const ended = await runProgram(
          `${encode} encode().catch((error) => console.log(error.code, error.message.includes(${JSON.stringify(library)}), error.message.includes("ORT_DYLIB_PATH")));`,
          { env: { ORT_DYLIB_PATH: library } },
        );
        assert.deepEqual([ended.code, ended.stdout.trim(), ended.stderr], [0, `${code} true true`, ""]);
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("is not blamed for a mistake in the environment", async () => {
    const ended = await runProgram(`${encode} encode().catch((error) => console.log(error.code, error.message));`, {
      env: { SPARSE_RERANK_KERNELS: "avx51" },
    });
    assert.deepEqual([ended.code, ended.stderr], [0, ""]);
    assert.match(
      ended.stdout,
      /^ERR_INVALID_ARGUMENT SPARSE_RERANK_KERNELS: kernel set "avx51" does not exist; choose one of: scalar[\w, ]*\n$/,
    );
  });

  it("is not loaded by calls that do not need it", async () => {
    const ended = await runProgram(
      `const { SparseIndex, SparseMatrix } = require("sparse-rerank");
      (async () => {
        const index = SparseIndex.create({ dimension: 4 });
        await index.add(["a", "b"], SparseMatrix.fromRows([{ indices: [0, 2], values: [1, 2] }, { indices: [2], values: [1] }], 4));
        const hits = await index.search(SparseMatrix.fromRows([{ indices: [2], values: [1] }], 4).row(0));
        console.log(JSON.stringify(hits.map(({ id, score }) => [id, score])));
      })();`,
      { env: { ORT_DYLIB_PATH: "/nonexistent/library.so" } },
    );
    assert.deepEqual([ended.code, ended.stdout, ended.stderr], [0, '[["a",2],["b",1]]\n', ""]);
  });
});

describe("configure", () => {
  it("sets the number of threads once", async () => {
    const ended = await runProgram(`
      const { configure } = require("sparse-rerank");
      ${encode}
      (async () => {
        configure({ threads: 3 });
        await encode();
        configure({ threads: 3 });
        const codes = [];
        for (const options of [{ threads: 2 }, { threads: 0 }, { threads: 1.5 }, { threads: "2" }, { thread: 2 }, null, { runtimePath: "" }, { runtimePath: "/other" }]) {
          try { configure(options); codes.push("none"); } catch (error) { codes.push(error.code); }
        }
        console.log(codes.join(" "));
      })();`);
    const invalid = "ERR_INVALID_ARGUMENT";
    const already = "ERR_ALREADY_CONFIGURED";
    assert.deepEqual(
      [ended.code, ended.stdout.trim().split(" "), ended.stderr],
      [0, [already, invalid, invalid, invalid, invalid, invalid, invalid, already], ""],
    );
  });
});
