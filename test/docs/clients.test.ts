/** docs/clients.md: its commands run, and its requests are those that the server answers. The recipes of packages run in test/clients. */

import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { promisify } from "node:util";

import { parse } from "yaml";

import { NPM, PYTHON } from "../../scripts/clients/packages.mjs";
import { Client, RERANKER } from "../support/server";
import { skip } from "../support/skip";

import { blocksOf, readPage, root } from "./pages";
import { ADDRESSES, at, consoleRequests, KEY, recipesOf } from "./recipes";

const PAGE = "docs/clients.md";

interface Connector {
  readonly name: string;
  readonly credential: { readonly key: string };
  readonly actions: readonly {
    readonly url: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly request_body: string;
    readonly post_process_function?: string;
  }[];
}

describe("docs/clients.md", () => {
  let client: Client;
  before(async () => {
    client = await Client.start({ models: ["splade-tiny", RERANKER], apiKey: KEY });
  });
  after(() => client.close());

  it("uses languages whose blocks are checked, and addresses of the server", () => {
    const languages = new Set(blocksOf(PAGE).map(({ language }) => language));
    assert.deepEqual([...languages].sort(), ["", "js", "python", "sh"]);
    for (const [address] of readPage(PAGE).matchAll(/http:\/\/[\w.]+(:\d+)?/g)) assert.ok(ADDRESSES.includes(address), address);
  });

  it("names the versions that are tested", () => {
    const [table = ""] = /^\| client[^]*?\n\n/m.exec(readPage(PAGE)) ?? [];
    for (const pinned of [...NPM, ...PYTHON]) {
      const [, name = "", version = ""] = /^(.+?)(?:@|==)([\d.]+)$/.exec(pinned) ?? [];
      // The others are what these need.
      if (["@langchain/core", "@llamaindex/core", "@llamaindex/env", "haystack-ai"].includes(name)) continue;
      assert.ok(table.includes(`${name} ${version}`), pinned);
    }
  });

  it("starts the server with options that it has", () => {
    const [start] = blocksOf(PAGE).filter(({ language }) => language === "sh");
    assert.match(start?.text ?? "", new RegExp(`^SPARSE_RERANK_API_KEY=${KEY} npx sparse-rerank serve `));
    const help = spawnSync(process.execPath, [path.join(root, "dist", "cli", "main.js"), "serve", "--help"], { encoding: "utf8" }).stdout;
    for (const [flag] of readPage(PAGE).matchAll(/--(model|host|score|strict-models)\b/g))
      assert.ok(help.includes(`${flag} `) || help.includes(`${flag}\n`), flag);
  });

  it("has curl commands that succeed", async function () {
    const curl = spawnSync("curl", ["--version"], { encoding: "utf8" });
    const version = curl.status === 0 ? /^curl (\d+)\.(\d+)/.exec(curl.stdout) : null;
    if (process.platform === "win32" || version === null) skip(this, "needs a POSIX shell and curl");
    const [major, minor] = version.slice(1).map(Number) as [number, number];
    if (major < 7 || (major === 7 && minor < 82)) skip(this, "needs curl 7.82");
    const commands = recipesOf("curl", "sh").flatMap(({ text }) => text.trimEnd().split("\n"));
    const answers: unknown[] = [];
    for (const command of commands) {
      const { stdout } = await promisify(execFile)("sh", ["-c", at(client.url, command.replace("curl", "curl --silent --fail"))]);
      answers.push(stdout === "" ? undefined : JSON.parse(stdout));
    }
    const [health, models, ranked, first, weights] = answers as [undefined, { data: object[] }, object[], { results: object[] }, object[]];
    assert.equal(health, undefined);
    assert.deepEqual([models.data.length, ranked.length, first.results.length, weights.length], [2, 2, 1, 1]);
  });

  it("has requests for Elasticsearch that refer to each other and to routes of the server", async () => {
    const requests = consoleRequests("Elasticsearch");
    const endpoints = new Map<string, string>();
    for (const { method, path: asked, body } of requests) {
      const id = /^_inference\/(?:rerank|sparse_embedding)\/([\w-]+)$/.exec(asked)?.[1];
      if (id === undefined) continue;
      const { service, service_settings: settings } = body as { service: string; service_settings: { url: string; api_key: string } };
      assert.deepEqual([method, service, settings.api_key], ["PUT", "hugging_face", KEY]);
      endpoints.set(id, at("", settings.url));
    }
    const used = [...JSON.stringify(requests).matchAll(/"(?:search_)?inference_id":"([^"]+)"/g)].map(([, id]) => id);
    assert.deepEqual([...endpoints.keys()].sort(), used.sort());
    const headers = { authorization: `Bearer ${KEY}` };
    // The service's requests: test/unit/server/wire-formats.test.ts
    for (const route of endpoints.values()) {
      const body = route === "/rerank" ? { texts: ["a"], query: "b" } : { inputs: ["a"] };
      assert.equal((await client.post(route, body, headers)).status, 200);
    }
  });

  it("has connectors for OpenSearch whose requests the server answers", async () => {
    const connectors = consoleRequests("OpenSearch").filter(({ path: asked }) => asked.endsWith("/connectors/_create"));
    assert.equal(connectors.length, 3);
    for (const { body } of connectors) {
      const { actions, credential } = body as Connector;
      const [action = assert.fail()] = actions;
      // What ml-commons fills in: strings escaped, lists as JSON.
      const parameters = { input: '["a \\"text\\""]', query: 'a \\"question\\"', documents: '["a text", "another"]', top_n: "2" };
      const fill = (text: string): string =>
        text.replace(/\$\{(parameters|credential)\.(\w+)\}/g, (_, from, name: string) =>
          from === "credential" ? credential[name as "key"] : parameters[name as keyof typeof parameters],
        );
      const headers = Object.fromEntries(Object.entries(action.headers).map(([name, value]) => [name, fill(value)]));
      const answer = await client.post<object[]>(at("", action.url), fill(action.request_body), headers);
      assert.equal(answer.status, 200, answer.text);
      if (action.post_process_function === undefined) assert.ok(Array.isArray(answer.json) && answer.json.length === 1);
      else assert.equal((answer.json as unknown as { results: object[] }).results.length, 2);
    }
    const [settings] = consoleRequests("OpenSearch");
    const [trusted] = Object.values((settings?.body as { persistent: object }).persistent).at(-1) as [string];
    for (const { body } of connectors) assert.match((body as Connector).actions[0]?.url ?? "", new RegExp(trusted));
  });

  it("has settings whose addresses are routes of the server", async () => {
    const [variables, yaml] = ["Open WebUI", "LibreChat"].map((heading) => recipesOf(heading, ""));
    assert.deepEqual(Object.keys((parse(yaml?.[0]?.text ?? "") as { webSearch: object }).webSearch), [
      ...["rerankerType", "jinaApiKey", "jinaApiUrl", "allowedAddresses"],
    ]);
    const settings = [...(variables ?? []), ...(yaml ?? []).slice(1), ...recipesOf("Dify", ""), ...recipesOf("RAGFlow", "")];
    const urls = settings.flatMap(({ text }) => [...text.matchAll(/http:\S+/g)].map(([url]) => at("", url)));
    // Dify appends /rerank, and RAGFlow /v1/rerank.
    assert.deepEqual(urls, ["/v1/rerank", "/v1/rerank", "/v1", ""]);
    const headers = { authorization: `Bearer ${KEY}` };
    assert.equal((await client.post("/v1/rerank", { query: "a", documents: ["b"] }, headers)).status, 200);
  });

  it("has Python that compiles", function () {
    if (spawnSync("python3", ["--version"]).status !== 0) skip(this, "needs python3");
    const programs = blocksOf(PAGE).filter(({ language }) => language === "python");
    const check = "import ast, json, sys\nfor program in json.load(sys.stdin): ast.parse(program)";
    const { status, stderr } = spawnSync("python3", ["-c", check], {
      input: JSON.stringify(programs.map(({ text }) => text)),
      encoding: "utf8",
    });
    assert.equal(status, 0, stderr);
  });

  it("is linked from the list of pages", () => {
    assert.match(fs.readFileSync(path.join(root, "docs", "README.md"), "utf8"), /\(clients\.md\)/);
  });
});
