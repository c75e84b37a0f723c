/** The contract of text-embeddings-inference. */

import assert from "node:assert/strict";
import { channel } from "node:diagnostics_channel";

import { CrossEncoder, SparseEncoder, SparseMatrix } from "../../../dist";
import { CLASSIFIER, Client, HeldModel, QUERY, RERANKER, TEXTS } from "../../support/server";

interface Rank {
  readonly index: number;
  readonly score: number;
  readonly text?: string;
}
type Sparse = readonly (readonly { readonly index: number; readonly value: number }[])[];

describe("the server in the contract of text-embeddings-inference", () => {
  let both: Client;
  let encoder: SparseEncoder;
  let reranker: CrossEncoder;
  before(async () => {
    both = await Client.start({ models: ["splade-tiny", RERANKER, CLASSIFIER] });
    encoder = await SparseEncoder.load("splade-tiny");
    reranker = await CrossEncoder.load(RERANKER);
  });
  after(async () => {
    await both.close();
    await encoder.close();
    await reranker.close();
  });

  it("ranks texts by the cross-encoder's probability", async () => {
    const { status, json } = await both.post<Rank[]>("/rerank", { query: QUERY, texts: TEXTS });
    assert.equal(status, 200);
    assert.deepEqual(json, await reranker.rank(QUERY, TEXTS, { activation: "sigmoid" }));
  });

  it("returns logits and texts on request", async () => {
    const { json } = await both.post<Rank[]>("/rerank", { query: QUERY, texts: TEXTS, raw_scores: true, return_text: "true" });
    const expected = await reranker.rank(QUERY, TEXTS, { activation: "identity" });
    assert.deepEqual(
      json,
      expected.map(({ index, score }) => ({ index, score, text: TEXTS[index] })),
    );
  });

  it("reports what a request took", async () => {
    const { headers } = await both.post("/rerank", { query: QUERY, texts: TEXTS });
    assert.equal(headers.get("x-compute-type"), "cpu");
    assert.equal(headers.get("x-compute-characters"), String(QUERY.length + TEXTS.join("").length));
    for (const name of ["compute-time", "total-time", "tokenization-time", "queue-time", "inference-time", "compute-tokens"]) {
      assert.match(headers.get(`x-${name}`) ?? "", /^\d+$/, name);
    }
  });

  it("encodes texts, and the two sides of a model", async () => {
    for (const [body, encode] of [
      [{ inputs: TEXTS }, encoder.encode(TEXTS)],
      [{ inputs: TEXTS, prompt_name: "query" }, encoder.encodeQuery(TEXTS)],
      [{ inputs: TEXTS, input_type: "search_document" }, encoder.encodeDocument(TEXTS)],
    ] as const) {
      const { status, json } = await both.post<Sparse>("/embed_sparse", body);
      const matrix = await encode;
      assert.equal(status, 200);
      assert.deepEqual(
        json,
        Array.from(matrix, ({ indices, values }) => Array.from(indices, (index, i) => ({ index, value: values[i] }))),
      );
    }
    const single = await both.post<Sparse>("/embed_sparse?task=query", { inputs: QUERY });
    const { indices } = await encoder.encodeQuery(QUERY);
    assert.deepEqual(
      single.json[0]?.map(({ index }) => index),
      [...indices],
    );
  });

  it("predicts labels, of one pair or of several", async () => {
    const body = { model: "ce-bert-multilabel", inputs: [QUERY, TEXTS[1]] };
    const one = await both.post<{ score: number; label: string }[]>("/predict", body);
    const many = await both.post<{ score: number; label: string }[][]>("/predict", { ...body, inputs: [body.inputs, body.inputs] });
    assert.deepEqual(many.json, [one.json, one.json]);
    assert.ok(one.json.length > 1);
    assert.ok(Math.abs(one.json.reduce((sum, { score }) => sum + score, 0) - 1) < 1e-5);
    assert.deepEqual(
      one.json.map(({ score }) => score),
      one.json.map(({ score }) => score).sort((a, b) => b - a),
    );
    assert.equal((await both.post("/predict", { inputs: "one text" })).status, 422);
  });

  it("tokenizes, with the places of tokens", async () => {
    type Tokens = readonly { id: number; text: string; special: boolean; start: number | null; stop: number | null }[];
    const text = "Heart attacks, explained";
    const { json } = await both.post<Tokens[]>("/tokenize", { inputs: text });
    const [ids = new Uint32Array(0)] = await encoder.tokenize([text]);
    const [tokens = []] = json;
    assert.deepEqual(
      tokens.map(({ id }) => id),
      [...ids],
    );
    assert.deepEqual(tokens[0], { id: ids[0], text: "[CLS]", special: true, start: null, stop: null });
    for (const { text: token, start, stop, special } of tokens) {
      if (!special) assert.equal(text.slice(start ?? -1, stop ?? -1).toLowerCase(), token.replace("##", ""));
    }
    const [bare = []] = (await both.post<Tokens[]>("/tokenize", { inputs: [text], add_special_tokens: false })).json;
    assert.deepEqual(bare, tokens.slice(1, -1));
  });

  it("refuses or cuts texts that are too long, as the request says", async () => {
    const long = "heart ".repeat(2000);
    for (const [route, body] of [
      ["/rerank", { query: QUERY, texts: ["a", long] }],
      ["/embed_sparse", { inputs: ["a", long] }],
      [
        "/predict",
        {
          inputs: [
            [QUERY, "a"],
            [QUERY, long],
          ],
        },
      ],
    ] as const) {
      for (const direction of ["Left", "right"]) {
        const { status, json } = await both.post(route, { ...body, truncate: false, truncation_direction: direction });
        assert.equal(status, 422);
        assert.equal((json as { error_type: string }).error_type, "tokenizer");
        assert.match((json as { error: string }).error, /\[1\] has more than the \d+ tokens/);
      }
      assert.equal((await both.post(route, { ...body, truncate: true, truncation_direction: "Right" })).status, 200);
      assert.equal((await both.post(route, body)).status, 200);
    }
  });

  it("cuts the end that truncation_direction names", async () => {
    const long = `bread ${"heart ".repeat(2000)} sharks`;
    const truncation_direction = "Left";
    const left = { truncationSide: "left" } as const;
    const ranked = await both.post<Rank[]>("/rerank", { query: QUERY, texts: [long, "a"], truncation_direction });
    assert.deepEqual(ranked.json, await reranker.rank(QUERY, [long, "a"], { activation: "sigmoid", ...left }));
    assert.notDeepEqual(ranked.json, await reranker.rank(QUERY, [long, "a"], { activation: "sigmoid" }));
    const embedded = await both.post<Sparse>("/embed_sparse", { inputs: [long], truncation_direction });
    const { indices } = (await encoder.encode([long], left)).row(0);
    assert.deepEqual(
      embedded.json[0]?.map(({ index }) => index),
      [...indices],
    );
    const by = { model: "splade-tiny", query: QUERY, documents: [long], truncation_direction };
    const dot = await both.post<{ results: { relevance_score: number }[] }>("/v1/rerank", by);
    const [query, document] = await Promise.all([encoder.encodeQuery([QUERY]), encoder.encodeDocument([long], left)]);
    assert.equal(dot.json.results[0]?.relevance_score, (await encoder.similarity(query, document)).data[0]);
  });

  it("answers POST / by what the body asks for", async () => {
    const rerank = { query: QUERY, texts: TEXTS };
    assert.equal((await both.post("/", rerank)).text, (await both.post("/rerank", rerank)).text);
    assert.equal((await both.post("/", { inputs: TEXTS })).text, (await both.post("/embed_sparse", { inputs: TEXTS })).text);
    const pairs = { inputs: [[QUERY, "a"]] };
    assert.equal((await both.post("/", pairs)).text, (await both.post("/predict", pairs)).text);
  });

  it("describes itself", async () => {
    const { json } = await both.get<Record<string, unknown>>("/info");
    assert.equal(json["model_id"], "ce-bert-minilm");
    assert.deepEqual(Object.keys(json["model_type"] as object), ["reranker"]);
    assert.equal(json["max_input_length"], reranker.maxSeqLength);
    assert.deepEqual(
      (json["models"] as { name: string; kind: string }[]).map(({ name, kind }) => [name, kind]),
      [
        ["splade-tiny", "encoder"],
        ["ce-bert-minilm", "cross-encoder"],
        ["ce-bert-multilabel", "cross-encoder"],
      ],
    );
    for (const route of ["/health", "/ping"]) {
      const { status, text } = await both.get(route);
      assert.deepEqual([status, text], [200, ""]);
    }
  });

  it("says what it cannot do with the served models", async () => {
    const one = await Client.start({ models: [CLASSIFIER] });
    try {
      for (const [route, body] of [
        ["/embed_sparse", { inputs: "a" }],
        ["/rerank", { query: QUERY, texts: TEXTS }],
      ] as const) {
        const { status, json } = await one.post<{ error_type: string }>(route, body);
        assert.deepEqual([status, json.error_type], [424, "backend"], route);
      }
    } finally {
      await one.close();
    }
  });

  it("counts requests under TEI's names", async () => {
    const client = await Client.start();
    try {
      await client.post("/embed_sparse", { inputs: "a" });
      await client.post("/embed_sparse", { inputs: ["a", "b"] });
      await client.post("/embed_sparse", { inputs: [] });
      const { text, headers } = await client.get("/metrics");
      assert.match(headers.get("content-type") ?? "", /^text\/plain/);
      for (const line of [
        'te_request_count{method="single"} 1',
        'te_request_count{method="batch"} 1',
        'te_request_success{method="single"} 1',
        'te_request_failure{err="empty"} 1',
        "te_request_duration_count 2",
        "te_request_tokenization_duration_count 2",
        "te_request_queue_duration_count 2",
        "te_request_inference_duration_count 2",
        "te_queue_size 0",
      ]) {
        assert.ok(text.split("\n").includes(line), line);
      }
      for (const name of ["process_resident_memory_bytes", "nodejs_eventloop_lag_p99_seconds"]) {
        assert.equal(text.match(new RegExp(`^${name} `, "gm"))?.length, 1, name);
      }
      for (const name of ["te_request_input_length", "te_batch_next_size", "te_batch_next_tokens"]) {
        assert.ok(text.includes(`# TYPE ${name} histogram`), name);
      }
    } finally {
      await client.close();
    }
  });
});

describe("the server's timings", () => {
  it("sum the library's events of each request by itself", async () => {
    const held = new HeldModel();
    const encode = async (texts: readonly string[], { signal }: { readonly signal?: AbortSignal } = {}): Promise<SparseMatrix> => {
      const publish = (name: string, event: object): void => {
        channel(`sparse-rerank:${name}`).publish({ ...event, signal });
      };
      await new Promise((resolve) => setTimeout(resolve, 5));
      publish("tokenize", { duration: 12.4, texts: texts.length, tokens: 10 * texts.length });
      for (let run = 0; run < 2; run++) {
        publish("queue", { duration: 30 });
        publish("inference", { duration: 100.2, texts: texts.length, tokens: 10 * texts.length });
      }
      // Of another version, or broken.
      publish("queue", { duration: NaN });
      publish("inference", {});
      return SparseMatrix.fromRows(
        texts.map(() => ({ indices: [1], values: [1] })),
        4,
      );
    };
    const client = await Client.start({ models: [Object.assign(held, { encode }).asEncoder] });
    try {
      const answers = await Promise.all([1, 3].map((count) => client.post("/embed_sparse", { inputs: new Array(count).fill("a") })));
      for (const [i, count] of [1, 3].entries()) {
        const header = (name: string): string | null | undefined => answers[i]?.headers.get(`x-${name}`);
        assert.deepEqual(["tokenization-time", "queue-time", "inference-time", "compute-tokens", "compute-characters"].map(header), [
          "12",
          "60",
          "200",
          String(10 * count),
          String(count),
        ]);
        assert.ok(Number(header("total-time")) >= 4);
      }
      // Outside of a request.
      for (const signal of [undefined, new AbortController().signal, "signal"]) {
        channel("sparse-rerank:queue").publish({ duration: 1000, signal });
      }
      const { text } = await client.get("/metrics");
      for (const line of [
        "te_request_queue_duration_sum 0.12",
        "te_batch_next_size_sum 8",
        "te_batch_next_tokens_sum 80",
        "te_request_input_length_sum 20",
      ]) {
        assert.ok(text.split("\n").includes(line), `${line}\n${text}`);
      }
    } finally {
      await client.close();
    }
  });
});
