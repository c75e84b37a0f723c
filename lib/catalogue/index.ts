/** Public API of the catalogue: lists checkpoints and recommends a choice. It is static data; nothing here uses the network. */

import { invalid, requireRecord, requireString } from "../core/validate";
import { SparseRerankError } from "../errors";
import { ROWS } from "./rows";
import type { CatalogueModel, Metric } from "./types";

export type { CatalogueModel, Metric, Score, Task } from "./types";

export interface Needs {
  /** Device that runs the models. Default "cpu". */
  readonly device?: "cpu" | "cuda";
  /** "low": queries without a model and the cheapest reranking; "quality": the best results. Default "balanced". */
  readonly latency?: "low" | "balanced" | "quality";
  /** Whether languages other than English are needed. Default false. */
  readonly multilingual?: boolean;
  /** "commercial": only licenses that permit commercial use. Default "any". */
  readonly licence?: "any" | "commercial";
}

export interface Recommendation {
  /** The first stage: SparseEncoder.load(encoder.name). */
  readonly encoder: CatalogueModel;
  /** The second stage: CrossEncoder.load(reranker.name). */
  readonly reranker: CatalogueModel;
  /** The reason for each choice, one sentence each: encoder, reranker. */
  readonly reasons: readonly string[];
}

const RERANKER_METRIC: Metric = "MTEB(eng, v2) nDCG@10";

/** Maximum number of parameters in the layers, in millions. It determines the cost of a token; embeddings are free. */
const LAYER_BUDGET = {
  cpu: { low: { encoder: 50, reranker: 5 }, balanced: { encoder: 50, reranker: 15 }, quality: { encoder: 120, reranker: 90 } },
  cuda: {
    low: { encoder: 120, reranker: 25 },
    balanced: { encoder: 120, reranker: 115 },
    quality: { encoder: Infinity, reranker: Infinity },
  },
} as const;

/**
 * Rerankers for other languages than English, best first. No published figure compares them; they are ordered by size. Models that only
 * their authors have compared with these are not included.
 */
const MULTILINGUAL_RERANKERS = [
  "Qwen/Qwen3-Reranker-4B",
  "Qwen/Qwen3-Reranker-0.6B",
  "BAAI/bge-reranker-v2-m3",
  "Alibaba-NLP/gte-multilingual-reranker-base",
];

/**
 * All models, or those that match all given properties: list({ kind: "sparse-encoder", querySide: "static" }). Errors:
 * ERR_INVALID_ARGUMENT.
 */
function list(
  filter: Partial<Pick<CatalogueModel, "kind" | "task" | "querySide" | "architecture" | "multilingual">> = {},
): readonly CatalogueModel[] {
  requireRecord(filter, "filter", ["kind", "task", "querySide", "architecture", "multilingual"]);
  const requested = Object.entries(filter) as [keyof CatalogueModel, unknown][];
  return ROWS.filter((row) => requested.every(([name, value]) => value === undefined || row[name] === value));
}

/**
 * The model with this hub name; undefined if it is not in the catalogue, although it may still be loadable. Errors: ERR_INVALID_ARGUMENT.
 */
function get(name: string): CatalogueModel | undefined {
  requireString(name, "name");
  return ROWS.find((row) => row.name === name);
}

/**
 * Recommends a sparse encoder and a reranker: the best ones by published figures whose cost fits the device and the latency. If none fits,
 * the cheapest ones for the language and the license. Errors: ERR_INVALID_ARGUMENT.
 */
function recommend(needs: Needs = {}): Recommendation {
  requireRecord(needs, "needs", ["device", "latency", "multilingual", "licence"]);
  const device = choice(needs.device, "device", ["cpu", "cuda"], "cpu");
  const latency = choice(needs.latency, "latency", ["low", "balanced", "quality"], "balanced");
  const licence = choice(needs.licence, "licence", ["any", "commercial"], "any");
  const { multilingual = false } = needs;
  if (typeof multilingual !== "boolean") throw invalid("multilingual", multilingual, "a boolean");
  const budget = LAYER_BUDGET[device][latency];
  const licensed = ROWS.filter((row) => licence === "any" || permitsCommercialUse(row));
  const allowed = licensed.filter((row) => row.multilingual === multilingual);

  const metric: Metric = multilingual ? "MIRACL nDCG@10" : "BEIR-13 nDCG@10";
  const encoders = byScore(
    allowed.filter((row) => latency !== "low" || row.querySide === "static"),
    metric,
  );
  const rerankers = multilingual
    ? MULTILINGUAL_RERANKERS.flatMap((name) => allowed.filter((row) => row.name === name))
    : // Of English texts, also for models that read other languages.
      byScore(
        licensed.filter(({ task }) => task === "reranking"),
        RERANKER_METRIC,
      );
  const encoder = firstWithin(encoders, budget.encoder);
  const reranker = firstWithin(rerankers, budget.reranker);
  return { encoder, reranker, reasons: [reasonFor(encoder, metric), reasonFor(reranker, RERANKER_METRIC)] };
}

/** Those that have a score, best first. */
function byScore(rows: readonly CatalogueModel[], metric: Metric): CatalogueModel[] {
  return rows.filter((row) => scoreOf(row, metric) !== undefined).sort((a, b) => (scoreOf(b, metric) ?? 0) - (scoreOf(a, metric) ?? 0));
}

/** False for Creative Commons NC licenses and for models without a stated license. */
function permitsCommercialUse(row: CatalogueModel): boolean {
  return row.licence !== undefined && !row.licence.includes("-nc");
}

function scoreOf(row: CatalogueModel, metric: Metric): number | undefined {
  return row.scores.find((score) => score.metric === metric)?.value;
}

const layerMillions = (row: CatalogueModel): number => (row.parameters - row.vocabulary * row.hiddenSize) / 1e6;

function firstWithin(rows: readonly CatalogueModel[], millions: number): CatalogueModel {
  const found = rows.find((row) => layerMillions(row) <= millions) ?? rows.toSorted((a, b) => layerMillions(a) - layerMillions(b))[0];
  if (found === undefined) throw new SparseRerankError("ERR_INTERNAL", "The catalogue has no model for these needs.");
  return found;
}

function reasonFor(row: CatalogueModel, metric: Metric): string {
  const value = scoreOf(row, metric);
  const figure = value === undefined ? "" : `, ${metric} ${value}`;
  const queries = row.querySide === "static" ? ", no model for queries" : "";
  return `${row.name} (${row.licence ?? "no stated license"}, ${Math.round(row.parameters / 1e6)} M parameters${figure}${queries}): ${row.advice}`;
}

function choice<T extends string>(value: T | undefined, name: string, values: readonly T[], fallback: T): T {
  if (value === undefined) return fallback;
  if (!values.includes(value)) throw invalid(name, value, `one of ${values.map((each) => `"${each}"`).join(", ")}`);
  return value;
}

/** The checkpoints that this package supports as published: list, look up, and recommend. */
export const models = { list, get, recommend } as const;
