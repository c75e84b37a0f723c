// Writes docs/explain.svg: the terminal output of `sparse-rerank explain`.
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";

import { root } from "./report.mjs";

const QUERY = "what keeps the heart healthy?";
const DOCUMENT = "Regular exercise lowers blood pressure and strengthens the cardiovascular system.";

const FONT_SIZE = 14;
/** Of a monospaced font, as shares of its size. */
const ADVANCE = 0.602;
const LEADING = 1.35;
const MARGIN = 16;
const FOREGROUND = "#d4d4d4";
/** The style that terminal control sequences set, by number: the property and its value. */
const STYLES = new Map([
  [1, ["font-weight", "bold"]],
  [2, ["opacity", "0.65"]],
  [31, ["fill", "#f48771"]],
  [32, ["fill", "#89d185"]],
  [33, ["fill", "#dcdcaa"]],
  [34, ["fill", "#6cb6ff"]],
  [36, ["fill", "#4ec9b0"]],
]);
const ENDS = new Map([
  [22, ["font-weight", "opacity"]],
  [39, ["fill"]],
]);

const CONTROL = new RegExp(`${String.fromCharCode(27)}\\[([\\d;]*)m`);

const output = execFileSync(process.execPath, [path.join(root, "dist", "cli", "main.js"), "explain", QUERY, DOCUMENT], {
  env: { ...process.env, FORCE_COLOR: "1", COLUMNS: "100" },
  encoding: "utf8",
  stdio: ["ignore", "pipe", "ignore"],
});
const lines = [`$ sparse-rerank explain "${QUERY}" \\`, `    "${DOCUMENT}"`, ...output.trimEnd().split("\n")];
fs.writeFileSync(path.join(root, "docs", "explain.svg"), picture(lines));

function picture(texts) {
  const columns = Math.max(
    ...texts.map(
      (text) =>
        text
          .split(CONTROL)
          .filter((_, i) => i % 2 === 0)
          .join("").length,
    ),
  );
  const width = Math.ceil(2 * MARGIN + columns * ADVANCE * FONT_SIZE);
  const height = Math.ceil(2 * MARGIN + texts.length * LEADING * FONT_SIZE);
  const rows = texts.map((text, i) => {
    const y = (MARGIN + (i + 0.8) * LEADING * FONT_SIZE).toFixed(1);
    return `<text x="${MARGIN}" y="${y}">${spans(text)}</text>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`,
    `<rect width="100%" height="100%" rx="6" fill="#1e1e1e"/>`,
    `<g fill="${FOREGROUND}" font-family="ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="${FONT_SIZE}" xml:space="preserve">`,
    ...rows,
    "</g>\n</svg>\n",
  ].join("\n");
}

/** Places each run of one style at its starting column, so that a font of another width shifts nothing else. */
function spans(text) {
  const style = new Map();
  let column = 0;
  let svg = "";
  // Odd parts are the numbers of control sequences.
  text.split(CONTROL).forEach((part, i) => {
    if (i % 2 === 1) {
      part.split(";").forEach((number) => apply(style, Number(number)));
    } else if (part !== "") {
      const attributes = Array.from(style, ([name, value]) => ` ${name}="${value}"`).join("");
      const x = (MARGIN + column * ADVANCE * FONT_SIZE).toFixed(1);
      svg += `<tspan x="${x}"${attributes}>${escape(part)}</tspan>`;
      column += part.length;
    }
  });
  return svg;
}

function apply(style, number) {
  const set = STYLES.get(number);
  if (set !== undefined) style.set(...set);
  const ended = ENDS.get(number);
  if (ended === undefined && set === undefined) throw new Error(`The picture has no style for the terminal's control sequence ${number}.`);
  for (const name of ended ?? []) style.delete(name);
}

function escape(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
