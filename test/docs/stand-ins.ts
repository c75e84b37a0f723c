/**
 * The environment of the documentation's samples: an empty project with the package and the files that they name, a hub whose models
 * are small fixtures, and a server that responds like OpenSearch.
 */

import { execFile } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { promisify } from "node:util";

import { FakeHub } from "../support/fake-hub";
import { FaultServer } from "../support/fault-server";
import type { Answer, Asked } from "../support/fault-server";
import { DOCUMENTS, FIXTURES, jsonLines, writeFolder } from "../support/retrieval-support";

import { root } from "./pages";

/** Models that samples load by name -> the fixture that replaces it. */
const MODELS = {
  "cross-encoder/ettin-reranker-32m-v1": "ce-ettin",
  "cross-encoder/ms-marco-MiniLM-L6-v2": "ce-bert-minilm",
  "cross-encoder/nli-deberta-v3-base": "ce-deberta-v3-nli",
  "naver/splade-v3": "splade-bert",
  "opensearch-project/opensearch-neural-sparse-encoding-doc-v3-distill": "inffree-router-v6",
};

/** Other packages that samples import. */
const PACKAGES = ["ai"];

export class StandIns {
  /** Page -> its project: files written by the samples of one page are invisible to those of others. */
  readonly #projects = new Map<string, string>();

  private constructor(
    readonly hub: FakeHub,
    readonly openSearch: FaultServer,
  ) {}

  static async start(): Promise<StandIns> {
    const hub = await FakeHub.start();
    for (const [name, fixture] of Object.entries(MODELS)) hub.addFolder(name, path.join(FIXTURES, fixture));
    return new StandIns(hub, await FaultServer.start(answerAsOpenSearch));
  }

  async stop(): Promise<void> {
    await this.hub.stop();
    await this.openSearch.stop();
    for (const folder of this.#projects.values()) fs.rmSync(folder, { recursive: true });
  }

  runProgram(page: string, program: string): Promise<string> {
    const file = path.join(this.#projectOf(page), "sample.mjs");
    fs.writeFileSync(file, program.replaceAll("http://localhost:9200", this.openSearch.url));
    return this.run(page, process.execPath, [file]);
  }

  async run(page: string, command: string, args: readonly string[]): Promise<string> {
    const cwd = this.#projectOf(page);
    const env = {
      ...process.env,
      PATH: `${path.join(cwd, "bin")}${path.delimiter}${process.env["PATH"] ?? ""}`,
      HF_ENDPOINT: this.hub.endpoint,
      HF_HOME: path.join(cwd, "hub"),
      HF_TOKEN: undefined,
      HF_HUB_OFFLINE: undefined,
    };
    return (await promisify(execFile)(command, args, { cwd, env, encoding: "utf8", timeout: 100_000 })).stdout;
  }

  #projectOf(page: string): string {
    const folder = this.#projects.get(page) ?? project();
    this.#projects.set(page, folder);
    return folder;
  }
}

function project(): string {
  const corpus = jsonLines(Array.from(DOCUMENTS, ([_id, text]) => ({ _id, text })));
  const collection = (name: string): Record<string, string> => ({
    [`datasets/${name}/corpus.jsonl`]: corpus,
    [`datasets/${name}/queries.jsonl`]: jsonLines([{ _id: "1", text: "fish in the sea" }]),
    [`datasets/${name}/qrels/test.tsv`]: "query-id\tcorpus-id\tscore\n1\tshark\t1\n",
  });
  const folder = writeFolder({
    ...collection("tiny"),
    ...collection("scifact"),
    "corpus.jsonl": corpus,
    "pairs.jsonl": jsonLines([{ anchor: "what moves blood?", positive: "The heart pumps blood through the body." }]),
    "docs/threads.md": "# Threads\n\nOne pool of threads is used by all models of a process.\n",
    "bin/sparse-rerank": `#!/bin/sh\nexec "${process.execPath}" "${path.join(root, "dist", "cli", "main.js")}" "$@"\n`,
  });
  fs.chmodSync(path.join(folder, "bin", "sparse-rerank"), 0o755);
  fs.cpSync(path.join(FIXTURES, "ce-bert-minilm"), path.join(folder, "reranker"), { recursive: true });
  fs.mkdirSync(path.join(folder, "node_modules"));
  fs.symlinkSync(root, path.join(folder, "node_modules", "sparse-rerank"), "junction");
  for (const name of PACKAGES) {
    fs.symlinkSync(path.join(root, "node_modules", name), path.join(folder, "node_modules", name), "junction");
  }
  return folder;
}

function answerAsOpenSearch({ method, path: asked, text }: Asked): Answer {
  if (asked.endsWith("_mapping")) return { json: { documents: { mappings: { properties: { vector: { type: "rank_features" } } } } } };
  if (asked.endsWith("_bulk")) {
    const written = text.split("\n").filter((line) => line.startsWith('{"index"'));
    return { json: { items: written.map(() => ({ index: { status: 201 } })) } };
  }
  if (asked.includes("_search")) return { json: { timed_out: false, _shards: { failed: 0 }, hits: { hits: [] } } };
  return { json: method === "GET" ? { nodes: {} } : {} };
}
