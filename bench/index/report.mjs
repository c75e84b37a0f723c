// The results of compare.mjs as text, for the terminal and docs/sparse-index-benchmark.md.
import fs from "node:fs";
import path from "node:path";

import { markdownTable, replace } from "../document.mjs";
import { number } from "../table.mjs";
import { median } from "../timing.mjs";
import { drawCurves } from "./picture.mjs";
import { labelOf, OURS, SEISMIC } from "./systems.mjs";

const COMMAND = "node bench/index/compare.mjs";
const RECALLS = [0.9, 0.95, 0.99];

/** Prints results, and writes those of a complete run to the documentation. */
export function publish(results, { isComplete = true } = {}) {
  const lines = [...describe(results), ...results.workloads.flatMap(workloadLines)];
  console.log(lines.join("\n"));
  if (!isComplete) return;
  fs.writeFileSync(path.join(import.meta.dirname, "..", "..", "docs", "sparse-index-benchmark.svg"), drawCurves(results));
  replace("docs/sparse-index-benchmark.md", ["![Latency against recall](sparse-index-benchmark.svg)", "", ...lines], COMMAND);
}

function describe({ date, machine, queries, rounds }) {
  const { cpu, kernels, commit, versions, memory, system } = machine;
  const used = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    `${date.slice(0, 10)}, commit ${commit}. ${cpu}, one thread, ${memory}, ${system}; kernels ${kernels}. ${queries} queries a workload, each`,
    `system called from its own language (ours from JavaScript), one query a call; medians of ${rounds} rounds in which the systems took turns.`,
    `${used.join(", ")}.`,
  ];
}

function workloadLines(result) {
  const { workload, systems, weightsEach, queryWeights, postings, scanBytes, ourBytes, loadBefore, missing } = result;
  const ratios = ratioCells(result);
  return [
    "",
    `### ${workload}`,
    "",
    `${number(weightsEach)} weights a document. The median query has ${number(queryWeights)} weights and ${millions(postings)} million postings: a scan touches`,
    `${millions(scanBytes)} MB with its scores, our bounds ${millions(ourBytes)} MB. Load average at the start ${loadBefore.toFixed(1)}.`,
    ...(missing.length > 0 ? [`Not measured, since its index was not built: ${missing.join(", ")}.`] : []),
    "",
    markdownTable([
      ["system", "recall@10", "median ms, k = 10", "p99", "recall@100", "median ms, k = 100", "p99"],
      ...latencyCells(result),
    ]),
    "",
    ...(ratios.length > 0 ? [markdownTable([["", "ours, ms", "other, ms", "times as fast"], ...ratios]), ""] : []),
    markdownTable([["", "seconds to build", "documents/s", "bytes a posting"], ...systems.map((system) => buildCells(system, result))]),
  ];
}

function latencyCells({ figures }) {
  const cells = (alike) => [
    alike[0].recall.toFixed(3),
    ...["median", "p99"].map((part) => number(median(alike.map((figure) => figure[part])))),
  ];
  const labels = new Set(figures.map(({ name, setting }) => labelOf(name, setting)));
  return [...labels].map((label) => {
    const alike = figures.filter(({ name, setting }) => labelOf(name, setting) === label);
    return [label, ...[10, 100].flatMap((k) => cells(alike.filter((figure) => figure.k === k)))];
  });
}

/**
 * Compares exact search with each exhaustive or safe system, and approximate search with Seismic at a recall that both reached, within one
 * turn.
 */
function ratioCells({ figures }) {
  const turns = [...new Set(figures.map(({ turn }) => turn))].filter((turn) => turn !== undefined);
  return [10, 100].flatMap((k) =>
    turns.flatMap((turn) => {
      const of = (name) => figures.filter((figure) => figure.k === k && figure.name === name && figure.turn === turn);
      if (turn !== SEISMIC) return [compared(`exact, k = ${k}, ${turn}`, of(OURS)[0], of(turn)[0])];
      return RECALLS.map((recall) => compared(`recall@${k} ≥ ${recall}, ${turn}`, fastest(of(OURS), recall), fastest(of(turn), recall)));
    }),
  );
}

function compared(label, ours, other) {
  if (other === undefined) return [label, number(ours.median), "no setting reached it", ""];
  return [label, number(ours.median), number(other.median), `${number(other.median / ours.median)}×`];
}

/** The fastest setting with at least this measured recall. */
function fastest(figures, least) {
  return figures.filter(({ recall }) => recall >= least).toSorted((a, b) => a.median - b.median)[0];
}

function buildCells({ name, buildSeconds, bytesPerPosting, hotBytesPerPosting }, { documents }) {
  const hot = hotBytesPerPosting === undefined ? "" : `, ${number(hotBytesPerPosting)} of them read by searches`;
  return [name, number(buildSeconds), number(documents / buildSeconds), `${number(bytesPerPosting)}${hot}`];
}

function millions(value) {
  return number(value / 1e6);
}
