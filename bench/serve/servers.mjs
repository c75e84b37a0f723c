// Starts the servers of bench/serve.mjs.
import { spawn } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { python } from "../competitors.mjs";

const root = path.join(import.meta.dirname, "..", "..");
const PAGE = 4096;

/** Peers score the same pairs with the same weights; `body` turns a request of text-embeddings-inference into theirs. */
export const systems = {
  "sparse-rerank": {
    command: ({ port, models, options = [] }) => [
      process.execPath,
      ...[path.join(root, "dist/cli/main.js"), "serve", "--port", String(port), "--log-level", "silent", ...options],
      ...models.flatMap((model) => ["--model", model]),
    ],
    body: (request) => request,
    scores: (answer) => answer.map(({ index, score }) => [index, score]),
  },
  infinity_emb: {
    command: ({ port, models: [model] }) => [
      path.join(path.dirname(interpreter("infinity")), "infinity_emb"),
      ...["v2", "--model-id", model, "--port", String(port), "--host", "127.0.0.1", "--engine", "torch", "--device", "cpu"],
      ...["--dtype", "float32", "--batch-size", "32", "--no-model-warmup", "--log-level", "error"],
    ],
    body: ({ query, texts }) => ({ query, documents: texts }),
    scores: ({ results }) => results.map(({ index, relevance_score: score }) => [index, score]),
  },
  FastAPI: {
    command: ({ port, models: [model] }) => [
      interpreter("fastapi"),
      path.join(import.meta.dirname, "fastapi_peer.py"),
      model,
      String(port),
    ],
    body: (request) => request,
    scores: (answer) => answer.map(({ index, score }) => [index, score]),
  },
};

function interpreter(name) {
  const given = name === "fastapi" ? process.env.SPARSE_RERANK_BENCH_VENV : undefined;
  return python({ folder: `venv-${name}`, file: path.join(import.meta.dirname, `requirements-${name}.txt`), given });
}

/** A running server; `seconds` until it answers. */
export async function startServer(name, { models, options, seconds = 300 }) {
  const port = await freePort();
  const [program, ...rest] = systems[name].command({ port, models, options });
  const child = spawn(program, rest, { stdio: ["ignore", "ignore", "pipe"] });
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text) => (errors = (errors + text).slice(-4000)));
  const closed = new Promise((resolve) => child.once("close", resolve));
  const url = `http://127.0.0.1:${port}`;
  const isUp = () =>
    fetch(`${url}/health`).then(
      ({ ok }) => ok,
      () => false,
    );
  for (let waited = 0; !(await isUp()); waited += 0.2) {
    if (child.exitCode !== null || waited > seconds) throw new Error(`${name} did not start: ${errors}`);
    await sleep(200);
  }
  return {
    url,
    child,
    /** Resident memory in MB. */
    memory: () => residentOf(child.pid) / 2 ** 20,
    /** The 99th percentile of the event loop's delay since the last call, in ms; undefined for other systems. */
    async lag() {
      const answer = await fetch(`${url}/metrics`);
      const found = /^nodejs_eventloop_lag_p99_seconds (\S+)/m.exec(await answer.text());
      return found === null ? undefined : 1000 * Number(found[1]);
    },
    async end() {
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), 30_000);
      await closed;
      clearTimeout(timer);
    },
  };
}

/** Linux only. */
function residentOf(pid) {
  return Number(fs.readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]) * PAGE;
}

async function freePort() {
  const server = net.createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
