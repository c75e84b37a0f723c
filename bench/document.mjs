// Writes the figures of a run into the documentation, between its markers.
import fs from "node:fs";
import path from "node:path";

import { drawPicture } from "./picture.mjs";
import { cellsOf, describeRun, HEADER, notesOf } from "./table.mjs";

const root = path.join(import.meta.dirname, "..");
const BEGIN = (command) => `<!-- figures: begin (written by ${command}) -->`;
const END = "<!-- figures: end -->";
/** Ids of rows.mjs. */
const README_ROWS = ["splade-tiny", "bert-base", "minilm-l6", "minilm-l6-int8", "query"];

export function writeDocuments(results) {
  fs.writeFileSync(path.join(root, "docs", "performance.svg"), drawPicture(results));
  const table = markdownTable([HEADER, ...results.rows.flatMap(cellsOf)]);
  const notes = results.rows.flatMap((row) => notesOf(row).map((note) => `- ${row.title}: ${note}.`));
  replace("docs/performance.md", ["![Speed of each side](performance.svg)", "", ...describeRun(results), "", table, "", ...notes]);
  replace("README.md", [markdownTable([HEADER, ...briefRows(results)].map(([work, , ours, other, ratio]) => [work, ours, other, ratio]))]);
}

/** README's rows, each against its fastest competitor. */
function briefRows({ rows }) {
  return rows
    .filter(({ id }) => README_ROWS.includes(id))
    .flatMap((row) => cellsOf({ ...row, competitors: row.competitors.toSorted((a, b) => a.ratio - b.ratio).slice(0, 1) }));
}

/** Formats a table as prettier does. */
export function markdownTable(lines) {
  const widths = lines[0].map((_, i) => Math.max(3, ...lines.map((line) => line[i].length)));
  const format = (cells) => `| ${cells.map((cell, i) => cell.padEnd(widths[i])).join(" | ")} |`;
  return [format(lines[0]), `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`, ...lines.slice(1).map(format)].join("\n");
}

/** Replaces the lines between the markers of a document. */
export function replace(name, lines, command = "npm run bench") {
  const file = path.join(root, name);
  const text = fs.readFileSync(file, "utf8");
  const begin = BEGIN(command);
  const [before, after] = [text.indexOf(begin), text.indexOf(END)];
  if (before < 0 || after < before) throw new Error(`${name} lacks the markers ${begin} … ${END}`);
  fs.writeFileSync(file, `${text.slice(0, before + begin.length)}\n\n${lines.join("\n")}\n\n${text.slice(after)}`);
}
