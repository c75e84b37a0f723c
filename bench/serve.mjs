// The server under load, beside other servers of the same weights, in turns on one machine; and beside the library in the same process.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs, promisify } from "node:util";
import { execFile } from "node:child_process";

import { checkpoints } from "./checkpoints.mjs";
import { npmPackages } from "./competitors.mjs";
import { describeMachine } from "./machine.mjs";
import { soak } from "./serve/soak.mjs";
import { startServer, systems } from "./serve/servers.mjs";
import { number } from "./table.mjs";
import { markdownTable } from "./document.mjs";
import { readPassages } from "./texts.mjs";
import { median } from "./timing.mjs";

const HELP = `node bench/serve.mjs [--seconds S] [--rounds N] [--peers NAME,…] [--only PART,…] [--soak MINUTES] [--out FILE]

  --seconds S    of each measurement, at least: it lasts until every client may have two answers, after a warm-up in which every client has
                 one. A system that ranks once in 2 s thus takes 6 minutes for 64 clients; default 60
  --rounds N     rounds in which the systems take turns; default 3
  --peers NAME   some of infinity_emb, FastAPI; or none
  --only PART    some of rerank, query, soak; default: rerank, query
  --soak M       minutes of the soak; default 10
  --out FILE     file for the results; default: none`;

const AUTOCANNON = "9.0.0";
const CLIENTS = [1, 16, 64];
const DOCUMENTS = 20;
const REQUESTS = 50;
/** Scores are those of a sigmoid. */
const TOLERANCE = 1e-4;
const OURS = "sparse-rerank";
const run = promisify(execFile);

const { values: options } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    rounds: { type: "string", default: "3" },
    peers: { type: "string", default: "infinity_emb,FastAPI" },
    only: { type: "string", default: "rerank,query" },
    soak: { type: "string", default: "10" },
    out: { type: "string" },
    help: { type: "boolean", default: false },
  },
});
const [seconds, rounds, minutes] = ["seconds", "rounds", "soak"].map((name) => Number(options[name]));
const parts = options.only.split(",");
const peers = options.peers === "none" ? [] : options.peers.split(",");
if (options.help || ![seconds, rounds, minutes].every((value) => value > 0)) {
  console.error(HELP);
  process.exitCode = 2;
} else {
  await measureAll();
}

async function measureAll() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "sparse-rerank-serve-"));
  try {
    const { source, texts } = await readPassages(REQUESTS * DOCUMENTS);
    const reranks = Array.from({ length: REQUESTS }, (_, i) => ({
      query: texts[i].split(" ").slice(0, 10).join(" "),
      texts: texts.slice(i * DOCUMENTS, (i + 1) * DOCUMENTS),
    }));
    const results = { date: new Date().toISOString(), machine: describeMachine({ autocannon: AUTOCANNON }), source };
    if (parts.includes("rerank")) results.rerank = await measureRerank(folder, reranks);
    if (parts.includes("query")) results.query = await measureQueries(folder, texts);
    if (parts.includes("soak")) results.soak = await measureSoak(reranks);
    if (options.out !== undefined) fs.writeFileSync(options.out, `${JSON.stringify(results, null, 1)}\n`);
    print(results);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

async function measureRerank(folder, requests) {
  const model = await checkpoints["minilm-l6"]();
  const names = [OURS, ...peers];
  const files = new Map(names.map((name) => [name, writeBodies(folder, name, requests.map(systems[name].body))]));
  const measured = new Map(names.map((name) => [name, { clients: CLIENTS.map(() => []), memory: [] }]));
  const inProcess = [];
  const scores = new Map();
  for (let round = 0; round < rounds; round++) {
    inProcess.push(await measureInProcess(model, files.get(OURS)));
    for (const name of names) {
      const server = await startServer(name, { models: [model] });
      try {
        scores.set(name, await scoresOf(server, name, requests[0]));
        for (const [i, connections] of CLIENTS.entries()) {
          await server.lag();
          const result = await load(`${server.url}/rerank`, files.get(name), connections);
          measured.get(name).clients[i].push({ ...result, lag: (await server.lag()) ?? NaN });
        }
        measured.get(name).memory.push(server.memory());
      } finally {
        await server.end();
      }
    }
  }
  for (const name of peers) requireSame(name, scores.get(OURS), scores.get(name));
  return {
    inProcess: median(inProcess),
    systems: names.map((name) => ({ name, memory: median(measured.get(name).memory), clients: measured.get(name).clients.map(mediansOf) })),
  };
}

/** Queries of an inference-free model, one a request. */
async function measureQueries(folder, texts) {
  const model = await checkpoints["inference-free"]();
  const file = writeBodies(
    folder,
    "query",
    texts.slice(0, REQUESTS).map((text) => ({ inputs: text.split(" ").slice(0, 8).join(" "), prompt_name: "query" })),
  );
  const server = await startServer(OURS, { models: [model] });
  try {
    const clients = [];
    for (const connections of CLIENTS) {
      const turns = [];
      for (let round = 0; round < rounds; round++) {
        await server.lag();
        turns.push({ ...(await load(`${server.url}/embed_sparse`, file, connections)), lag: await server.lag() });
      }
      clients.push(mediansOf(turns));
    }
    return { clients, memory: server.memory() };
  } finally {
    await server.end();
  }
}

async function measureSoak(requests) {
  const server = await startServer(OURS, { models: [await checkpoints["minilm-l6"]()] });
  try {
    const bodies = requests.map(({ query, texts }) => JSON.stringify({ query, texts: texts.slice(0, 4) }));
    return { minutes, ...(await soak(server, "/rerank", bodies, minutes)) };
  } finally {
    await server.end();
  }
}

async function load(url, bodies, connections) {
  const autocannon = npmPackages(`autocannon-${AUTOCANNON}`, { autocannon: AUTOCANNON }, ["--ignore-scripts"]);
  const job = { autocannon, url, bodies, connections, seconds };
  const { stdout, stderr } = await run(process.execPath, [path.join(import.meta.dirname, "serve", "load.mjs"), JSON.stringify(job)]);
  process.stderr.write(stderr);
  const result = JSON.parse(stdout);
  if (result.failed > 0 || result.rate === 0) throw new Error(`${url}, ${connections} clients: ${result.failed} requests failed.`);
  return result;
}

async function measureInProcess(model, bodies) {
  const job = { model, bodies, connections: 16, seconds };
  const { stdout } = await run(process.execPath, [path.join(import.meta.dirname, "serve", "in-process.mjs"), JSON.stringify(job)]);
  return JSON.parse(stdout).rate;
}

async function scoresOf({ url }, name, request) {
  const { body, scores } = systems[name];
  const answer = await fetch(`${url}/rerank`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body(request)),
  });
  return new Map(scores(await answer.json()));
}

function requireSame(name, ours, theirs) {
  for (const [index, score] of ours) {
    const other = theirs.get(index);
    if (!(Math.abs(score - other) <= TOLERANCE)) throw new Error(`${name} scores document ${index} with ${other}; ours is ${score}.`);
  }
}

function writeBodies(folder, name, bodies) {
  const file = path.join(folder, `${name}.jsonl`);
  fs.writeFileSync(file, bodies.map((body) => `${JSON.stringify(body)}\n`).join(""));
  return file;
}

function mediansOf(turns) {
  return Object.fromEntries(Object.keys(turns[0]).map((key) => [key, median(turns.map((turn) => turn[key]))]));
}

function print({ date, machine, source, rerank, query, soak: soaked }) {
  const { cpu, threads, kernels, commit, loadBefore } = machine;
  const lines = [
    `${date.slice(0, 10)}, commit ${commit}. ${cpu}, ${threads} threads; kernels ${kernels}; load average at the start ${loadBefore.toFixed(1)}.`,
    `${source}. At least ${seconds} s each, ${rounds} rounds, medians: node bench/serve.mjs ${process.argv.slice(2).join(" ")}`.trimEnd(),
    "The load generator runs on the same machine; its share is in processors.",
  ];
  const header = ["system", "clients", "requests/s", "p50, ms", "p99, ms", "event loop p99, ms", "generator", "memory, MB"];
  const rows = ({ name, memory, clients }) =>
    clients.map(({ rate, p50, p99, lag, generator }, i) => [
      ...[name, String(CLIENTS[i]), number(rate), cell(p50), cell(p99), cell(lag)],
      ...[generator.toFixed(2), number(memory)],
    ]);
  if (rerank !== undefined) {
    const [ours, ...others] = rerank.systems;
    lines.push("", `Reranking ${DOCUMENTS} documents, MiniLM-L6 size:`, "", markdownTable([header, ...rerank.systems.flatMap(rows)]), "");
    lines.push(
      `In process: ${number(rerank.inProcess)} rankings/s; the server with 16 clients: ${percent(ours.clients[1].rate / rerank.inProcess)}.`,
    );
    for (const other of others) {
      lines.push(
        `Times as fast as ${other.name}: ${ours.clients.map(({ rate }, i) => (rate / other.clients[i].rate).toFixed(2)).join(", ")}.`,
      );
    }
  }
  if (query !== undefined)
    lines.push("", "Inference-free queries, one a request:", "", markdownTable([header, ...rows({ name: OURS, ...query })]));
  if (soaked !== undefined) {
    const { counts, memory } = soaked;
    lines.push(
      "",
      `Soak, ${soaked.minutes} minutes: ${JSON.stringify(counts)}; resident memory in MB after each minute: ${memory.map(number).join(", ")}.`,
    );
  }
  console.log(lines.join("\n"));
}

function cell(value) {
  return Number.isNaN(value) ? "" : number(value);
}

function percent(share) {
  return `${(100 * share).toFixed(0)} %`;
}
