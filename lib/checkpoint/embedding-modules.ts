/**
 * Reads the modules of a pipeline that follow a transformer: Pooling, Dense, LayerNorm, Normalize and Dropout in any order, and
 * SparseAutoEncoder at the end. Setting names are those of sentence-transformers 2 to 6.
 */

import { join } from "node:path";

import { SparseRerankError } from "../errors";
import {
  describe,
  field,
  invalidField,
  optionalBoolean,
  optionalInteger,
  optionalString,
  optionalStrings,
  readJsonObject,
} from "./json-fields";
import type { JsonObject } from "./json-fields";
import { describeModules } from "./modules";
import type { ModuleEntry } from "./modules";
import { readTorchActivation, TOKEN_ACTIVATIONS, TORCH_ACTIVATIONS } from "./torch-activation";
import type { TorchActivation } from "./torch-activation";
import type { EmbeddingModule, PoolingMode, WeightedPart } from "./types";
import { readWeights } from "./weights";

/** Bounds the allocations that an invalid configuration can cause. */
const MAX_SIZE = 1 << 24;

const POOLING_MODES: readonly PoolingMode[] = ["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"];
/** Versions before 5.4 have one flag per mode; their outputs are concatenated in this order. */
const POOLING_FLAGS: ReadonlyMap<string, PoolingMode> = new Map([
  ["pooling_mode_cls_token", "cls"],
  ["pooling_mode_max_tokens", "max"],
  ["pooling_mode_mean_tokens", "mean"],
  ["pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens"],
  ["pooling_mode_weightedmean_tokens", "weightedmean"],
  ["pooling_mode_lasttoken", "lasttoken"],
]);

const HIDDEN_STATES = "token_embeddings";
const EMBEDDING = "sentence_embedding";
/** SparseAutoEncoder's default for k. */
const DEFAULT_K = 8;

/** Further inputs of a Pooling: a module that wrote one of these features would change the pooling. */
const RESERVED: ReadonlySet<string> = new Set([
  ...["attention_mask", "cls_token_embeddings", "token_weights_sum", "prompt_length", "cu_seq_lens_q", "seq_idx"],
]);

/** Whether a feature has one vector per token or per text. */
type Per = "token" | "text";

/** The features that a module reads and writes. */
type Step = Pick<EmbeddingModule, "input" | "output">;

/**
 * Reads the modules and checks the features that they pass on.
 * @param output the required output feature, one vector per text
 * @param file path of modules.json, for error messages
 */
export async function readEmbeddingModules(
  entries: readonly ModuleEntry[],
  output: string,
  file: string,
): Promise<readonly EmbeddingModule[]> {
  const features = new Map<string, Per>([[HIDDEN_STATES, "token"]]);
  const modules: EmbeddingModule[] = [];
  for (const [i, entry] of entries.entries()) {
    const path = join(entry.folder, "config.json");
    const config = (await readJsonObject(path)) ?? { file: path, json: {} };
    const step = readStep(entry, config);
    // As in sentence-transformers, Normalize does nothing if its input does not exist.
    if (entry.className === "Normalize" && !features.has(step.input)) continue;
    const per = requireFeature(features, step, config);
    if (entry.className === "SparseAutoEncoder" && (i < entries.length - 1 || output !== EMBEDDING)) {
      throw new SparseRerankError(
        "ERR_UNSUPPORTED_MODEL",
        `${file} lists ${describeModules(entries)}; a SparseAutoEncoder must be the last module of a SparseEncoder.`,
      );
    }
    const module = await readModule(entry, config, step, per);
    if (module === undefined) continue;
    features.set(step.output, module.kind === "pooling" ? "text" : per);
    modules.push(module);
  }
  if (features.get(output) === "text") return modules;
  throw new SparseRerankError(
    "ERR_UNSUPPORTED_MODEL",
    `${file} lists ${describeModules(entries)} after the transformer; none of them outputs ${describe(output)} per text (see "module_output_name"; a Pooling is required).`,
  );
}

/** False if the pooling excludes the tokens of a prompt. */
export function poolsPrompt(modules: readonly EmbeddingModule[]): boolean {
  return modules.every((module) => module.kind !== "pooling" || module.includePrompt);
}

/** The input and output features of a module. */
function readStep({ className, folder }: ModuleEntry, config: JsonObject): Step {
  switch (className) {
    case "Pooling":
      return { input: HIDDEN_STATES, output: EMBEDDING };
    case "Dense":
    case "Normalize": {
      const input = optionalString(config, "module_input_name") ?? EMBEDDING;
      return { input, output: optionalString(config, "module_output_name") ?? input };
    }
    case "LayerNorm":
    case "Dropout":
    case "SparseAutoEncoder":
      return { input: EMBEDDING, output: EMBEDDING };
    default:
      throw new SparseRerankError("ERR_UNSUPPORTED_MODEL", `The module ${describe(className)} of ${folder} is not supported.`);
  }
}

function requireFeature(features: ReadonlyMap<string, Per>, { input, output }: Step, config: JsonObject): Per {
  const per = features.get(input);
  if (per === undefined || (input === HIDDEN_STATES && per !== "token")) {
    throw new SparseRerankError(
      "ERR_UNSUPPORTED_MODEL",
      `${config.file}: the module reads ${describe(input)}, but the modules before it output only ${[...features.keys()].slice(0, 16).map(describe).join(", ")}.`,
    );
  }
  if (RESERVED.has(output)) {
    throw new SparseRerankError(
      "ERR_UNSUPPORTED_MODEL",
      `${config.file}: "module_output_name" is ${describe(output)}; this is not supported.`,
    );
  }
  return per;
}

/** @returns undefined for Dropout, which has no effect in inference */
async function readModule(entry: ModuleEntry, config: JsonObject, step: Step, per: Per): Promise<EmbeddingModule | undefined> {
  const part = async (): Promise<WeightedPart> => ({ folder: entry.folder, config, tensors: await readWeights(entry.folder) });
  switch (entry.className) {
    case "Pooling":
      return { kind: "pooling", ...step, modes: readPooling(config), includePrompt: optionalBoolean(config, "include_prompt") ?? true };
    case "Dense":
      return {
        kind: "dense",
        ...step,
        part: await part(),
        inputs: size(config, "in_features"),
        outputs: size(config, "out_features"),
        bias: optionalBoolean(config, "bias") ?? true,
        activation: readActivation(config, per),
        residual: optionalBoolean(config, "use_residual") ?? false,
      };
    case "LayerNorm":
      return { kind: "layer-norm", ...step, part: await part() };
    case "Normalize":
      return { kind: "normalize", ...step };
    case "SparseAutoEncoder":
      return {
        kind: "autoencoder",
        ...step,
        part: await part(),
        inputs: size(config, "input_dim"),
        outputs: size(config, "hidden_dim", 512),
        k: optionalInteger(config, "k", 1) ?? DEFAULT_K,
        normalize: optionalBoolean(config, "normalize") ?? false,
      };
    default:
      return undefined;
  }
}

function readPooling(config: JsonObject): readonly PoolingMode[] {
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

function readActivation(config: JsonObject, per: Per): TorchActivation {
  // sentence-transformers fails for null, which could mean either no activation or the default.
  if (config.json["activation_function"] === null) throw invalidField(config, "activation_function", "the path of a class of torch.nn");
  return readTorchActivation(config, "activation_function", per === "text" ? TORCH_ACTIVATIONS : TOKEN_ACTIVATIONS) ?? "Tanh";
}

function size(config: JsonObject, name: string, fallback?: number): number {
  const value = optionalInteger(config, name, 1, MAX_SIZE) ?? fallback;
  if (value === undefined) throw invalidField(config, name, "a positive integer");
  return value;
}
