// Writes docs/models.md and docs/which-reranker.svg from the catalogue (lib/catalogue, compiled). With --check it only reports whether
// they are up to date.
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

import prettier from "prettier";

import { root } from "./report.mjs";
import { rerankerPicture } from "./reranker-picture.mjs";

const require = createRequire(import.meta.url);
const { models } = require("../dist/catalogue/index.js");
const { BM25_SCORES } = require("../dist/catalogue/rows.js");

const file = path.join(root, "docs", "models.md");
const text = await prettier.format(render(), { ...(await prettier.resolveConfig(file)), parser: "markdown" });
const written = new Map([
  [file, text],
  [path.join(root, "docs", "which-reranker.svg"), rerankerPicture(models.list({ task: "reranking" }))],
]);
for (const [name, content] of written) {
  if (!process.argv.includes("--check")) fs.writeFileSync(name, content);
  else if (!fs.existsSync(name) || fs.readFileSync(name, "utf8") !== content) {
    console.error(`${path.relative(root, name)} is out of date: run node scripts/write-models-doc.mjs.`);
    process.exitCode = 1;
  }
}

function render() {
  const sparse = models.list({ kind: "sparse-encoder" });
  const cross = models.list({ kind: "cross-encoder" });
  return `# Models

<!-- Written by scripts/write-models-doc.mjs from lib/catalogue: edit that, then run the script. -->

These checkpoints of the Hugging Face hub load by name: \`SparseEncoder.load("naver/splade-v3")\`. Others of the same architectures load
as well. The same list is in the API (\`models.list()\`) and on the command line (\`sparse-rerank models\`).

Scores are in percent and come from the pages in brackets. Memory is an estimate for the weights in fp32 / int8 / fp16; weights that are
fp32 in the file are mapped from it. Accept the conditions of "gated" models on their page; they need an access token (\`HF_TOKEN\`).

## Recommendations

${table(["device", "latency", "languages", "first stage", "reranker"], recommendations())}

"low" recommends a sparse encoder whose queries need no model.${commercialNote()} \`models.recommend({ device, latency, multilingual, licence })\` and
\`sparse-rerank models --recommend\` return the same recommendations with their reasons.

## Sparse encoders

${table(
  ["model", "queries", "architecture", "parameters", "vocabulary", "MS MARCO MRR@10", "BEIR-13 nDCG@10", "memory", "license", "for"],
  [
    ...sparse.map((row) => [
      link(row),
      row.querySide === "static" ? "table" : "model",
      row.architecture,
      millions(row),
      row.vocabulary.toLocaleString("en"),
      score(row.scores, "MS MARCO dev MRR@10"),
      score(row.scores, "BEIR-13 nDCG@10") || score(row.scores, "MIRACL nDCG@10", "MIRACL "),
      memory(row),
      licence(row),
      advice(row),
    ]),
    [
      "BM25",
      "–",
      "–",
      "–",
      "–",
      score(BM25_SCORES, "MS MARCO dev MRR@10"),
      score(BM25_SCORES, "BEIR-13 nDCG@10"),
      "–",
      "–",
      "For comparison.",
    ],
  ],
)}

## Rerankers

[which-reranker.md](which-reranker.md) compares them.

${table(
  [
    "model",
    "architecture",
    "parameters",
    "vocabulary",
    "MTEB(eng, v2) nDCG@10",
    "TREC-DL 2019 nDCG@10",
    "BEIR-17 nDCG@10",
    "pairs/s on an H100",
    "memory",
    "license",
    "for",
  ],
  cross
    .filter(({ task }) => task === "reranking")
    .map((row) => [
      link(row),
      row.architecture,
      millions(row),
      row.vocabulary.toLocaleString("en"),
      score(row.scores, "MTEB(eng, v2) nDCG@10"),
      score(row.scores, "TREC-DL 2019 nDCG@10"),
      score(row.scores, "BEIR-17 nDCG@10"),
      score(row.scores, "pairs/s on an H100"),
      memory(row),
      licence(row),
      advice(row),
    ]),
)}

## Cross-encoders for other tasks

${table(
  ["model", "task", "architecture", "parameters", "vocabulary", "score", "memory", "license"],
  cross
    .filter(({ task }) => task !== "reranking")
    .map((row) => [
      link(row),
      row.task,
      row.architecture,
      millions(row),
      row.vocabulary.toLocaleString("en"),
      row.scores.map(({ metric }) => `${metric} ${score(row.scores, metric)}`).join(", "),
      memory(row),
      licence(row),
    ]),
)}

## Sources

${sources()
  .map((address, i) => `${i + 1}. <${address}>`)
  .join("\n")}

Licenses are those of the models' pages. An empty cell means that no public source states the value.
`;
}

function needs() {
  return [false, true].flatMap((multilingual) =>
    ["cpu", "cuda"].flatMap((device) => ["low", "balanced", "quality"].map((latency) => ({ device, latency, multilingual }))),
  );
}

function recommendations() {
  return needs().map((need) => {
    const { encoder, reranker } = models.recommend(need);
    return [need.device, need.latency, need.multilingual ? "many" : "English", encoder.name, reranker.name];
  });
}

function commercialNote() {
  const same = needs().every((need) => {
    const [any, commercial] = ["any", "commercial"].map((licence) => models.recommend({ ...need, licence }));
    return any.encoder === commercial.encoder && any.reranker === commercial.reranker;
  });
  return same ? " All of these models permit commercial use." : ' With `licence: "commercial"` some answers differ.';
}

function sources() {
  return [...new Set([...models.list().flatMap(({ scores }) => scores), ...BM25_SCORES].map(({ source }) => source))];
}

function score(scores, metric, prefix = "") {
  const found = scores.find((each) => each.metric === metric);
  if (found === undefined) return "";
  const note = found.note === undefined ? "" : ` (${found.note})`;
  const digits = found.value < 100 ? { minimumFractionDigits: 1 } : {};
  return `${prefix}${found.value.toLocaleString("en", digits)}${note} [${sources().indexOf(found.source) + 1}]`;
}

function link({ name, page }) {
  return `[${name}](${page})`;
}

function millions({ parameters }) {
  return `${(parameters / 1e6).toFixed(parameters < 1e8 ? 1 : 0)} M`;
}

function memory({ memoryBytes: { fp32, int8, fp16 } }) {
  return fp32 < 1e9
    ? `${[fp32, int8, fp16].map((bytes) => Math.round(bytes / 1e6)).join(" / ")} MB`
    : `${[fp32, int8, fp16].map((bytes) => (bytes / 1e9).toFixed(1)).join(" / ")} GB`;
}

function licence(row) {
  return `${row.licence ?? ""}${row.gated ? ", gated" : ""}`;
}

function advice(row) {
  return row.multilingual ? `${row.languages}. ${row.advice}` : row.advice;
}

function table(head, rows) {
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
