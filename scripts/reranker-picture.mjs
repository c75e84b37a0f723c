// The picture of docs/which-reranker.md, from the figures of the catalogue: quality against speed.

const QUALITY = "MTEB(eng, v2) nDCG@10";
const SPEED = "pairs/s on an H100";
const WIDTH = 760;
const HEIGHT = 430;
const [LEFT, RIGHT, TOP, BOTTOM] = [50, 640, 40, 380];
const [SLOWEST, FASTEST] = [300, 9000];
const [WORST, BEST] = [48, 62];
/** Where labels stand: right of their point, unless they would overlap there. */
const RIGHT_OF = [8, 4, "start"];
const LEFT_OF = [-8, 4, "end"];
const PLACES = {
  "granite-embedding-reranker-english-r2": LEFT_OF,
  "gte-reranker-modernbert-base": LEFT_OF,
  "bge-reranker-v2-m3": LEFT_OF,
  "mxbai-rerank-large-v1": LEFT_OF,
  "mxbai-rerank-xsmall-v1": LEFT_OF,
  "mxbai-rerank-base-v1": LEFT_OF,
  "mxbai-rerank-large-v2": [8, 17, "start"],
  "bge-reranker-large": [5, -10, "end"],
  "ettin-reranker-1b-v1": [0, -10, "middle"],
  "ms-marco-MiniLM-L12-v2": [0, -18, "middle"],
};

/** @returns an SVG of the rerankers that have both figures */
export function rerankerPicture(rows) {
  const points = rows.flatMap(({ name, scores }) => {
    const [quality, speed] = [QUALITY, SPEED].map((metric) => scores.find((score) => score.metric === metric)?.value);
    return quality === undefined || speed === undefined ? [] : [{ name: name.split("/")[1], x: xOf(speed), y: yOf(quality) }];
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12" role="img" aria-label="Quality of rerankers against their speed">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="white"/><text x="16" y="22">mean nDCG@10, MTEB(eng, v2) retrieval</text>`,
    `<path d="M${LEFT} ${TOP}V${BOTTOM}H${RIGHT}" fill="none" stroke="#888"/>`,
    ...[50, 55, 60].map((value) => `<text x="${LEFT - 8}" y="${yOf(value) + 4}" text-anchor="end">${value}</text>${line(value)}`),
    ...[500, 1000, 2000, 4000, 8000].map((value) => `<text x="${xOf(value)}" y="${BOTTOM + 18}" text-anchor="middle">${value}</text>`),
    `<text x="${RIGHT}" y="${BOTTOM + 38}" text-anchor="end">pairs per second on an NVIDIA H100</text>`,
    ...points.map(point),
    "</svg>\n",
  ].join("\n");
}

function xOf(speed) {
  return Math.round(LEFT + ((RIGHT - LEFT) * Math.log(speed / SLOWEST)) / Math.log(FASTEST / SLOWEST));
}

function yOf(quality) {
  return Math.round(BOTTOM - ((BOTTOM - TOP) * (quality - WORST)) / (BEST - WORST));
}

function line(quality) {
  return `<path d="M${LEFT} ${yOf(quality)}H${RIGHT}" stroke="#ddd"/>`;
}

function point({ name, x, y }) {
  const [dx, dy, anchor] = PLACES[name] ?? RIGHT_OF;
  const color = name.startsWith("ettin") ? "#f28e2b" : "#4e79a7";
  return `<circle cx="${x}" cy="${y}" r="5" fill="${color}"/><text x="${x + dx}" y="${y + dy}" text-anchor="${anchor}">${name}</text>`;
}
