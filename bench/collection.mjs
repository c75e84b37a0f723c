// Collection on many passages: hybrid search, indexing, fresh documents, reopening; and its BM25 against other packages' on the same texts
// and queries, in one run. Each system is a process of its own, and takes turns with ours.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";

import { nodeCommand, startProcess, Ended } from "./collection/line-process.mjs";
import { goalsOf, printReport } from "./collection/report.mjs";
import { OURS, peers } from "./collection/peers.mjs";
import { npmPackages, python } from "./competitors.mjs";
import { describeMachine } from "./machine.mjs";
import { median, percentile } from "./timing.mjs";

const HELP = `node bench/collection.mjs [--passages N] [--queries N] [--rounds N] [--only PART,…] [--peers NAME,…] [--limit S] [--out FILE | --from FILE]

  --passages N  number of passages; default 100000, for which the goals are, as for 1000000
  --queries N   at most; default 200
  --rounds N    rounds in which a peer and Collection take turns, or encoding and indexing; default 3
  --only PART   some of hybrid, encode, lexical; default: all
  --peers NAME  some of ${peers.map(({ name }) => name).join(", ")}; or none
  --limit S     seconds after which a system counts as out of time; default 1800
  --out FILE    file for the results; default: none
  --from FILE   do not measure; print these results`;

const PARTS = ["hybrid", "encode", "lexical"];
/** Passages that are encoded; a rate needs no more. */
const ENCODED = 4000;
const COMPARED = 10;
const UPSERTS = 300;
const REOPENINGS = 5;

const { values: options } = parseArgs({
  options: {
    passages: { type: "string", default: "100000" },
    queries: { type: "string", default: "200" },
    rounds: { type: "string", default: "3" },
    only: { type: "string" },
    peers: { type: "string" },
    limit: { type: "string", default: "1800" },
    out: { type: "string" },
    from: { type: "string" },
    help: { type: "boolean", default: false },
  },
});
const [passages, queryCount, rounds, limit] = ["passages", "queries", "rounds", "limit"].map((name) => Number(options[name]));
const parts = options.only?.split(",") ?? PARTS;
if (options.help) {
  console.log(HELP);
} else if (options.from !== undefined) {
  printReport(JSON.parse(fs.readFileSync(options.from, "utf8")));
} else if ([passages, queryCount, rounds, limit].every((value) => value >= 1) && parts.every((part) => PARTS.includes(part))) {
  await measureAll();
} else {
  console.error(HELP);
  process.exitCode = 2;
}

async function measureAll() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "sparse-rerank-collection-"));
  try {
    const wanted = parts.includes("lexical") ? peers.filter(({ name }) => options.peers?.split(",").includes(name) ?? true) : [];
    const machine = describeMachine(Object.fromEntries(wanted.map(({ name, version }) => [name, version])));
    const results = { date: new Date().toISOString(), machine, rounds, data: await writeData(folder) };
    const save = () => {
      if (options.out !== undefined) fs.writeFileSync(options.out, `${JSON.stringify(results, null, 1)}\n`);
    };
    if (parts.includes("hybrid")) results.service = await measureService(folder);
    save();
    if (parts.includes("encode")) {
      results.encode = await service("encode", folder, { passages: Math.min(passages, ENCODED), rounds, compared: COMPARED });
    }
    save();
    if (parts.includes("lexical")) results.lexical = await measureLexical(folder, wanted);
    results.goals = goalsOf(results);
    save();
    printReport(results);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** In a process, whose memory is then free for the systems. */
function writeData(folder) {
  console.error(`${passages} passages …`);
  return answerOf([path.join(import.meta.dirname, "collection", "data.mjs"), folder, String(passages), String(queryCount)]);
}

async function measureService(folder) {
  const build = await service("build", folder);
  const search = await service("search", folder, { compared: COMPARED });
  const reopenings = [];
  for (let i = 0; i < REOPENINGS; i++) reopenings.push(await service("reopen", folder));
  const reopen = Object.fromEntries(["milliseconds", "firstSearch"].map((name) => [name, median(reopenings.map((one) => one[name]))]));
  const upsert = await service("upsert", folder, { upserts: UPSERTS });
  return { build, search, reopen, upsert };
}

async function service(job, folder, jobOptions = {}) {
  console.error(`${job} …`);
  const answer = await answerOf([path.join(import.meta.dirname, "collection", "service.mjs"), job, folder, JSON.stringify(jobOptions)]);
  // A later part may run out of time.
  console.error(JSON.stringify(answer));
  return answer;
}

async function answerOf(script) {
  const process_ = startProcess(nodeCommand(...script), { seconds: limit });
  const answer = await process_.first();
  await process_.end();
  return answer;
}

async function measureLexical(folder, wanted) {
  const ours = await startSystem({ name: OURS }, folder);
  const results = { ours: { ...ours.about, turns: [] }, peers: [] };
  try {
    // One peer at a time, since all their indexes together may exceed the memory; Collection is measured again with each.
    for (const peer of wanted) results.peers.push(await measurePeer(peer, ours, folder));
    if (wanted.length === 0) results.ours.turns.push(...(await turnsOf([ours]))[0]);
  } finally {
    await ours.end();
  }
  return results;
}

async function measurePeer(peer, ours, folder) {
  const { name, leastOverlap } = peer;
  let other;
  try {
    other = await startSystem(peer, folder);
    const [own, theirs] = await turnsOf([ours, other]);
    const { about } = other;
    if (about.passages !== ours.about.passages) throw new Error(`${name} has ${about.passages} passages; ours ${ours.about.passages}.`);
    const overlap = overlapOf(own[0].ids, theirs[0].ids);
    if (overlap < leastOverlap) throw new Error(`${name}: overlap@10 with Collection is ${overlap}; at least ${leastOverlap} is required.`);
    return { name, ...about, overlap, leastOverlap, ours: figuresOf(own), theirs: figuresOf(theirs) };
  } catch (error) {
    if (!(error instanceof Ended)) throw error;
    return { name, failed: error.message };
  } finally {
    await other?.end();
  }
}

async function startSystem({ name, isPython = false }, folder) {
  console.error(`${name} …`);
  const script = path.join(import.meta.dirname, "collection", isPython ? "tantivy_peer.py" : "lexical.mjs");
  const command = isPython ? [tantivyPython(), script, folder] : nodeCommand(script, name, folder, ...(name === OURS ? [] : [nodePeers()]));
  // One thread each, as ours.
  const started = startProcess(command, {
    seconds: limit,
    env: { LANCE_CPU_THREADS: "1", RAYON_NUM_THREADS: "1", TOKIO_WORKER_THREADS: "1" },
  });
  return { ...started, about: await started.first() };
}

function nodePeers() {
  const packages = peers
    .filter(({ isPython }) => !isPython)
    .map(({ name, version, needs }) => [[name, version], ...Object.entries(needs ?? {})]);
  return npmPackages("lexical-peers", Object.fromEntries(packages.flat()), ["--legacy-peer-deps"]);
}

function tantivyPython() {
  const file = path.join(import.meta.dirname, "collection", "requirements.txt");
  return python({ folder: "collection-venv", file, given: process.env.SPARSE_RERANK_COLLECTION_BENCH_VENV });
}

/** For each system, the answer of each round. */
async function turnsOf(systems) {
  const turns = systems.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, system] of systems.entries()) turns[i].push(await system.ask({ count: queryCount }));
  }
  return turns;
}

/** Medians over rounds. */
function figuresOf(turns) {
  const of = (figure) => median(turns.map(({ milliseconds }) => figure(milliseconds)));
  return {
    p50: of(median),
    p99: of((all) => percentile(all, 0.99)),
    perSecond: of((all) => (1000 * all.length) / all.reduce((sum, one) => sum + one, 0)),
  };
}

/** The share of our hits that the other has, too. */
function overlapOf(ours, theirs) {
  const shared = ours.reduce((sum, ids, i) => sum + ids.filter((id) => theirs[i].includes(id)).length, 0);
  return shared / ours.reduce((sum, ids) => sum + ids.length, 0);
}
