import assert from "node:assert/strict";
import { homedir } from "node:os";
import path from "node:path";

import fc from "fast-check";

import { isCommit, isRepositoryName, isSafePath, requireRevision } from "../../../dist/hub/names";
import { selectFiles } from "../../../dist/hub/select";
import { readHubSettings } from "../../../dist/hub/settings";
import { fails } from "../../support/checkpoint-folder";

const CONFIGURATION = ["config.json", "config_sentence_transformers.json", "modules.json", "sentence_bert_config.json"];
const TOKENIZER = ["special_tokens_map.json", "tokenizer.json", "tokenizer_config.json"];

/** The selected files of a repository with these JSON files and, by name only, these other files. */
async function selected(names: readonly string[], json: Readonly<Record<string, unknown>> = {}, modelFile?: string): Promise<string[]> {
  const paths = new Set([...names, ...Object.keys(json)]);
  return [...(await selectFiles(paths, (path) => Promise.resolve(json[path] ?? {}), modelFile))].sort();
}

describe("selection of a repository's files", () => {
  it("selects configuration, tokenizer and safetensors of a repository with everything", async () => {
    const rest = [".gitattributes", "README.md", "eval/results.csv", "model.py", "training_args.bin", "generation_config.json"];
    const formats = [
      "pytorch_model.bin",
      "tf_model.h5",
      "flax_model.msgpack",
      "onnx/model.onnx",
      "openvino/openvino_model.bin",
      "coreml/model.mlmodel",
    ];
    const names = [...CONFIGURATION, ...TOKENIZER, "vocab.txt", "sentencepiece.bpe.model", "model.safetensors", ...formats, ...rest];
    const modules = [{ path: "" }, { path: "1_SpladePooling" }];
    assert.deepEqual(
      await selected([...names, "1_SpladePooling/config.json", "2_Unused/config.json"], { "modules.json": modules }),
      [...CONFIGURATION, ...TOKENIZER, "1_SpladePooling/config.json", "model.safetensors"].sort(),
    );
  });

  it("selects vocabulary files without a tokenizer.json, and pytorch_model.bin without safetensors", async () => {
    const names = ["config.json", "vocab.json", "merges.txt", "spm.model", "pytorch_model.bin", "rust_model.ot"];
    assert.deepEqual(await selected(names), names.slice(0, 5).sort());
  });

  it("selects the shards that an index lists", async () => {
    const index = { weight_map: { a: "model-00001-of-00002.safetensors", b: "model-00002-of-00002.safetensors", c: "../../x" } };
    const shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
    const names = ["config.json", ...shards, "model-00003-of-00003.safetensors", "pytorch_model.bin"];
    const json = { "model.safetensors.index.json": index };
    assert.deepEqual(await selected(names, json), ["config.json", ...shards, "model.safetensors.index.json"]);
  });

  it("selects shards with the same name from the folders that an index names", async () => {
    const shards = ["a/model.safetensors", "b/model.safetensors"];
    const json = { "model.safetensors.index.json": { weight_map: { x: shards[0], y: shards[1] } } };
    assert.deepEqual(await selected(["config.json", ...shards, "c/model.safetensors"], json), [
      ...shards,
      "config.json",
      ...Object.keys(json),
    ]);
  });

  it("follows a Router and an Asym into their folders", async () => {
    const types = { "": "Transformer", query_0_SparseStaticEmbedding: "SparseStaticEmbedding", document_1_SpladePooling: "SpladePooling" };
    const json = { "modules.json": [{ path: "" }], "router_config.json": { types } };
    const query = ["query_0_SparseStaticEmbedding/config.json", "query_0_SparseStaticEmbedding/model.safetensors"];
    const names = ["config.json", "model.safetensors", ...query, "document_1_SpladePooling/config.json", "other/config.json"];
    assert.deepEqual(
      await selected([...names, "query_0_SparseStaticEmbedding/idf.json"], json),
      [...names.slice(0, -1), ...Object.keys(json)].sort(),
    );
    const asym = {
      "modules.json": [{ path: "0_Asym" }],
      "0_Asym/config.json": { types: { query_0_SparseStaticEmbedding: "", document_0_MLM: "" } },
    };
    const inAsym = [
      "0_Asym/query_0_SparseStaticEmbedding/idf.json",
      "0_Asym/document_0_MLM/config.json",
      "0_Asym/document_0_MLM/pytorch_model.bin",
    ];
    assert.deepEqual(await selected(inAsym, asym), [...inAsym, ...Object.keys(asym)].sort());
  });

  it("selects the table that a static embedding names", async () => {
    const names = ["a/config.json", "a/model.safetensors", "a/weights.json", "a/other.json"];
    const json = { "modules.json": [{ path: "a" }], "a/config.json": { path: "weights.json" } };
    assert.deepEqual(await selected(names, json), [...names.slice(0, 3), "modules.json"].sort());
  });

  it("selects BGE-M3's lexical head", async () => {
    const names = ["config.json", "pytorch_model.bin", "sparse_linear.pt"];
    assert.deepEqual(await selected([...names, "colbert_linear.pt"]), names);
  });

  it("selects an ONNX file, and its external weights, instead of the weights", async () => {
    const onnx = ["onnx/model.onnx", "onnx/model.onnx_data", "onnx/model.onnx_data_1"];
    const names = ["config.json", "tokenizer.json", "model.safetensors", "1_SpladePooling/config.json", "onnx/model_quantized.onnx"];
    const json = { "modules.json": [{ path: "" }, { path: "1_SpladePooling" }] };
    assert.deepEqual(
      await selected([...names, ...onnx], json, "onnx/model.onnx"),
      ["config.json", "tokenizer.json", "1_SpladePooling/config.json", "modules.json", ...onnx].sort(),
    );
    await fails(selected(names, {}, "model.onnx"), "ERR_FILE_NOT_FOUND", /onnx\/model_quantized\.onnx/);
  });

  it("reports the contents of a repository without usable weights", async () => {
    await fails(
      selected(["config.json", "tf_model.h5", "flax_model.msgpack"]),
      "ERR_UNSUPPORTED_MODEL",
      /tf_model\.h5, flax_model\.msgpack/,
    );
    await fails(selected(["README.md"]), "ERR_UNSUPPORTED_MODEL", /no weights at all/);
  });

  it("selects only files of the repository, whatever the JSON files say", async () => {
    const names = ["config.json", "model.safetensors", "a/config.json", "a/b/config.json", "model.safetensors.index.json"];
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), fc.jsonValue(), async (modules, config) => {
        const json = { "modules.json": modules, "config.json": config, "router_config.json": { types: config } };
        for (const path of await selected(names, json)) assert.ok(names.includes(path) || Object.hasOwn(json, path));
      }),
    );
  });
});

describe("hub names", () => {
  it("recognizes repositories, commits and revisions", () => {
    for (const name of ["naver/splade-v3", "a/b", "opensearch-project/opensearch-neural-sparse-encoding-doc-v2-mini", "x/y_z.1"]) {
      assert.ok(isRepositoryName(name), name);
    }
    for (const name of [
      "splade",
      "a/b/c",
      "./model",
      "../model",
      "a/..",
      "a/b--c",
      "a/b.git",
      "a/",
      "/b",
      "a b/c",
      "a/b-",
      "a\\b/c",
      `a/${"b".repeat(97)}`,
    ]) {
      assert.ok(!isRepositoryName(name), name);
    }
    assert.ok(isCommit("0".repeat(40)) && !isCommit("main") && !isCommit("A".repeat(40)));
    for (const revision of ["main", "v1.0", "refs/pr/1", "feature/x"]) requireRevision(revision);
    for (const revision of ["", "..", "a/../b", "/a", "a\\b", "a:b", "a\nb", "a.", "x".repeat(251)]) {
      assert.throws(
        () => {
          requireRevision(revision);
        },
        { code: "ERR_INVALID_ARGUMENT" },
        revision,
      );
    }
  });

  it("never resolve to a path outside the folder", () => {
    for (const name of [
      "",
      ".",
      "..",
      "a/..",
      "../a",
      "/a",
      "a//b",
      "a\\..\\b",
      "C:/a",
      "C:a",
      "a/nul",
      "COM1.txt",
      "a.",
      "a ",
      "a\0b",
      "a/",
    ]) {
      assert.ok(!isSafePath(name), JSON.stringify(name));
    }
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(".", "/", "\\", "a", ":", " ") }), (name) => {
        const inside = new URL(`file:///root/${name}`).pathname.startsWith("/root/");
        assert.ok(!isSafePath(name) || (inside && !name.startsWith("/")));
      }),
    );
  });
});

describe("hub settings", () => {
  const cacheOf = async (environment: Record<string, string>): Promise<string> => (await readHubSettings({}, environment)).cacheDir;

  it("finds the cache as huggingface_hub does", async () => {
    const root = path.resolve("/");
    const cases: [Record<string, string>, string][] = [
      [{ HF_HUB_CACHE: "/a", HF_HOME: "/b" }, "a"],
      [{ HUGGINGFACE_HUB_CACHE: "/c", HF_HOME: "/b" }, "c"],
      [{ HF_HOME: "/b" }, "b/hub"],
      [{ XDG_CACHE_HOME: "/d" }, "d/huggingface/hub"],
      [{ HF_HOME: "$X/${Y}/$none", X: "/x", Y: "y" }, "x/y/$none/hub"],
    ];
    for (const [environment, folder] of cases) assert.equal(await cacheOf(environment), path.join(root, folder));
    assert.equal(await cacheOf({}), path.join(homedir(), ".cache", "huggingface", "hub"));
    assert.equal(await cacheOf({ HF_HOME: "~/z" }), path.join(homedir(), "z", "hub"));
    assert.equal((await readHubSettings({ cacheDir: "/e" }, { HF_HUB_CACHE: "/a" })).cacheDir, path.join(root, "e"));
  });

  it("reads endpoint and offline mode", async () => {
    const read = (environment: Record<string, string>, localFilesOnly?: boolean) =>
      readHubSettings(localFilesOnly === undefined ? {} : { localFilesOnly }, { HF_HOME: "/none", ...environment });
    assert.equal((await read({})).endpoint, "https://huggingface.co");
    assert.equal((await read({ HF_ENDPOINT: "http://mirror/hf/" })).endpoint, "http://mirror/hf");
    for (const endpoint of ["ftp://x", "mirror", "https://", "https://u:p@x", "https://x/?a=b"]) {
      await fails(read({ HF_ENDPOINT: endpoint }), "ERR_INVALID_ARGUMENT", /HF_ENDPOINT/);
    }
    assert.equal((await read({})).offline, false);
    assert.equal((await read({ HF_HUB_OFFLINE: "0" })).offline, false);
    assert.equal((await read({ HF_HUB_OFFLINE: "true" })).offline, true);
    assert.equal((await read({ TRANSFORMERS_OFFLINE: "1" })).offline, true);
    assert.equal((await read({}, true)).offline, true);
  });
});
