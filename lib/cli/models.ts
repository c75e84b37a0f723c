import { Option } from "commander";
import type { Command } from "commander";

import { models, supportedModels } from "../index";
import type { CatalogueModel, Needs } from "../index";
import { command, refuseOptions } from "./options";
import type { CommonOptions } from "./options";
import { paint, writeJson, writeLine } from "./terminal";

type ModelsOptions = CommonOptions & Needs & { readonly recommend?: true };

/** Metrics shown in the line of a model. */
const SHOWN_METRICS = ["BEIR-13 nDCG@10", "MIRACL nDCG@10", "MTEB(eng, v2) nDCG@10"];

export function modelsCommand(): Command {
  const created = command("models", "List supported models, or recommend a pair of models", [
    "sparse-rerank models",
    "sparse-rerank models --recommend --latency low --licence commercial",
    "sparse-rerank models --json",
  ]);
  created
    .option("--recommend", "recommend a sparse encoder and a reranker for the requirements below")
    .addOption(new Option("--device <name>", "device that runs the models").choices(["cpu", "cuda"]))
    .addOption(new Option("--latency <wish>", "priority: query latency or quality").choices(["low", "balanced", "quality"]))
    .option("--multilingual", "support languages other than English")
    .addOption(new Option("--licence <kind>", "acceptable licenses").choices(["any", "commercial"]))
    .action((options: ModelsOptions) => {
      if (options.recommend !== true) refuseOptions(created, ["device", "latency", "multilingual", "licence"], "needs --recommend");
      return run(options);
    });
  return created;
}

async function run(options: ModelsOptions): Promise<void> {
  if (options.recommend === true) await recommend(options);
  else await list(options);
}

async function recommend({ device, latency, multilingual, licence, json }: ModelsOptions): Promise<void> {
  const recommendation = models.recommend({
    ...(device === undefined ? {} : { device }),
    ...(latency === undefined ? {} : { latency }),
    ...(multilingual === undefined ? {} : { multilingual }),
    ...(licence === undefined ? {} : { licence }),
  });
  if (json === true) {
    await writeJson(recommendation);
    return;
  }
  const [encoder, reranker] = recommendation.reasons;
  await writeLine(`${paint("bold", "First stage")}  ${encoder ?? ""}`);
  await writeLine(`${paint("bold", "Reranker")}     ${reranker ?? ""}`);
}

async function list(options: CommonOptions): Promise<void> {
  const { embedded, modelTypes } = supportedModels();
  if (options.json === true) {
    await writeJson({ embedded, models: models.list(), modelTypes });
    return;
  }
  await writeLine(paint("bold", "Included in the package"));
  for (const { name, summary } of embedded) await writeLine(`  ${paint("green", name)}  ${summary}`);
  await listHub("Sparse encoders on the Hugging Face Hub: queries run through the model", { querySide: "model" });
  await listHub("Sparse encoders on the Hugging Face Hub: query weights come from a table (inference-free)", { querySide: "static" });
  await listHub("Rerankers on the Hugging Face Hub", { task: "reranking" });
  const others = models.list({ kind: "cross-encoder" }).filter(({ task }) => task !== "reranking");
  await writeLine(paint("bold", "\nCross-encoders on the Hugging Face Hub for other tasks"));
  for (const row of others) await writeLine(`${describe(row)}, ${row.task}`);
  await writeLine(paint("bold", "\nFolders in hub layout: SPLADE encoders and cross-encoders"));
  await writeLine(`  model_type in config.json: ${modelTypes.join(", ")}`);
}

async function listHub(title: string, filter: Partial<CatalogueModel>): Promise<void> {
  await writeLine(paint("bold", `\n${title}`));
  for (const row of models.list(filter)) await writeLine(describe(row));
}

function describe(row: CatalogueModel): string {
  const facts = [
    `${Math.round(row.parameters / 1e6)} M`,
    `${Math.ceil(row.memoryBytes.fp32 / 1e6)} MB`,
    `${row.licence ?? "no stated license"}${row.gated ? " (gated)" : ""}`,
    ...(row.multilingual ? [row.languages] : []),
    ...row.scores.filter(({ metric }) => SHOWN_METRICS.includes(metric)).map(({ metric, value }) => `${metric} ${value}`),
  ];
  return `  ${paint("green", row.name)}  ${facts.join(", ")}`;
}
