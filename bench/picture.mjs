import { number } from "./table.mjs";

export const WIDTH = 760;
const BAR = 18;
const LEFT = 250;
const SCALE = WIDTH - LEFT - 150;
export const COLOURS = { "sparse-rerank": "#2f7d4f", other: "#9aa3ab" };

/** How many times as fast as each competitor, as an SVG of bars: the README's picture. */
export function drawPicture({ machine, rows }) {
  const groups = rows.filter(({ kind, competitors }) => kind !== "load" && competitors.length > 0).map(barsOf);
  const height = 60 + groups.reduce((sum, { bars }) => sum + 24 + bars.length * (BAR + 4) + 10, 0);
  let y = 44;
  const parts = groups.map(({ title, bars }) => {
    y += 14;
    const lines = [text(0, y, title, "600")];
    y += 8;
    for (const { name, label, share } of bars) {
      const width = Math.max(2, Math.round(share * SCALE));
      const colour = COLOURS[name] ?? COLOURS.other;
      lines.push(text(12, y + 13, name), `<rect x="${LEFT}" y="${y}" width="${width}" height="${BAR}" rx="2" fill="${colour}"/>`);
      lines.push(text(LEFT + width + 8, y + 13, label));
      y += BAR + 4;
    }
    y += 12;
    return lines.join("\n");
  });
  const footer = `${machine.cpu}, ${machine.threads} threads; every side with the same weights and texts, tokenization included`;
  return frame({ height, title: "Speed on one CPU: longer is faster", footer, body: parts.join("\n") });
}

/** A picture with a title above and a note below. */
export function frame({ height, title, footer, body }) {
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="13">
<rect width="100%" height="100%" fill="#ffffff"/>
<g transform="translate(16 0)" fill="#1f2328">
${text(0, 26, title, "700", 16)}
${body}
${text(0, height - 12, footer, "400", 11)}
</g>
</svg>
`;
}

/** Bars of a row, the longest with length 1; the bar of a latency is its inverse. */
function barsOf({ title, kind, ours, competitors }) {
  const isLatency = kind === "query";
  const label = (value) => (isLatency ? `${number(value)} ms` : `${number(value)}/s`);
  const bars = [
    { name: "sparse-rerank", label: label(ours.median), share: 1 },
    // Relative to the ratio, which is computed round by round.
    ...competitors.map(({ name, median, ratio }) => ({ name, label: `${label(median)}  (ours: ${ratio.toFixed(1)}×)`, share: 1 / ratio })),
  ];
  const longest = Math.max(...bars.map(({ share }) => share));
  return { title, bars: bars.map((bar) => ({ ...bar, share: bar.share / longest })) };
}

export function text(x, y, content, weight = "400", size = 13) {
  const escaped = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text x="${x}" y="${y}" font-weight="${weight}" font-size="${size}">${escaped}</text>`;
}
