// Plots latency against recall as an SVG, for docs/index.md.
import { COLOURS, frame, text, WIDTH } from "../picture.mjs";
import { number } from "../table.mjs";
import { OURS, SEISMIC } from "./systems.mjs";

const HEIGHT = 380;
const [TOP, BOTTOM] = [76, 312];
const LEAST_RECALL = 0.7;
const TICKS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200];

/** One panel per workload, all with the same axes; a point is a setting, and recall 1 of SparseIndex is exact search. */
export function drawCurves({ machine, workloads }) {
  const drawn = workloads
    .filter(({ missing }) => !missing.includes(SEISMIC))
    .map(({ workload, figures }) => ({
      workload,
      figures: figures.filter(({ k, turn, recall }) => k === 10 && turn === SEISMIC && recall >= LEAST_RECALL),
    }));
  const all = drawn.flatMap(({ figures }) => figures.map(({ median }) => median));
  const ticks = TICKS.filter((tick, i) => (TICKS[i + 1] ?? tick) >= Math.min(...all) && (TICKS[i - 1] ?? tick) <= Math.max(...all));
  const [low, high] = [ticks[0], ticks.at(-1)].map(Math.log);
  const y = (ms) => Math.round(BOTTOM - ((Math.log(ms) - low) / (high - low)) * (BOTTOM - TOP));
  const step = (WIDTH - 90) / drawn.length;
  const panels = drawn.map(({ workload, figures }, i) => {
    const left = 48 + Math.round(i * step);
    const x = (recall) => Math.round(left + ((recall - LEAST_RECALL) / (1 - LEAST_RECALL)) * (step - 36));
    return [
      text(left, TOP - 14, workload, "600"),
      ...ticks.map((tick) => line(x(LEAST_RECALL), y(tick), x(1), y(tick), "#e3e6e8")),
      ...[0.7, 0.8, 0.9, 1].map((recall) => text(x(recall) - 8, BOTTOM + 18, recall.toFixed(1), "400", 11)),
      ...[OURS, SEISMIC].map((name) =>
        curve(
          figures.filter((figure) => figure.name === name),
          name,
          x,
          y,
        ),
      ),
    ].join("\n");
  });
  const body = [
    ...ticks.map((tick) => text(4, y(tick) + 4, `${number(tick)} ms`, "400", 11)),
    ...panels,
    text(48, BOTTOM + 40, "recall@10 against exact search; median milliseconds a query, one thread: lower right is better", "400", 12),
    ...[OURS, SEISMIC].map(
      (name, i) => `<circle cx="${520 + i * 116}" cy="22" r="5" fill="${colour(name)}"/>\n${text(530 + i * 116, 26, name)}`,
    ),
  ].join("\n");
  return frame({
    height: HEIGHT,
    title: "Latency against recall",
    footer: `${machine.cpu}; the same vectors and queries on both sides`,
    body,
  });
}

function curve(figures, name, x, y) {
  const points = figures.toSorted((a, b) => a.recall - b.recall).map(({ recall, median }) => [x(recall), y(median)]);
  const dots = points.map(([cx, cy]) => `<circle cx="${cx}" cy="${cy}" r="4" fill="${colour(name)}"/>`);
  return [`<polyline points="${points.join(" ")}" fill="none" stroke="${colour(name)}" stroke-width="2"/>`, ...dots].join("\n");
}

function line(x1, y1, x2, y2, stroke) {
  return `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="${stroke}"/>`;
}

function colour(name) {
  return COLOURS[name] ?? COLOURS.other;
}
