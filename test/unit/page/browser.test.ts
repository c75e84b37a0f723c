/** The page in headless Chromium: what people see and do, with hostile documents, a key, and figures that are compared with their source. */

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";

import type { Browser, BrowserContextOptions, Page } from "playwright-core";

import { Collection, evaluateEncoder, explain, SparseEncoder, SparseIndex } from "../../../dist";
import { renderReports } from "../../../dist/page/report";
import { explainText } from "../../../dist/retrieval/explain";
import { activity, readSamples } from "../../../page/metrics";
import { chromiumPath, openChromium, violations } from "../../support/chromium";
import { DOCUMENTS, writeFolder } from "../../support/retrieval-support";
import { Client, RERANKER, TEXTS } from "../../support/server";
import { skip } from "../../support/skip";

const HOSTILE = "The heart <script>globalThis.hacked = 1</script> <img src=x onerror='hacked=1'> \x1b]0;owned\x07 \u202e pumps blood.";
/** The contrast of a marked word with its background, of WCAG's definition. */
const CONTRAST = `(() => {
  const { color, backgroundColor } = getComputedStyle(document.querySelector("mark.w5"));
  const luminance = (text) => {
    const [r, g, b] = text.match(/\\d+/g).map((part) => part / 255).map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const [low, high] = [luminance(color), luminance(backgroundColor)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
})()`;
const QUERIES = new Map([
  ["1", "animals of the sea"],
  ["2", "what does the heart do"],
]);
const QRELS = [
  ["1", "shark", 2],
  ["2", "heart", 2],
  ["2", "sport", 1],
] as const;

describe("the page in a browser", () => {
  let browser: Browser;
  let encoder: SparseEncoder;
  let folder: string;
  let sample: Client;
  let served: Client;
  before(async function () {
    const executable = chromiumPath();
    if (executable === undefined) skip(this, "needs Chromium (apt-get install chromium)");
    browser = await openChromium(executable);
    encoder = await SparseEncoder.load("splade-tiny");
    folder = writeFolder({});
    const index = path.join(folder, "index");
    const collection = await Collection.open(index, { encoder, lexical: true });
    await collection.upsert([...DOCUMENTS].map(([id, text]) => ({ id, text })));
    await collection.upsert([{ id: "<b>\x1b[31m", title: "<i>title</i>", text: HOSTILE }]);
    await collection.close();
    sample = await Client.start();
    served = await Client.start({ index, models: ["splade-tiny", RERANKER] });
  });
  after(async () => {
    // Undefined if the suite was skipped.
    const opened = [sample, served, encoder, browser] as readonly ({ close(): Promise<void> } | undefined)[];
    for (const each of opened) await each?.close();
    if (folder as string | undefined) fs.rmSync(folder, { recursive: true, force: true });
  });

  /** Opens a page, which must load nothing from elsewhere, break no policy and log no error. */
  async function open(url: string, work: (page: Page) => Promise<void>, options: BrowserContextOptions = {}): Promise<void> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    try {
      const page = await context.newPage();
      page.setDefaultTimeout(90_000);
      const problems: string[] = [];
      const own = url.startsWith("file:") ? url : new URL(url).origin;
      page.on("console", (message) => {
        if (message.type() === "error" || message.type() === "warning") problems.push(message.text());
      });
      page.on("pageerror", (error) => problems.push(error.message));
      page.on("request", (request) => {
        if (!request.url().startsWith(own) && !request.url().startsWith("data:")) problems.push(request.url());
      });
      await page.goto(url);
      await work(page);
      assert.deepEqual(problems, []);
    } finally {
      await context.close();
    }
  }

  const firstSum = (page: Page) =>
    page
      .locator(".hit")
      .first()
      .locator("details > .note", { hasText: /^Score/ });

  it("shows a result and its sum before anything is typed", async () => {
    await open(sample.url, async (page) => {
      await firstSum(page).waitFor();
      assert.equal(await page.locator(".hit").count(), 10);
      assert.ok((await page.locator(".expansion tbody tr").count()) > 5);
      assert.ok((await page.locator(".expansion th.added").count()) > 0);
      assert.ok((await page.locator(".hit").first().locator("mark").count()) > 1);
    });
  });

  it("answers what is typed, explains each result exactly, and keeps the state in the address", async () => {
    await open(sample.url, async (page) => {
      await page.getByRole("searchbox", { name: "Query" }).fill("protect the server with a password");
      await page.keyboard.press("Enter");
      await page.getByText("docs/server.md#security").first().waitFor();
      assert.equal(await page.evaluate("document.activeElement.name"), "q");
      await page.getByLabel("Documents found by").selectOption("sparse");
      await page.waitForURL(/mode=sparse/);
      const check = async (): Promise<void> => {
        await firstSum(page).waitFor();
        const hit = page.locator(".hit").first();
        assert.equal(await hit.locator(".where").textContent(), "docs/server.md#security");
        const stage = await hit.locator(".stages strong").first().textContent();
        assert.equal(await firstSum(page).locator("strong").textContent(), stage);
        const parts = await hit.locator("details td.number:not(.sum)").allTextContents();
        const sum = parts.reduce((total, part) => total + Number(part), 0);
        assert.ok(Math.abs(sum - Number(stage)) <= 0.005 * (parts.length + 1), `${String(sum)} of ${String(stage)}`);
      };
      await check();
      await page.reload();
      await check();
      assert.equal(await page.getByRole("searchbox", { name: "Query" }).inputValue(), "protect the server with a password");
      assert.match(await page.title(), /protect the server/);
    });
  });

  it("links tokens with the words that gave them", async () => {
    await open(`${sample.url}/#search?q=protect+the+server&mode=sparse`, async (page) => {
      const row = page.locator(".expansion tbody tr", { has: page.locator("th.literal", { hasText: /^server$/ }) });
      assert.equal(await row.locator(".from").textContent(), "server");
      await row.hover();
      assert.equal(await page.locator(".expansion mark.active").textContent(), "server");
    });
  });

  it("shows the places in every stage, and how reranking moved a result", async () => {
    await open(`${served.url}/#search?q=what+does+the+heart+do`, async (page) => {
      await firstSum(page).waitFor();
      const shown = async (): Promise<string[]> => [...new Set(await page.locator(".hit .stage").allTextContents())].sort();
      assert.deepEqual(await shown(), ["BM25", "fused", "reranked", "sparse"]);
      assert.match((await page.locator(".hit .move").first().textContent()) ?? "", /up|down|same place/);
      await page.getByLabel(/^rerank with/).uncheck();
      await page.waitForURL(/rerank=no/);
      await page.locator(".hit .stage", { hasText: "reranked" }).first().waitFor({ state: "detached" });
      assert.deepEqual(await shown(), ["BM25", "fused", "sparse"]);
    });
  });

  it("shows hostile documents and queries as text", async () => {
    const hash = new URLSearchParams({ q: `heart ${HOSTILE}`, mode: "constructor", k: "toString", ["__proto__"]: "q" }).toString();
    await open(`${served.url}/#search?${hash}`, async (page) => {
      await firstSum(page).waitFor();
      const hit = page.locator(".hit", { hasText: "<i>title</i>" });
      const text = (await hit.locator(".text").textContent()) ?? "";
      assert.ok(text.includes("<script>globalThis.hacked = 1</script> <img src=x onerror='hacked=1'>"), text);
      assert.ok(text.includes("\u241b]0;owned\u2407") && !/[\x1b\x07\u202e]/.test((await page.textContent("body")) ?? ""), text); // eslint-disable-line no-control-regex
      assert.ok((await hit.locator(".where").textContent())?.startsWith("<b>\u241b[31m"));
      assert.equal(await page.evaluate("globalThis.hacked"), undefined);
      assert.equal(await page.locator("main script, main img, main i").count(), 0);
    });
  });

  it("reranks what is pasted, and shows the same call", async () => {
    await open(`${served.url}/#rerank`, async (page) => {
      await page.getByRole("searchbox", { name: "Query" }).fill("what pumps blood?");
      await page.getByLabel(/^Documents/).fill(["Sharks are fish.", HOSTILE, "The heart pumps blood."].join("\n\n"));
      await page.getByRole("button", { name: "Rerank", exact: true }).click();
      await page.getByText("3 documents in").waitFor();
      assert.equal(await page.locator("table tbody tr").count(), 3);
      await page.getByLabel("API").selectOption("cohere");
      await page.getByLabel("Language").selectOption("Python");
      await page.locator("pre", { hasText: "urllib" }).waitFor();
      const code = (await page.locator("pre").textContent()) ?? "";
      assert.ok(code.includes(`"${served.url}/v2/rerank"`) && code.includes('"what pumps blood?"'), code);
      assert.equal(await page.evaluate("globalThis.hacked"), undefined);
    });
  });

  it("compares two settings with the nDCG of evaluate", async () => {
    const beir = writeFolder({});
    try {
      fs.mkdirSync(path.join(beir, "qrels"));
      const lines = (records: readonly object[]): string => records.map((record) => JSON.stringify(record)).join("\n");
      const corpus = [...DOCUMENTS].map(([_id, text]) => ({ _id, text }));
      fs.writeFileSync(path.join(beir, "corpus.jsonl"), lines([...corpus, { _id: "x", title: "<i>title</i>", text: HOSTILE }]));
      fs.writeFileSync(path.join(beir, "queries.jsonl"), lines([...QUERIES].map(([_id, text]) => ({ _id, text }))));
      const qrels = QRELS.map((row) => row.join("\t"));
      fs.writeFileSync(path.join(beir, "qrels", "test.tsv"), ["query-id\tcorpus-id\tscore", ...qrels].join("\n"));
      const { measures } = await evaluateEncoder(beir, encoder, { at: [10] });
      const judgments = QRELS.map(([query, id, grade]) => [QUERIES.get(query), id, grade].join("\t")).join("\n");
      const fields = new URLSearchParams({ a: "sparse", b: "lexical", judgments }).toString();
      await open(`${served.url}/#compare?${fields}`, async (page) => {
        const said = page.getByText("over 2 queries");
        await said.waitFor();
        const [, a, b] = /A ([\d.]+), B ([\d.]+) over/.exec((await said.textContent()) ?? "") ?? [];
        assert.equal(a, measures[10]?.ndcg.toFixed(4));
        assert.ok(Number(b) > 0 && Number(b) <= 1);
        await page.getByLabel("B: ranked again by").selectOption("splade-tiny");
        await page.waitForURL(/bm=splade-tiny/);
        await page.getByLabel(/^Judgments/).fill("heart\theart\t2\nheart\theart\t-5");
        await page.getByRole("button", { name: "Compare" }).click();
        await page.getByRole("alert").getByText("Line 2").waitFor();
        assert.equal(await page.getByRole("button", { name: "Try again" }).count(), 0);
      });
    } finally {
      fs.rmSync(beir, { recursive: true, force: true });
    }
  });

  it("shows the figures of /metrics while the server works", async () => {
    const client = await Client.start();
    try {
      await open(`${client.url}/#live`, async (page) => {
        await page.locator("#succeeded").waitFor();
        const load = Array.from({ length: 30 }, () => client.post("/embed_sparse", { inputs: TEXTS }));
        await Promise.all([...load, client.post("/embed_sparse", { inputs: 1 })]);
        const { text } = await client.get("/metrics");
        const expected = activity(new Map(), readSamples(text), 1);
        await page.locator("#succeeded", { hasText: new RegExp(`^${String(expected.succeeded)}$`) }).waitFor();
        assert.equal(await page.locator("#texts").textContent(), String(expected.texts));
        assert.equal(await page.locator("#failed").textContent(), String(expected.failed));
        const row = page.locator("table", { hasText: "Since the start" }).locator("tr", { hasText: "inference" });
        assert.equal(await row.locator(".number").textContent(), expected.latency?.inference.toFixed(2));
      });
    } finally {
      await client.close();
    }
  });

  it("hides old figures when the server does not answer", async () => {
    const client = await Client.start();
    const context = await browser.newContext();
    try {
      const page = await context.newPage();
      await page.goto(`${client.url}/#live`);
      await page.locator("#succeeded").waitFor({ timeout: 90_000 });
      await client.close();
      await page.getByRole("alert").waitFor({ timeout: 90_000 });
      assert.equal(await page.locator("#succeeded").count(), 0);
    } finally {
      await context.close();
      await client.close();
    }
  });

  it("works on a server that does one request at a time, and tries again what has failed", async () => {
    const client = await Client.start({ index: path.join(folder, "index"), maxConcurrentRequests: 1 });
    const context = await browser.newContext();
    try {
      const page = await context.newPage();
      page.setDefaultTimeout(90_000);
      await page.route("**/search", (route) => route.abort(), { times: 3 });
      await page.goto(`${client.url}/#search?q=what+does+the+heart+do`);
      const failure = page.getByRole("alert");
      await failure.getByText("The server does not answer").waitFor();
      // What a colleague's requests would do.
      await page.route("**/explain", (route) => route.fulfill({ status: 429, body: "{}" }), { times: 1 });
      await failure.getByRole("button", { name: "Try again" }).click();
      await firstSum(page).waitFor();
      assert.equal(await failure.count(), 0);
      assert.match((await page.locator(".hit .where, .hit h3").first().textContent()) ?? "", /heart/);
    } finally {
      await context.close();
      await client.close();
    }
  });

  it("searches again what is asked for again: documents may have changed", async () => {
    const index = path.join(folder, "writable");
    const client = await Client.start({ index, writable: true });
    try {
      await open(`${client.url}/#search?q=heart`, async (page) => {
        await page.getByText("No passage matches").waitFor();
        assert.equal(
          (await client.send("PUT", "/documents", JSON.stringify({ documents: [{ id: "new", text: "The heart." }] }))).status,
          200,
        );
        await page.getByRole("button", { name: "Search", exact: true }).click();
        await page.getByText("1 result in ").waitFor();
      });
    } finally {
      await client.close();
    }
  });

  it("keeps an empty query empty, and what a view had while another is shown", async () => {
    await open(sample.url, async (page) => {
      await firstSum(page).waitFor();
      const query = page.getByRole("searchbox", { name: "Query" });
      await query.fill("");
      await page.keyboard.press("Enter");
      await page.getByText("Type a query").waitFor();
      assert.match(page.url(), /#search\?q=$/);
      await query.fill("durable?");
      await page.keyboard.press("Enter");
      await page.locator(".hit").first().waitFor();
      await page.getByRole("link", { name: "Rerank" }).click();
      await page.getByRole("heading", { name: "Rerank" }).waitFor();
      await page.getByRole("link", { name: "Search", exact: true }).click();
      assert.equal(await query.inputValue(), "durable?");
    });
  });

  it("compares in requests that the server accepts", async () => {
    const client = await Client.start({ index: path.join(folder, "index"), maxClientBatchSize: 2 });
    try {
      const judgments = QRELS.map(([query, id, grade]) => [QUERIES.get(query), id, grade].join("\t")).join("\n");
      const fields = new URLSearchParams({ a: "sparse", b: "sparse", bm: "splade-tiny", judgments }).toString();
      await open(`${client.url}/#compare?${fields}`, async (page) => {
        const said = page.getByText("over 2 queries");
        await said.waitFor();
        // The same model: its order does not change.
        assert.match((await said.textContent()) ?? "", /equal$/);
      });
    } finally {
      await client.close();
    }
  });

  it("shows documents of which only vectors are known, and long queries beside their results", async () => {
    const index = path.join(folder, "vectors");
    const vectors = await SparseIndex.open(index, { dimension: encoder.embeddingDimension });
    await vectors.add([...DOCUMENTS.keys()], await encoder.encodeDocument([...DOCUMENTS.values()]));
    await vectors.close();
    const client = await Client.start({ index });
    try {
      await open(`${client.url}/#search?${new URLSearchParams({ q: "heart blood ".repeat(2000) }).toString()}`, async (page) => {
        await page.getByText("no text of this document").first().waitFor();
        assert.equal(await page.locator(".hit details").count(), 0);
        assert.equal(await page.locator(".hit .where").count(), 0);
        await page.getByRole("region", { name: "Text of the query" }).waitFor();
        assert.ok((await page.evaluate<number>("document.querySelector('.long').clientHeight")) < 300);
        assert.deepEqual(await violations(page), []);
      });
    } finally {
      await client.close();
    }
  });

  it("copies without the clipboard", async () => {
    await open(`${served.url}/#rerank`, async (page) => {
      await page.evaluate("navigator.clipboard.writeText = () => Promise.reject(new Error('refused'))");
      await page.locator(".bar").first().waitFor();
      const button = page.getByRole("button", { name: "Copy", exact: true });
      await page.evaluate("document.addEventListener('copy', () => { globalThis.copied = document.activeElement.value; })");
      await button.click();
      await page.getByText("Copied.").waitFor();
      assert.equal(await page.evaluate("globalThis.copied"), await page.locator("pre code").textContent());
      await page.getByLabel("Language").selectOption("Python");
      await page.getByText("Copied.").waitFor({ state: "detached" });
    });
  });

  it("can be read on paper and in the colors of the system, also where these are dark", async () => {
    await open(
      `${served.url}/#search?q=what+does+the+heart+do`,
      async (page) => {
        await firstSum(page).waitFor();
        const styleOf = (selector: string, property: string) =>
          page.evaluate<string>(`getComputedStyle(document.querySelector("${selector}")).${property}`);
        await page.emulateMedia({ media: "print", colorScheme: "dark" });
        for (const selector of ["h2", ".hit .text", ".printed"])
          assert.equal(await styleOf(selector, "color"), "rgb(27, 34, 48)", selector);
        assert.equal(await page.locator(".printed").isVisible(), true);
        assert.equal(await page.locator("form").isVisible(), false);
        await page.emulateMedia({ media: "screen", colorScheme: "dark", forcedColors: "active" });
        const ratio = await page.evaluate<number>(CONTRAST);
        assert.ok(ratio >= 4.5, `words that are marked have a contrast of ${String(ratio)}`);
        assert.notEqual(await styleOf(".key.literal", "backgroundColor"), await styleOf(".key.added", "backgroundColor"));
      },
      { colorScheme: "dark" },
    );
  });

  it("asks for the key", async () => {
    const client = await Client.start({ apiKey: "secret" });
    try {
      const httpCredentials = { username: "", password: "secret" };
      await open(client.url, (page) => firstSum(page).waitFor(), { httpCredentials });
      const context = await browser.newContext();
      const page = await context.newPage();
      const refused = await page.goto(client.url).catch(() => undefined);
      assert.ok(refused === undefined || refused?.status() === 401);
      assert.equal(await page.locator("#app").count(), 0);
      await context.close();
    } finally {
      await client.close();
    }
  });

  for (const view of ["search", "rerank", "compare", "live"]) {
    it(`is accessible: ${view}, in light and dark, wide and narrow`, async () => {
      for (const colorScheme of ["light", "dark"] as const) {
        for (const width of [1280, 360]) {
          await open(
            `${sample.url}/#${view}`,
            async (page) => {
              await page
                .locator({ search: ".hit details table", rerank: ".bar", compare: "td.number", live: "#succeeded" }[view] ?? "")
                .first()
                .waitFor();
              assert.deepEqual(await violations(page), [], `${view} ${colorScheme} ${String(width)}`);
              const overflow = await page.evaluate<number>("document.documentElement.scrollWidth - document.documentElement.clientWidth");
              assert.ok(overflow <= 0, `${view} is ${String(overflow)} px wider than the screen`);
            },
            { colorScheme, viewport: { width, height: 800 }, reducedMotion: "reduce" },
          );
        }
      }
    });
  }

  it("is reached by keyboard: first the way to the content, then the views", async () => {
    await open(sample.url, async (page) => {
      await firstSum(page).waitFor();
      await page.keyboard.press("Tab");
      assert.equal((await page.locator(":focus").textContent())?.trim(), "Skip to the content");
      await page.keyboard.press("Enter");
      assert.equal(await page.evaluate("document.activeElement.tagName"), "MAIN");
      await page.keyboard.press("Tab");
      assert.equal(await page.locator(":focus").getAttribute("name"), "q");
    });
  });

  it("has reports that need no server and no script", async () => {
    const file = path.join(folder, "report.html");
    const reports = [
      { kind: "match", explanation: await explain(encoder, "heart", HOSTILE) },
      { kind: "text", text: await explainText(encoder, HOSTILE, { task: "query" }) },
    ] as const;
    fs.writeFileSync(file, renderReports(reports));
    for (const colorScheme of ["light", "dark"] as const) {
      await open(
        `file://${file}`,
        async (page) => {
          assert.ok(((await page.textContent("body")) ?? "").includes("<script>globalThis.hacked = 1</script>"));
          assert.equal(await page.evaluate("globalThis.hacked"), undefined);
          assert.notEqual(await page.evaluate("getComputedStyle(document.body).fontFamily"), "");
          assert.match(await page.evaluate<string>("getComputedStyle(document.querySelector('.card')).borderRadius"), /10px/);
          assert.deepEqual(await violations(page), []);
        },
        { colorScheme },
      );
    }
  });
});
