/** Options that commands share, and how they become a loaded model. */

import { Command, InvalidArgumentError, Option } from "commander";

import { COLLECTION_FORMATS } from "../corpus/beir-corpus";
import type { CollectionFormat } from "../corpus/beir-corpus";
import { configure, CrossEncoder, SparseEncoder } from "../index";
import type { Device, LoadOptions } from "../index";
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
const DTYPES = ["fp32", "int8", "fp16", "bf16", "auto"];
/** What addModelOptions() adds, as properties. */
export const MODEL_OPTIONS = ["model", "threads", "device", "dtype"];
/** What addInputOptions() adds, as properties. */
export const INPUT_OPTIONS = ["format", "textField"];

export function positiveInteger(value: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < 1) throw new InvalidArgumentError("It must be a positive integer.");
  return number;
}

/** A number that is finite. */
export function finiteNumber(value: string): number {
  const number = Number(value);
  if (value.trim() === "" || !Number.isFinite(number)) throw new InvalidArgumentError("It must be a number.");
  return number;
}

/**
 * Ends the command where an option was given that would do nothing.
 *
 * @param names of options as properties: "shardSize"
 * @param why what follows the option's name: "needs --queue"
 */
export function refuseOptions(command: Command, names: readonly string[], why: string): void {
  const given = command.options.find((option) => names.includes(option.attributeName()) && isGiven(command, option.attributeName()));
  if (given !== undefined) command.error(`error: ${given.long ?? ""} ${why}`);
}

export function isGiven(command: Command, name: string): boolean {
  return command.getOptionValueSource(name) === "cli";
}

/** A command with what every command has: --json, and examples in its help. */
export function command(name: string, summary: string, examples: readonly string[]): Command {
  const lines = examples.map((example) => `  $ ${example}`);
  return new Command(name)
    .summary(summary)
    .description(`${summary}.`)
    .option("--json", "print JSON for machines, one object a line")
    .addHelpText("after", `\nExamples:\n${lines.join("\n")}`);
}

function device(value: string): Device | "cuda" | "auto" {
  if (value === "cpu" || value === "auto" || /^cuda(:\d+)?$/.test(value)) return value as Device | "cuda" | "auto";
  throw new InvalidArgumentError("It must be cpu, cuda, cuda:N or auto.");
}

/** --model, and --threads, --device and --dtype, which have no use without one. */
export function addModelOptions(command: Command, model: Option): Command {
  return command
    .addOption(model)
    .addOption(new Option("--threads <n>", "threads to compute with (default: the cores this process may use)").argParser(positiveInteger))
    .addOption(new Option("--device <name>", "what runs the model: cpu, cuda, cuda:N or auto (default: cpu)").argParser(device))
    .addOption(new Option("--dtype <type>", "how it computes (default: fp32 on the CPU, fp16 on CUDA)").choices(DTYPES));
}

export function sparseModelOption(): Option {
  return new Option("-m, --model <name>", "folder or hub name of a sparse encoder, or an embedded model").default(DEFAULT_MODEL);
}

export function addInputOptions(command: Command): Command {
  return command
    .addOption(new Option("--format <format>", "how to read the input (default: by its name)").choices(COLLECTION_FORMATS))
    .option("--text-field <name>", 'field of a JSONL record that holds its text (default: "text")');
}

export function loadSparseEncoder(options: ModelOptions): Promise<SparseEncoder> {
  return load(SparseEncoder, options);
}

export function loadCrossEncoder(options: ModelOptions): Promise<CrossEncoder> {
  return load(CrossEncoder, options);
}

/** The model of --reranker, where it was given, with the options of the other one. */
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
