/** The server's OpenAPI description, read by a published linter. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";

import { Client, RERANKER } from "../support/server";
import { skip } from "../support/skip";

interface Report {
  readonly totals: { readonly errors: number; readonly warnings: number };
  readonly problems: readonly {
    readonly ruleId: string;
    readonly message: string;
    readonly location: readonly { readonly pointer?: string }[];
  }[];
}

describe("the OpenAPI description", () => {
  let folder: string;
  let program: string;
  before(async function () {
    this.timeout(600_000);
    const { openApiLinter } = await import("../../scripts/clients/packages.mjs");
    try {
      program = path.join(openApiLinter(), "node_modules", "@redocly", "cli", "bin", "cli.js");
    } catch (error) {
      skip(this, `no linter: ${error instanceof Error ? error.message : String(error)}`);
    }
    folder = fs.mkdtempSync(path.join(os.tmpdir(), "sparse-rerank-openapi-"));
  });
  after(() => {
    // Undefined if the tests were skipped.
    if ((folder as string | undefined) !== undefined) fs.rmSync(folder, { recursive: true });
  });

  it("gives a linter nothing to report, with all routes served", async () => {
    // A collection that may be changed adds the last routes.
    const client = await Client.start({ models: ["splade-tiny", RERANKER], index: path.join(folder, "collection"), writable: true });
    try {
      const { text } = await client.get("/api-doc/openapi.json");
      const { totals, problems } = await lint(text);
      const found = problems.map(({ ruleId, message, location }) => `${ruleId} at ${location[0]?.pointer ?? "?"}: ${message}`);
      assert.deepEqual(found, []);
      assert.deepEqual([totals.errors, totals.warnings], [0, 0]);
    } finally {
      await client.close();
    }
  });

  it("is really read by the linter", async () => {
    const { totals } = await lint(JSON.stringify({ openapi: "3.1.0", info: { title: "x", version: "1" }, paths: { "/a": { get: {} } } }));
    assert.ok(totals.errors > 0);
  });

  async function lint(description: string): Promise<Report> {
    fs.writeFileSync(path.join(folder, "openapi.json"), description);
    const args = [program, "lint", "openapi.json", "--extends=recommended", "--format=json", "--max-problems=1000"];
    const env = { ...process.env, REDOCLY_TELEMETRY: "off", REDOCLY_SUPPRESS_UPDATE_NOTICE: "true" };
    const run = promisify(execFile)(process.execPath, args, { cwd: folder, env, encoding: "utf8", timeout: 100_000 });
    // Its exit code is 1 if it reports an error.
    const { stdout } = await run.catch((error: unknown) => error as { readonly stdout: string });
    return JSON.parse(stdout) as Report;
  }
});
