// Measures the loss of dtype "int8" against fp32: rankings of collections in BEIR's layout with the embedded model, and the scores of the
// cross-encoders in test/data/checkpoints (random weights are the worst case, since no training has made them robust). Without a folder, only
// the scores.
// usage: node scripts/measure-int8.mjs [FOLDER_OF_COLLECTIONS [NAME…]]
import fs from "node:fs";
import path from "node:path";

import { CrossEncoder, SparseEncoder, SparseIndex } from "sparse-rerank";

import { root } from "./report.mjs";

const DEPTH = 10;
const [folder, ...names] = process.argv.slice(2);

if (folder !== undefined) await measureRankings(folder, names.length > 0 ? names : ["scifact", "cranfield", "med", "cisi"]);
await measureScores();

async function measureRankings(collections, chosen) {
  const [exact, quantised] = [await SparseEncoder.load("splade-tiny"), await SparseEncoder.load("splade-tiny", { dtype: "int8" })];
  const rows = [];
  for (const name of chosen) {
    const { documents, queries, relevance } = readCollection(path.join(collections, name));
    const [a, b] = [await search(exact, documents, queries), await search(quantised, documents, queries)];
    rows.push({
      collection: name,
      queries: queries.length,
      "nDCG@10 fp32": (100 * mean(a.rankings.map((ranking, i) => ndcg(ranking, relevance.get(queries[i].id))))).toFixed(2),
      "nDCG@10 int8": (100 * mean(b.rankings.map((ranking, i) => ndcg(ranking, relevance.get(queries[i].id))))).toFixed(2),
      "overlap@10": mean(a.rankings.map((ranking, i) => overlap(ranking, b.rankings[i]))).toFixed(3),
      "Kendall's tau": mean(a.rankings.map((ranking, i) => kendall(ranking, b.rankings[i]))).toFixed(3),
      cosine: mean(Array.from(a.vectors, (row, i) => cosine(row, b.vectors.row(i)))).toFixed(5),
      "relative error": mean(Array.from(a.vectors, (row, i) => relativeError(row, b.vectors.row(i)))).toFixed(4),
    });
  }
  console.table(rows);
  await Promise.all([exact.close(), quantised.close()]);
}

async function search(encoder, documents, queries) {
  const vectors = await encoder.encodeDocument(documents.map(({ text }) => text));
  const index = SparseIndex.create({ dimension: encoder.embeddingDimension });
  await index.add(
    documents.map(({ id }) => id),
    vectors,
  );
  const hits = await index.search(await encoder.encodeQuery(queries.map(({ text }) => text)), { topK: DEPTH });
  await index.close();
  return { vectors, rankings: hits.map((ranking) => ranking.map(({ id }) => id)) };
}

async function measureScores() {
  const fixtures = path.join(root, "test", "data", "checkpoints");
  const rows = [];
  for (const name of fs.readdirSync(fixtures).filter((entry) => entry.startsWith("ce-"))) {
    const model = path.join(fixtures, name);
    const { pairs } = JSON.parse(fs.readFileSync(path.join(model, "golden.json"), "utf8"));
    const logits = [];
    for (const dtype of ["fp32", "int8"]) {
      const encoder = await CrossEncoder.load(model, { dtype });
      logits.push((await encoder.predict(pairs, { activation: "identity" })).data);
      await encoder.close();
    }
    const [exact, quantised] = logits;
    const differences = Array.from(exact, (value, i) => Math.abs(value - quantised[i]));
    const range = Math.max(...exact) - Math.min(...exact);
    const order = (values) => [...values.keys()].sort((a, b) => values[b] - values[a]);
    rows.push({
      model: name,
      "range of logits": range.toFixed(3),
      "largest difference": Math.max(...differences).toFixed(4),
      "mean difference": mean(differences).toFixed(4),
      "mean, % of the range": ((100 * mean(differences)) / range).toFixed(2),
      "Kendall's tau": kendall(order(exact), order(quantised)).toFixed(3),
    });
  }
  console.table(rows);
}

function readCollection(directory) {
  const lines = (file) => fs.readFileSync(path.join(directory, file), "utf8").split("\n").filter(Boolean);
  const records = (file) =>
    lines(file)
      .map((line) => JSON.parse(line))
      .map(({ _id, title = "", text }) => ({ id: _id, text: `${title} ${text}`.trim() }));
  const relevance = new Map();
  for (const line of lines(path.join("qrels", "test.tsv")).slice(1)) {
    const [query, document, grade] = line.split("\t");
    if (Number(grade) <= 0) continue;
    if (!relevance.has(query)) relevance.set(query, new Map());
    relevance.get(query).set(document, Number(grade));
  }
  return { documents: records("corpus.jsonl"), queries: records("queries.jsonl").filter(({ id }) => relevance.has(id)), relevance };
}

/** Järvelin and Kekäläinen, 2002, with the grades as gains, as in trec_eval. */
function ndcg(ranking, grades) {
  const gain = (values) => values.reduce((sum, value, i) => sum + value / Math.log2(i + 2), 0);
  const ideal = [...grades.values()].sort((a, b) => b - a).slice(0, DEPTH);
  return gain(ranking.map((id) => grades.get(id) ?? 0)) / gain(ideal);
}

function overlap(a, b) {
  return a.filter((id) => b.includes(id)).length / Math.max(a.length, 1);
}

/** Over the documents in both rankings. */
function kendall(a, b) {
  const places = a.map((id) => b.indexOf(id)).filter((place) => place >= 0);
  let [balance, pairs] = [0, 0];
  for (let i = 0; i < places.length; i++) {
    for (let j = i + 1; j < places.length; j++, pairs++) balance += places[i] < places[j] ? 1 : -1;
  }
  return pairs === 0 ? 1 : balance / pairs;
}

function dot(a, b) {
  const values = new Map(Array.from(b.indices, (index, i) => [index, b.values[i]]));
  return Array.from(a.indices, (index, i) => a.values[i] * (values.get(index) ?? 0)).reduce((sum, value) => sum + value, 0);
}

function cosine(a, b) {
  const lengths = Math.sqrt(dot(a, a) * dot(b, b));
  return lengths === 0 ? 1 : dot(a, b) / lengths;
}

/** |a − b| / |a|. */
function relativeError(a, b) {
  const square = dot(a, a);
  return square === 0 ? 0 : Math.sqrt(Math.max(square - 2 * dot(a, b) + dot(b, b), 0) / square);
}

function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
