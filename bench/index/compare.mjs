// SparseIndex and other systems on the same vectors and queries, in one run, one thread each: latency, recall, build time, bytes per
// posting.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";

import { describeMachine } from "../machine.mjs";
import { median, percentile } from "../timing.mjs";
import { publish } from "./report.mjs";
import { labelOf, ours, peers, startSystem } from "./systems.mjs";
import { touchedByQueries } from "./touched.mjs";

const HELP = `node bench/index/compare.mjs FOLDER [--only WORKLOAD,…] [--peers NAME,…] [--build] [--queries N] [--rounds N] [--out FILE | --from FILE]

  FOLDER       contains a folder of vectors per workload, NAME-DOCUMENTS, written by encode.mjs or grow.py
  --only       some of FOLDER's workloads
  --peers      some of ${peers.map(({ name }) => name).join(", ")}; or none
  --build      build the indexes of BMP and Seismic that are not in FOLDER yet, which takes minutes; default: skip these systems
  --queries N  evenly spaced queries per workload; default 150
  --rounds N   rounds in which a peer and SparseIndex take turns; figures are medians over rounds; default 3
  --out FILE   file for the results; default for a complete run: bench/results/, which updates the tables and the picture of docs/sparse-index-benchmark.md
  --from FILE  do not measure; write these results into the documentation`;

const TOP_K = [10, 100];

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: "string" },
    peers: { type: "string" },
    build: { type: "boolean", default: false },
    queries: { type: "string", default: "150" },
    rounds: { type: "string", default: "3" },
    out: { type: "string" },
    from: { type: "string" },
  },
});
const count = Number(options.queries);
const rounds = Number(options.rounds);
if (options.from !== undefined) {
  publish(JSON.parse(fs.readFileSync(options.from, "utf8")));
} else if (positionals.length === 1 && count >= 1 && rounds >= 1) {
  await measureAll(positionals[0]);
} else {
  console.error(HELP);
  process.exit(2);
}

async function measureAll(folder) {
  const isComplete = options.only === undefined && options.peers === undefined;
  const machine = describeMachine(requiredVersions());
  const name = `index-${machine.cpu.replaceAll(/[^\w.]+/g, "-").toLowerCase()}.json`;
  const out = options.out ?? (isComplete ? path.join(import.meta.dirname, "..", "results", name) : undefined);
  const results = { date: new Date().toISOString(), machine, queries: count, rounds, workloads: [] };
  const workloads = options.only?.split(",") ?? fs.readdirSync(folder).sort(byDocuments);
  for (const workload of workloads) {
    results.workloads.push(await measure(workload, path.join(folder, workload)));
    if (out !== undefined) fs.writeFileSync(out, `${JSON.stringify(results, null, 1)}\n`);
  }
  publish(results, { isComplete: isComplete && options.out === undefined });
}

/** Workloads are named NAME-DOCUMENTS. */
function byDocuments(a, b) {
  return Number(a.split("-").at(-1)) - Number(b.split("-").at(-1));
}

function requiredVersions() {
  const lines = fs.readFileSync(path.join(import.meta.dirname, "requirements.txt"), "utf8").split("\n");
  return Object.fromEntries(lines.map((line) => line.split("==")).filter(([, version]) => version !== undefined));
}

async function measure(workload, folder) {
  const wanted = peers.filter(({ name }) => options.peers?.split(",").includes(name) ?? true);
  const present = wanted.filter(({ name, isBuilt }) => !isBuilt || options.build || fs.existsSync(path.join(folder, `${name}.json`)));
  console.error(`${workload}: ${ours.name} …`);
  const own = { ...ours, process: await startSystem(ours.name, folder) };
  const load = os.loadavg()[0];
  const built = [{ name: ours.name, ...own.process.about }];
  const lines = [];
  try {
    // One peer at a time, since all their indexes together exceed the memory; SparseIndex is measured again with each.
    for (const peer of present) {
      console.error(`${workload}: ${peer.name} …`);
      const other = { ...peer, process: await startSystem(peer.name, folder) };
      built.push({ name: peer.name, ...other.process.about });
      lines.push(...(await takeTurns([own, other])));
      await other.process.end();
    }
    if (present.length === 0) lines.push(...(await takeTurns([own])));
  } finally {
    await own.process.end();
  }
  const missing = wanted.filter((peer) => !present.includes(peer)).map(({ name }) => name);
  return {
    workload,
    ...touchedByQueries(folder, count),
    loadBefore: load,
    systems: built,
    missing,
    figures: TOP_K.flatMap((k) => figuresOf(k, lines)),
  };
}

/**
 * Runs the rounds of all settings of SparseIndex and of a peer, if any: a line per setting, with each round's figures and the last one's
 * results.
 */
async function takeTurns(running) {
  const turn = running.at(1)?.name;
  const lines = TOP_K.flatMap((k) =>
    running.flatMap(({ settings, ...system }) => settings.map((setting) => ({ k, setting, turn, ...system, medians: [], p99s: [] }))),
  );
  for (let round = 0; round < rounds; round++) {
    for (const line of lines) {
      const { milliseconds, ids, scores } = await line.process.ask({ k: line.k, setting: line.setting, count });
      line.medians.push(median(milliseconds));
      line.p99s.push(percentile(milliseconds, 0.99));
      Object.assign(line, { ids, scores });
    }
  }
  return lines;
}

/** `turn` names the peer that a system alternated with: latencies of the same turn are comparable. */
function figuresOf(k, all) {
  const lines = all.filter((line) => line.k === k);
  const [exact] = lines;
  const hits = exact.ids.reduce((sum, ids) => sum + ids.length, 0);
  return lines.map((line) => {
    if (line.isExact) requireExact(line, exact);
    const found = line.ids.reduce((sum, ids, i) => sum + overlap(ids, exact.ids[i]), 0);
    const { name, setting, turn, medians, p99s } = line;
    return { k, name, setting, turn, recall: found / hits, median: median(medians), p99: median(p99s), medians, p99s };
  });
}

function overlap(ids, expected) {
  const all = new Set(ids);
  return expected.filter((id) => all.has(id)).length;
}

/**
 * Requires the same scores, bit by bit, and the same ids unless another document has the same score. A document with score 0 is not a hit
 * of SparseIndex.
 */
function requireExact({ name, setting, k, ids, scores }, exact) {
  exact.scores.forEach((expected, query) => {
    const isDifferent = (score, rank) => {
      if (score !== scores[query][rank]) return true;
      const isTied = score === expected[rank - 1] || score === expected[rank + 1] || rank === k - 1;
      return !isTied && ids[query][rank] !== exact.ids[query][rank];
    };
    const rank = expected.findIndex(isDifferent);
    if (rank >= 0 || scores[query].slice(expected.length).some((score) => score > 0)) {
      throw new Error(`${labelOf(name, setting)}, query ${query}, k = ${k}: results differ from ours from rank ${rank} on.`);
    }
  });
}
