import assert from "node:assert/strict";
import path from "node:path";

import { explain, explainHtml, SparseEncoder } from "../../../dist";
import { FIXTURES } from "../../support/retrieval-support";

const TEXT = "Exercise  lowers blood-pressure, doesn't it? Größe 東京 & strengthens the HEART.";

describe("explain", () => {
  let encoder: SparseEncoder;
  before(async () => {
    encoder = await SparseEncoder.load("splade-tiny");
  });
  after(() => encoder.close());

  it("splits the score into tokens, with the words that they come from", async () => {
    const query = "what is good for the heart?";
    const { score, contributions, querySpans, documentSpans } = await explain(encoder, query, TEXT);
    const [q, d] = [await encoder.encodeQuery(query), await encoder.encodeDocument(TEXT)];
    const { data } = await encoder.similarity(q, d);
    assert.ok(Math.abs(score - data[0]!) < 1e-4);
    assert.deepEqual(
      contributions.map(({ contribution }) => contribution),
      contributions.map(({ contribution }) => contribution).toSorted((a, b) => b - a),
    );
    const heart = contributions.find(({ token }) => token === "heart")!;
    assert.deepEqual([heart.inQuery, heart.inDocument], [true, true]);
    assert.equal(query.slice(heart.querySpan!.start, heart.querySpan!.end), "heart");
    assert.equal(TEXT.slice(heart.documentSpan!.start, heart.documentSpan!.end), "HEART");
    assert.ok(contributions.some(({ inQuery }) => !inQuery));
    for (const spans of [querySpans, documentSpans]) {
      assert.ok(spans.length > 0);
      assert.deepEqual(
        spans.map(({ start }) => start),
        spans.map(({ start }) => start).toSorted((a, b) => a - b),
      );
    }
  });

  it("renders an HTML page in which every text is escaped", async () => {
    const html = explainHtml(await explain(encoder, "heart <script>alert('x')</script>", `heart & <img src="x"> soul`));
    assert.ok(!/<script|<img/.test(html));
    const text = html
      .replace(/<[^>]*>/g, "")
      .replaceAll("&lt;", "<")
      .replaceAll("&gt;", ">");
    assert.ok(text.includes("heart <script>alert('x')</script>"));
    assert.match(html, /<mark [^>]*>heart<\/mark>/);
  });

  // WordPiece, byte-level BPE, Unigram; a table of weights; prompts; sums.
  for (const name of [
    "splade-bert",
    "splade-roberta",
    "splade-modernbert",
    "splade-xlmr",
    "inffree-router-v6",
    "splade-prompts",
    "splade-bert-sum",
  ]) {
    it(`locates the words of ${name}`, async () => {
      await using other = await SparseEncoder.load(path.join(FIXTURES, name));
      for (const task of ["query", "document"] as const) {
        const { vector, sources, literal } = await other.trace(TEXT, { task });
        const expected = await (task === "query" ? other.encodeQuery(TEXT) : other.encodeDocument(TEXT));
        assert.deepEqual([...vector.indices], [...expected.indices]);
        assert.deepEqual([...vector.values], [...expected.values]);
        assert.equal(sources.length, vector.indices.length);
        const words = sources.flatMap((span) => (span === undefined ? [] : [TEXT.slice(span.start, span.end)]));
        assert.ok(vector.indices.length === 0 || words.length > 0, `${task}: no word found`);
        assert.ok(words.every((word) => word !== "" && !/\s/u.test(word)));
        assert.ok(literal.size > 0);
      }
    });
  }

  it("marks no word if no token contributes a weight", async () => {
    await using csr = await SparseEncoder.load(path.join(FIXTURES, "csr-bert"));
    const { vector, sources } = await csr.trace("a text");
    assert.ok(vector.indices.length > 0);
    assert.ok(sources.every((span) => span === undefined));
  });

  it("stops reading and tracing texts when aborted", async () => {
    // The words of a text are tokenized one by one, in a worker.
    const texts = ["heart attack ".repeat(100_000)];
    const calls = [
      (signal: AbortSignal) => encoder.tokenize(texts, { signal }),
      (signal: AbortSignal) => encoder.textTokens(texts, { signal }),
      (signal: AbortSignal) => encoder.trace(texts[0] ?? "", { signal }),
      (signal: AbortSignal) => explain(encoder, "heart", texts[0] ?? "", { signal }),
    ];
    for (const call of calls) {
      await assert.rejects(call(AbortSignal.abort()), { code: "ERR_ABORTED" });
      const controller = new AbortController();
      const result = call(controller.signal);
      setImmediate(() => {
        controller.abort();
      });
      await assert.rejects(result, { code: "ERR_ABORTED" });
      await call(new AbortController().signal);
    }
  });

  it("traces an empty text, and a truncated one", async () => {
    assert.deepEqual((await encoder.trace("")).sources.filter(Boolean), []);
    const long = "heart ".repeat(5000);
    const { sources } = await encoder.trace(long);
    assert.ok(sources.some((span) => span !== undefined));
  });
});
