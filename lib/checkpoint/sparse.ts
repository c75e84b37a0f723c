/** SparseEncoder checkpoints: a masked language model with SPLADE pooling, as a pipeline or as a plain transformers checkpoint. */

import { join } from "node:path";

import { SparseRerankError } from "../errors";
import { describe, invalidField, optionalString, readJsonObject } from "./json";
import type { JsonObject } from "./json";
import { describeModules, readModules } from "./modules";
import type { ModuleEntry } from "./modules";
import { NO_PIPELINE_CONFIG, modelTypeOf, readPipelineConfig, readPrompts } from "./pipeline";
import { architecturesOf, describeArchitectures, readModelConfig, readTransformer, readTransformerModule } from "./transformer";
import type { ModelConfig, SparseCheckpoint, SpladePooling } from "./types";

/** SparseEncoder of sentence-transformers has these prompts whatever is stored. */
const PROMPT_NAMES = ["query", "document"];
/** Without modules.json the reference pools as SPLADE v2 does (arXiv 2109.10086). */
const DEFAULT_POOLING: SpladePooling = { pooling: "max", activation: "relu" };
/** Modules of dense sentence embeddings only. */
const DENSE_MODULES: ReadonlySet<string> = new Set([
  "Transformer",
  "Pooling",
  "Dense",
  "Normalize",
  "LayerNorm",
  "Dropout",
  "StaticEmbedding",
]);

export async function readSparseCheckpoint(root: string): Promise<SparseCheckpoint> {
  const modules = await readModules(root);
  if (modules === undefined) {
    return readPlain(root);
  }
  const pipeline = await readPipelineConfig(root);
  requireSparse(root, modules, modelTypeOf(pipeline));
  const { transformer, pooling } = requireSplade(root, modules);
  return {
    kind: "sparse",
    root,
    pooling: await readSpladePooling(pooling.folder),
    transformer: await readTransformerModule(transformer, "fill-mask"),
    ...readPrompts(pipeline, PROMPT_NAMES),
    similarityFunction: readSimilarity(pipeline),
  };
}

/** The reference reads config_sentence_transformers.json and sentence_bert_config.json of a pipeline only, so neither is read here. */
async function readPlain(root: string): Promise<SparseCheckpoint> {
  const config = await readModelConfig(root);
  requireMaskedLanguageModel(config);
  return {
    kind: "sparse",
    root,
    pooling: DEFAULT_POOLING,
    transformer: await readTransformer(config),
    ...readPrompts(NO_PIPELINE_CONFIG, PROMPT_NAMES),
    similarityFunction: "dot",
  };
}

function requireMaskedLanguageModel(config: ModelConfig): void {
  const architectures = architecturesOf(config);
  if (architectures.some((name) => name.endsWith("ForMaskedLM"))) {
    return;
  }
  const found = describeArchitectures(config);
  if (architectures.some((name) => name.endsWith("ForSequenceClassification"))) {
    throw new SparseRerankError("ERR_WRONG_MODEL_KIND", `${config.file} ${found}: a cross-encoder. Load it with CrossEncoder.load().`);
  }
  throw new SparseRerankError(
    "ERR_UNSUPPORTED_MODEL",
    `${config.file} ${found}; without modules.json a sparse encoder must be a masked language model, whose "architectures" end in ForMaskedLM.`,
  );
}

/** Versions before 5 stored no model type; there the modules tell a dense model from a sparse one. */
function requireSparse(root: string, modules: readonly ModuleEntry[], modelType: string): void {
  if (modelType === "CrossEncoder") {
    throw new SparseRerankError("ERR_WRONG_MODEL_KIND", `${root} is a CrossEncoder checkpoint. Load it with CrossEncoder.load().`);
  }
  const mayBeSparse = modelType === "SentenceTransformer" && !modules.every((entry) => DENSE_MODULES.has(entry.className));
  if (modelType !== "SparseEncoder" && !mayBeSparse) {
    throw new SparseRerankError(
      "ERR_WRONG_MODEL_KIND",
      `${root} is a ${describe(modelType)} checkpoint (${describeModules(modules)}), which gives no sparse vectors. SparseEncoder.load() needs a SparseEncoder checkpoint.`,
    );
  }
}

function requireSplade(
  root: string,
  modules: readonly ModuleEntry[],
): { readonly transformer: ModuleEntry; readonly pooling: ModuleEntry } {
  const [transformer, pooling, ...rest] = modules;
  const isTransformer = transformer?.className === "Transformer" || transformer?.className === "MLMTransformer";
  if (!isTransformer || pooling?.className !== "SpladePooling" || rest.length > 0) {
    throw new SparseRerankError(
      "ERR_UNSUPPORTED_MODEL",
      `${join(root, "modules.json")} lists ${describeModules(modules)}; this version runs sparse encoders made of Transformer + SpladePooling only.`,
    );
  }
  return { transformer, pooling };
}

async function readSpladePooling(folder: string): Promise<SpladePooling> {
  const config = await readJsonObject(join(folder, "config.json"));
  if (config === undefined) {
    return DEFAULT_POOLING;
  }
  const pooling = optionalString(config, "pooling_strategy") ?? DEFAULT_POOLING.pooling;
  if (pooling !== "max" && pooling !== "sum") {
    throw invalidField(config, "pooling_strategy", '"max" or "sum"');
  }
  const activation = optionalString(config, "activation_function") ?? DEFAULT_POOLING.activation;
  if (activation !== "relu" && activation !== "log1p_relu") {
    throw invalidField(config, "activation_function", '"relu" or "log1p_relu"');
  }
  return { pooling, activation };
}

/** Like the reference, "dot" for every name that is not one of its four (a converted multi-vector model says "maxsim"). */
function readSimilarity(pipeline: JsonObject): SparseCheckpoint["similarityFunction"] {
  const name = optionalString(pipeline, "similarity_fn_name");
  return name === "cosine" || name === "euclidean" || name === "manhattan" ? name : "dot";
}
