// Writes docs/evaluation.svg and the table between the markers of docs/evaluation.md: splade-tiny, BM25 and their fusion on collections in
// BEIR's layout.   node scripts/write-evaluation.mjs FOLDER=NAME ...
import fs from "node:fs";
import path from "node:path";

import prettier from "prettier";

import { BM25Index, evaluateEncoder, evaluateRetriever, measureRankings, RetrieveAndRerank, SparseEncoder } from "../dist/index.mjs";
import { readJudgments } from "../dist/evaluation/qrels.js";
import { root } from "./report.mjs";

const BEGIN = "<!-- figures: scripts/write-evaluation.mjs -->";
const END = "<!-- end of figures -->";
const COLOURS = ["#4e79a7", "#f28e2b", "#59a14f"];

const encoder = await SparseEncoder.load("splade-tiny");
const collections = [];
for (const argument of process.argv.slice(2)) {
  const [folder, name] = argument.split("=");
  collections.push(await evaluate(folder, name));
}
const page = path.join(root, "docs", "evaluation.md");
const text = fs.readFileSync(page, "utf8");
const before = text.slice(0, text.indexOf(BEGIN) + BEGIN.length);
const written = `${before}\n\n${table()}\n\n${text.slice(text.indexOf(END))}`;
fs.writeFileSync(page, await prettier.format(written, { ...(await prettier.resolveConfig(page)), parser: "markdown" }));
fs.writeFileSync(path.join(root, "docs", "evaluation.svg"), picture());
await encoder.close();

async function evaluate(folder, name) {
  const bm25 = new BM25Index();
  let hybrid;
  const sparse = await evaluateEncoder(folder, encoder, {
    retriever: async (retriever, texts) => {
      await bm25.add([...texts.keys()], [...texts.values()]);
      const queries = new Map();
      for (const line of fs.readFileSync(path.join(folder, "queries.jsonl"), "utf8").trim().split("\n")) {
        const { _id, text } = JSON.parse(line);
        queries.set(_id, text);
      }
      hybrid = await hybridRankings(new RetrieveAndRerank({ retrievers: [retriever, bm25] }), queries, folder);
      return retriever;
    },
  });
  const lexical = await evaluateRetriever(folder, bm25);
  await bm25.close();
  return { name, sparse, systems: [sparse.measures, lexical.measures, hybrid] };
}

async function hybridRankings(search, queries, folder) {
  const judgments = await readJudgments(folder, "test");
  const judged = [...judgments.keys()].filter((id) => queries.has(id));
  const lists = await search.retrieve(
    judged.map((id) => queries.get(id)),
    { topK: 100 },
  );
  return measureRankings(judgments, new Map(judged.map((id, i) => [id, lists[i]])), [10, 100]);
}

function table() {
  const rows = collections.flatMap(({ name, systems }) =>
    systems.map((measures, i) => {
      const figures = [measures[10].ndcg, measures[10].mrr, measures[100].map, measures[100].recall];
      return `| ${[i === 0 ? name : "", ["splade-tiny", "BM25", "both (RRF)"][i], ...figures.map(percent)].join(" | ")} |`;
    }),
  );
  const sparsity = collections.map(
    ({ name, sparse }) =>
      `| ${[name, sparse.documents, sparse.queries, sparse.activeDims.documents.toFixed(1), sparse.activeDims.queries.toFixed(1), sparse.flops.toFixed(2)].join(" | ")} |`,
  );
  return [
    "| collection | system | nDCG@10 | MRR@10 | MAP@100 | Recall@100 |",
    "| --- | --- | ---: | ---: | ---: | ---: |",
    ...rows,
    "",
    "splade-tiny's vectors:",
    "",
    "| collection | documents | queries | weights a document | weights a query | FLOPS |",
    "| --- | ---: | ---: | ---: | ---: | ---: |",
    ...sparsity,
  ].join("\n");
}

function percent(share) {
  return (100 * share).toFixed(2);
}

function picture() {
  const width = 150;
  const scale = 2.2;
  const base = 220;
  const bars = collections.flatMap(({ name, systems }, c) => [
    `<text x="${60 + c * width + 55}" y="${base + 18}" text-anchor="middle">${name}</text>`,
    ...systems.map((measures, i) => {
      const value = 100 * measures[10].ndcg;
      const x = 60 + c * width + i * 38;
      const y = base - value * scale;
      return `<rect x="${x}" y="${y.toFixed(1)}" width="34" height="${(value * scale).toFixed(1)}" fill="${COLOURS[i]}"/><text x="${x + 17}" y="${(y - 4).toFixed(1)}" text-anchor="middle" font-size="11">${value.toFixed(1)}</text>`;
    }),
  ]);
  const legend = ["splade-tiny", "BM25", "both (RRF)"].map(
    (name, i) =>
      `<rect x="${60 + i * 130}" y="252" width="12" height="12" fill="${COLOURS[i]}"/><text x="${78 + i * 130}" y="263">${name}</text>`,
  );
  const total = 70 + collections.length * width;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${total} 280" font-family="sans-serif" font-size="13" role="img" aria-label="nDCG@10 of splade-tiny, BM25 and both">`,
    `<rect width="${total}" height="280" fill="white"/><text x="16" y="24">nDCG@10</text><line x1="50" y1="${base}" x2="${total - 10}" y2="${base}" stroke="#888"/>`,
    ...bars,
    ...legend,
    "</svg>\n",
  ].join("\n");
}
