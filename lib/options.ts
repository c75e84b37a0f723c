/** Options that several public calls share. */

import { invalid, notSupported, requireControls, requirePath, requirePositiveInteger, requireRecord, requireString } from "./core/validate";
import { SparseRerankError } from "./errors";

export interface Progress {
  readonly stage: "download" | "load" | "encode" | "predict" | "index" | "search";
  readonly done: number;
  /** Absent when it is not known (streams). */
  readonly total?: number;
}

/** What runs a model. */
export type Device = "cpu" | `cuda:${number}`;

export interface CudaOptions {
  /** Bytes of the card's memory that the model may take, its weights included; default: what is free. */
  readonly memoryLimit?: number;
  /** How that memory grows: to the next power of two (default, fewer allocations), or by what is asked for (no more than needed). */
  readonly arenaGrowth?: "power-of-two" | "as-requested";
  /**
   * Texts that are encoded, and pairs that are scored, one by one run as CUDA graphs: kernels are launched together, which shortens what short texts
   * wait for. Batches are then padded. Not for ModernBERT and DeBERTa. Default false.
   */
  readonly graphs?: boolean;
  /**
   * Batches without padding, where the architecture and the dtype allow it (docs/gpu.md): the same results for less work. Default true; false pads
   * all batches.
   */
  readonly packed?: boolean;
  /** Products of fp32 in TF32, which has 10 bits of fraction, where the card can; default false. */
  readonly tf32?: boolean;
}

export interface LoadOptions {
  /** Branch, tag or commit of the hub repository. */
  readonly revision?: string;
  /** Hub cache; default as huggingface_hub: HF_HUB_CACHE, HF_HOME/hub, ~/.cache/huggingface/hub. Same layout, so both share downloads. */
  readonly cacheDir?: string;
  readonly token?: string;
  /** Never touch the network (also HF_HUB_OFFLINE=1). */
  readonly localFilesOnly?: boolean;
  /**
   * "cuda" is the first card. "auto": the first card if CUDA can be used (docs/gpu.md), else the CPU, with a warning that says why.
   * Default "cpu".
   */
  readonly device?: Device | "cuda" | "auto";
  /** For models that run on a card. */
  readonly cuda?: CudaOptions;
  /**
   * "int8": the linear layers of the transformer multiply 8-bit integers, with a scale for each output and each token; several times as fast on
   * CPUs with VNNI or Arm's dot products, and close to fp32 (docs/int8.md). "fp16" and "bf16" are for CUDA. Default, and "auto": "fp32" on the CPU, "fp16" on
   * CUDA.
   */
  readonly dtype?: "fp32" | "int8" | "fp16" | "bf16" | "auto";
  /** Tokens, special tokens included; at most what the model's positions allow. */
  readonly maxSeqLength?: number;
  /**
   * Use this ONNX file of the repository, such as "onnx/model.onnx" or a quantised one, instead of its weights: an export of a masked language
   * model (output `logits`), of a sparse encoder (output [texts, vocabulary]) or of a sequence classifier. Files with its external data stay beside it.
   */
  readonly modelFile?: string;
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
}

/** Controls of a call that computes over many texts. */
export interface WorkOptions {
  /** Texts that are tokenised and handed over together; results do not depend on it. Default 128. */
  readonly batchSize?: number;
  /** Put before each text. */
  readonly prompt?: string;
  /** The name of one of the checkpoint's prompts. */
  readonly promptName?: string;
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
}

export const WORK_OPTIONS = ["batchSize", "prompt", "promptName", "onProgress", "signal"] as const;

const LOAD_OPTIONS = [
  "revision",
  "cacheDir",
  "token",
  "localFilesOnly",
  "device",
  "cuda",
  "dtype",
  "maxSeqLength",
  "modelFile",
  "onProgress",
  "signal",
] as const;

export function checkLoadOptions(options: LoadOptions): void {
  requireRecord(options, "options", LOAD_OPTIONS);
  requireControls(options);
  for (const name of ["revision", "token"] as const) {
    if (options[name] !== undefined) requireString(options[name], name);
  }
  if (options.cacheDir !== undefined) requirePath(options.cacheDir, "cacheDir");
  if (options.modelFile !== undefined) requireModelFile(options.modelFile);
  if (options.localFilesOnly !== undefined && typeof options.localFilesOnly !== "boolean") {
    throw invalid("localFilesOnly", options.localFilesOnly, "a boolean");
  }
  if (options.maxSeqLength !== undefined) requirePositiveInteger(options.maxSeqLength, "maxSeqLength");
  checkDevice(options);
  checkDtype(options);
  if (options.dtype === "int8" && options.modelFile !== undefined) {
    throw notSupported('dtype: "int8" together with modelFile, whose layers are what the file says,');
  }
}

/** A path inside the repository, as the hub writes it. */
function requireModelFile(modelFile: unknown): void {
  requirePath(modelFile, "modelFile");
  const parts = modelFile.split("/");
  if (!modelFile.endsWith(".onnx") || modelFile.includes("\\") || parts.some((part) => part === "" || part === "." || part === "..")) {
    throw invalid("modelFile", modelFile, 'the path of an ONNX file inside the repository, such as "onnx/model.onnx"');
  }
}

function checkDevice({ device = "cpu", cuda, dtype, modelFile }: LoadOptions): void {
  if (device !== "cpu" && device !== "auto") {
    if (typeof device !== "string" || !CUDA.test(device)) {
      throw new SparseRerankError("ERR_INVALID_ARGUMENT", 'device must be "cpu", "cuda", "cuda:<number>" or "auto".');
    }
    if (dtype === "int8") throw notSupported('dtype: "int8" on CUDA');
    if (modelFile !== undefined) throw notSupported("modelFile on CUDA");
  }
  if (cuda === undefined) return;
  requireRecord(cuda, "cuda", ["memoryLimit", "arenaGrowth", "graphs", "packed", "tf32"]);
  if (cuda.memoryLimit !== undefined) requirePositiveInteger(cuda.memoryLimit, "cuda.memoryLimit");
  if (cuda.arenaGrowth !== undefined && !["power-of-two", "as-requested"].includes(cuda.arenaGrowth)) {
    throw invalid("cuda.arenaGrowth", cuda.arenaGrowth, '"power-of-two" or "as-requested"');
  }
  for (const name of ["graphs", "packed", "tf32"] as const) {
    if (cuda[name] !== undefined && typeof cuda[name] !== "boolean") throw invalid(`cuda.${name}`, cuda[name], "a boolean");
  }
}

const CUDA = /^cuda(?::(\d{1,3}))?$/;

/** Of a device that checkLoadOptions has let pass. */
export function cudaIndex(device: string): number {
  return Number(CUDA.exec(device)?.[1] ?? 0);
}

function checkDtype({ dtype, device = "cpu" }: LoadOptions): void {
  if (dtype === undefined || dtype === "fp32" || dtype === "int8" || dtype === "auto") return;
  if (["fp16", "bf16"].includes(dtype)) {
    if (device === "cpu") throw notSupported(`dtype: "${dtype}" on the device "${device}"`);
    return;
  }
  throw new SparseRerankError("ERR_INVALID_ARGUMENT", 'dtype must be "fp32", "int8", "fp16", "bf16" or "auto".');
}

/** @param known the names of all options that the call has */
export function checkWorkOptions(options: WorkOptions, known: readonly string[]): void {
  requireRecord(options, "options", known);
  requireControls(options);
  if (options.batchSize !== undefined) requirePositiveInteger(options.batchSize, "batchSize");
  for (const name of ["prompt", "promptName"] as const) {
    if (options[name] !== undefined && typeof options[name] !== "string") throw invalid(name, options[name], "a string");
  }
}

/**
 * The text to put before inputs: an explicit prompt, else the named one, else the fallback's.
 * @param isPooled false where the model's pooling leaves the tokens of a prompt out, which is not implemented: then there may be none
 */
export function resolvePrompt(
  options: WorkOptions,
  prompts: Readonly<Record<string, string>>,
  fallbackName: string | undefined,
  isPooled: boolean,
): string {
  const prompt = chosenPrompt(options, prompts, fallbackName);
  if (prompt === "" || isPooled) return prompt;
  throw notSupported('A prompt for a model whose pooling leaves prompts out ("include_prompt": false)');
}

function chosenPrompt(options: WorkOptions, prompts: Readonly<Record<string, string>>, fallbackName: string | undefined): string {
  if (options.prompt !== undefined) return options.prompt;
  const name = options.promptName ?? fallbackName;
  if (name === undefined) return "";
  if (!Object.hasOwn(prompts, name)) {
    throw new SparseRerankError(
      "ERR_INVALID_ARGUMENT",
      `The checkpoint has no prompt named "${name}"; it has: ${Object.keys(prompts).join(", ") || "none"}.`,
    );
  }
  return prompts[name] ?? "";
}
