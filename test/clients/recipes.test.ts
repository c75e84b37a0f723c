/** The recipes of docs/clients.md with the published packages of other projects, against the library's own scores. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";

import { CrossEncoder, SparseEncoder } from "../../dist";
import { at, KEY, recipesOf } from "../docs/recipes";
import { Client, RERANKER } from "../support/server";
import { skip } from "../support/skip";

/** Those of the recipes. */
const QUERY = "what moves blood?";
const TEXTS = ["Sharks are fish.", "The heart pumps blood.", "Bread is baked from flour."];

/** Runs the recipes that stand below a heading. @returns the lines that each prints */
type Run = (heading: string) => Promise<string[][]>;

describe("recipes of docs/clients.md", () => {
  let client: Client;
  let expected: string[];
  before(async () => {
    client = await Client.start({ models: ["splade-tiny", RERANKER], apiKey: KEY });
    const reranker = await CrossEncoder.load(RERANKER);
    const ranked = await reranker.rank(QUERY, TEXTS, { topK: 2, activation: "sigmoid" });
    expected = ranked.map(({ score, index }) => `${String(score)} ${TEXTS[index] ?? ""}`);
    await reranker.close();
  });
  after(() => client.close());

  describe("in JavaScript", () => {
    const run = useRunner(
      () => client.url,
      "js",
      "npmClients",
      (packages, folder, program) => {
        const link = path.join(folder, "node_modules");
        if (!fs.existsSync(link)) fs.symlinkSync(path.join(packages, "node_modules"), link, "junction");
        fs.writeFileSync(path.join(folder, "recipe.mjs"), program);
        return { command: process.execPath, args: ["recipe.mjs"], env: {} };
      },
    );

    it("Cohere's and OpenAI's packages rerank and list the models", async () => {
      const [ranked, models] = await run("Cohere's and OpenAI's packages");
      assert.deepEqual(ranked, expected);
      assert.deepEqual(models, ["splade-tiny", path.basename(RERANKER)]);
    });

    for (const heading of ["LangChain", "LlamaIndex"]) {
      it(`${heading} reranks`, async () => {
        assert.deepEqual(await run(heading), [expected]);
      });
    }
  });

  describe("in Python", () => {
    const run = useRunner(
      () => client.url,
      "python",
      "pythonClients",
      (packages, folder, program) => {
        fs.writeFileSync(path.join(folder, "recipe.py"), program);
        const quiet = { HAYSTACK_TELEMETRY_ENABLED: "False", LLAMA_INDEX_CACHE_DIR: folder, HF_HUB_OFFLINE: "1" };
        return { command: "python3", args: ["-W", "ignore", "recipe.py"], env: { PYTHONPATH: packages, ...quiet } };
      },
    );

    for (const heading of ["LangChain", "LlamaIndex"]) {
      it(`${heading} reranks`, async () => {
        assert.deepEqual((await run(heading)).map(normalized), [expected]);
      });
    }

    it("Haystack reranks and encodes", async () => {
      const [ranked = [], encoded] = await run("Haystack");
      assert.deepEqual(normalized(ranked), expected);
      const encoder = await SparseEncoder.load("splade-tiny");
      const { indices } = (await encoder.encodeDocument([TEXTS[1] ?? ""])).row(0);
      await encoder.close();
      assert.deepEqual(encoded, [`${String(indices.length)} ${TEXTS[1] ?? ""}`]);
    });
  });
});

interface Command {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** @param prepare writes a program into a folder, and says how it runs */
function useRunner(
  url: () => string,
  language: string,
  provide: "npmClients" | "pythonClients",
  prepare: (packages: string, folder: string, program: string) => Command,
): Run {
  let packages: string;
  let folder: string;
  before(async function () {
    this.timeout(600_000);
    const clients = await import("../../scripts/clients/packages.mjs");
    try {
      packages = clients[provide]();
    } catch (error) {
      skip(this, `no clients: ${error instanceof Error ? error.message : String(error)}`);
    }
    folder = fs.mkdtempSync(path.join(os.tmpdir(), "sparse-rerank-"));
  });
  after(() => {
    // Undefined if the tests were skipped.
    if ((folder as string | undefined) !== undefined) fs.rmSync(folder, { recursive: true });
  });
  return async (heading) => {
    const printed: string[][] = [];
    for (const { text } of recipesOf(heading, language)) {
      const { command, args, env } = prepare(packages, folder, at(url(), text));
      const { stdout } = await promisify(execFile)(command, args, {
        cwd: folder,
        env: { ...process.env, ...env },
        encoding: "utf8",
        timeout: 100_000,
      });
      printed.push(stdout.trimEnd().split("\n"));
    }
    return printed;
  };
}

/** Python prints small numbers in another form. */
function normalized(lines: readonly string[]): string[] {
  return lines.map((line) => line.replace(/^\S+/, (score) => String(Number(score))));
}
