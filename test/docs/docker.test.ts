/** examples/docker: its Dockerfile, and its service, run without a container. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

import { validate } from "dockerfile-utils";

import { Collection, SparseEncoder } from "../../dist";

import { root } from "./pages";

const docker = path.join(root, "examples", "docker");

describe("examples/docker", () => {
  it("has a valid Dockerfile whose files exist", () => {
    const text = fs.readFileSync(path.join(docker, "Dockerfile"), "utf8");
    assert.deepEqual(validate(text), []);
    // npm writes the lockfile for whoever builds the image.
    const copied = Array.from(text.matchAll(/^COPY (?!--)(.*) \S+$/gm), ([, files = ""]) => files.split(" ")).flat();
    assert.deepEqual(
      [...new Set(copied)].filter((file) => !fs.existsSync(path.join(docker, file))),
      ["package-lock.json"],
    );
  });

  it("has a service that searches, rejects invalid requests, and ends on request", async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "sparse-rerank-"));
    for (const name of ["server.mjs", "package.json"]) fs.cpSync(path.join(docker, name), path.join(folder, name));
    fs.mkdirSync(path.join(folder, "node_modules"));
    fs.symlinkSync(root, path.join(folder, "node_modules", "sparse-rerank"), "junction");
    await writeCollection(path.join(folder, "index"));
    const env = { ...process.env, INDEX: "index", PORT: "0" };
    const server = spawn(process.execPath, ["server.mjs"], { cwd: folder, env, stdio: ["ignore", "pipe", "inherit"] });
    try {
      const [line] = (await once(server.stdout.setEncoding("utf8"), "data")) as [string];
      const port = /^2 documents, port (\d+)/.exec(line)?.[1] ?? "";
      const ask = async (where: string, body?: string): Promise<[number, unknown]> => {
        const answer = await fetch(`http://127.0.0.1:${port}/${where}`, body === undefined ? {} : { method: "POST", body });
        return [answer.status, await answer.json()];
      };
      const [status, found] = await ask("search", JSON.stringify({ query: "what moves blood?", topK: 1 }));
      const { hits } = found as { hits: { id: string; passage: { text: string } }[] };
      assert.deepEqual([status, hits.map(({ id, passage }) => [id, passage.text])], [200, [["heart", "The heart pumps blood."]]]);
      const filtered = await ask("search", JSON.stringify({ query: "what moves blood?", filter: { lang: "de" } }));
      assert.deepEqual(filtered, [200, { hits: [] }]);
      assert.deepEqual(await ask("health"), [200, { documents: 2 }]);
      for (const [body, refused] of [
        ["{", 400],
        ['{"query": 1}', 400],
        ['{"query": "blood", "filter": 1}', 400],
        [" ".repeat(10_000_000), 413],
      ] as const) {
        assert.equal((await ask("search", body))[0], refused);
      }
      assert.equal((await ask("elsewhere"))[0], 404);
      server.kill("SIGTERM");
      assert.deepEqual(await once(server, "exit"), process.platform === "win32" ? [null, "SIGTERM"] : [0, null]);
    } finally {
      server.kill("SIGKILL");
      fs.rmSync(folder, { recursive: true });
    }
  });
});

async function writeCollection(folder: string): Promise<void> {
  const encoder = await SparseEncoder.load("splade-tiny");
  const collection = await Collection.open(folder, { encoder, lexical: true });
  await collection.upsert([
    { id: "heart", text: "The heart pumps blood." },
    { id: "sea", text: "Sharks are fish." },
  ]);
  await Promise.all([encoder.close(), collection.close()]);
}
