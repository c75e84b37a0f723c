/** Routers and tables of token weights: valid descriptions, and the coded error of each invalid one. */

import assert from "node:assert/strict";
import path from "node:path";

import { readCheckpoint } from "../../../dist/checkpoint/index";
import { readStaticWeights } from "../../../dist/checkpoint/static-weights";
import type { SparseRoute, StaticRoute } from "../../../dist/checkpoint/types";
import type { ErrorCode } from "../../../dist/errors";
import { WEIGHTS, fails, safetensors, withFolder } from "../../support/checkpoint-folder";
import type { Files } from "../../support/checkpoint-folder";
import { floats, torchZip } from "../../support/torch-file";
import {
  MLM,
  MLM_TRANSFORMER,
  MODELS,
  ROUTER,
  ROUTER_CONFIG,
  SPARSE_MODELS,
  SPLADE,
  STATIC,
  TABLE,
  pipeline,
  readSparse,
  without,
} from "./pipelines";

/** A short name of a module: its kind and its folder. */
function nameOf(route: SparseRoute): string {
  return route.kind === "static"
    ? `static ${path.basename(route.folder)}`
    : `${route.head.kind} ${path.basename(route.transformer.folder)}`;
}

describe("checkpoint: routes", () => {
  const routesWith = async (changes: object, files: Files = {}): Promise<string[]> => {
    const { routes, root } = await readSparse({ ...ROUTER, ...files, "router_config.json": { ...ROUTER_CONFIG, ...changes } });
    const base = path.basename(root);
    return [routes.query, routes.document, routes.plain].map((route) => nameOf(route).replace(base, "root"));
  };

  it("reads one side from a table and the other from the root", async () => {
    const { routes } = await readSparse(ROUTER);
    assert.ok(routes.query.kind === "static" && routes.document.kind === "transformer" && routes.document.head.kind === "splade");
    assert.equal(routes.query.maxSeqLength, 12);
    assert.equal(routes.document.transformer.maxSeqLength, 40);
    assert.equal(routes.document.head.activation, "log1p_relu");
    assert.equal(routes.plain, routes.document);
  });

  const parameters: readonly (readonly [what: string, parameters: object | undefined, plain: string])[] = [
    ["the named default", { default_route: "query" }, "static query_0"],
    ["the first route without a default", { default_route: null, allow_empty_key: true }, "static query_0"],
    ["the first route without parameters", undefined, "static query_0"],
    ["documents where the reference would have none", { allow_empty_key: false }, "splade root"],
    ["a mapping for everything", { default_route: "query", route_mappings: { "(None, None)": "document" } }, "splade root"],
    ["a mapping for texts", { default_route: "query", route_mappings: { "(None, 'text')": "document" } }, "splade root"],
    [
      "a default before mappings for images",
      { default_route: "document", route_mappings: { "(None, 'image')": "query", junk: 5 } },
      "splade root",
    ],
  ];
  for (const [what, stated, plain] of parameters) {
    it(`uses for texts without a task: ${what}`, async () => {
      assert.equal((await routesWith({ parameters: stated }))[2], plain);
    });
  }

  it("maps tasks before it looks for a route with their name", async () => {
    const route_mappings = { "('query', None)": "document", "('document', 'text')": "query", "(None, ('text', 'image'))": "document" };
    assert.deepEqual((await routesWith({ parameters: { route_mappings } })).slice(0, 2), ["splade root", "static query_0"]);
  });

  it("uses a route named text for every task", async () => {
    assert.deepEqual(await routesWith({ structure: { text: ["query_0"] }, parameters: {} }), [
      "static query_0",
      "static query_0",
      "static query_0",
    ]);
  });

  it("reads Asym's config.json, and modules in folders inside the Router's", async () => {
    const files: Files = {
      "modules.json": pipeline([`${MODELS}.Asym`, "0_Asym"]),
      "config_sentence_transformers.json": { model_type: "SparseEncoder" },
      "0_Asym/config.json": {
        types: {
          "140234_SparseStaticEmbedding": `${SPARSE_MODELS}.SparseStaticEmbedding`,
          "140235_MLMTransformer": MLM_TRANSFORMER,
          b: SPLADE,
        },
        structure: { query: ["140234_SparseStaticEmbedding"], document: ["140235_MLMTransformer", "b"] },
        parameters: { allow_empty_key: true },
      },
      "0_Asym/140234_SparseStaticEmbedding/model.safetensors": TABLE,
      "0_Asym/140235_MLMTransformer/config.json": MLM,
      "0_Asym/140235_MLMTransformer/model.safetensors": WEIGHTS,
    };
    const { routes } = await readSparse(files);
    assert.equal(nameOf(routes.query), "static 140234_SparseStaticEmbedding");
    assert.equal(nameOf(routes.document), "splade 140235_MLMTransformer");
    assert.equal(routes.plain, routes.query);
  });

  it("appends modules after a Router to every route, and reads shared ones once", async () => {
    const files: Files = {
      ...ROUTER,
      "modules.json": pipeline([`${MODELS}.Router`, ""], [SPLADE, "document_1"]),
      "router_config.json": { types: { "": MLM_TRANSFORMER }, structure: { query: [""], document: [""] }, parameters: {} },
    };
    const { routes } = await readSparse(files);
    assert.equal(routes.query, routes.document);
  });

  type Case = readonly [what: string, files: Files, code: ErrorCode, message: RegExp];
  const cases: readonly Case[] = [
    ["no description", without(ROUTER, "router_config.json", "config.json"), "ERR_FILE_NOT_FOUND", /router_config\.json or config\.json/],
    ["no types", { "router_config.json": { structure: {} } }, "ERR_INVALID_CONFIG", /"types" is missing/],
    [
      "no structure",
      { "router_config.json": { ...ROUTER_CONFIG, structure: {} } },
      "ERR_INVALID_CONFIG",
      /"structure" is an object; expected/,
    ],
    [
      "an empty route",
      { "router_config.json": { ...ROUTER_CONFIG, structure: { query: [] } } },
      "ERR_INVALID_CONFIG",
      /"structure\.query"/,
    ],
    [
      "a module without class",
      { "router_config.json": { ...ROUTER_CONFIG, types: {} } },
      "ERR_INVALID_CONFIG",
      /"types\.query_0" is missing/,
    ],
    [
      "a module outside",
      { "router_config.json": { types: { "../x": STATIC }, structure: { query: ["../x"] } } },
      "ERR_INVALID_CONFIG",
      /inside the model's folder/,
    ],
    [
      "a module of the repository's own",
      { "router_config.json": { types: { a: "my.Module" }, structure: { query: ["a"] } } },
      "ERR_UNSUPPORTED_MODEL",
      /my\.Module/,
    ],
    [
      "no route for documents",
      { "router_config.json": { ...ROUTER_CONFIG, structure: { query: ["query_0"] }, parameters: {} } },
      "ERR_UNSUPPORTED_MODEL",
      /no route for task "document"; it has: "query"/,
    ],
    [
      "a default that is not there",
      { "router_config.json": { ...ROUTER_CONFIG, parameters: { default_route: "toString" } } },
      "ERR_INVALID_CONFIG",
      /"parameters\.default_route"/,
    ],
    [
      "a mapping to what is not there",
      { "router_config.json": { ...ROUTER_CONFIG, parameters: { route_mappings: { "(None, None)": "x" } } } },
      "ERR_UNSUPPORTED_MODEL",
      /no route for/,
    ],
    [
      "a route of pooling alone",
      { "router_config.json": { ...ROUTER_CONFIG, structure: { query: ["document_1"], document: ["document_1"] }, parameters: {} } },
      "ERR_UNSUPPORTED_MODEL",
      /lists SpladePooling;/,
    ],
    [
      "a Router in a Router",
      { "router_config.json": { types: { a: `${MODELS}.Router` }, structure: { query: ["a"], document: ["a"] } } },
      "ERR_UNSUPPORTED_MODEL",
      /lists Router;/,
    ],
  ];
  for (const [what, files, code, message] of cases) {
    it(`rejects ${what}`, () => fails(readSparse("modules.json" in files ? files : { ...ROUTER, ...files }), code, message));
  }
});

describe("checkpoint: tables of token weights", () => {
  const TOKENS = { vocabularySize: 4, ordinarySize: 4, token: (id: number): string | undefined => ["a", "b", "__proto__", "d"][id] };
  const query = (files: Files, leaveOut: readonly string[] = []): Promise<Float32Array> =>
    withFolder(without({ ...ROUTER, ...files }, ...leaveOut), async (folder) => {
      const route = (await readCheckpoint(folder, "sparse")).routes.query;
      return readStaticWeights(route as StaticRoute, TOKENS);
    });
  const table = (dtype: string, hex: string): Files => {
    const body = Buffer.from(hex, "hex");
    return { "query_0/model.safetensors": safetensors({ weight: { dtype, shape: [3], data_offsets: [0, body.length] } }, body) };
  };
  const NO_TENSOR = ["query_0/model.safetensors"];

  it("reads fp32, fp64, fp16 and bf16", async () => {
    assert.deepEqual([...(await query({}))], [0, 1.5, -2]);
    assert.deepEqual([...(await query(table("F64", "000000000000f83f00000000000000c00000000000000000")))], [1.5, -2, 0]);
    assert.deepEqual([...(await query(table("F16", "003e00c00100")))], [1.5, -2, 2 ** -24]);
    assert.deepEqual([...(await query(table("BF16", "c03f00c08000")))], [1.5, -2, Math.fround(2 ** -126)]);
  });

  it("reads pytorch_model.bin", async () => {
    const bytes = torchZip({ weight: { storage: floats("0", 4, 5), shape: [2] } });
    assert.deepEqual([...(await query({ "query_0/pytorch_model.bin": bytes }, NO_TENSOR))], [4, 5]);
  });

  it("reads idf.json if there is no tensor, and prefers the file that config.json names", async () => {
    const weights = '{"b":2,"a":0.5,"unknown":9,"__proto__":3}';
    assert.deepEqual([...(await query({ "query_0/idf.json": weights }, NO_TENSOR))], [0.5, 2, 3, 0]);
    assert.deepEqual([...(await query({ "query_0/config.json": { path: "own.json" }, "query_0/own.json": { d: 7 } }))], [0, 0, 0, 7]);
  });

  type Case = readonly [what: string, files: Files, leaveOut: readonly string[], code: ErrorCode, message: RegExp];
  const cases: readonly Case[] = [
    ["no table", {}, NO_TENSOR, "ERR_FILE_NOT_FOUND", /query_0 has no weights/],
    ["another tensor", { "query_0/model.safetensors": WEIGHTS }, [], "ERR_MISSING_TENSOR", /no tensor weight/],
    ["a matrix", table("F32", "00000000".repeat(6)), [], "ERR_INVALID_WEIGHTS", /needs 12 bytes/],
    [
      "integers",
      { "query_0/model.safetensors": safetensors({ weight: { dtype: "I64", shape: [1], data_offsets: [0, 8] } }, new Uint8Array(8)) },
      [],
      "ERR_TENSOR_MISMATCH",
      /weight is I64 \[1\]/,
    ],
    [
      "a weight that is not a number",
      table("F32", "0000c07f0000000000000000"),
      [],
      "ERR_INVALID_WEIGHTS",
      /weight of token 0 \("a"\) is not a finite/,
    ],
    ["an infinite half", table("F16", "007c00000000"), [], "ERR_INVALID_WEIGHTS", /token 0/],
    ["words for weights", { "query_0/idf.json": { a: "1" } }, NO_TENSOR, "ERR_INVALID_CONFIG", /"a" is "1"; expected a number/],
    ["a list for a table", { "query_0/idf.json": "[]" }, NO_TENSOR, "ERR_INVALID_CONFIG", /expected a JSON object/],
    ["a table outside", { "query_0/config.json": { path: "../../x.json" } }, [], "ERR_INVALID_CONFIG", /inside the model's folder/],
    ["a table that is not there", { "query_0/config.json": { path: "x.json" } }, [], "ERR_FILE_NOT_FOUND", /x\.json is missing/],
  ];
  for (const [what, files, leaveOut, code, message] of cases) {
    it(`rejects ${what}`, () => fails(query(files, leaveOut), code, message));
  }
});
