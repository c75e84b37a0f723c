// The systems that compare.mjs measures: each is a process that holds its index and answers one request at a time, as lines of JSON both
// ways.
import { spawn } from "node:child_process";
import path from "node:path";
import readline from "node:readline";

import { python } from "../competitors.mjs";

export const OURS = "sparse-rerank";
export const SEISMIC = "seismic";

/** {}: exact search, or the only mode of a system. */
const EXACT = [{}];

export const ours = { name: OURS, settings: [...EXACT, ...[0.99, 0.95, 0.9, 0.8].map((recall) => ({ recall }))] };

/** `isExact`: its results must equal SparseIndex's. `isBuilt`: its index takes long to build and is kept in the workload's folder. */
export const peers = [
  { name: "scipy", settings: EXACT, isExact: true },
  { name: "splade-index", settings: EXACT, isExact: true },
  { name: "bmp", settings: EXACT, isBuilt: true },
  {
    name: SEISMIC,
    isBuilt: true,
    settings: [
      [3, 0.9],
      [5, 0.9],
      [5, 0.8],
      [10, 0.8],
      [10, 0.7],
      [20, 0.7],
      [20, 0.6],
      [40, 0.5],
    ].map(([queryCut, heapFactor]) => ({ queryCut, heapFactor })),
  },
];

export function labelOf(name, { recall, queryCut, heapFactor }) {
  if (recall !== undefined) return `${name}, recall ${recall}`;
  return queryCut === undefined ? name : `${name}, query_cut ${queryCut}, heap_factor ${heapFactor}`;
}

/** Starts a system on a folder of vectors; resolves when its index is ready. */
export async function startSystem(name, folder) {
  const [program, script, ...job] =
    name === OURS
      ? [process.execPath, path.join(import.meta.dirname, "ours.mjs")]
      : [python(REQUIREMENTS), path.join(import.meta.dirname, "peers.py"), name];
  const child = spawn(program, [script, ...job, folder], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${name} ended without an answer; its output is above.`);
    return JSON.parse(value);
  };
  const about = await next();
  return {
    about,
    ask(request) {
      child.stdin.write(`${JSON.stringify(request)}\n`);
      return next();
    },
    async end() {
      const ended = new Promise((resolve) => child.once("close", resolve));
      child.stdin.end();
      await ended;
    },
  };
}

const REQUIREMENTS = {
  folder: "index-venv",
  file: path.join(import.meta.dirname, "requirements.txt"),
  given: process.env.SPARSE_RERANK_INDEX_BENCH_VENV,
};
