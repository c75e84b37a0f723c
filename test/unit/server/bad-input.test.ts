/** Bad requests: each is answered in its contract's shape, says what is wrong, and leaves the server as it was. */

import assert from "node:assert/strict";

import { SparseRerankError } from "../../../dist";
import { Client, CLASSIFIER, HeldModel, QUERY, RERANKER, TEXTS } from "../../support/server";
import type { Answer } from "../../support/server";

const SHAPES = {
  tei: (json: unknown): unknown => {
    assert.deepEqual(Object.keys(json as object), ["error", "error_type"]);
    return (json as { error: unknown }).error;
  },
  cohere: (json: unknown): unknown => {
    assert.deepEqual(Object.keys(json as object), ["message", "detail"]);
    return (json as { message: unknown }).message;
  },
  openai: (json: unknown): unknown => {
    const { error } = json as { error: object };
    assert.deepEqual(Object.keys(error), ["message", "type", "param", "code"]);
    return (error as { message: unknown }).message;
  },
};

/** The JSON routes, with a body that they accept, and the shape of their errors. */
const ROUTES = [
  { route: "/rerank", shape: "tei", good: { query: QUERY, texts: TEXTS } },
  { route: "/v1/rerank", shape: "cohere", good: { query: QUERY, documents: TEXTS } },
  { route: "/v2/rerank", shape: "cohere", good: { query: QUERY, documents: TEXTS } },
  { route: "/embed_sparse", shape: "tei", good: { inputs: TEXTS } },
  { route: "/embed_sparse_tokens", shape: "tei", good: { inputs: TEXTS } },
  { route: "/predict", shape: "tei", good: { inputs: [[QUERY, "a"]] } },
  { route: "/tokenize", shape: "tei", good: { inputs: TEXTS } },
  { route: "/score", shape: "openai", good: { text_1: QUERY, text_2: TEXTS } },
  { route: "/v1/score", shape: "openai", good: { text_1: QUERY, text_2: TEXTS } },
  { route: "/explain", shape: "tei", good: { query: QUERY, document: "a" } },
  { route: "/sample/search", shape: "tei", good: { query: QUERY, rerank: false } },
  { route: "/", shape: "tei", good: { inputs: TEXTS } },
] as const;

describe("the server and bad requests", () => {
  let client: Client;
  before(async () => {
    client = await Client.start({ models: ["splade-tiny", RERANKER, CLASSIFIER], payloadLimit: 2_000_000 });
  });
  after(() => client.close());

  /** Every test ends with a server that still answers. */
  afterEach(async () => {
    for (const { route, good } of ROUTES) assert.equal((await client.post(route, good)).status, 200, route);
  });

  /** Checks the shape, and that the message neither quotes the request nor shows a stack. */
  function check({ status, json, text }: Answer, shape: keyof typeof SHAPES, expected: number, message?: RegExp): void {
    assert.equal(status, expected, text);
    const found = SHAPES[shape](json);
    assert.equal(typeof found, "string");
    assert.ok((found as string).length > 0 && text.length < 1000, text);
    assert.doesNotMatch(text, /secret-text|\.ts:|\.js:|at \w+ \(|node_modules/);
    if (message !== undefined) assert.match(found as string, message);
  }

  const invalid = (shape: keyof typeof SHAPES): number => (shape === "tei" ? 422 : 400);

  it("refuses what is not JSON", async () => {
    for (const { route, shape } of ROUTES) {
      for (const body of ["", "secret-text", "{", '{"query": secret-text}', "{'a': 1}", '{"a": 1} {}', "NaN", "\u0000"]) {
        check(await client.post(route, body), shape, 400, /The body is (empty|not valid JSON)/);
      }
    }
  });

  it("refuses what is no object", async () => {
    for (const { route, shape } of ROUTES) {
      for (const body of ["null", "1", '"secret-text"', "[]", "[[]]", "true"]) {
        check(await client.post(route, body), shape, invalid(shape), /The body must be a JSON object/);
      }
    }
  });

  it("refuses other content types, and requests without a body", async () => {
    for (const { route, shape, good } of ROUTES) {
      for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a", "application/jsonx"]) {
        check(await client.send("POST", route, JSON.stringify(good), { "content-type": type }), shape, 415);
      }
      assert.equal((await client.post(route, good, { "content-type": "application/vnd.api+json; charset=utf-8" })).status, 200);
      check(await client.send("POST", route), shape, invalid(shape), /not nothing/);
    }
  });

  it("refuses invalid UTF-8", async () => {
    for (const { route, shape, good } of ROUTES) {
      const bytes = Uint8Array.from(Buffer.from(`${JSON.stringify(good).slice(0, -1)}, "other": "\u0001"}`));
      bytes[bytes.indexOf(1)] = 0xff;
      check(await client.send("POST", route, bytes), shape, 400, /UTF-8/);
    }
  });

  it("refuses wrong types by name", async () => {
    for (const [route, shape, body, message] of [
      ["/rerank", "tei", { query: 1, texts: TEXTS }, /query must be a string, not 1/],
      ["/rerank", "tei", { query: [QUERY], texts: TEXTS }, /query must be a string, not an array/],
      ["/rerank", "tei", { texts: TEXTS }, /The field query is missing/],
      ["/rerank", "tei", { query: null, texts: TEXTS }, /The field query is missing/],
      ["/rerank", "tei", { query: QUERY }, /documents, texts or docs/],
      ["/rerank", "tei", { query: QUERY, texts: ["a", "b", 3] }, /texts\[2\] must be a string, not 3/],
      ["/rerank", "tei", { query: QUERY, texts: { 0: "a" } }, /texts must be a string or a list of strings, not an object/],
      ["/rerank", "tei", { query: QUERY, texts: TEXTS, raw_scores: "secret-text" }, /raw_scores must be a boolean/],
      ["/rerank", "tei", { query: QUERY, texts: TEXTS, truncation_direction: "up" }, /truncation_direction must be one of right, left/],
      ["/rerank", "tei", { query: QUERY, docs: [null] }, /docs\[0\] must be a string or an object with a text/],
      ["/v1/rerank", "cohere", { query: QUERY, documents: [{ title: "secret-text" }] }, /documents\[0\]/],
      ["/rerank", "cohere", { query: QUERY, documents: 7 }, /documents must be a list/],
      ["/v2/rerank", "cohere", { query: QUERY, documents: TEXTS, model: {} }, /model must be a string/],
      ["/embed_sparse", "tei", {}, /The field inputs is missing/],
      ["/embed_sparse", "tei", { inputs: [["a"]] }, /inputs\[0\] must be a string/],
      ["/embed_sparse", "tei", { inputs: "a", prompt_name: "secret-text".repeat(1000) }, /no prompt named/],
      ["/embed_sparse", "tei", { inputs: "a", prompt_name: "constructor" }, /no prompt named/],
      ["/predict", "tei", { inputs: [["a", "b", "c"]] }, /inputs\[0\] must be a pair/],
      ["/predict", "tei", { inputs: {} }, /inputs must be a pair/],
      ["/tokenize", "tei", { inputs: 1 }, /inputs/],
      ["/score", "openai", { text_1: QUERY }, /text_2/],
      ["/score", "openai", { text_1: QUERY, text_2: [1] }, /text_2\[0\]/],
      ["/explain", "tei", { query: QUERY, document: 1 }, /document must be a string/],
      ["/explain", "tei", {}, /query or a document/],
      ["/sample/search", "tei", { query: QUERY, mode: "all" }, /mode must be one of/],
    ] as const) {
      check(await client.post(route, body), shape, invalid(shape), message);
    }
  });

  it("refuses counts out of range, and takes those beyond the number of documents", async () => {
    for (const top of [0, -1, 1.5, "2", {}, true, 2 ** 60]) {
      check(
        await client.post("/v1/rerank", { query: QUERY, documents: TEXTS, top_n: top }),
        "cohere",
        400,
        /top_n must be an integer of at least 1/,
      );
      check(await client.post("/rerank", { query: QUERY, documents: TEXTS, top_k: top }), "cohere", 400, /top_k/);
      check(await client.post("/rerank", { query: QUERY, texts: TEXTS, top_n: top }), "tei", 422, /top_n/);
      check(await client.post("/rerank", { query: QUERY, docs: TEXTS, k: top }), "tei", 422, /\bk must/);
    }
    assert.equal((await client.post<unknown[]>("/rerank", { query: QUERY, texts: TEXTS, top_n: 10 ** 9 })).json.length, TEXTS.length);
    assert.equal((await client.post<unknown[]>("/rerank", { query: QUERY, texts: TEXTS, top_n: null })).json.length, TEXTS.length);
  });

  it("refuses empty lists, and takes empty texts", async () => {
    for (const [route, shape, body] of [
      ["/rerank", "tei", { query: QUERY, texts: [] }],
      ["/rerank", "cohere", { query: QUERY, documents: [] }],
      ["/rerank", "tei", { query: QUERY, docs: [] }],
      ["/embed_sparse", "tei", { inputs: [] }],
      ["/embed_sparse", "tei", { inputs: "" }],
      ["/predict", "tei", { inputs: [] }],
      ["/tokenize", "tei", { inputs: [] }],
      ["/score", "openai", { text_1: QUERY, text_2: [] }],
    ] as const) {
      check(await client.post(route, body), shape, 400, /must not be empty/);
    }
    assert.equal((await client.post<unknown[]>("/rerank", { query: "", texts: ["", "a"] })).json.length, 2);
    assert.equal((await client.post<unknown[]>("/embed_sparse", { inputs: ["", "a"] })).json.length, 2);
  });

  it("refuses bodies and lists beyond its limits", async () => {
    const million = `{"inputs": [${'"a",'.repeat(999_999)}"a"]}`;
    check(await client.post("/embed_sparse", million), "tei", 413, /payload limit/);
    check(await client.send("POST", "/v1/rerank", new Uint8Array(100_000_000)), "cohere", 413, /payload limit/);
    const few = await Client.start({ maxClientBatchSize: 2 });
    try {
      check(await few.post("/embed_sparse", { inputs: TEXTS }), "tei", 413, /inputs has 3 items; the server accepts 2/);
      check(await few.post("/v1/rerank", { query: QUERY, documents: TEXTS }), "cohere", 413, /documents has 3 items/);
      assert.equal((await few.post("/embed_sparse", { inputs: TEXTS.slice(1) })).status, 200);
    } finally {
      await few.close();
    }
  });

  it("cuts a query of a megabyte", async () => {
    const query = "heart attack ".repeat(80_000);
    assert.equal((await client.post<unknown[]>("/rerank", { query, texts: TEXTS })).json.length, TEXTS.length);
    assert.equal((await client.post("/embed_sparse", { inputs: query })).status, 200);
    assert.equal((await client.post("/embed_sparse", { inputs: "x".repeat(1_900_000) })).status, 200);
  });

  it("reads deep nesting where any value may stand", async () => {
    const deep = `${"[".repeat(400_000)}${"]".repeat(400_000)}`;
    check(await client.post("/rerank", `{"query": "a", "texts": ${deep}}`), "tei", 422, /texts\[0\] must be a string/);
    check(await client.post("/explain", `{"query": ${deep}}`), "tei", 422);
    assert.equal((await client.post("/rerank", `{"query": "a", "texts": ["b"], "other": ${deep}}`)).status, 200);
    const objects = `${'{"a":'.repeat(200_000)}1${"}".repeat(200_000)}`;
    assert.equal((await client.post("/embed_sparse", `{"inputs": "b", "other": ${objects}}`)).status, 200);
  });

  it("ignores unknown fields and names of prototypes", async () => {
    const odd = '{"__proto__": {"truncate": "x"}, "constructor": {"prototype": {"a": 1}}, "inputs": ["a"], "toString": 1, "unknown": null}';
    assert.equal((await client.post("/embed_sparse", odd)).status, 200);
    assert.equal(({} as { truncate?: string }).truncate, undefined);
    check(await client.post("/embed_sparse", '{"__proto__": {"inputs": ["a"]}}'), "tei", 422, /inputs is missing/);
  });

  it("neither quotes texts that a model cannot read, nor names the model's files", async () => {
    for (const [code, status, type] of [
      ["ERR_TOO_LARGE", 413, "validation"],
      ["ERR_INVALID_TOKENIZER", 422, "tokenizer"],
      ["ERR_RUNTIME_FAILED", 424, "backend"],
      ["ERR_FILE_UNREADABLE", 424, "backend"],
      ["ERR_INTERNAL", 500, "internal"],
    ] as const) {
      const encode = (): Promise<never> => Promise.reject(new SparseRerankError(code, 'The text "secret-text" in /secret-text/model.ts:1'));
      const failing = await Client.start({ models: [Object.assign(new HeldModel(), { encode }).asEncoder] });
      try {
        const answer = await failing.post<{ error_type: string }>("/embed_sparse", { inputs: "a" });
        check(answer, "tei", status);
        assert.equal(answer.json.error_type, type);
      } finally {
        await failing.close();
      }
    }
  });

  it("takes lone surrogates, controls and right-to-left marks in texts", async () => {
    for (const text of ["\ud800", "\u0000", "\u202e\u2066", "\u{1f600}".repeat(1000), "e\u0301".repeat(1000)]) {
      assert.equal((await client.post("/embed_sparse", { inputs: [text] })).status, 200);
      const { json } = await client.post<{ text: string }[]>("/rerank", { query: text, texts: [text], return_text: true });
      assert.equal(json[0]?.text, text);
    }
  });

  it("refuses unknown routes and wrong methods", async () => {
    for (const route of ["/no-such-route", "/v3/rerank", "/embed", "/rerank/x", "/search", "/documents"]) {
      for (const method of ["GET", "POST", "PUT", "DELETE", "PATCH"]) check(await client.send(method, route), "tei", 404);
    }
    for (const { route } of ROUTES.filter((each) => each.route !== "/")) {
      for (const method of ["GET", "PUT", "DELETE", "PATCH"]) {
        const answer = await client.send(method, route);
        check(answer, "tei", 405, /accepts POST/);
        assert.equal(answer.headers.get("allow"), "POST");
      }
    }
    check(await client.send("POST", "/health", "{}"), "tei", 405);
    check(await client.send("DELETE", "/"), "tei", 405);
    check(await client.get("/%zz"), "tei", 400);
  });
});
