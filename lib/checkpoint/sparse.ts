/**
 * Reads SparseEncoder checkpoints: a pipeline of modules; a plain masked language model, which gets SPLADE pooling; or, with or without a
 * pipeline, a transformer with BGE-M3's lexical head next to it.
 */

import { join } from "node:path";

import { SparseRerankError } from "../errors";
import { readEmbeddingModules } from "./embedding-modules";
import { describe, invalidField, optionalString, readJsonObject } from "./json-fields";
import type { JsonObject } from "./json-fields";
import { hasLexicalHead, readLexicalHead } from "./lexical-weights";
import { describeModules, readModules } from "./modules";
import type { ModuleEntry } from "./modules";
import { NO_PIPELINE_CONFIG, modelTypeOf, readPipelineConfig, readPrompts } from "./pipeline";
import { routeModules } from "./router";
import { readStaticRoute } from "./static-route";
import { architecturesOf, describeArchitectures, readModelConfig, readTransformer, readTransformerModule } from "./transformer";
import type { ModelConfig, SparseCheckpoint, SparseRoute, SpladePooling, TransformerPart, TransformerRoute } from "./types";

/** SparseEncoder of sentence-transformers always has these prompts. */
const PROMPT_NAMES = ["query", "document"];
/** Without modules.json, sentence-transformers uses the pooling of SPLADE v2 (arXiv 2109.10086). */
const DEFAULT_POOLING: SpladePooling = { kind: "splade", pooling: "max", activation: "relu" };
const TRANSFORMERS: ReadonlySet<string> = new Set(["Transformer", "MLMTransformer"]);
/** Modules of dense embedding models. */
const DENSE_MODULES: ReadonlySet<string> = new Set([
  ...["Transformer", "Pooling", "Dense", "Normalize", "LayerNorm", "Dropout", "StaticEmbedding"],
]);

export async function readSparseCheckpoint(root: string, exported?: string): Promise<SparseCheckpoint> {
  const modules = await readModules(root);
  if (modules === undefined) return readPlain(root, exported);
  const pipeline = await readPipelineConfig(root);
  const [first] = modules;
  if (isDense(modules) && first?.className === "Transformer" && (await hasLexicalHead(first.folder))) {
    return readLexical(root, await readTransformerModule(first, "feature-extraction", exported), pipeline);
  }
  requireSparse(root, modules, modelTypeOf(pipeline));
  const { query, document, plain } = await routeModules(modules);
  const read = routeReader(join(root, "modules.json"), exported);
  return {
    kind: "sparse",
    root,
    routes: { query: await read(query), document: await read(document), plain: await read(plain) },
    ...readPrompts(pipeline, PROMPT_NAMES),
    similarityFunction: readSimilarity(pipeline),
  };
}

/**
 * sentence-transformers reads config_sentence_transformers.json and sentence_bert_config.json only for pipelines, so neither is read here.
 */
async function readPlain(root: string, exported: string | undefined): Promise<SparseCheckpoint> {
  const config = await readModelConfig(root);
  const isLexical = await hasLexicalHead(root);
  if (!isLexical) requireMaskedLanguageModel(config);
  const transformer = await readTransformer(config, undefined, exported);
  if (isLexical) return readLexical(root, transformer, NO_PIPELINE_CONFIG);
  return checkpointOf(root, { kind: "transformer", transformer, head: DEFAULT_POOLING }, NO_PIPELINE_CONFIG);
}

/** Ignores the similarity function of the pipeline, which applies to its dense vectors; lexical weights are compared by dot product. */
async function readLexical(root: string, transformer: TransformerPart, pipeline: JsonObject): Promise<SparseCheckpoint> {
  return checkpointOf(root, { kind: "transformer", transformer, head: await readLexicalHead(transformer) }, pipeline);
}

/** A checkpoint with the same route for queries and documents. */
function checkpointOf(root: string, route: TransformerRoute, pipeline: JsonObject): SparseCheckpoint {
  return {
    kind: "sparse",
    root,
    routes: { query: route, document: route, plain: route },
    ...readPrompts(pipeline, PROMPT_NAMES),
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
  if (architectures.some((name) => name.endsWith("ForCausalLM"))) {
    const problem = `${config.file} ${found}: a causal language model, which can score pairs. Load it with CrossEncoder.load().`;
    throw new SparseRerankError("ERR_WRONG_MODEL_KIND", problem);
  }
  throw new SparseRerankError(
    "ERR_UNSUPPORTED_MODEL",
    `${config.file} ${found}; without modules.json a sparse encoder must be a masked language model, whose "architectures" end in ForMaskedLM.`,
  );
}

/** Rejects dense models and cross-encoders. Versions before 5 stored no model type, so the modules distinguish dense and sparse models. */
function requireSparse(root: string, modules: readonly ModuleEntry[], modelType: string): void {
  if (modelType === "CrossEncoder") {
    throw new SparseRerankError("ERR_WRONG_MODEL_KIND", `${root} is a CrossEncoder checkpoint. Load it with CrossEncoder.load().`);
  }
  const mayBeSparse = modelType === "SentenceTransformer" && !isDense(modules);
  if (modelType !== "SparseEncoder" && !mayBeSparse) {
    throw new SparseRerankError(
      "ERR_WRONG_MODEL_KIND",
      `${root} is a ${describe(modelType)} checkpoint (${describeModules(modules)}), which does not produce sparse vectors. SparseEncoder.load() requires a SparseEncoder checkpoint.`,
    );
  }
}

function isDense(modules: readonly ModuleEntry[]): boolean {
  return modules.every((entry) => DENSE_MODULES.has(entry.className));
}

/** Returns a function that reads each route only once. */
function routeReader(file: string, exported: string | undefined): (modules: readonly ModuleEntry[]) => Promise<SparseRoute> {
  const routes = new Map<string, Promise<SparseRoute>>();
  return (modules) => {
    const key = JSON.stringify(modules);
    const route = routes.get(key) ?? readRoute(modules, file, exported);
    routes.set(key, route);
    return route;
  };
}

async function readRoute(modules: readonly ModuleEntry[], file: string, exported: string | undefined): Promise<SparseRoute> {
  const [first, second, ...rest] = modules;
  if (first?.className === "SparseStaticEmbedding" && second === undefined) return readStaticRoute(first.folder);
  if (first !== undefined && second !== undefined && TRANSFORMERS.has(first.className)) {
    if (second.className === "SpladePooling" && rest.length === 0) {
      const head = await readSpladePooling(second.folder);
      return { kind: "transformer", transformer: await readTransformerModule(first, "fill-mask", exported), head };
    }
    if (modules.at(-1)?.className === "SparseAutoEncoder") {
      const steps = await readEmbeddingModules([second, ...rest], "sentence_embedding", file);
      const last = steps.at(-1);
      const transformer = await readTransformerModule(first, "feature-extraction", exported);
      if (last?.kind === "autoencoder")
        return { kind: "transformer", transformer, head: { kind: "autoencoder", modules: steps, k: last.k } };
    }
  }
  throw new SparseRerankError(
    "ERR_UNSUPPORTED_MODEL",
    `${file} lists ${describeModules(modules)}; a sparse encoder is SparseStaticEmbedding, Transformer + SpladePooling, or Transformer + Pooling + … + SparseAutoEncoder.`,
  );
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
  return { kind: "splade", pooling, activation };
}

/** As in sentence-transformers, any other name means "dot" (a converted multi-vector model has "maxsim"). */
function readSimilarity(pipeline: JsonObject): SparseCheckpoint["similarityFunction"] {
  const name = optionalString(pipeline, "similarity_fn_name");
  return name === "cosine" || name === "euclidean" || name === "manhattan" ? name : "dot";
}
