/** Options shared by several public calls. */

import { invalid, notSupported, requireControls, requirePath, requirePositiveInteger, requireRecord, requireString } from "./core/validate";
import { SparseRerankError } from "./errors";

export interface Progress {
  readonly stage: "download" | "load" | "encode" | "predict" | "index" | "search";
  readonly done: number;
  /** Absent if the total is unknown (streams). */
  readonly total?: number;
}

/** The device that runs a model. */
export type Device = "cpu" | `cuda:${number}`;

export interface CudaOptions {
  /** Bytes of GPU memory that the model may use, including its weights. Default: all free memory. */
  readonly memoryLimit?: number;
  /** How the memory arena grows: to the next power of two (default; fewer allocations), or by exactly the requested size (less memory). */
  readonly arenaGrowth?: "power-of-two" | "as-requested";
  /**
   * Run texts and pairs that are processed one at a time as CUDA graphs. One launch replaces many, which lowers the latency of short texts.
   * Batches are then padded. Not available for ModernBERT and DeBERTa. Default false.
   */
  readonly graphs?: boolean;
  /**
   * Run batches without padding where the architecture and the dtype allow it (docs/gpu.md): the same results with less work. Default true;
   * false pads all batches.
   */
  readonly packed?: boolean;
  /** Tokens of texts from concurrent calls that may run together; larger runs delay short texts. Default 16,384. */
  readonly maxBatchTokens?: number;
  /** Compute fp32 matrix products in TF32 (10 bits of fraction) if the GPU supports it. Default false. */
  readonly tf32?: boolean;
}

/**
 * Calls of a higher priority run before others, however long those wait. Calls of equal priority take turns such that each ends no later
 * than if all shared the machine equally, and short ones end first (docs/deploying.md#scheduling).
 */
export type Priority = "high" | "normal" | "low";

/** The end at which a text or a pair that is longer than the model reads is cut: "left" keeps its end. */
export type TruncationSide = "left" | "right";

export interface LoadOptions {
  /** Branch, tag or commit of the hub repository. */
  readonly revision?: string;
  /**
   * Folder of the hub cache. Default as in huggingface_hub: HF_HUB_CACHE, HF_HOME/hub, or ~/.cache/huggingface/hub. The layout is the same,
   * so both share downloads.
   */
  readonly cacheDir?: string;
  readonly token?: string;
  /** Never use the network. HF_HUB_OFFLINE=1 has the same effect. */
  readonly localFilesOnly?: boolean;
  /**
   * "cuda" selects the first GPU. "auto" selects the first GPU if CUDA is usable (docs/gpu.md), and otherwise the CPU, with a warning that
   * states the reason. Default "cpu".
   */
  readonly device?: Device | "cuda" | "auto";
  /** Options for models that run on a GPU. */
  readonly cuda?: CudaOptions;
  /**
   * "int8": the linear layers of the transformer multiply 8-bit integers, with one scale per output and one per token. It is several times
   * as fast on CPUs with VNNI or Arm dot-product instructions, and results are close to fp32 (docs/int8.md). "fp16" and "bf16" require
   * CUDA. "auto" (the default) is "fp32" on the CPU and "fp16" on CUDA.
   */
  readonly dtype?: "fp32" | "int8" | "fp16" | "bf16" | "auto";
  /** Maximum number of tokens, special tokens included; capped by the model's position embeddings. */
  readonly maxSeqLength?: number;
  /**
   * Most threads of the process's pool that run this model at once: a model with fewer leaves the others to searches and other models.
   * Default: all on the CPU; on CUDA 4, which keep the GPU busy while calls end one after the other.
   */
  readonly maxThreads?: number;
  /**
   * Use this ONNX file of the repository instead of its weights, such as "onnx/model.onnx" or a quantized model. It must be an export of a
   * masked language model (output `logits`), of a sparse encoder (output [texts, vocabulary]) or of a sequence classifier. External data
   * files must be in the same folder.
   */
  readonly modelFile?: string;
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
}

/** Options of calls that process many texts. */
export interface WorkOptions {
  /** Number of texts that are tokenized and run together; it does not affect results. Default 128, for pairs 64, on CUDA 1024. */
  readonly batchSize?: number;
  /** Text to prepend to each input text; for a cross-encoder with a chat template its instruction, where "" means the template's own. */
  readonly prompt?: string;
  /** Name of one of the checkpoint's prompts. */
  readonly promptName?: string;
  /** Place among other calls of this process, of any model. Default "normal"; "low" suits work in the background, such as indexing. */
  readonly priority?: Priority;
  /**
   * The end at which texts that are too long are cut; of a pair that is too long, both texts. Default: that of the tokenizer, usually
   * "right". A model with a chat template has no other.
   */
  readonly truncationSide?: TruncationSide;
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
}

export const WORK_OPTIONS = ["batchSize", "prompt", "promptName", "priority", "truncationSide", "onProgress", "signal"] as const;

const PRIORITIES: readonly unknown[] = ["high", "normal", "low"] satisfies Priority[];

const LOAD_OPTIONS = [
  "revision",
  "cacheDir",
  "token",
  "localFilesOnly",
  "device",
  "cuda",
  "dtype",
  "maxSeqLength",
  "maxThreads",
  "modelFile",
  "onProgress",
  "signal",
] as const;

/** @param more names of options of one class alone, which it checks itself */
export function checkLoadOptions(options: LoadOptions, more: readonly string[] = []): void {
  requireRecord(options, "options", [...LOAD_OPTIONS, ...more]);
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
  if (options.maxThreads !== undefined) requirePositiveInteger(options.maxThreads, "maxThreads");
  checkDevice(options);
  checkDtype(options);
  if (options.dtype === "int8" && options.modelFile !== undefined) {
    throw notSupported('dtype: "int8" together with modelFile, which defines its own layers,');
  }
}

/** A relative path inside the repository, with forward slashes. */
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
  requireRecord(cuda, "cuda", ["memoryLimit", "arenaGrowth", "graphs", "packed", "maxBatchTokens", "tf32"]);
  if (cuda.memoryLimit !== undefined) requirePositiveInteger(cuda.memoryLimit, "cuda.memoryLimit");
  if (cuda.maxBatchTokens !== undefined) requirePositiveInteger(cuda.maxBatchTokens, "cuda.maxBatchTokens");
  if (cuda.arenaGrowth !== undefined && !["power-of-two", "as-requested"].includes(cuda.arenaGrowth)) {
    throw invalid("cuda.arenaGrowth", cuda.arenaGrowth, '"power-of-two" or "as-requested"');
  }
  for (const name of ["graphs", "packed", "tf32"] as const) {
    if (cuda[name] !== undefined && typeof cuda[name] !== "boolean") throw invalid(`cuda.${name}`, cuda[name], "a boolean");
  }
}

const CUDA = /^cuda(?::(\d{1,3}))?$/;

/** @param device validated by checkLoadOptions */
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

/** Options of calls that show how a model reads texts. Each call has some of them. */
export interface TokenizeOptions {
  /** The side of the model that reads the texts. */
  readonly task?: "query" | "document";
  /** Default true. */
  readonly addSpecialTokens?: boolean;
  readonly signal?: AbortSignal;
}

/** Errors: ERR_INVALID_ARGUMENT. @param known the names of all options that the call accepts */
export function checkTokenizeOptions(options: TokenizeOptions, known: readonly (keyof TokenizeOptions)[]): void {
  requireRecord(options, "options", known);
  requireControls(options);
  const { task, addSpecialTokens = true } = options;
  if (task !== undefined && !["query", "document"].includes(task)) throw invalid("task", task, '"query" or "document"');
  if (typeof addSpecialTokens !== "boolean") throw invalid("addSpecialTokens", addSpecialTokens, "a boolean");
}

/** @param known the names of all options that the call accepts */
export function checkWorkOptions(options: WorkOptions, known: readonly string[]): void {
  requireRecord(options, "options", known);
  requireControls(options);
  if (options.batchSize !== undefined) requirePositiveInteger(options.batchSize, "batchSize");
  for (const name of ["prompt", "promptName"] as const) {
    if (options[name] !== undefined && typeof options[name] !== "string") throw invalid(name, options[name], "a string");
  }
  requirePriority(options.priority);
  const { truncationSide } = options;
  if (truncationSide !== undefined && !["left", "right"].includes(truncationSide)) {
    throw invalid("truncationSide", truncationSide, '"left" or "right"');
  }
}

/** Errors: ERR_INVALID_ARGUMENT. */
export function requirePriority(priority: unknown): void {
  if (priority === undefined || PRIORITIES.includes(priority)) return;
  throw invalid("priority", priority, '"high", "normal" or "low"');
}

/**
 * The text to prepend to inputs: an explicit prompt, the prompt of `promptName`, or the one of `fallbackName`.
 *
 * Errors: ERR_INVALID_ARGUMENT (unknown name), ERR_NOT_SUPPORTED (a prompt although `isPooled` is false).
 *
 * @param isPooled false if the model's pooling excludes the tokens of a prompt, which is not implemented
 */
export function resolvePrompt(
  options: WorkOptions,
  prompts: Readonly<Record<string, string>>,
  fallbackName: string | undefined,
  isPooled: boolean,
): string {
  const prompt = chosenPrompt(options, prompts, fallbackName);
  if (prompt === "" || isPooled) return prompt;
  throw notSupported('A prompt for a model whose pooling excludes prompts ("include_prompt": false)');
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
