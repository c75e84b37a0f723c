/**
 * The modules of a pipeline that make one vector of a text's hidden states: Pooling first, then Dense, LayerNorm, Normalize, Dropout and
 * SparseAutoEncoder as they come. Settings have the names of sentence-transformers 2 to 6.
 */

import { join } from "node:path";

import { SparseRerankError } from "../errors";
import { describe, field, invalidField, optionalBoolean, optionalInteger, optionalString, optionalStrings, readJsonObject } from "./json";
import type { JsonObject } from "./json";
import { describeModules } from "./modules";
import type { ModuleEntry } from "./modules";
import type { EmbeddingModule, PoolingMode, WeightedPart } from "./types";
import { readWeights } from "./weights";

/** Bounds what a lying configuration can make this package allocate. */
const MAX_SIZE = 1 << 24;

const POOLING_MODES: readonly PoolingMode[] = ["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"];
/** One flag for each mode before version 5.4, in the order in which several were put side by side. */
const POOLING_FLAGS: ReadonlyMap<string, PoolingMode> = new Map([
  ["pooling_mode_cls_token", "cls"],
  ["pooling_mode_max_tokens", "max"],
  ["pooling_mode_mean_tokens", "mean"],
  ["pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens"],
  ["pooling_mode_weightedmean_tokens", "weightedmean"],
  ["pooling_mode_lasttoken", "lasttoken"],
]);

/** Classes of torch.nn by their name, as the names that transformers gives to activations. */
const ACTIVATIONS: ReadonlyMap<string, string> = new Map([
  ["Tanh", "tanh"],
  ["Identity", "linear"],
  ["ReLU", "relu"],
  ["GELU", "gelu"],
  ["Sigmoid", "sigmoid"],
  ["SiLU", "silu"],
]);

const EMBEDDING = "sentence_embedding";

export interface EmbeddingModules {
  readonly modules: readonly EmbeddingModule[];
  /** config.json of the last one. */
  readonly lastConfig: JsonObject;
}

/**
 * @param output the feature that the last module must put its result in; the others replace the embedding
 * @param file modules.json, for errors
 */
export async function readEmbeddingModules(entries: readonly ModuleEntry[], output: string, file: string): Promise<EmbeddingModules> {
  const modules: EmbeddingModule[] = [];
  let lastConfig: JsonObject = { file, json: {} };
  for (const [i, entry] of entries.entries()) {
    if ((entry.className === "Pooling") !== (i === 0)) {
      throw new SparseRerankError(
        "ERR_UNSUPPORTED_MODEL",
        `${file} lists ${describeModules(entries)}; expected one Pooling, before the others.`,
      );
    }
    const path = join(entry.folder, "config.json");
    lastConfig = (await readJsonObject(path)) ?? { file: path, json: {} };
    requireFeatures(lastConfig, i === entries.length - 1 ? output : EMBEDDING);
    const module = await readModule(entry, lastConfig);
    if (module !== undefined) modules.push(module);
  }
  return { modules, lastConfig };
}

function requireFeatures(config: JsonObject, output: string): void {
  const input = optionalString(config, "module_input_name") ?? EMBEDDING;
  for (const [name, found, expected] of [
    ["module_input_name", input, EMBEDDING],
    ["module_output_name", optionalString(config, "module_output_name") ?? input, output],
  ] as const) {
    if (found === expected) continue;
    throw new SparseRerankError("ERR_UNSUPPORTED_MODEL", `${config.file}: "${name}" is ${describe(found)}; expected "${expected}".`);
  }
}

/** @returns undefined for a module that only matters for training. */
async function readModule(entry: ModuleEntry, config: JsonObject): Promise<EmbeddingModule | undefined> {
  const part = async (): Promise<WeightedPart> => ({ folder: entry.folder, config, tensors: await readWeights(entry.folder) });
  switch (entry.className) {
    case "Pooling":
      return { kind: "pooling", modes: readPooling(config) };
    case "Dense":
      return {
        kind: "dense",
        part: await part(),
        inputs: size(config, "in_features"),
        outputs: size(config, "out_features"),
        bias: optionalBoolean(config, "bias") ?? true,
        activation: readActivation(config),
        residual: optionalBoolean(config, "use_residual") ?? false,
      };
    case "LayerNorm":
      return { kind: "layer-norm", part: await part() };
    case "Normalize":
      return { kind: "normalize" };
    case "Dropout":
      return undefined;
    case "SparseAutoEncoder":
      return {
        kind: "autoencoder",
        part: await part(),
        inputs: size(config, "input_dim"),
        outputs: size(config, "hidden_dim", 512),
        normalize: optionalBoolean(config, "normalize") ?? false,
      };
    default:
      throw new SparseRerankError("ERR_UNSUPPORTED_MODEL", `The module ${describe(entry.className)} of ${entry.folder} is not supported.`);
  }
}

function readPooling(config: JsonObject): readonly PoolingMode[] {
  if (optionalBoolean(config, "include_prompt") === false) {
    throw new SparseRerankError(
      "ERR_UNSUPPORTED_MODEL",
      `${config.file}: pooling without the prompt ("include_prompt": false) is not supported.`,
    );
  }
  const stated = field(config, "pooling_mode");
  if (stated === undefined) {
    const flagged = [...POOLING_FLAGS].filter(([flag]) => optionalBoolean(config, flag) === true).map(([, mode]) => mode);
    return flagged.length === 0 ? ["mean"] : flagged;
  }
  const names = typeof stated === "string" ? [stated] : (optionalStrings(config, "pooling_mode") ?? []);
  const modes = names.map((name) => POOLING_MODES.find((mode) => mode === name));
  if (modes.length === 0 || modes.length > POOLING_MODES.length || !modes.every((mode) => mode !== undefined)) {
    throw invalidField(config, "pooling_mode", `one or several of ${POOLING_MODES.join(", ")}`);
  }
  return modes;
}

function readActivation(config: JsonObject): string {
  const path = optionalString(config, "activation_function") ?? "torch.nn.modules.activation.Tanh";
  const activation = path.startsWith("torch.nn.") ? ACTIVATIONS.get(path.slice(path.lastIndexOf(".") + 1)) : undefined;
  if (activation !== undefined) return activation;
  throw new SparseRerankError(
    "ERR_UNSUPPORTED_MODEL",
    `${config.file}: the activation ${describe(path)} is not supported; expected torch.nn's ${[...ACTIVATIONS.keys()].join(", ")}.`,
  );
}

function size(config: JsonObject, name: string, fallback?: number): number {
  const value = optionalInteger(config, name, 1, MAX_SIZE) ?? fallback;
  if (value === undefined) throw invalidField(config, name, "a positive integer");
  return value;
}
