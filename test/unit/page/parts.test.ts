/** The parts of the page that need no browser: addresses, figures, code to copy, judgments, ranks. */

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";

import { measureRankings } from "../../../dist";
import { moveOf, shownHits } from "../../../dist/page/shown-hits";
import { changedFields, readAddress, writeAddress } from "../../../page/address";
import { codeOf, CONTRACTS, LANGUAGES } from "../../../page/code";
import { judgedQueries, mean, ndcg, readJudgments } from "../../../page/judgments";
import { activity, hasRestarted, readSamples, total } from "../../../page/metrics";
import { Client, QUERY, RERANKER, TEXTS } from "../../support/server";
import { skip } from "../../support/skip";

/** Texts that would end a string, a command or a heredoc. */
const HOSTILE = [
  `it's "quoted" \`id\` $(id) $HOME \\ \\n`,
  "two\nlines\tand\ttabs \u2028 \u{1f600} \u0007",
  "EOF\n'\"'\"'; exit 3 #",
  "True null ${1}",
];

describe("the page's address", () => {
  it("keeps every field, and ignores what it does not know", () => {
    for (const fields of [{}, { q: "a & b = c # d + % ü\n😀" }, { q: "x", mode: "sparse" }]) {
      assert.deepEqual(readAddress(writeAddress({ view: "compare", fields })), { view: "compare", fields });
    }
    assert.equal(writeAddress({ view: "live", fields: {} }), "#live");
    // A query that was cleared is not the default one.
    assert.deepEqual(readAddress(writeAddress({ view: "search", fields: { q: "" } })).fields, { q: "" });
    assert.deepEqual(changedFields({ q: "a", k: "5" }, { q: "", k: undefined }), { q: "" });
    assert.deepEqual(readAddress("#search?q=what? why?").fields, { q: "what? why?" });
    for (const hash of ["", "#", "#nothing?q=a", "#__proto__"]) assert.equal(readAddress(hash).view, "search");
    assert.deepEqual(readAddress("#rerank?q=%").fields, { q: "%" });
  });
});

describe("the page's code to copy", () => {
  it("sends exactly the texts, in each language, whatever is in them", async function () {
    const received: { body: string; key: string | undefined }[] = [];
    const server = http.createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on("data", (part: Buffer) => parts.push(part));
      request.on("end", () => {
        received.push({ body: Buffer.concat(parts).toString(), key: request.headers.authorization });
        response.setHeader("content-type", "application/json").end("[]");
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/it's`;
    const commands = { curl: ["bash", "-c"], JavaScript: [process.execPath, "--input-type=module", "-e"], Python: ["python3", "-c"] };
    const body = CONTRACTS[0].body({ query: HOSTILE.join(" "), documents: HOSTILE, model: undefined, topN: 2 });
    try {
      for (const tool of ["curl", "python3", "bash"]) {
        if (spawnSync(tool, ["--version"]).error !== undefined) skip(this, `needs ${tool}`);
      }
      for (const language of LANGUAGES) {
        for (const needsKey of [false, true]) {
          const [command = "", ...args] = commands[language];
          const { stderr } = await ended(command, [...args, codeOf(language, url, body, needsKey)]);
          const last = received.pop();
          assert.deepEqual(JSON.parse(last?.body ?? "null"), body, `${language} ${stderr}`);
          assert.equal(last?.key, needsKey ? "Bearer the-key" : undefined, language);
        }
      }
    } finally {
      server.close();
    }
  });

  it("shows every character that a terminal or an editor would not", () => {
    const texts = ["\x9b31m \x7f \u202e \u2066 \u200b \ufeff"];
    for (const language of LANGUAGES) {
      const code = codeOf(language, "http://localhost/rerank", { texts }, false);
      assert.match(code, /^[\n\x20-\x7e]*$/, language);
      assert.ok(code.includes(String.raw`"\u009b31m \u007f \u202e \u2066 \u200b \ufeff"`), code);
    }
  });

  it("asks for the same order in every contract", async () => {
    const client = await Client.start({ models: [RERANKER] });
    try {
      const orders = [];
      for (const { path, body, read } of CONTRACTS) {
        const { status, json } = await client.post(`/${path}`, body({ query: QUERY, documents: TEXTS, model: undefined, topN: undefined }));
        assert.equal(status, 200, path);
        orders.push(read(json).map(({ index, score }) => ({ index, score })));
      }
      assert.equal(orders[0]?.length, TEXTS.length);
      for (const order of orders) assert.deepEqual(order, orders[0]);
    } finally {
      await client.close();
    }
  });
});

describe("the page's figures", () => {
  it("are those of /metrics under load", async () => {
    const client = await Client.start({ models: ["splade-tiny"] });
    try {
      const read = async (): Promise<string> => (await client.get("/metrics")).text;
      const before = await read();
      const calls = Array.from({ length: 20 }, (_, i) => client.post("/embed_sparse", { inputs: TEXTS.slice(0, 1 + (i % 3)) }));
      const failing = Array.from({ length: 3 }, () => client.post("/embed_sparse", { inputs: 1 }));
      await Promise.all([...calls, ...failing]);
      const after = await read();
      const found = activity(readSamples(before), readSamples(after), 2);
      const texts = Array.from({ length: 20 }, (_, i) => 1 + (i % 3)).reduce((sum, count) => sum + count, 0);
      assert.deepEqual([found.succeeded, found.failed, found.texts], [20, 3, texts]);
      assert.deepEqual([found.requestsPerSecond, found.textsPerSecond], [10, texts / 2]);
      assert.equal(found.inProgress, Number(/^te_queue_size (\S+)$/m.exec(after)?.[1]));
      for (const [part, name] of [
        ["total", "te_request_duration"],
        ["tokenization", "te_request_tokenization_duration"],
        ["queue", "te_request_queue_duration"],
        ["inference", "te_request_inference_duration"],
      ] as const) {
        const sum = Number(new RegExp(`^${name}_sum (\\S+)$`, "m").exec(after)?.[1]);
        assert.ok(Math.abs((found.latency?.[part] ?? 0) - (1000 * sum) / 20) < 1e-9, part);
      }
      assert.equal(activity(readSamples(after), readSamples(after), 2).latency, undefined);
    } finally {
      await client.close();
    }
  });

  it("are not differences between two servers", () => {
    const read = (started: number, requests: number) =>
      readSamples(`process_start_time_seconds ${String(started)}\nte_request_success{method="single"} ${String(requests)}`);
    assert.equal(hasRestarted(read(1, 5), read(1, 5)), false);
    assert.equal(hasRestarted(read(1, 5), read(1, 6)), false);
    // One in another process, and one that the same process has opened again.
    assert.equal(hasRestarted(read(1, 5), read(2, 9)), true);
    assert.equal(hasRestarted(read(1, 5), read(1, 4)), true);
  });

  it("sum over labels, and read nothing into other lines", () => {
    const samples = readSamples('# HELP a b\n# TYPE a counter\na{x="1 2"} 3\na{x="c"} 4\nab 5\nbroken\nb NaN\n\n');
    assert.deepEqual([total(samples, "a"), total(samples, "ab"), total(samples, "b"), total(samples, "missing")], [7, 5, 0, 0]);
  });
});

describe("the page's nDCG", () => {
  it("is that of evaluate, also with ties, and with judged documents that are not found", () => {
    const judgments = readJudgments("one\ta\t2\none\tb\t1\r\none\tz\t3\n\n two \tc\ntwo\td\t0\nthree\ta\t0\n");
    const rankings = new Map([
      ["one", [{ id: "b", score: 3 }, { id: "x", score: 2 }, { id: "a", score: 2 }, { id: "y", score: 1 }]],
      ["two", [{ id: "d", score: 0.5 }, { id: "c", score: 0.25 }]],
    ]); // prettier-ignore
    const queries = judgedQueries(judgments);
    assert.deepEqual(queries, ["one", "two"]);
    const found = mean(queries.map((query) => ndcg(judgments.get(query)!, rankings.get(query)!)));
    assert.equal(found, measureRankings(judgments, rankings, [10])[10]?.ndcg);
    assert.ok(found > 0 && found < 1);
  });

  it("reads what is typed without tabs, what is repeated, and grades below 0", () => {
    const found = readJudgments("two words\ta\t1\r\ntwo words  b  -1 \ntwo words a 1.0\n__proto__ constructor 2");
    assert.deepEqual(
      Array.from(found, ([query, grades]) => [query, [...grades]]),
      [
        ["two words", [["a", 1], ["b", -1]]],
        ["__proto__", [["constructor", 2]]],
      ],
    ); // prettier-ignore
  });

  it("names the line of a judgment that is none", () => {
    for (const [text, line] of [
      ["a\tb\t1\na b", 2],
      ["a\tb\t1\n\na\tb\t2", 3],
      ["a\tb\t1\tc", 1],
      ["a\tb\t1e999", 1],
      ["a\tb\t0x10", 1],
      ["a\tb\t1.5", 1],
      ["a\tb\tmuch", 1],
      ["\tb\t1", 1],
      ["a\tb\t", 1],
    ] as const) {
      assert.throws(() => readJudgments(text), new RegExp(`Line ${String(line)} `));
    }
  });
});

describe("the page's ranks", () => {
  const hit = (id: string, scores: object) => ({
    id,
    score: 1,
    scores,
    passage: { start: 10, end: 15, index: 1, text: "heart" },
    matched: { lexical: ["heart"] },
    highlights: [{ start: 10, end: 15 }],
  });

  it("are the places in each stage's own ranking", () => {
    const [first, second] = shownHits(
      [hit("a", { sparse: 2, lexical: 1, fused: 0.1, reranker: 3 }), hit("b", { lexical: 4, fused: 0.2, reranker: 2 })],
      new Map([
        ["sparse", ["c", "a"]],
        ["lexical", ["b"]],
        ["fused", ["b", "c", "a"]],
      ]),
    );
    assert.ok(first !== undefined && second !== undefined);
    assert.deepEqual(
      first.stages.map(({ name, rank }) => [name, rank]),
      [
        ["sparse", 2],
        ["lexical", undefined],
        ["fused", 3],
        ["reranker", 1],
      ],
    );
    assert.deepEqual(moveOf(first), { from: "fused", places: 2 });
    assert.deepEqual(moveOf(second), { from: "fused", places: -1 });
    assert.deepEqual(first.highlights, [{ start: 0, end: 5 }]);
    const [alone] = shownHits([hit("a", { sparse: 2 })], new Map());
    assert.deepEqual([alone?.stages[0]?.rank, moveOf(alone!)], [1, undefined]);
  });
});

/** Runs a program without blocking this process, which answers it. */
async function ended(command: string, args: readonly string[]): Promise<{ stderr: string }> {
  const child = spawn(command, args, { env: { ...process.env, SPARSE_RERANK_API_KEY: "the-key" }, stdio: ["ignore", "ignore", "pipe"] });
  let stderr = "";
  child.stderr.on("data", (part: Buffer) => {
    stderr += part.toString();
  });
  await once(child, "close");
  return { stderr };
}
