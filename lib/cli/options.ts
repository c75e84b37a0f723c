/** Options shared by the commands, and loading of the models that they name. */

import { Command, InvalidArgumentError, Option } from "commander";

import { COLLECTION_FORMATS } from "../corpus/formats";
import type { CollectionFormat } from "../corpus/formats";
import { configure, CrossEncoder, SparseEncoder } from "../index";
import type { CrossEncoderLoadOptions, Device, LoadOptions } from "../index";
import { clearProgress, ProgressLine } from "./progress";
import { megabytes } from "./terminal";

export interface CommonOptions {
  readonly json?: true;
}

export interface ModelOptions extends CommonOptions {
  readonly model: string;
  readonly threads?: number;
  readonly device?: Device | "cuda" | "auto";
  readonly dtype?: NonNullable<LoadOptions["dtype"]>;
}

export interface InputOptions {
  readonly format?: CollectionFormat;
  readonly textField?: string;
}

export const DEFAULT_MODEL = "splade-tiny";
/** What models.recommend() returns without requirements. */
export const DEFAULT_RERANKER = "cross-encoder/ettin-reranker-32m-v1";
const DTYPES = ["fp32", "int8", "fp16", "bf16", "auto"];
/** Property names of the options that addModelOptions() adds. */
export const MODEL_OPTIONS = ["model", "threads", "device", "dtype"];
/** Property names of the options that addInputOptions() adds. */
export const INPUT_OPTIONS = ["format", "textField"];

export function positiveInteger(value: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < 1) throw new InvalidArgumentError("It must be a positive integer.");
  return number;
}

/** Parses a finite number. */
export function finiteNumber(value: string): number {
  const number = Number(value);
  if (value.trim() === "" || !Number.isFinite(number)) throw new InvalidArgumentError("It must be a number.");
  return number;
}

/**
 * Exits with a usage error if one of these options is given, since it would have no effect.
 *
 * @param names property names of options, such as "shardSize"
 * @param why completes the message after the option's name, such as "needs --queue"
 */
export function refuseOptions(command: Command, names: readonly string[], why: string): void {
  const given = command.options.find((option) => names.includes(option.attributeName()) && isGiven(command, option.attributeName()));
  if (given !== undefined) command.error(`error: ${given.long ?? ""} ${why}`);
}

export function isGiven(command: Command, name: string): boolean {
  return command.getOptionValueSource(name) === "cli";
}

/** Creates a command with the option --json and examples in its help. */
export function command(name: string, summary: string, examples: readonly string[]): Command {
  const lines = examples.map((example) => `  $ ${example}`);
  return new Command(name)
    .summary(summary)
    .description(`${summary}.`)
    .option("--json", "print JSON, one object per line")
    .addHelpText("after", `\nExamples:\n${lines.join("\n")}`);
}

function device(value: string): Device | "cuda" | "auto" {
  if (value === "cpu" || value === "auto" || /^cuda(:\d+)?$/.test(value)) return value as Device | "cuda" | "auto";
  throw new InvalidArgumentError("It must be cpu, cuda, cuda:N or auto.");
}

/** Adds --model, and the options that apply to a model: --threads, --device and --dtype. */
export function addModelOptions(command: Command, model: Option): Command {
  return command
    .addOption(model)
    .addOption(
      new Option("--threads <n>", "number of compute threads (default: the cores that this process may use)").argParser(positiveInteger),
    )
    .addOption(new Option("--device <name>", "device that runs the model: cpu, cuda, cuda:N or auto (default: cpu)").argParser(device))
    .addOption(new Option("--dtype <type>", "data type of the computation (default: fp32 on the CPU, fp16 on CUDA)").choices(DTYPES));
}

export function sparseModelOption(): Option {
  return new Option("-m, --model <name>", "folder or hub name of a sparse encoder, or an embedded model").default(DEFAULT_MODEL);
}

export function addInputOptions(command: Command): Command {
  return command
    .addOption(new Option("--format <format>", "format of the input (default: by file name)").choices(COLLECTION_FORMATS))
    .option("--text-field <name>", 'JSONL field, or CSV column, that holds the text of a record (default: "text")');
}

export function loadSparseEncoder(options: ModelOptions): Promise<SparseEncoder> {
  return load(SparseEncoder, options);
}

export function loadCrossEncoder({ scoring, ...options }: ModelOptions & Pick<CrossEncoderLoadOptions, "scoring">): Promise<CrossEncoder> {
  return load({ load: (name, given) => CrossEncoder.load(name, { ...given, ...(scoring === undefined ? {} : { scoring }) }) }, options);
}

/** Loads the model of --reranker, if given, with the same options as the main model. */
export async function loadReranker(options: ModelOptions & { readonly reranker?: string }): Promise<CrossEncoder | undefined> {
  return options.reranker === undefined ? undefined : loadCrossEncoder({ ...options, model: options.reranker });
}

async function load<T>(
  encoder: { load(name: string, options: LoadOptions): Promise<T> },
  { model, threads, device: runsOn, dtype }: ModelOptions,
): Promise<T> {
  if (threads !== undefined) configure({ threads });
  const progress = new ProgressLine("downloading", megabytes);
  const loaded = await encoder.load(model, {
    ...(runsOn === undefined ? {} : { device: runsOn }),
    ...(dtype === undefined ? {} : { dtype }),
    onProgress: ({ stage, done, total }) => {
      if (stage === "download") progress.update(done, total);
    },
  });
  clearProgress();
  return loaded;
}
