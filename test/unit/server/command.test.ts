/** What the server logs, and what its command prints: as a process of its own. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

import { until } from "../../support/server";

const main = path.join(__dirname, "..", "..", "..", "dist", "cli", "main.js");

/** The command serve in a process. */
class Served {
  readonly child: ChildProcess;
  stdout = "";
  stderr = "";

  constructor(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    this.child = spawn(process.execPath, [main, "serve", "--port", "0", ...args], { env: { ...process.env, NO_COLOR: "1", ...env } });
    this.child.stdout?.setEncoding("utf8").on("data", (text: string) => (this.stdout += text));
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.stderr += text));
  }

  async ready(): Promise<string> {
    await until(() => this.stdout.includes("\n") || this.child.exitCode !== null);
    return /http:\/\/[\d.:]+/.exec(this.stdout)?.[0] ?? assert.fail(this.stderr);
  }

  async stopped(signal?: NodeJS.Signals): Promise<readonly [code: number | null, signal: string | null]> {
    if (signal !== undefined) this.child.kill(signal);
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, "close");
    return [this.child.exitCode, this.child.signalCode];
  }

  get log(): readonly Record<string, unknown>[] {
    return this.stderr
      .split("\n")
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }
}

const post = (url: string, body: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> =>
  fetch(url, { method: "POST", body, headers: { "content-type": "application/json", ...headers } });

describe("sparse-rerank serve", () => {
  it("says what is served where, logs no contents, and ends on SIGTERM", async () => {
    const served = new Served([], { SPARSE_RERANK_API_KEY: "secret-key" });
    try {
      const url = await served.ready();
      assert.match(served.stdout, /^Serving splade-tiny \(encoder\) on http:\/\/127\.0\.0\.1:\d+ · page: \S+\/ · routes: \S+\/docs\n$/);
      const authorization = "Bearer secret-key";
      assert.equal((await post(`${url}/embed_sparse?task=secret-parameter`, '{"inputs": "secret-text"}', { authorization })).status, 422);
      assert.equal((await post(`${url}/embed_sparse`, '{"inputs": "secret-text"}', { authorization })).status, 200);
      assert.equal((await post(`${url}/embed_sparse`, '{"inputs": secret-text', { authorization })).status, 400);
      assert.equal((await post(`${url}/secret-path`, "{}", { authorization: "Bearer secret-guess" })).status, 404);
      assert.deepEqual(await served.stopped("SIGTERM"), [0, null]);
      assert.doesNotMatch(served.stdout + served.stderr, /secret/);
      assert.deepEqual(
        served.log
          .filter(({ route }) => route === "/embed_sparse")
          .map(({ method, status, model, texts, level }) => ({ method, status, model, texts, level })),
        [422, 200, 400].map((status) => ({
          method: "POST",
          status,
          model: status === 400 ? undefined : "splade-tiny",
          texts: status === 400 ? undefined : 1,
          level: 30,
        })),
      );
    } finally {
      served.child.kill("SIGKILL");
    }
  });

  it("finishes requests in flight on SIGTERM, and exits with 0", async () => {
    const served = new Served(["--log-level", "silent", "--threads", "1"]);
    try {
      const url = await served.ready();
      const inputs = Array.from({ length: 80 }, (_, i) => `text ${String(i)} ${"about the heart ".repeat(30)}`);
      // Each body is read at once: undici 6 fails on a connection that ends while a body waits.
      const running = Array.from({ length: 3 }, async () => {
        const response = await post(`${url}/embed_sparse`, JSON.stringify({ inputs }));
        return [response.status, ((await response.json()) as unknown[]).length];
      });
      await untilWorking(url, 3);
      const stopped = served.stopped("SIGTERM");
      for (const answer of await Promise.all(running)) assert.deepEqual(answer, [200, inputs.length]);
      assert.deepEqual(await stopped, [0, null]);
      await assert.rejects(fetch(`${url}/health`));
    } finally {
      served.child.kill("SIGKILL");
    }
  });

  it("ends requests after --grace, and exits with 0", async () => {
    const served = new Served(["--log-level", "silent", "--threads", "1", "--grace", "0.2"]);
    try {
      const url = await served.ready();
      const inputs = Array.from({ length: 3000 }, (_, i) => `text ${String(i)} ${"about the heart ".repeat(30)}`);
      const running = post(`${url}/embed_sparse`, JSON.stringify({ inputs }));
      await untilWorking(url, 1);
      const stopped = served.stopped("SIGTERM");
      assert.equal((await running).status, 503);
      assert.deepEqual(await stopped, [0, null]);
    } finally {
      served.child.kill("SIGKILL");
    }
  });

  it("takes its options from the command line", async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "sparse-rerank-serve-"));
    const index = path.join(folder, "docs");
    const served = new Served([
      "--index",
      index,
      "--writable",
      "--json",
      "--max-client-batch-size",
      "1",
      "--cors",
      "https://a.example",
      "--log-level",
      "warn",
    ]);
    try {
      const url = await served.ready();
      assert.deepEqual(JSON.parse(served.stdout), { url, models: [{ name: "splade-tiny", kind: "encoder" }], index, writable: true });
      assert.equal((await post(`${url}/embed_sparse`, '{"inputs": ["a", "b"]}')).status, 413);
      const documents = JSON.stringify({ documents: [{ id: "1", text: "a" }] });
      const put = await fetch(`${url}/documents`, {
        method: "PUT",
        body: documents,
        headers: { "content-type": "application/json", origin: "https://a.example" },
      });
      assert.equal(put.status, 200);
      assert.equal(put.headers.get("access-control-allow-origin"), "https://a.example");
      assert.deepEqual(await served.stopped("SIGTERM"), [0, null]);
      assert.equal(served.stderr, "");
    } finally {
      served.child.kill("SIGKILL");
      fs.rmSync(folder, { recursive: true, force: true });
    }
  });

  it("refuses to start with options that are wrong or unsafe", async () => {
    for (const [args, code, message] of [
      [["--host", "0.0.0.0", "--index", "x", "--writable"], 1, /ERR_INVALID_ARGUMENT\] writable on 0\.0\.0\.0/],
      [["--port", "x"], 2, /ERR_USAGE\].*65535/],
      [["--score", "softmax"], 2, /ERR_USAGE/],
      [["--grace", "-1"], 2, /ERR_USAGE/],
      [["--writable"], 2, /--writable needs --index/],
      [["--index", "no-such-folder"], 1, /ERR_FILE_NOT_FOUND/],
      [["--model", "./no-such-model"], 1, /ERR_MODEL_NOT_FOUND/],
    ] as const) {
      const served = new Served(args);
      const [exit] = await served.stopped();
      assert.equal(exit, code, served.stderr);
      assert.match(served.stderr, message);
    }
  });
});

/** Resolves when the server works on so many requests. */
async function untilWorking(url: string, count: number): Promise<void> {
  for (;;) {
    const metrics = await (await fetch(`${url}/metrics`)).text();
    if (metrics.includes(`te_queue_size ${String(count)}\n`)) return;
  }
}
