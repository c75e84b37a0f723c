/**
 * Reads CrossEncoder checkpoints: sequence classifiers over pairs of texts and causal language models, as a pipeline (sentence-transformers
 * 5.4 and later) or plain.
 */

import { join } from "node:path";

import { SparseRerankError } from "../errors";
import { DEFAULT_SCORING_TOKENS, readLogitScore, readSequenceScoring } from "./causal";
import { readChatFormat } from "./chat-template";
import { readEmbeddingModules } from "./embedding-modules";
import { field, invalidField, optionalInteger, optionalObject } from "./json-fields";
import type { JsonObject } from "./json-fields";
import { describeModules, readModules } from "./modules";
import type { ModuleEntry } from "./modules";
import { NO_PIPELINE_CONFIG, modelTypeOf, readPipelineConfig, readPrompts } from "./pipeline";
import { LOGIT_ACTIVATIONS, readTorchActivation } from "./torch-activation";
import { architecturesOf, describeArchitectures, readModelConfig, readTransformer, readTransformerSettings } from "./transformer";
import type { TransformerTask } from "./transformer";
import type { CrossCheckpoint, CrossEncoderActivation, EmbeddingModule, ModelConfig } from "./types";

/** The feature that predict() returns. */
const SCORES = "scores";
/** Bounds the allocations that an invalid config.json can cause. */
const MAX_LABELS = 65_536;

export async function readCrossCheckpoint(root: string, exported?: string): Promise<CrossCheckpoint> {
  const modules = await readModules(root);
  if (modules !== undefined) {
    const pipeline = await readPipelineConfig(root);
    const modelType = modelTypeOf(pipeline);
    if (modelType === "SparseEncoder") {
      throw new SparseRerankError("ERR_WRONG_MODEL_KIND", `${root} is a SparseEncoder checkpoint. Load it with SparseEncoder.load().`);
    }
    if (modelType === "CrossEncoder") {
      return readPipeline(root, modules, pipeline, exported);
    }
  }
  // Like sentence-transformers, treats a pipeline saved by another class as a plain checkpoint.
  const config = await readModelConfig(root);
  const isCausal = architecturesOf(config)[0]?.endsWith("ForCausalLM") === true;
  if (!isCausal) requireSequenceClassifier(config);
  const chat = await readChatFormat(root, config, undefined);
  if (isCausal) {
    requireOwnWeights(config, exported);
    const parts = { transformer: await readTransformer(config), chat, scoringTokens: DEFAULT_SCORING_TOKENS, scores: 1 };
    return checkpoint(root, parts, NO_PIPELINE_CONFIG);
  }
  const parts = { transformer: await readTransformer(config, undefined, exported), chat, scoring: readSequenceScoring(config) };
  return checkpoint(root, parts, NO_PIPELINE_CONFIG);
}

/** An export of a causal language model has other outputs than a classifier's. */
function requireOwnWeights(config: ModelConfig, exported: string | undefined): void {
  if (exported === undefined) return;
  throw new SparseRerankError(
    "ERR_UNSUPPORTED_MODEL",
    `${config.file} describes a causal language model, for which modelFile is not supported.`,
  );
}

/**
 * A Transformer with its own classification head; a causal language model followed by LogitScore; or (since version 5.4) a bare Transformer
 * followed by modules, where a Dense computes the scores.
 */
async function readPipeline(
  root: string,
  modules: readonly ModuleEntry[],
  pipeline: JsonObject,
  exported: string | undefined,
): Promise<CrossCheckpoint> {
  const [first, ...rest] = modules;
  const file = join(root, "modules.json");
  if (first?.className !== "Transformer") {
    throw new SparseRerankError(
      "ERR_UNSUPPORTED_MODEL",
      `${file} lists ${describeModules(modules)}; a cross-encoder is a Transformer, Transformer + LogitScore, or Transformer + Pooling + … + Dense.`,
    );
  }
  const [second, ...others] = rest;
  const logitScore = second?.className === "LogitScore" && others.length === 0 ? second : undefined;
  const task: TransformerTask =
    rest.length === 0 ? "sequence-classification" : logitScore === undefined ? "feature-extraction" : "text-generation";
  const settings = await readTransformerSettings(first, task);
  const head = task === "feature-extraction" ? await readEmbeddingModules(rest, SCORES, file) : undefined;
  const config = await readModelConfig(first.folder);
  if (logitScore !== undefined) requireOwnWeights(config, exported);
  const parts: Parts = {
    transformer: await readTransformer(config, settings, exported),
    chat: await readChatFormat(first.folder, config, settings),
    ...(head === undefined ? {} : { head, scores: readScores(head, file) }),
    ...(task === "sequence-classification" ? { scoring: readSequenceScoring(config) } : {}),
    ...(logitScore === undefined ? {} : { scoring: await readLogitScore(logitScore, config), scores: 1 }),
  };
  return checkpoint(root, parts, pipeline);
}

/** The number of scores that the modules compute. */
function readScores(head: readonly EmbeddingModule[], file: string): number {
  const dense = head.findLast((module) => module.kind === "dense" && module.output === SCORES);
  if (dense?.kind !== "dense") {
    throw new SparseRerankError("ERR_UNSUPPORTED_MODEL", `${file} lists no Dense whose "module_output_name" is "${SCORES}".`);
  }
  const { outputs, activation, part } = dense;
  if (outputs > MAX_LABELS) throw invalidField(part.config, "out_features", `an integer from 1 to ${MAX_LABELS}`);
  if (activation === "GLU") {
    throw new SparseRerankError(
      "ERR_UNSUPPORTED_MODEL",
      `${part.config.file}: GLU is not supported for scores, since it halves their number.`,
    );
  }
  return outputs;
}

type Parts = Pick<CrossCheckpoint, "transformer" | "chat"> &
  Partial<Pick<CrossCheckpoint, "head" | "scoring" | "scoringTokens">> & {
    /** The number of scores, unless config.json tells it. */
    readonly scores?: number;
  };

function checkpoint(
  root: string,
  { transformer, chat, head, scoring, scoringTokens, scores }: Parts,
  pipeline: JsonObject,
): CrossCheckpoint {
  const labels = readLabels(transformer.config, scores);
  return {
    kind: "cross",
    root,
    transformer,
    scoring,
    scoringTokens,
    scoringName: undefined,
    chat,
    head,
    numLabels: labels.length,
    labels,
    activation: readActivation(transformer.config, pipeline, labels.length),
    ...readPrompts(pipeline, []),
  };
}

/** If no architecture is named, the weights decide, as in sentence-transformers: a missing head is detected when the graph is built. */
function requireSequenceClassifier(config: ModelConfig): void {
  const architectures = architecturesOf(config);
  if (architectures.length === 0 || isSequenceClassifier(architectures)) {
    return;
  }
  const found = `${config.file} ${describeArchitectures(config)}`;
  if (architectures.some((name) => name.endsWith("ForMaskedLM"))) {
    throw new SparseRerankError(
      "ERR_WRONG_MODEL_KIND",
      `${found}: a masked language model, not a cross-encoder. Load it with SparseEncoder.load().`,
    );
  }
  if (hasRemoteClassifier(config)) {
    return;
  }
  throw new SparseRerankError(
    "ERR_UNSUPPORTED_MODEL",
    `${found}, which has no classification head; a cross-encoder's "architectures" end in ForSequenceClassification.`,
  );
}

/**
 * jinaai/jina-reranker-v1-tiny-en names the class of the bare model in `architectures`; its auto_map names the classifier of the weights.
 */
function hasRemoteClassifier(config: ModelConfig): boolean {
  const autoMap = optionalObject(config, "auto_map");
  return autoMap !== undefined && field(autoMap, "AutoModelForSequenceClassification") !== undefined;
}

function isSequenceClassifier(architectures: readonly string[]): boolean {
  return architectures.some((name) => name.endsWith("ForSequenceClassification"));
}

/**
 * One label per score. As in transformers 5, num_labels takes precedence over id2label, and the default is 2. For a model that was not
 * saved as a sequence classifier, sentence-transformers assumes 1.
 * @param scores their number, if modules compute them
 */
function readLabels(config: ModelConfig, scores: number | undefined): readonly string[] {
  const id2label = optionalObject(config, "id2label");
  const size = id2label === undefined ? 0 : Object.keys(id2label.json).length;
  const stated = optionalInteger(config, "num_labels", 1, MAX_LABELS) ?? (size > 0 ? size : 2);
  const count = scores ?? (isSequenceClassifier(architecturesOf(config)) ? stated : 1);
  return Array.from({ length: count }, (_, id) => (id2label !== undefined && size === count ? labelOf(id2label, id, size) : `LABEL_${id}`));
}

function labelOf(id2label: JsonObject, id: number, size: number): string {
  const label = field(id2label, String(id));
  if (typeof label !== "string" && typeof label !== "number") {
    throw invalidField(id2label, String(id), `a label for each id from 0 to ${size - 1}`);
  }
  return String(label);
}

function readActivation(config: ModelConfig, pipeline: JsonObject, numLabels: number): CrossEncoderActivation {
  const { object, name } = activationSource(config, pipeline);
  const activation = readTorchActivation(object, name, LOGIT_ACTIVATIONS);
  if (activation === undefined) return numLabels === 1 ? "sigmoid" : "identity";
  return activation.toLowerCase() as CrossEncoderActivation;
}

/**
 * As in sentence-transformers: first the pipeline, then config.json, where the key of version 4 takes precedence over the older one even if
 * null.
 */
function activationSource(config: ModelConfig, pipeline: JsonObject): { readonly object: JsonObject; readonly name: string } {
  if (field(pipeline, "activation_fn") !== undefined) {
    return { object: pipeline, name: "activation_fn" };
  }
  const section = optionalObject(config, "sentence_transformers");
  if (section !== undefined && Object.hasOwn(section.json, "activation_fn")) {
    return { object: section, name: "activation_fn" };
  }
  return { object: config, name: "sbert_ce_default_activation_function" };
}
