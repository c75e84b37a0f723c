// The results of bench/collection.mjs as text.
import { markdownTable } from "../document.mjs";
import { number } from "../table.mjs";

/** Milliseconds of a hybrid query beyond its encoding, by the number of passages. */
const HYBRID_MS = { 100_000: 2, 1_000_000: 8 };

/** The figures that have a goal. */
export function goalsOf({ data, service, encode, lexical }) {
  const goals = [];
  const add = (title, unit, value, goal) => goals.push({ title, unit, value, ...goal });
  if (service !== undefined) {
    const { build, search, reopen, upsert } = service;
    const most = HYBRID_MS[data.passages];
    add("hybrid query beyond the encoder's time, p50", "ms", search.beyond.p50, most === undefined ? {} : { most });
    add("hybrid query beyond the encoder's time, p99", "ms", search.beyond.p99);
    add("query encoding, p50", "ms", search.encoding.p50);
    add("sparse query beyond the encoder's time, p50", "ms", search.sparse.p50);
    add("lexical query, p50", "ms", search.lexical.p50);
    add("indexing with vectors", "passages/s", build.rate, { least: 20_000 });
    add("merging after it", "s", build.mergeSeconds);
    add("upsert of a document during 50 searches, p50", "ms", upsert.settled.p50);
    add("upsert of a document during 50 searches, p99", "ms", upsert.settled.p99, { most: 50 });
    add("the same, until a search has found it, p99", "ms", upsert.found.p99);
    add("searches meanwhile", "searches/s", upsert.searchesPerSecond);
    add("reopening", "ms", reopen.milliseconds, { most: 100 });
    add("first query after it", "ms", reopen.firstSearch);
  }
  if (encode !== undefined) {
    add("encodeDocument() alone", "passages/s", encode.encoding);
    add("upsert() with encoding", "passages/s", encode.indexing);
    add("upsert() with encoding, of the rate of encodeDocument()", "%", 100 * encode.ratio, { least: 95 });
  }
  for (const { name, failed, ours, theirs } of lexical?.peers ?? []) {
    if (failed === undefined) add(`BM25 query, times as fast as ${name}`, "×", theirs.p50 / ours.p50, { least: 1 });
  }
  return goals;
}

export function printReport({ date, machine, rounds, data, lexical, goals }) {
  const { cpu, threads, kernels, commit, versions, loadBefore, memory, system } = machine;
  const used = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const lines = [
    `${date.slice(0, 10)}, commit ${commit}. ${cpu}, ${threads} threads, ${memory}, ${system}; kernels ${kernels}; load average at the start ${loadBefore.toFixed(1)}.`,
    `${number(data.passages)} passages of ${number(data.words)} words and ${number(data.weights)} weights each, ${data.queries} queries; ${data.source}. Rounds: ${rounds}.`,
    `${used.join(", ")}.`,
    "",
    markdownTable([["work", "figure", "goal", "reached"], ...goals.map(goalCells)]),
  ];
  if (lexical !== undefined)
    lines.push("", "BM25 alone, one query a call, one thread:", "", markdownTable([HEADER, ...lexicalCells(lexical)]));
  console.log(lines.join("\n"));
}

const HEADER = ["system", "p50, ms", "p99, ms", "queries/s", "ours in turn, p50", "build, s", "memory, MB", "at most", "overlap@10"];

function goalCells({ title, unit, value, least, most }) {
  const goal = least === undefined ? (most === undefined ? "" : `≤ ${number(most)} ${unit}`) : `≥ ${number(least)} ${unit}`;
  const isReached = (least === undefined || value >= least) && (most === undefined || value <= most);
  return [title, `${number(value)} ${unit}`, goal, goal === "" ? "" : isReached ? "yes" : "no"];
}

function lexicalCells({ ours, peers }) {
  const about = ({ buildSeconds, megabytes, peakMegabytes }) => [number(buildSeconds), number(megabytes), number(peakMegabytes)];
  const figures = ({ p50, p99, perSecond }) => [p50, p99, perSecond].map(number);
  return [
    ["sparse-rerank", "", "", "", "", ...about(ours), ""],
    ...peers.map((peer) => {
      if (peer.failed !== undefined) return [peer.name, peer.failed, ...Array(HEADER.length - 2).fill("")];
      return [peer.name, ...figures(peer.theirs), number(peer.ours.p50), ...about(peer), peer.overlap.toFixed(3)];
    }),
  ];
}
